"""Preflight's checks, one by one, on answers of AWS's; and all of them on moto."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from deployer_aws import specfile
from deployer_aws.aws.clients import SERVICES, Clients, Options, connect
from deployer_aws.aws.permissions import GRANTS
from deployer_aws.aws.stacks import WAYS_OUT
from deployer_aws.cli._checks import check_context
from deployer_aws.preflight import CHECKS, CheckContext, CheckResult, Verdict, examine, is_sound, name_of
from tests.support.project import ROOT

pytestmark = pytest.mark.quick

ROLE = "arn:aws:sts::123456789012:assumed-role/deployer/me"
TEMPLATE = """
Parameters:
  DesiredCount: {Type: Number}
Resources:
  Web:
    Type: AWS::ECS::Service
    Properties:
      DesiredCount: !Ref DesiredCount
      DeploymentConfiguration:
        DeploymentCircuitBreaker: {Enable: true, Rollback: true}
Outputs:
  Host: {Value: x}
"""
SPEC = """
environment: staging
application: orders
version: "1"
stack:
  name: staging-orders
  template: template.yaml
  counts: {DesiredCount: 2}
  role: arn:aws:iam::123456789012:role/cloudformation
databases:
  orders:
    admin: {host: db.example.com, user: admin}
    migrate: {cluster: staging, task_definition: "migrate:3", container: main}
"""


class Answers:
    """A client of any service: answers by method; an exception is raised."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.asked.append((name, parameters))
            answer = self._answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer(**parameters) if callable(answer) else answer

        return call


def refusal(code: str, message: str = "no") -> ClientError:
    """Return an error of AWS's."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def allowed(**parameters: Any) -> Any:
    """IAM's simulation where all is allowed."""
    return {
        "EvaluationResults": [
            {"EvalActionName": name, "EvalDecision": "allowed"} for name in parameters["ActionNames"]
        ]
    }


def containers(*essential: str, **more: Any) -> Any:
    """Return a task definition."""
    return {"taskDefinition": {"containerDefinitions": [{"name": n} for n in essential], **more}}


def resources(*services: str) -> Any:
    """Return a stack's services."""
    kind = {"ResourceType": "AWS::ECS::Service", "ResourceStatus": "CREATE_COMPLETE"}
    return {"StackResourceSummaries": [{**kind, "PhysicalResourceId": arn} for arn in services]}


SOUND: dict[str, Any] = {
    "get_caller_identity": {"Account": "123456789012", "Arn": ROLE},
    "get_role": {"Role": {"Arn": "arn:aws:iam::123456789012:role/team/deployer"}},
    "simulate_principal_policy": allowed,
    "describe_stacks": refusal("ValidationError", "Stack with id staging-orders does not exist"),
    "validate_template": {"Parameters": [{"ParameterKey": "DesiredCount"}]},
    "describe_task_definition": containers("main", "agent"),
}


def listening(host: str, port: int) -> None:
    """Everybody listens."""


def deaf(host: str, port: int) -> None:
    """Nobody listens."""
    raise OSError("timed out")


