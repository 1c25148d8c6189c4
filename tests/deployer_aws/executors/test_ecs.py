"""The ECS executor, look by look: what it sends, and what it makes of each answer."""

from typing import Any

import botocore.session
import pytest
from attrs import evolve

from deployer_aws.executors.ecs import Ecs
from deployer_core.engine import messages
from deployer_core.engine.messages import Accepted, Attempt, Replied
from deployer_core.machines import ecs_task
from deployer_core.machines.ecs_task import (
    Errored,
    Exit,
    Purpose,
    Run,
    RunTask,
    Started,
    Status,
    StatusStopped,
)
from tests.deployer_aws.aws_answers import (
    ARN,
    NEWEST,
    NONE,
    NOW,
    RESOLVED,
    RUN,
    TASK,
    Refused,
    Stub,
    answers,
    at,
    defined,
    events,
    task,
    task_observed,
    work,
)

pytestmark = pytest.mark.quick

# Running


@pytest.mark.parametrize(
    ("settings", "member", "value"),
    [
        ({"launch_type": "FARGATE"}, "launchType", "FARGATE"),
        (
            {"container": "app", "command": ("x",)},
            "overrides",
            {"containerOverrides": [{"name": "app", "command": ["x"]}]},
        ),
        (
            {"container": "app", "environment": (("A", "b"),)},
            "overrides",
            {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "b"}]}]},
        ),
        (
            {"subnets": ("s",)},
            "networkConfiguration",
            {"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": [], "assignPublicIp": "DISABLED"}},
        ),
    ],
)
def test_parts_of_the_request(settings: dict[str, Any], member: str, value: Any) -> None:
    """Each setting by itself; what the spec does not say is not sent."""
    client = Stub({"describe_task_definition": [defined()], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    events(
        Ecs(client).act(
            work(
                RunTask(Run("d1", "orders", Purpose.MIGRATE, evolve(TASK, **settings), (0,))),
                database="orders",
            )
        )
    )
    (request,) = client.sent("run_task")
    plain = {"cluster", "taskDefinition", "clientToken", "startedBy", "count", "tags"}
    assert set(request) == plain | {member}
    assert request[member] == value
    assert len(request["clientToken"]) <= 64, "clientToken's limit"


@pytest.mark.parametrize(
    "error",
    [
        Refused("ConflictException"),
        Refused("ServerException"),
        Refused("ClientException", "TaskDefinition not found."),
        Refused("ClientException", "The specified capacity provider nope was not found."),
        Refused("AccessDeniedException", "not for the capacity provider"),
        KeyError("oops"),
    ],
)
def test_other_refusals_escape(error: Exception) -> None:
    """A conflict that names nothing, and any other error, is the runner's to class."""
    client = Stub({"describe_task_definition": [defined()], "run_task": [error]})
    with pytest.raises(type(error)):
        events(Ecs(client).act(work(RUN, database="orders")))


@pytest.mark.parametrize(
    "reason",
    [
        "RESOURCE:MEMORY",
        "RESOURCE:ENI",
        "AGENT",
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "You've reached the limit on the number of tasks you can run concurrently",
    ],
)
def test_want_of_capacity_is_no_failure(reason: str) -> None:
    """What may be there later is waited for, and remembered as a refusal of this attempt."""
    refused: dict[str, Any] = {
        "tasks": [],
        "failures": [{"arn": "i-1", "reason": reason, "detail": "eu-west-1a"}],
    }
    client = Stub({"describe_task_definition": [defined()], "run_task": [refused]})
    (answer,) = answers(Ecs(client).act(work(RUN, database="orders")))
    assert answer == messages.Declined(1, f"attempt 1 was refused for want of capacity: {reason}: eu-west-1a")


@pytest.mark.parametrize(
    "message",
    [
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "You've reached the limit on the number of tasks you can run concurrently",
    ],
)
def test_want_of_capacity_as_an_error_is_the_same(message: str) -> None:
    """Fargate refuses by an error: the attempt is remembered as refused, so its task certainly never ran."""
    client = Stub(
        {"describe_task_definition": [defined()], "run_task": [Refused("ClientException", message)]}
    )
    (answer,) = answers(Ecs(client).act(work(RUN, database="orders")))
    assert answer == messages.Declined(1, f"attempt 1 was refused for want of capacity: {message}")


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ([{"arn": "i-1", "reason": "ATTRIBUTE"}], "ATTRIBUTE"),
        ([{"reason": "LOCATION"}, {"reason": "INACTIVE"}], "LOCATION; INACTIVE"),
        ([], "ECS gave no reason"),
    ],
)
def test_other_failures_are_answers(failures: list[dict[str, str]], words: str) -> None:
    """What no waiting mends is an error with ECS's reasons; where there are none, nobody knows what has been done."""
    client = Stub(
        {"describe_task_definition": [defined()], "run_task": [{"tasks": [], "failures": failures}]}
    )
    (answer,) = answers(Ecs(client).act(work(RUN, database="orders")))
    assert answer == Errored(
        f"ECS refused to run the task migrate: {words}; correct the task in the spec, repair the stack and deploy again",
        may_still_run=not failures,
    )


