"""Checks of who we are, and of what we may do."""

import re
from collections.abc import Iterator

from deployer_aws.doctor.case import Case, Found, fault, ok, unverified, warning
from deployer_aws.executors.errors import Kind, understand
from deployer_aws.executors.notices import Address
from deployer_aws.permissions import Scope, Statement, statements
from deployer_core.spec import AdminIam, ListenerPriority


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
    import botocore.session

    name, at = case.clients.region, case.clients.endpoint_url
    session = botocore.session.Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudformation", partition)
    }
    if at:
        yield ok(f"{name}, at {at}")
    elif name in known:
        yield ok(name)
    else:
        yield warning(
            f"{name} is not among the regions that botocore knows", "correct --region, or update boto3"
        )


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
    denied = False
    for statement in statements(_scope(case)):
        if refused := _refused(case, principal, statement):
            denied = True
            yield fault(
                f"{principal} may not {', '.join(refused)} on {', '.join(statement.resources)}",
                f"add the statement {statement.grant.sid} of docs/permissions.md to its policy",
            )
    if not denied:
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


def _scope(case: Case) -> Scope:
    """What this spec needs, as far as its names are known by now."""
    spec, quick = case.spec, case.spec.quick
    arn = str(case.identity["Arn"])
    tasks, options = list(case.tasks), case.options
    told = Address.parse(options.notify) if options.notify else None
    return Scope(
        account=str(case.identity["Account"]),
        region=case.clients.region,
        stack=spec.stack.name,
        partition=arn.split(":")[1],
        stack_role=(spec.stack.role.partition(":role/")[2],) if spec.stack.role else (),
        cluster=_names(case.known(task.cluster) for _, task in tasks),
        family=_names(case.known(task.task_definition) for _, task in tasks)
        if all(case.known(task.cluster) for _, task in tasks)
        else (),
        bucket=(options.template_bucket,) if options.template_bucket else (),
        queue=_last(options.queue),
        bus=_last(told.name or "default") if told and told.kind == "eventbridge" else (),
        topic=_last(told.name) if told and told.kind == "sns" else (),
        listener=tuple(v.listener for _, v in spec.stack.parameters if isinstance(v, ListenerPriority)),
        database_user=()
        if quick
        else tuple(f"*/{d.admin.user}" for d in spec.databases if isinstance(d.admin, AdminIam)),
    )


def _last(name: str) -> tuple[str, ...]:
    """The name at the end of a URL or an ARN."""
    return (re.split("[/:]", name)[-1],) if name else ()


def _names(values: Iterator[str | None]) -> tuple[str, ...]:
    """Names without ARNs around them and revisions behind them."""
    return tuple(dict.fromkeys(value.rsplit("/", 1)[-1].split(":")[0] for value in values if value))


def _refused(case: Case, principal: str, statement: Statement) -> list[str]:
    """Which of a statement's actions IAM would refuse."""
    context = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": value if isinstance(value, list) else [value],
            "ContextKeyType": "stringList" if isinstance(value, list) else "string",
        }
        for keys in statement.condition.values()
        for key, value in keys.items()
    ]
    answer = case.clients.iam.simulate_principal_policy(
        PolicySourceArn=principal,
        ActionNames=list(statement.grant.actions),
        ResourceArns=list(statement.resources),
        **({"ContextEntries": context} if context else {}),
    )
    results = answer["EvaluationResults"]
    return [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
