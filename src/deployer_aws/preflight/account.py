"""Checks of who the caller is, and of what it may do."""

from collections.abc import Iterator

from deployer_aws.aws.errors import ErrorClass, Problem
from deployer_aws.preflight.context import (
    CheckContext,
    CheckResult,
    fault,
    known,
    ok,
    unverified,
    warning,
)
from deployer_aws.preflight.scope import is_guess


def credentials(context: CheckContext) -> Iterator[CheckResult]:
    """Check that AWS knows the caller (STS API Reference, GetCallerIdentity)."""
    identity = context.facts.identity
    if isinstance(identity, Problem):
        advice = (
            "log in: 'aws sso login', or set AWS_PROFILE; with --role-arn, its trust policy has to name you"
            if identity.error_class is ErrorClass.CREDENTIALS
            else "let this machine reach STS"
        )
        yield fault(f"{identity.message} ({identity.code})", advice)
        return
    text = f"account {identity['Account']} as {identity['Arn']}"
    if identity["Arn"].endswith(":root"):
        yield warning(text, "give the deployer a role of its own: see docs/permissions.md")
    else:
        yield ok(text)


def region(context: CheckContext) -> Iterator[CheckResult]:
    """Check that botocore knows the region, which may be newer than botocore."""
    name, at = context.facts.region, context.facts.endpoint_url
    if at:
        yield ok(f"{name}, at {at}")
    elif context.facts.region_is_known:
        yield ok(name)
    else:
        yield warning(
            f"{name} is not among the regions that botocore knows", "correct --region, or update boto3"
        )


def temporary_credentials(context: CheckContext) -> Iterator[CheckResult]:
    """Check that CloudFormation does not work with credentials that may end first (CreateStack, RoleARN)."""
    if context.spec.stack.role:
        yield ok(f"CloudFormation works as {context.spec.stack.role}")
    elif known(context.facts.temporary):
        yield warning(
            "the credentials are temporary and the stack has no role: CloudFormation works with these credentials, and "
            "a change that outlasts them fails",
            "set stack.role in the spec",
        )
    else:
        yield ok("the credentials do not end by themselves")


def permissions(context: CheckContext) -> Iterator[CheckResult]:
    """Check that IAM's own simulation allows each call (IAM API Reference, SimulatePrincipalPolicy)."""
    principal = context.facts.principal
    if context.facts.endpoint_url:
        yield unverified("an emulator allows everything")
        return
    if principal is None:
        arn = known(context.facts.identity)["Arn"]
        yield unverified(f"IAM cannot simulate {arn}", "use a role: see docs/permissions.md")
        return
    denials = known(context.denials)
    for denial in denials:
        statement = denial.statement
        text = f"{principal} may not {', '.join(denial.actions)} on {', '.join(statement.resources)}"
        advice = f"add the statement {statement.grant.sid} of docs/permissions.md to its policy"
        if statement.grant.helps:
            yield warning(text, advice)
        elif any(map(is_guess, statement.resources)):
            yield unverified(f"{text}, of which a part is not known here; its policy may name it", advice)
        else:
            yield fault(text, advice)
    if not denials:
        yield ok(f"all that is needed is allowed to {principal}")


def service_linked_role(context: CheckContext) -> Iterator[CheckResult]:
    """Check that ECS has its own role in the account (ECS Developer Guide, 'Service-linked roles')."""
    if context.facts.endpoint_url:
        yield unverified("an emulator needs none")
    elif known(context.facts.service_linked_role):
        yield ok("AWSServiceRoleForECS is there")
    else:
        yield warning(
            "the account has no role AWSServiceRoleForECS: its first ECS service or task may fail",
            "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        )


CHECKS = (credentials, region, temporary_credentials, permissions, service_linked_role)
LOCAL = (credentials, region)
"""Those that can be made without credentials."""
