"""The policy in the docs: what the code can call, what AWS asks for besides, and nothing else."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from attrs import evolve
from botocore import xform_name

from deployer_aws.aws import protocols
from deployer_aws.aws.permissions import GRANTS, Scope, Statement, statements
from tests.support.project import ROOT, SRC

PAGE = ROOT / "docs/permissions.md"
SERVICES = {
    found.group(1): protocol
    for protocol in vars(protocols).values()
    if isinstance(protocol, type)
    and (found := re.match(r"What is called of boto3's `(\w+)` client", protocol.__doc__ or ""))
}
"""The Protocols of clients, by the service that they name."""
WITHOUT_CALL = (
    "ecs:TagResource",
    "iam:PassRole",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "rds-db:connect",
    "s3:GetObject",
    "ssm:GetParameters",
)
"""Permissions that AWS asks for though the deployer never calls an operation of that name."""
FREE = ("sts:GetCallerIdentity",)
"""Operations that need no permission (STS API reference, GetCallerIdentity)."""
EXAMPLE = Scope(
    account="123456789012",
    region="eu-west-1",
    stack="staging-orders",
    principal=("deployer",),
    stack_role=("cloudformation-orders",),
    source=("staging-network",),
    many=("*",),
    cluster=("staging",),
    family=("orders-migrate",),
    task_role=("orders-migrate", "orders-execution"),
    log_group=("/ecs/orders-migrate",),
    bucket=("example-templates",),
    listener=("app/staging/50dc6c495c0c9188/f2f7dc8efc522ab2",),
    parameter=("orders/*",),
    database_user=("db-ABCDEFGHIJKL01234/deployer",),
    key=("1234abcd-12ab-34cd-56ef-1234567890ab",),
    admin_secret=("rds/orders/admin-??????",),
    secret=("staging/orders/database-??????",),
    queue=("deployer-events",),
    bus=("default",),
    topic=("deployments",),
)


def policy(scope: Scope) -> dict[str, Any]:
    """Return the least-privilege policy for a scope."""
    return {"Version": "2012-10-17", "Statement": [_as_data(statement) for statement in statements(scope)]}


def _as_data(statement: Statement) -> dict[str, Any]:
    data = {
        "Sid": statement.grant.sid,
        "Effect": "Allow",
        "Action": list(statement.grant.actions),
        "Resource": list(statement.resources),
    }
    return {**data, "Condition": statement.condition} if statement.condition else data


"""The scope of the policy in the docs."""
COVERED = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage"}
"""Operations that are allowed by another's name (Service Authorization Reference)."""
SIGNED_HERE = {"rds": {"generate_db_auth_token"}}
"""Methods that send nothing: what they sign is covered by rds-db:connect."""
NOT_AWS = {"create_connection"}
"""Methods of other things, which are called like an operation of AWS's: that one is a socket's."""
PREFIXES = {"elbv2": "elasticloadbalancing"}
"""What IAM calls a service, where that is not what boto3 calls it."""


def methods(protocol: type) -> set[str]:
    """Return the methods of a client that the code may use."""
    return {name for name in vars(protocol) if not name.startswith("_")}


def attributes(source: str) -> set[str]:
    """Return the names of all that is called, or handed on to be called, as an attribute."""
    return {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}


def called() -> set[str]:
    """All such names outside of the simulator."""
    paths = SRC.joinpath("deployer_aws").rglob("*.py")
    return set().union(
        *(attributes(path.read_text("utf-8")) for path in paths if "simulator" not in path.parts)
    )