@pytest.mark.parametrize(("age", "sends"), [(60, 1), (49 * 60, 1), (51 * 60, 0), (90_000, 0)])
def test_resend(age: float, sends: int) -> None:
    """An attempt without a trace is sent again while ECS honours its token for certain, and else never run again."""
    client = Stub({"list_tasks": [NONE], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    found = events(
        Ecs(client).act(work(RUN, database="orders", attempt=Attempt(1, NOW - age, RESOLVED), age=age))
    )
    assert len(client.sent("run_task")) == sends
    if not sends:
        assert isinstance(found[0], Replied)
        assert "unknown whether it ran" in str(found[0].answer)


@pytest.mark.parametrize("named", ["migrate", "migrate:3", NEWEST])
def test_found_among_those_that_have_stopped(named: str) -> None:
    """The stopped tasks of the family are looked through, all pages of them and a hundred at a time."""
    run = RunTask(Run("d1", "orders", Purpose.MIGRATE, evolve(TASK, task_definition=named), (0,)))
    pending = work(run, database="orders", attempt=Attempt(1, NOW - 9_000, RESOLVED), age=9_000)
    others = [{"taskArn": "x0", "startedBy": "somebody"}, {"taskArn": "x1"}]
    ours = {"taskArn": ARN, "startedBy": pending.token(1)}
    client = Stub(
        {
            "list_tasks": [
                NONE,
                {"taskArns": [f"x{n}" for n in range(100)], "nextToken": "2"},
                {"taskArns": [*(f"y{n}" for n in range(49)), ARN]},
            ],
            "describe_tasks": [{"tasks": others}, {"tasks": [ours]}],
        }
    )
    assert events(Ecs(client).act(pending)) == [Accepted(7, ARN, NOW)]
    asked = {"cluster": "main", "family": "migrate", "desiredStatus": "STOPPED"}
    assert client.sent("list_tasks")[1:] == [asked, {**asked, "nextToken": "2"}]
    assert [len(request["tasks"]) for request in client.sent("describe_tasks")] == [100, 50]


def test_definition_by_family_is_read_anew() -> None:
    """The newest revision of a family may be another one at the next run; a revision is read once."""
    client = Stub({"describe_task_definition": [defined()], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    executor = Ecs(client)
    for _ in range(2):
        events(executor.act(work(RUN, database="orders")))
    assert len(client.sent("describe_task_definition")) == 2
    fixed = RunTask(Run("d1", "orders", Purpose.MIGRATE, evolve(TASK, task_definition="migrate:3"), (0,)))
    for _ in range(2):
        events(executor.act(work(fixed, database="orders")))
    assert len(client.sent("describe_task_definition")) == 3


# Observing


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "ACTIVATING"])
def test_coming_up(status: str) -> None:
    """Before RUNNING the status is told."""
    assert task_observed(task(status)) == [Status(status)]


@pytest.mark.parametrize("status", ["DEACTIVATING", "STOPPING", "DEPROVISIONING"])
def test_going_down(status: str) -> None:
    """Beyond RUNNING the task was running, even if nobody saw it, unless none of its containers was made."""
    assert task_observed(task(status, startedAt=at(-5))) == [Started(ARN), Status(status)]
    assert task_observed(task(status, {"name": "app", "runtimeId": "1"})) == [Started(ARN), Status(status)]
    assert task_observed(task(status, {"name": "app"})) == [Status(status)]
    assert task_observed(task(status, startedAt=at(-5), stopCode="TaskFailedToStart")) == [Status(status)]


@pytest.mark.parametrize("status", ["STOPPED", "DELETED"])
def test_end(status: str) -> None:
    """The end is told with every container, the judged one marked, stop code and reason."""
    containers = ({"name": "app", "exitCode": 0}, {"name": "proxy", "reason": "killed"})
    answer = task(
        status,
        *containers,
        stopCode="EssentialContainerExited",
        stoppedReason="Essential container in task exited",
    )
    definition = defined({"name": "app"}, {"name": "proxy", "essential": False})
    assert task_observed(answer, definition=definition) == [
        StatusStopped(
            (Exit("app", 0, True, essential=True), Exit("proxy", None, False, "killed")),
            "EssentialContainerExited",
            "Essential container in task exited",
        )
    ]


def stop_codes() -> list[str]:
    """Every stop code that botocore knows."""
    model: Any = botocore.session.get_session().get_service_model("ecs")
    return list(model.shape_for("TaskStopCode").enum)


@pytest.mark.parametrize("code", [*stop_codes(), "", "NeverHeardOf"])
def test_every_stop_code_ends_the_run(code: str) -> None:
    """Under EssentialContainerExited, or without a stop code, the exit code counts; any other one is an error."""
    members = {"stopCode": code} if code else {}
    (end,) = task_observed(task("STOPPED", {"name": "app", "exitCode": 0}, **members))
    state, commands = ecs_task.MACHINE.reduce(ecs_task.Requested(RUN.run), end)
    done = code in ("EssentialContainerExited", "")
    assert isinstance(state, ecs_task.Done if done else ecs_task.Error)
    assert len(commands) == 1