class Examined:
    """A spec and an AWS in which all is well, until something is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec, self.template = SPEC, TEMPLATE
        self.answers = {**SOUND, "list_stack_resources": resources()}
        self.connect, self.options, self.endpoint_url, self.temporary = listening, Options(), "", False
        self.region = "eu-west-1"

    def context(self) -> CheckContext:
        """As the checks get it."""
        (self.folder / "template.yaml").write_text(self.template)
        self.client: Any = Answers(self.answers)
        same: Any = dict.fromkeys(SERVICES, self.client)
        more: Any = {"endpoint_url": self.endpoint_url, "temporary": lambda: self.temporary}
        clients = Clients(**same, **more, region=self.region)
        return check_context(specfile.loads(self.spec, self.folder), clients, self.options, self.connect)

    def findings(self, check: str) -> list[CheckResult]:
        """Return what one check finds."""
        return [finding for finding in examine(self.context()) if finding.check == check]

    def expect(self, check: str, verdict: Verdict, *words: str) -> str:
        """Hold a check to one finding, with a verdict and these words; return its text, and what to do about it."""
        (finding,) = self.findings(check)
        text = f"{finding.text} | {finding.advice}"
        assert finding.result is verdict, text
        assert finding.advice or verdict in (Verdict.OK, Verdict.UNVERIFIED)
        for part in words:
            assert part in text
        return text

    def simulated(self) -> list[dict[str, Any]]:
        """Return what IAM was asked to simulate."""
        return [request for name, request in self.client.asked if name == "simulate_principal_policy"]


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    return Examined(tmp_path)


def test_where_all_is_well_every_check_says_so(examined: Examined) -> None:
    """One finding of each check, none but 'ok'."""
    findings = list(examine(examined.context()))
    assert [f.check for f in findings] == [name_of(check) for check in CHECKS]
    assert {f.result for f in findings} == {Verdict.OK}, findings
    assert is_sound(findings)


def test_the_page_has_every_check() -> None:
    """The table in the docs has a row for each check, in the order in which they are made."""
    page = (ROOT / "docs/preflight.md").read_text("utf-8")
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == [name_of(check) for check in CHECKS]


def test_the_checks_change_nothing(examined: Examined) -> None:
    """They only ask."""
    list(examine(examined.context()))
    assert {name for name, _ in examined.client.asked} == set(SOUND)


def test_without_credentials_there_is_one_fault(examined: Examined) -> None:
    """Whatever needs AWS is then not verifiable, and AWS is not asked."""
    examined.answers["get_caller_identity"] = NoCredentialsError()
    findings = list(examine(examined.context()))
    faults = [f for f in findings if f.result is Verdict.FAULT]
    assert [f.check for f in faults] == ["credentials"]
    assert "aws sso login" in faults[0].advice
    assert {name for name, _ in examined.client.asked} == {"get_caller_identity"}


def test_what_may_not_be_asked_is_not_verifiable(examined: Examined) -> None:
    """Access denied to the simulation, to a role or to the template is no fault of the deployment's."""
    for name in ("get_role", "simulate_principal_policy", "validate_template", "describe_task_definition"):
        examined.answers[name] = refusal("AccessDenied")
    for check in ("permissions", "service linked role", "template", "task definitions"):
        examined.expect(check, Verdict.UNVERIFIED, "AccessDenied")


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
    text = examined.expect("permissions", result, action, "docs/permissions.md")


@pytest.mark.parametrize(
    ("secret", "result", "words"),
    [
        ({"SecretString": '{"host": "db.example.com", "port": 6543}'}, Verdict.OK, "db.example.com:6543"),
        ({"SecretString": '{"username": "admin"}'}, Verdict.FAULT, "the secret rds/admin holds no host"),
        (
            {"SecretString": '{"host": "db", "port": "any"}'},
            Verdict.FAULT,
            "port that the secret rds/admin holds",
        ),
        (
            refusal("ResourceNotFoundException", "can't find the specified secret"),
            Verdict.FAULT,
            "can't find",
        ),
        (refusal("AccessDeniedException", "no"), Verdict.FAULT, "the secret rds/admin cannot be read: no"),
    ],
)
def test_a_database_by_a_secret_is_reached_where_the_secret_says(
    examined: Examined, secret: Any, result: Verdict, words: str
) -> None:
    """As the deployment itself would read it; nothing else of the secret is told."""
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", "admin: {secret: rds/admin}")
    examined.answers["get_secret_value"] = secret
    text = examined.expect("databases", result, words)


def test_the_port_of_a_secret_counts_without_its_host_too(examined: Examined) -> None:
    """The host of the spec is reached at the port of the secret, as the deployment itself would."""
    examined.answers["get_secret_value"] = {"SecretString": '{"port": 6543}'}
    admin = "admin: {secret: rds/admin, host: db.example.com, port: 5432}"
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", admin)
    text = examined.expect("databases", Verdict.OK, "db.example.com:6543")


def test_a_secret_that_rds_keeps_has_its_host_in_the_spec(examined: Examined) -> None:
    """Such a secret holds no host; where the host is an output yet to come, nobody can tell."""
    examined.answers["get_secret_value"] = {"SecretString": '{"username": "admin", "password": "hunter2"}'}
    for host, result in (("db.example.com", Verdict.OK), ("{output: Host}", Verdict.UNVERIFIED)):
        examined.spec = SPEC.replace(
            "admin: {host: db.example.com, user: admin}", f"admin: {{secret: rds/admin, host: {host}}}"
        )
        text = examined.expect("databases", result)
        assert "hunter2" not in text


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


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("UPDATE_COMPLETE", Verdict.OK),
        ("UPDATE_IN_PROGRESS", Verdict.WARNING),
        ("UPDATE_ROLLBACK_FAILED", Verdict.FAULT),
        ("DELETE_COMPLETE", Verdict.OK),
    ],
)
def test_a_stack_that_cannot_be_changed_is_a_fault(examined: Examined, status: str, result: Verdict) -> None:
    """One that somebody changes is waited for; one that was deleted is none."""
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    examined.expect("stack", result)


