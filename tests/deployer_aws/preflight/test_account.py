"""The checks of who the caller is, and of what it may do."""

from typing import Any

import pytest

from deployer_aws.aws.clients import Options
from deployer_aws.aws.permissions import GRANTS
from deployer_aws.preflight import Verdict
from tests.deployer_aws.preflight.examined import (
    SPEC,
    TEMPLATE,
    Examined,
    allowed,
    containers,
    refusal,
    resources,
)

pytestmark = pytest.mark.quick


def test_a_permission_that_is_missing_is_named_with_its_statement(examined: Examined) -> None:
    """IAM is asked about the role that was assumed, path included, and about this very stack."""
    examined.answers["simulate_principal_policy"] = refusing("ecs:RunTask")
    examined.expect(
        "permissions",
        Verdict.FAULT,
        "role/team/deployer may not ecs:RunTask",
        "task-definition/migrate:*",
        "RunTasks of docs/permissions.md",
    )
    asked = examined.simulated()
    assert {p["PolicySourceArn"] for p in asked} == {"arn:aws:iam::123456789012:role/team/deployer"}
    assert any("stack/staging-orders/*" in arn for p in asked for arn in p["ResourceArns"])
    known = {action for grant in GRANTS for action in grant.actions}
    assert {action for p in asked for action in p["ActionNames"]} <= known


def test_a_stack_that_may_not_be_looked_at_is_a_permission_that_is_missing(examined: Examined) -> None:
    """What the spec takes from the stack's outputs is not known then; what is missing is named all the same."""
    examined.spec = SPEC.replace("cluster: staging, ", "cluster: {output: Host}, ")
    examined.answers["describe_stacks"] = refusal("AccessDenied")
    examined.answers["simulate_principal_policy"] = refusing("cloudformation:DescribeStacks")
    examined.expect("permissions", Verdict.FAULT, "may not cloudformation:DescribeStacks", "ObserveTheStack")


def refusing(*actions: str) -> Any:
    """IAM's simulation where all but some is allowed."""

    def simulate(**parameters: Any) -> Any:
        answer = allowed(**parameters)
        for one in answer["EvaluationResults"]:
            if one["EvalActionName"] in actions:
                one["EvalDecision"] = "implicitDeny"
        return answer

    return simulate


ACCOUNT = "arn:aws:iam::123456789012"
RICH = """
environment: staging
application: orders
version: "1"
stack:
  name: staging-orders
  template: template.yaml
  counts: {DesiredCount: 2}
  parameters:
    Image: /orders/image
    Rule: {listener: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/1/2", lowest: 1, highest: 9}
    Network: {stack: staging-network, output: Vpc}
databases:
  by_token:
    admin: {host: db.example.com, user: admin}
    migrate: {cluster: staging, task_definition: "migrate:3", container: main}
  by_secret:
    admin: {secret: rds/admin}
    app_secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-a1b2c3
  elsewhere:
    admin: {secret: "arn:aws:secretsmanager:eu-west-1:999999999999:secret:theirs-a1b2c3"}
"""
RICH_TEMPLATE = TEMPLATE.replace(
    "Parameters:",
    """Parameters:
  Image: {Type: "AWS::SSM::Parameter::Value<String>"}
  Kind: {Type: "AWS::SSM::Parameter::Value<String>", Default: "/orders/kind:3"}
  Rule: {Type: Number}
  Network: {Type: String}""",
)


def test_all_that_a_spec_needs_is_simulated(examined: Examined) -> None:
    """IAM is asked about each statement that the spec has a use for, with the names that the spec and AWS know."""
    examined.spec, examined.template = RICH, RICH_TEMPLATE
    examined.options = Options(template_bucket="templates")
    examined.answers["get_secret_value"] = {"SecretString": '{"host": "db.example.com"}'}
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/migrate"}}
    examined.answers["describe_task_definition"] = {
        "taskDefinition": {
            "taskRoleArn": f"{ACCOUNT}:role/team/migrate",
            "executionRoleArn": f"{ACCOUNT}:role/execution",
            "containerDefinitions": [{"name": "main", "logConfiguration": log}],
        }
    }
    examined.expect("permissions", Verdict.OK)
    asked = examined.simulated()
    arns = {arn for p in asked for arn in p["ResourceArns"]}
    assert arns >= {
        "arn:aws:cloudformation:eu-west-1:123456789012:stack/staging-network/*",
        f"{ACCOUNT}:role/team/migrate",
        f"{ACCOUNT}:role/execution",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/migrate:log-stream:*",
        "arn:aws:s3:::templates/deployer/templates/*",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/orders/image",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/orders/kind",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds/admin-??????",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-a1b2c3",
        "arn:aws:rds-db:eu-west-1:123456789012:dbuser:*/admin",
    }
    assert not any("theirs" in arn for arn in arns), "another account's policies are not simulated here"
    assert "elasticloadbalancing:DescribeRules" in {name for p in asked for name in p["ActionNames"]}
    passed = [p for p in asked if f"{ACCOUNT}:role/execution" in p["ResourceArns"]]
    assert passed[0]["ContextEntries"][0]["ContextKeyValues"] == ["ecs-tasks.amazonaws.com"]