def operations(service: str) -> dict[str, str]:
    """Return the operations of a service, by what boto3 calls them."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def unforeseen(names: set[str]) -> set[str]:
    """Which of the names are operations of a service, or lead to some, that its Protocol lacks."""
    hidden = {"get_paginator", "get_waiter"}
    known = set().union(*map(methods, SERVICES.values()))
    return names & set().union(hidden, *map(operations, SERVICES)) - known - NOT_AWS


def actions() -> Iterator[str]:
    """Return what IAM calls each operation that the code can call."""
    used = called()
    for service, protocol in SERVICES.items():
        has = operations(service)
        for method in sorted((methods(protocol) & used) - SIGNED_HERE.get(service, set())):
            assert method in has, f"boto3's {service} client has no operation {method}"
            action = f"{PREFIXES.get(service, service)}:{has[method]}"
            yield COVERED.get(action, action)


def granted() -> list[str]:
    """Return the actions of the policy."""
    return [action for grant in GRANTS for action in grant.actions]


def test_the_policy_allows_what_the_code_can_call_and_the_named_rest() -> None:
    """Where this fails, a call was added or removed: put it right in `deployer_aws.aws.permissions`."""
    assert set(granted()) == (set(actions()) - set(FREE)) | set(WITHOUT_CALL)


def test_the_protocols_hold_what_is_called_and_nothing_else() -> None:
    """Every client that boto3 makes has a Protocol, and each of its methods is called somewhere."""
    from deployer_aws.aws import clients

    assert set(clients.SERVICES) <= set(SERVICES)
    assert {m for protocol in SERVICES.values() for m in methods(protocol)} <= called()


def test_no_operation_is_called_past_the_protocols() -> None:
    """An operation that is called through a client without a type would be in no policy: it is found by its name."""
    assert unforeseen(called()) == set()
    for planted in ("client.delete_change_set(StackName=x)", "client.get_paginator('list_stacks')"):
        assert unforeseen(attributes(planted))


def test_permissions_without_a_call_have_none() -> None:
    """AWS asks for them in the midst of other calls; were one called, it would be found by the call."""
    assert not set(WITHOUT_CALL) & set(actions())


def test_the_page_shows_the_policy() -> None:
    """The JSON in the docs is what the code gives for the example's names."""
    page = PAGE.read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(shown) == policy(EXAMPLE), f"write it anew:\n{json.dumps(policy(EXAMPLE), indent=2)}"
    for grant in GRANTS:
        assert f"| `{grant.sid}` | {grant.why} |" in page, f"| `{grant.sid}` | {grant.why} |"


def test_the_policy_is_a_valid_document() -> None:
    """By IAM's grammar: its version, unique alphanumeric ids, ARNs, and no more than a managed policy may have."""
    document: Any = policy(EXAMPLE)
    assert document["Version"] == "2012-10-17"
    ids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(ids)) == len(ids) == len(GRANTS)
    assert len(json.dumps(document, separators=(",", ":"))) <= 6_144
    for statement in document["Statement"]:
        assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
        assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action) for action in statement["Action"])
        assert all(
            arn == "*" or re.fullmatch(r"arn:aws:[a-z0-9-]+:[^:{}]*:\d*:[^{}]+", arn)
            for arn in statement["Resource"]
        )


def test_only_what_aws_cannot_narrow_is_allowed_everywhere() -> None:
    """These have no resource type in AWS's reference, or one that does not say what is read (ListTasks: a condition)."""
    wide = {action for s in policy(EXAMPLE)["Statement"] if s["Resource"] == ["*"] for action in s["Action"]}
    assert wide == {
        "cloudformation:ValidateTemplate",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTasks",
        "elasticloadbalancing:DescribeRules",
    }


def test_every_role_is_passed_to_one_service_alone() -> None:
    """Or it could be given to anything that takes a role."""
    passes = [s for s in policy(EXAMPLE)["Statement"] if "iam:PassRole" in s["Action"]]
    assert {s["Condition"]["StringEquals"]["iam:PassedToService"] for s in passes} == {
        "cloudformation.amazonaws.com",
        "ecs-tasks.amazonaws.com",
    }


def test_what_a_deployment_does_not_need_is_not_granted() -> None:
    """A stack without tasks, listeners, bucket and databases needs CloudFormation, and the checks."""
    least = policy(Scope(account="123456789012", region="eu-west-1", stack="orders"))
    services = {action.split(":")[0] for statement in least["Statement"] for action in statement["Action"]}
    assert services == {"cloudformation", "iam"}


@pytest.mark.parametrize("clusters", [("one",), ("one", "two")])
def test_each_name_of_a_scope_is_a_resource(clusters: tuple[str, ...]) -> None:
    """Several clusters are several resources, and several values of the condition."""
    found = {s["Sid"]: s for s in policy(evolve(EXAMPLE, cluster=clusters))["Statement"]}
    arns = [f"arn:aws:ecs:eu-west-1:123456789012:cluster/{name}" for name in clusters]
    condition = found["ListTasks"]["Condition"]["ArnEquals"]["ecs:cluster"]
    assert condition == (arns if len(arns) > 1 else arns[0])
    assert len(found["ObserveAndStopTasks"]["Resource"]) == len(clusters)