@pytest.mark.parametrize("status", [*WAYS_OUT, "QUANTUM_COMPLETE"])
def test_a_stack_without_a_way_out_says_what_to_do(examined: Examined, status: str) -> None:
    """As the deployment's failure would, and of a status that nobody knows that somebody must look."""
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    text = examined.expect("stack", Verdict.FAULT)
    assert text.endswith(WAYS_OUT.get(status, "look at the stack in CloudFormation"))


def test_a_protected_rolled_back_creation_is_a_fault(examined: Examined) -> None:
    """It would have to be deleted first; one without protection is."""
    left = {"StackStatus": "ROLLBACK_COMPLETE", "EnableTerminationProtection": True}
    examined.answers["describe_stacks"] = {"Stacks": [left]}
    examined.expect("stack", Verdict.FAULT, "termination protection")
    examined.answers["describe_stacks"] = {"Stacks": [{**left, "EnableTerminationProtection": False}]}
    examined.expect("stack", Verdict.OK)


def test_a_template_that_is_refused_is_a_fault_in_awss_words(examined: Examined) -> None:
    """As ValidateTemplate says it."""
    examined.answers["validate_template"] = refusal("ValidationError", "Template format error: x")
    text = examined.expect("template", Verdict.FAULT, "Template format error: x")


def test_capabilities_and_parameters_that_are_missing_are_faults(examined: Examined) -> None:
    """As ValidateTemplate lists them, for a template that is not here to be read."""
    examined.spec = SPEC.replace("template: template.yaml", "template: s3://templates/a.yaml")
    examined.answers["validate_template"] = {
        "Capabilities": ["CAPABILITY_IAM"],
        "CapabilitiesReason": "it has a role",
        "Parameters": [{"ParameterKey": "Zone"}, {"ParameterKey": "Kind", "DefaultValue": "small"}],
    }
    findings = examined.findings("template")
    assert {f.result for f in findings} == {Verdict.FAULT}
    texts = " ".join(f.text for f in findings)
    for words in (
        "CAPABILITY_IAM: it has a role",
        "no parameter DesiredCount",
        "parameter Zone has no default",
    ):
        assert words in texts
    assert "Kind" not in texts


def test_a_long_template_needs_a_bucket(examined: Examined) -> None:
    """With one, it is CloudFormation that says more, once it is uploaded."""
    examined.template += "# " + "x" * 51_200
    examined.expect("template", Verdict.FAULT, "--template-bucket")
    examined.options = Options(template_bucket="templates")
    examined.expect("template", Verdict.UNVERIFIED)


@pytest.mark.parametrize("scheme", ["s3://templates/", "https://templates.s3.amazonaws.com/"])
def test_a_template_by_url_is_validated_where_it_is(examined: Examined, scheme: str) -> None:
    """And what only its text could say is not verifiable."""
    examined.spec = SPEC.replace("template: template.yaml", f"template: {scheme}a.yaml")
    examined.spec = examined.spec.replace("host: db.example.com", "host: {output: Host}")
    examined.expect("template", Verdict.OK)
    url = "https://templates.s3.amazonaws.com/a.yaml"
    assert ("validate_template", {"TemplateURL": url}) in examined.client.asked
    for check in ("outputs", "services", "circuit breaker", "databases"):
        examined.expect(check, Verdict.UNVERIFIED)
    outputs = [{"OutputKey": "Host", "OutputValue": "db.example.com"}]
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}
    for check in ("outputs", "databases"):
        examined.expect(check, Verdict.OK)


