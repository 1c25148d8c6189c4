"""A spec and an AWS in which all is well, for preflight to examine.

Use it where a test changes one thing in either, and says what a check finds then.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deployer_aws import specfile
from deployer_aws.aws.clients import SERVICES, Clients, Options
from deployer_aws.cli._checks import check_context
from deployer_aws.preflight import CheckContext, CheckResult, Verdict, examine

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
