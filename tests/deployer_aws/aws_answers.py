"""AWS's answers as boto3 gives them, a client that gives them, and a pending command to look at with it.

Use it for one look of an executor, or of what reads AWS, where a transcript (executors/player.py) does not do: many values of
one kind, exact requests, batches. Where AWS has to behave over time, use the simulator (tests/deployer_aws/scenarios).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import define, evolve, field

from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.executors.ecs.executor import DEFINITION
from deployer_aws.ports import Act, Work
from deployer_core.engine.messages import (
    Attempt,
    Attempted,
    CommandProgress,
    Pending,
    Replied,
    StopTask,
    token,
)
from deployer_core.engine.messages import Event as WorldEvent
from deployer_core.machines.deployment import UpsertStack
from deployer_core.machines.ecs_task import Purpose, Run, RunTask
from deployer_core.spec import StackSpec, TaskSpec, TemplateBody
from tests.deployer_aws.scenarios.specs import template

NOW = 1_000_000.0
STREAM = "0123456789abcdef" * 2


class Refused(Exception):
    """An error in the shape of boto3's."""

    def __init__(self, code: str, message: str = "in AWS's words", **members: Any) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}, **members}


@define
class _Stub:
    """A client: each operation gives its answers in turn, the last of them again and again. No stack has events."""

    answers: dict[str, list[Any]]
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list[tuple[str, dict[str, Any]]])
    meta: Any = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in (*self.answers, "describe_stack_events"):
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            given = self.answers.get(name) or [page()]
            answer = given.pop(0) if len(given) > 1 else given[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def sent(self, name: str) -> list[dict[str, Any]]:
        """Return the requests of an operation."""
        return [request for operation, request in self.calls if operation == name]


Stub: Any = _Stub
"""Untyped, as boto3's clients are."""


def work(
    command: Any,
    *,
    attempt: Attempt | None = None,
    ref: str = "",
    progress: CommandProgress | None = None,
    seen: str = "",
    database: str = "",
    age: float = 0.0,
    deadline: float = NOW + 3_600,
) -> Work:
    """Make a pending command, of an age, at the time NOW. Its attempt has its own token, where it has none."""
    if attempt is not None and not attempt.token:
        attempt = evolve(attempt, token=token(STREAM, "d1", 7, attempt.number))
    seen = seen or ("words for people" if progress else "")
    pending = Pending(7, "d1", database, command, NOW - age, deadline, attempt, ref, seen, progress)
    return Work("test/shop", STREAM, pending, NOW, lambda _: template())


def events(act: Act) -> list[WorldEvent]:
    """All that an executor says in one look."""
    return list(act)


def answers(act: Act) -> list[Any]:
    """Return the answers among it."""
    return [event.answer for event in act if isinstance(event, Replied)]


def attempts(found: list[WorldEvent]) -> list[Attempted]:
    """Return the attempts among it."""
    return [event for event in found if isinstance(event, Attempted)]


# CloudFormation

ID = "arn:aws:cloudformation:eu-west-1:1:stack/shop/1"
NESTED = "arn:aws:cloudformation:eu-west-1:1:stack/shop-Nested/2"
SERVICE = "arn:aws:ecs:eu-west-1:1:service/main/web"
SPEC = StackSpec("shop", TemplateBody("0" * 64, "shop.json"))
COUNTS = (("Count", 2),)
MISSING = Refused("ValidationError", "Stack with id shop does not exist")


def at(seconds: float) -> datetime:
    """Return a time as boto3 gives it."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def shown(status: str = "CREATE_COMPLETE", **members: Any) -> dict[str, Any]:
    """DescribeStacks' answer."""
    found = {"StackId": ID, "StackName": "shop", "StackStatus": status, "CreationTime": at(-900)}
    return {
        "Stacks": [{**found, "Parameters": [{"ParameterKey": "Count", "ParameterValue": "1"}], **members}]
    }


def event(status: str, token: str | None, when: float = 0, *, of: str = ID, **members: Any) -> dict[str, Any]:
    """One of a stack's own events."""
    found = {
        "StackId": of,
        "PhysicalResourceId": of,
        "LogicalResourceId": "shop",
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
        "Timestamp": at(when),
    }
    return {**found, **({"ClientRequestToken": token} if token else {}), **members}


def resource(
    status: str, reason: str, token: str | None, *, name: str = "Topic", **members: Any
) -> dict[str, Any]:
    """Return an event of a resource."""
    about: dict[str, Any] = {
        "PhysicalResourceId": f"{name}-1",
        "LogicalResourceId": name,
        "ResourceType": "AWS::SNS::Topic",
    }
    return event(status, token, ResourceStatusReason=reason, **{**about, **members})


def page(*found: dict[str, Any], more: str = "") -> dict[str, Any]:
    """DescribeStackEvents' answer, newest first."""
    return {"StackEvents": list(found), **({"NextToken": more} if more else {})}


def stack_observed(*pages: Any, status: str, command: Any = None, **members: Any) -> list[Any]:
    """Return what one look at an accepted change comes to."""
    client = Stub({"describe_stacks": [shown(status, **members)], "describe_stack_events": list(pages)})
    pending = work(command or UpsertStack("d1", SPEC, COUNTS), attempt=Attempt(1, NOW - 10), ref=ID, age=10)
    return answers(CloudFormation(client, Stub({})).act(pending))


TOKEN = work(None).token(1)

# ECS

FAMILY = "arn:aws:ecs:eu-west-1:1:task-definition/migrate"
NEWEST = f"{FAMILY}:3"
ARN = "arn:aws:ecs:eu-west-1:1:task/main/0123"
TASK = TaskSpec[str]("main", "migrate")
RUN = RunTask(Run("d1", "orders", Purpose.MIGRATE, TASK, (0,)))
STOP = StopTask(RUN.run, 5, Attempt(2, NOW - 20, token="token-of-the-run"), "")
RESOLVED = ((DEFINITION, NEWEST),)


def defined(*containers: dict[str, Any]) -> dict[str, Any]:
    """DescribeTaskDefinition's answer."""
    return {
        "taskDefinition": {
            "taskDefinitionArn": NEWEST,
            "containerDefinitions": containers or ({"name": "app"},),
        }
    }


def task(status: str = "STOPPED", *containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """DescribeTasks' answer."""
    found = {
        "taskArn": ARN,
        "taskDefinitionArn": NEWEST,
        "lastStatus": status,
        "containers": list(containers),
    }
    return {"tasks": [{**found, **members}], "failures": []}


NOTHING: dict[str, Any] = {"tasks": [], "failures": [{"arn": ARN, "reason": "MISSING"}]}
NONE: dict[str, Any] = {"taskArns": []}


def task_observed(
    answer: dict[str, Any], *, definition: Any = None, logs: Any = None, age: float = 10, run: RunTask = RUN
) -> list[Any]:
    """Return what one look at an accepted task comes to."""
    client = Stub({"describe_tasks": [answer], "describe_task_definition": [definition or defined()]})
    pending = work(run, database="orders", attempt=Attempt(1, NOW - age, RESOLVED), ref=ARN, age=age)
    return answers(Ecs(client, logs=logs).act(pending))