@pytest.mark.parametrize(
    ("configuration", "result"),
    [
        ("DeploymentCircuitBreaker: {Enable: false, Rollback: true}", Verdict.WARNING),
        ("MaximumPercent: 200", Verdict.WARNING),
        ("DeploymentCircuitBreaker: {Enable: !Ref Switch, Rollback: true}", Verdict.UNVERIFIED),
        ("Fn::If: [A, B, C]", Verdict.UNVERIFIED),
    ],
)
def test_a_service_without_circuit_breaker_is_warned_of(
    examined: Examined, configuration: str, result: Verdict
) -> None:
    """A failed update of it hangs for hours."""
    examined.template = TEMPLATE.replace(
        "DeploymentCircuitBreaker: {Enable: true, Rollback: true}", configuration
    )
    text = examined.expect("circuit breaker", result, "Web")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ("DesiredCount: 2", "Web always has the desired count 2"),
        ("PlatformVersion: LATEST", "Web always has the desired count 1"),
        ("DesiredCount: !Ref Kept", "Web follows the parameter Kept, which is none of stack.counts"),
        ("DesiredCount: {Ref: Kept}", "Web follows the parameter Kept, which is none of stack.counts"),
        ("SchedulingStrategy: DAEMON", "Web is a daemon"),
    ],
)
def test_a_service_that_does_not_go_to_zero_is_a_fault(
    examined: Examined, properties: str, words: str
) -> None:
    """It would be seen when the others are at zero; one that may be left out of the stack is a warning."""
    kept = TEMPLATE.replace("Parameters:", "Parameters:\n  Kept: {Type: Number, Default: 1}")
    examined.template = kept.replace("DesiredCount: !Ref DesiredCount", properties)
    examined.expect("services", Verdict.FAULT, words, "scaling: none")
    examined.template = examined.template.replace("    Properties:", "    Condition: Big\n    Properties:")
    examined.expect("services", Verdict.WARNING)
    examined.spec = SPEC + "quick: true\n"
    examined.expect("services", Verdict.OK)


@pytest.mark.parametrize(
    "count", ["0", "{Ref: DesiredCount}", "!If [A, !Ref DesiredCount, 0]", "{'Fn::If': [A, 1, 0]}"]
)
def test_a_service_that_may_go_to_zero_is_none(examined: Examined, count: str) -> None:
    """What the counts carry goes to zero; what a function decides may."""
    examined.template = TEMPLATE.replace("DesiredCount: !Ref DesiredCount", f"DesiredCount: {count}")
    examined.expect("services", Verdict.OK)


def test_quick_with_databases_is_warned_of(examined: Examined) -> None:
    """They are not migrated then, so nothing else of them is checked."""
    examined.spec = SPEC + "quick: true\n"
    examined.expect("spec", Verdict.WARNING)
    examined.expect("databases", Verdict.OK)
    examined.expect("task definitions", Verdict.OK, "no task is run")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal("ClientException", "Unable to describe task definition."), "Unable to describe"),
        (containers("main", status="INACTIVE"), "deregistered"),
        (containers("other"), "no container main; it has other"),
    ],
)
def test_a_task_that_could_not_be_run_or_judged_is_a_fault(
    examined: Examined, answer: Any, words: str
) -> None:
    """It would fail in the midst of the deployment, with the services at zero."""
    examined.answers["describe_task_definition"] = answer
    examined.expect("task definitions", Verdict.FAULT, words)


def test_of_several_essential_containers_one_must_be_named(examined: Examined) -> None:
    """Else nobody could tell whose exit code counts."""
    examined.spec = SPEC.replace(", container: main", "")
    examined.expect("task definitions", Verdict.FAULT, "several essential containers: agent, main")


def test_a_database_that_cannot_be_reached_is_a_fault(examined: Examined) -> None:
    """It is prepared from here."""
    examined.connect = deaf
    examined.expect("databases", Verdict.FAULT, "db.example.com:5432 cannot be reached from here: timed out")


def test_on_an_emulator_permissions_are_not_asked_for(examined: Examined) -> None:
    """It knows none."""
    examined.endpoint_url = "http://127.0.0.1:4566"
    examined.expect("permissions", Verdict.UNVERIFIED)
    examined.expect("service linked role", Verdict.UNVERIFIED)


def test_a_previous_value_of_a_stack_that_is_not_there_is_a_fault(examined: Examined) -> None:
    """It could not be created."""
    examined.template = TEMPLATE.replace("Parameters:", "Parameters:\n  Zone: {Type: String}")
    examined.spec = SPEC.replace("  counts:", "  parameters: {Zone: {previous: true}}\n  counts:")
    examined.expect("spec", Verdict.FAULT)
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}
    examined.expect("spec", Verdict.OK)


def test_the_real_clients_are_asked_as_botocore_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On moto, through boto3: every answer has the shape that the checks read."""
    with mock_aws():
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        clients = evolve(connect(Options(region="eu-west-1")), endpoint_url="in this process")
        loaded = specfile.load(ROOT / "examples/orders/v1.yaml")
        results = {f.check: (f.result, f.text) for f in examine(check_context(loaded, clients, Options()))}
    assert results["credentials"][0] in (Verdict.OK, Verdict.WARNING)
    assert results["stack"] == (Verdict.OK, "staging-orders does not exist yet, and is created")
    assert results["template"][0] is Verdict.OK
    assert results["circuit breaker"][0] is Verdict.OK