@pytest.mark.parametrize("quick", [False, True])
def test_the_clusters_of_the_services_are_known_by_the_stack(examined: Examined, quick: bool) -> None:
    """Its services are looked at when they are scaled to zero; in quick mode nobody does."""
    web = "arn:aws:ecs:eu-west-1:123456789012:service/front/web"
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}
    examined.answers["list_stack_resources"] = resources(web)
    examined.spec = SPEC + f"quick: {str(quick).lower()}\n"
    examined.expect("permissions", Verdict.OK)
    asked = examined.simulated()
    arns = {arn for p in asked for arn in p["ResourceArns"]}
    assert ("arn:aws:ecs:eu-west-1:123456789012:service/front/*" in arns) is not quick
    listed = [p["ContextEntries"] for p in asked if p["ActionNames"] == ["ecs:ListTasks"]]
    names = [entry["ContextKeyValues"] for (entry,) in listed]
    cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/"
    assert names == ([] if quick else [[f"{cluster}staging"], [f"{cluster}front"]]), "one cluster at a time"
    examined.answers["list_stack_resources"] = refusal("AccessDenied")
    examined.expect("permissions", Verdict.OK)


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("iam:PassRole", Verdict.FAULT),
        ("secretsmanager:PutSecretValue", Verdict.FAULT),
        ("logs:GetLogEvents", Verdict.WARNING),
        ("iam:GetRole", Verdict.WARNING),
        ("rds-db:connect", Verdict.UNVERIFIED),
    ],
)
def test_what_is_only_of_help_or_is_a_guess_keeps_nobody_from_deploying(
    examined: Examined, action: str, result: Verdict
) -> None:
    """A policy may name a database or a secret as IAM's simulation cannot; without a log line a deployment goes well."""
    examined.spec, examined.template = RICH, RICH_TEMPLATE
    examined.answers["get_secret_value"] = {"SecretString": '{"host": "db.example.com"}'}
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/migrate"}}
    definition = containers("main", taskRoleArn=f"{ACCOUNT}:role/migrate")
    definition["taskDefinition"]["containerDefinitions"][0]["logConfiguration"] = log
    examined.answers["describe_task_definition"] = definition
    examined.answers["simulate_principal_policy"] = refusing(action)
    examined.expect("permissions", result, action, "docs/permissions.md")


@pytest.mark.parametrize(
    ("notify", "action", "resource"),
    [
        ("eventbridge", "events:PutEvents", "event-bus/default"),
        ("eventbridge:deployments", "events:PutEvents", "event-bus/deployments"),
        ("sns:arn:aws:sns:eu-west-1:123456789012:news", "sns:Publish", "sns:eu-west-1:123456789012:news"),
    ],
)
def test_the_queue_and_the_channel_are_asked_about_where_they_are_named(
    examined: Examined, notify: str, action: str, resource: str
) -> None:
    """Each by its name; nothing is asked about the one that is not named."""
    queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/deployer-events"
    examined.options = Options(queue=queue, notify=notify)
    examined.expect("permissions", Verdict.OK)
    asked = examined.simulated()
    resources = {action: p["ResourceArns"] for p in asked for action in p["ActionNames"]}
    assert resources["sqs:ReceiveMessage"] == ["arn:aws:sqs:eu-west-1:123456789012:deployer-events"]
    assert [arn.endswith(resource) for arn in resources[action]] == [True]
    assert len({"events:PutEvents", "sns:Publish"} & set(resources)) == 1


@pytest.mark.parametrize(
    ("arn", "result"),
    [
        ("arn:aws:iam::123456789012:user/me", Verdict.OK),
        ("arn:aws:iam::123456789012:root", Verdict.UNVERIFIED),
        ("arn:aws:sts::123456789012:federated-user/me", Verdict.UNVERIFIED),
    ],
)
def test_only_users_and_roles_can_be_simulated(examined: Examined, arn: str, result: Verdict) -> None:
    """IAM knows no policies of the root user and of federated ones."""
    examined.answers["get_caller_identity"] = {"Account": "123456789012", "Arn": arn}
    examined.expect("permissions", result)


def test_the_root_user_is_warned_of(examined: Examined) -> None:
    """It can do everything, and should not."""
    examined.answers["get_caller_identity"] = {
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:root",
    }
    examined.expect("credentials", Verdict.WARNING)


def test_temporary_credentials_without_a_stack_role_are_warned_of(examined: Examined) -> None:
    """CloudFormation goes on with them, and fails when they end; with a role it does not."""
    examined.temporary = True
    examined.expect("temporary credentials", Verdict.OK)
    examined.spec = SPEC.replace("  role: arn:aws:iam::123456789012:role/cloudformation\n", "")
    examined.expect("temporary credentials", Verdict.WARNING, "stack.role")


def test_a_region_that_nobody_knows_is_warned_of(examined: Examined) -> None:
    """It may be newer than botocore."""
    examined.region = "eu-nowhere-1"
    examined.expect("region", Verdict.WARNING)


def test_an_account_without_the_service_linked_role_is_warned_of(examined: Examined) -> None:
    """With the command that makes it."""
    examined.answers["get_role"] = refusal("NoSuchEntity")
    examined.expect("service linked role", Verdict.WARNING, "create-service-linked-role")
