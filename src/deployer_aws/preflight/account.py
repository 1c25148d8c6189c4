"""Checks of who we are, and of what we may do."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

from deployer_aws.aws.errors import Kind, understand
from deployer_aws.aws.permissions import Statement, statements
from deployer_aws.preflight.context import Case, Found, fault, ok, unverified, warning
from deployer_aws.preflight.scope import is_guess, scope


def credentials(case: Case) -> Iterator[Found]:
    """AWS knows who we are."""
    try:
        identity = case.identity
    except Exception as error:
        problem = understand(error)
        if problem is None:
            raise
        advice = (
            "log in: 'aws sso login', or set AWS_PROFILE; with --role-arn, its trust policy has to name you"
            if problem.kind is Kind.CREDENTIALS
            else "let this machine reach STS"
        )
        yield fault(f"{problem.message} ({problem.code})", advice)
        return
    text = f"account {identity['Account']} as {identity['Arn']}"
    if identity["Arn"].endswith(":root"):
        yield warning(text, "give the deployer a role of its own: see docs/permissions.md")
    else:
        yield ok(text)


def region(case: Case) -> Iterator[Found]:
    """There is such a region, as far as botocore knows."""
    name, at = case.clients.region, case.clients.endpoint_url
    if at:
        yield ok(f"{name}, at {at}")
    elif name in _regions():
        yield ok(name)
    else:
        yield warning(
            f"{name} is not among the regions that botocore knows", "correct --region, or update boto3"
        )


@cache
def _regions() -> frozenset[str]:
    import botocore.session

    session: Any = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(r for p in partitions for r in session.get_available_regions("cloudformation", p))


def temporary_credentials(case: Case) -> Iterator[Found]:
    """CloudFormation goes on with the caller's credentials where the stack has no role."""
    if case.spec.stack.role:
        yield ok(f"CloudFormation works as {case.spec.stack.role}")
    elif case.clients.temporary():
        yield warning(
            "the credentials are temporary and the stack has no role: CloudFormation works with these credentials, and "
            "a change that outlasts them fails",
            "set stack.role in the spec",
        )
    else:
        yield ok("the credentials do not end by themselves")


def permissions(case: Case) -> Iterator[Found]:
    """IAM's own simulation says that each call is allowed."""
    if case.clients.endpoint_url:
        yield unverified("an emulator allows everything")
        return
    principal = _principal(case)
    if principal is None:
        yield unverified(f"IAM cannot simulate {case.identity['Arn']}", "use a role: see docs/permissions.md")
        return
    all_is_well = True
    for statement in statements(scope(case)):
        refused = _refused(case, principal, statement)
        if not refused:
            continue
        all_is_well = False
        text = f"{principal} may not {', '.join(refused)} on {', '.join(statement.resources)}"
        advice = f"add the statement {statement.grant.sid} of docs/permissions.md to its policy"
        if statement.grant.helps:
            yield warning(text, advice)
        elif any(map(is_guess, statement.resources)):
            yield unverified(f"{text}, of which a part is not known here; its policy may name it", advice)
        else:
            yield fault(text, advice)
    if all_is_well:
        yield ok(f"all that is needed is allowed to {principal}")


def service_linked_role(case: Case) -> Iterator[Found]:
    """ECS has its own role in the account."""
    if case.clients.endpoint_url:
        yield unverified("an emulator needs none")
        return
    try:
        case.clients.iam.get_role(RoleName="AWSServiceRoleForECS")
    except Exception as error:
        problem = understand(error)
        if problem is None or problem.code not in ("NoSuchEntity", "NoSuchEntityException"):
            raise
        yield warning(
            "the account has no role AWSServiceRoleForECS: its first ECS service or task may fail",
            "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        )
        return
    yield ok("AWSServiceRoleForECS is there")


CHECKS = (credentials, region, temporary_credentials, permissions, service_linked_role)
LOCAL = (credentials, region)
"""Those that can be made without credentials."""


# What we may do


def _principal(case: Case) -> str | None:
    """The ARN that IAM knows us by. That of a role that was assumed lacks the role's path, so the role is asked for."""
    arn = str(case.identity["Arn"])
    if ":assumed-role/" in arn:
        name = arn.split("/")[1]
        try:
            return str(case.clients.iam.get_role(RoleName=name)["Role"]["Arn"])
        except Exception as error:
            if understand(error) is None:
                raise
            return f"{arn.split(':sts:')[0]}:iam::{case.identity['Account']}:role/{name}"
    return arn if ":user/" in arn else None


def _refused(case: Case, principal: str, statement: Statement) -> list[str]:
    """Which of a statement's actions IAM would refuse, in one of the contexts at least."""
    refused: list[str] = []
    for context in _contexts(statement):
        answer = case.clients.iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=list(statement.grant.actions),
            ResourceArns=list(statement.resources),
            **({"ContextEntries": context} if context else {}),
        )
        results = answer["EvaluationResults"]
        refused += [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
    return list(dict.fromkeys(refused))


def _contexts(statement: Statement) -> Iterator[list[dict[str, Any]]]:
    """The values that the keys of its condition may have, one of each at a time, as in a request."""
    keys = {key: value for pairs in statement.condition.values() for key, value in pairs.items()}
    values = [value if isinstance(value, list) else [value] for value in keys.values()]
    for chosen in product(*values):
        yield [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in zip(keys, chosen, strict=True)
        ]
