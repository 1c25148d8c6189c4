"""The ECS executor, look by look: what it sends, and what it makes of each answer."""

from typing import Any

import botocore.session
import pytest
from attrs import evolve

from deployer_aws.executors.definitions import Definition
from deployer_aws.executors.ecs import DEFINITION, Ecs
from deployer_aws.executors.last_words import LENGTH, LastWords
from deployer_core import ecs_task
from deployer_core.deployer import Accepted, Replied, Sent, StopTask
from deployer_core.ecs_task import Errored, Exit, Run, RunTask, Started, Status, StatusStopped
from deployer_core.spec import TaskSpec
from tests.aws.stubs import NOW, Refused, Stub, answers, attempts, events, work

FAMILY = "arn:aws:ecs:eu-west-1:1:task-definition/migrate"
NEWEST = f"{FAMILY}:3"
ARN = "arn:aws:ecs:eu-west-1:1:task/main/0123"
TASK = TaskSpec[str]("main", "migrate")
RUN = RunTask(Run("d1/orders/migrate", TASK, (0,)))
STOP = StopTask(RUN.run, 5, Sent(2, NOW - 20), "")
RESOLVED = ((DEFINITION, NEWEST),)


def defined(*containers: dict[str, Any]) -> dict[str, Any]:
    """DescribeTaskDefinition's answer."""
    return {"taskDefinition": {"taskDefinitionArn": NEWEST, "containerDefinitions": containers or ({"name": "app"},)}}


def task(status: str = "STOPPED", *containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """DescribeTasks' answer."""
    found = {"taskArn": ARN, "taskDefinitionArn": NEWEST, "lastStatus": status, "containers": list(containers)}
    return {"tasks": [{**found, **members}], "failures": []}


NOTHING: dict[str, Any] = {"tasks": [], "failures": [{"arn": ARN, "reason": "MISSING"}]}
NONE: dict[str, Any] = {"taskArns": []}


def observed(answer: dict[str, Any], *, definition: Any = None, logs: Any = None, age: float = 10, run: RunTask = RUN) -> list[Any]:
    """What one look at an accepted task comes to."""
    client = Stub({"describe_tasks": [answer], "describe_task_definition": [definition or defined()]})
    pending = work(run, database="orders", sent=Sent(1, NOW - age, RESOLVED), ref=ARN, age=age)
    return answers(Ecs(client, logs=logs).act(pending))


# Running


def test_whole_request() -> None:
    """A run sends all that the spec has, with our token as client token and as startedBy, and the run as a tag."""
    spec = TaskSpec[str](
        "main",
        "migrate",
        "app",
        command=("migrate", "--all"),
        environment=(("LEVEL", "debug"),),
        subnets=("subnet-1",),
        security_groups=("sg-1",),
        public_ip=True,
        capacity_provider="FARGATE_SPOT",
        platform_version="1.4.0",
    )
    client = Stub({"describe_task_definition": [defined()], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    pending = work(RunTask(Run("d1/orders/migrate", spec, (0,))), database="orders")
    found = events(Ecs(client).act(pending))
    token = pending.token(1)
    assert client.sent("run_task") == [
        {
            "cluster": "main",
            "taskDefinition": NEWEST,
            "clientToken": token,
            "startedBy": token,
            "count": 1,
            "tags": [{"key": "deployer:run", "value": "d1/orders/migrate"}],
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
            "platformVersion": "1.4.0",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": ["subnet-1"],
                    "securityGroups": ["sg-1"],
                    "assignPublicIp": "ENABLED",
                }
            },
            "overrides": {
                "containerOverrides": [
                    {
                        "name": "app",
                        "command": ["migrate", "--all"],
                        "environment": [{"name": "LEVEL", "value": "debug"}],
                    }
                ]
            },
        }
    ]
    assert len(token) <= 64, "clientToken's limit"
    assert attempts(found)[0].resolved == RESOLVED
    assert found[-1] == Accepted(7, ARN, NOW)


@pytest.mark.parametrize(
    ("settings", "member", "value"),
    [
        ({"launch_type": "FARGATE"}, "launchType", "FARGATE"),
        ({"container": "app", "command": ("x",)}, "overrides", {"containerOverrides": [{"name": "app", "command": ["x"]}]}),
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
    events(Ecs(client).act(work(RunTask(Run("r", evolve(TASK, **settings), (0,))), database="orders")))
    (request,) = client.sent("run_task")
    plain = {"cluster", "taskDefinition", "clientToken", "startedBy", "count", "tags"}
    assert set(request) == plain | {member}
    assert request[member] == value


def test_conflict_names_the_task_to_adopt() -> None:
    """A conflict says that the token has run a task already: the one that it names is ours."""
    conflict = Refused("ConflictException", "already in use", resourceIds=[ARN])
    client = Stub({"list_tasks": [NONE], "run_task": [conflict]})
    found = events(Ecs(client).act(work(RUN, database="orders", sent=Sent(1, NOW - 60, RESOLVED), age=60)))
    assert found[-1] == Accepted(7, ARN, NOW)


@pytest.mark.parametrize("error", [Refused("ConflictException"), Refused("ServerException"), KeyError("oops")])
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
    refused = {"tasks": [], "failures": [{"arn": "i-1", "reason": reason, "detail": "eu-west-1a"}]}
    client = Stub({"describe_task_definition": [defined()], "run_task": [refused]})
    (answer,) = answers(Ecs(client).act(work(RUN, database="orders")))
    assert answer == Status(f"attempt 1 was refused for want of capacity: {reason}: eu-west-1a")


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ([{"arn": "i-1", "reason": "ATTRIBUTE"}], "ATTRIBUTE"),
        ([{"reason": "LOCATION"}, {"reason": "INACTIVE"}], "LOCATION; INACTIVE"),
        ([], "ECS gave no reason"),
    ],
)
def test_other_failures_are_answers(failures: list[dict[str, str]], words: str) -> None:
    """What no waiting mends is an error with ECS's reasons."""
    client = Stub({"describe_task_definition": [defined()], "run_task": [{"tasks": [], "failures": failures}]})
    (answer,) = answers(Ecs(client).act(work(RUN, database="orders")))
    assert answer == Errored(f"ECS refused to run the task migrate: {words}")


def test_next_attempt_after_a_refusal() -> None:
    """A refused attempt is followed by the next one, with a token of its own and the same revision; not after the end."""
    client = Stub({"run_task": [{"tasks": [{"taskArn": ARN}]}]})
    refused = {"database": "orders", "sent": Sent(1, NOW - 9, RESOLVED), "seen": "attempt 1 was refused for want of"}
    pending = work(RUN, **refused)  # type: ignore[arg-type]
    found = events(Ecs(client).act(pending))
    assert [a.attempt for a in attempts(found)] == [2]
    assert client.sent("run_task")[0]["clientToken"] == pending.token(2)
    assert client.sent("run_task")[0]["taskDefinition"] == NEWEST
    (late,) = answers(Ecs(client).act(work(RUN, deadline=NOW, **refused)))  # type: ignore[arg-type]
    assert late == Errored("the task never ran: attempt 1 was refused for want of")


@pytest.mark.parametrize(("age", "sends"), [(60, 1), (49 * 60, 1), (51 * 60, 0), (90_000, 0)])
def test_resend(age: float, sends: int) -> None:
    """An attempt without a trace is sent again while ECS honours its token for certain, and else never run again."""
    client = Stub({"list_tasks": [NONE], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    found = events(Ecs(client).act(work(RUN, database="orders", sent=Sent(1, NOW - age, RESOLVED), age=age)))
    assert len(client.sent("run_task")) == sends
    if not sends:
        assert isinstance(found[0], Replied)
        assert "unknown whether it ran" in str(found[0].answer)


@pytest.mark.parametrize("where", ["RUNNING", "STOPPED"])
def test_found_by_its_token(where: str) -> None:
    """An attempt without an answer is looked for among the tasks that run, and then among those that have stopped."""
    lists = [{"taskArns": [ARN]}] if where == "RUNNING" else [NONE, {"taskArns": [ARN]}]
    client = Stub({"list_tasks": lists})
    pending = work(RUN, database="orders", sent=Sent(1, NOW - 9_000, RESOLVED), age=9_000)
    assert events(Ecs(client).act(pending)) == [Accepted(7, ARN, NOW)]
    asked = client.sent("list_tasks")
    assert asked[-1] == {"cluster": "main", "startedBy": pending.token(1), "desiredStatus": where}


def test_definition_by_family_is_read_anew() -> None:
    """The newest revision of a family may be another one at the next run; a revision is read once."""
    client = Stub({"describe_task_definition": [defined()], "run_task": [{"tasks": [{"taskArn": ARN}]}]})
    executor = Ecs(client)
    for _ in range(2):
        events(executor.act(work(RUN, database="orders")))
    assert len(client.sent("describe_task_definition")) == 2
    fixed = RunTask(Run("r", evolve(TASK, task_definition="migrate:3"), (0,)))
    for _ in range(2):
        events(executor.act(work(fixed, database="orders")))
    assert len(client.sent("describe_task_definition")) == 3


# Observing


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "ACTIVATING"])
def test_coming_up(status: str) -> None:
    """Before RUNNING the status is told."""
    assert observed(task(status)) == [Status(status)]


@pytest.mark.parametrize("status", ["DEACTIVATING", "STOPPING", "DEPROVISIONING"])
def test_going_down(status: str) -> None:
    """Beyond RUNNING the task was running, even if nobody saw it."""
    assert observed(task(status)) == [Started(ARN), Status(status)]


def test_running() -> None:
    """RUNNING is told with the task's ARN."""
    assert observed(task("RUNNING")) == [Started(ARN)]


def test_missing_is_no_news_for_five_minutes() -> None:
    """MISSING soon after the task was run is no news; later the task has vanished."""
    assert observed(NOTHING, age=299) == []
    (answer,) = observed(NOTHING, age=301)
    assert f"the task {ARN} has vanished" in answer.reason


@pytest.mark.parametrize("status", ["STOPPED", "DELETED"])
def test_end(status: str) -> None:
    """The end is told with every container, the judged one marked, stop code and reason."""
    containers = ({"name": "app", "exitCode": 0}, {"name": "proxy", "reason": "killed"})
    answer = task(status, *containers, stopCode="EssentialContainerExited", stoppedReason="Essential container in task exited")
    definition = defined({"name": "app"}, {"name": "proxy", "essential": False})
    assert observed(answer, definition=definition) == [
        StatusStopped(
            (Exit("app", 0, True), Exit("proxy", None, False, "killed")),
            "EssentialContainerExited",
            "Essential container in task exited",
        )
    ]


def stop_codes() -> list[str]:
    """Every stop code that botocore knows."""
    shape = botocore.session.get_session().get_service_model("ecs").shape_for("TaskStopCode")
    codes: list[str] = shape.enum  # type: ignore[attr-defined]
    return codes


@pytest.mark.parametrize("code", [*stop_codes(), "", "NeverHeardOf"])
def test_every_stop_code_ends_the_run(code: str) -> None:
    """Under EssentialContainerExited, or without a stop code, the exit code counts; any other one is an error."""
    members = {"stopCode": code} if code else {}
    (end,) = observed(task("STOPPED", {"name": "app", "exitCode": 0}, **members))
    state, commands = ecs_task.MACHINE.reduce(ecs_task.Requested(RUN.run), end)
    done = code in ("EssentialContainerExited", "")
    assert isinstance(state, ecs_task.Done if done else ecs_task.Error)
    assert len(commands) == 1


def test_definition_that_can_no_longer_be_read() -> None:
    """A task whose definition is gone is judged by the container that the spec names, if it names one."""
    gone = Refused("ClientException", "Unable to describe task definition.")
    answer = task("STOPPED", {"name": "app", "exitCode": 0})
    named = RunTask(Run("r", evolve(TASK, container="app"), (0,)))
    assert observed(answer, definition=gone, run=named) == [StatusStopped((Exit("app", 0, True),))]
    assert observed(answer, definition=gone) == [StatusStopped((Exit("app", 0, False),))]
    with pytest.raises(Refused):
        observed(answer, definition=Refused("ThrottlingException"))


# Last words


LOGGED = defined(
    {
        "name": "app",
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/ecs/migrate", "awslogs-stream-prefix": "ecs"},
        },
    }
)


def test_last_words_of_a_failed_container() -> None:
    """The end of the judged container's log is put behind its reason; that of a good run is not fetched."""
    logs = Stub({"get_log_events": [{"events": [{"message": "one\n"}, {"message": "two"}]}]})
    (end,) = observed(task("STOPPED", {"name": "app", "exitCode": 1, "reason": "oops"}), definition=LOGGED, logs=logs)
    assert end.exits[0].reason == "oops; its last lines in /ecs/migrate: one\ntwo"
    assert logs.sent("get_log_events") == [
        {"logGroupName": "/ecs/migrate", "logStreamName": "ecs/app/0123", "limit": 20, "startFromHead": False}
    ]
    (end,) = observed(task("STOPPED", {"name": "app", "exitCode": 0}), definition=LOGGED, logs=logs)
    assert end.exits[0].reason == ""
    assert len(logs.calls) == 1


def words(answer: Any, **options: str) -> str:
    """The last words where the log client answers so."""
    definition = Definition(NEWEST, ("app",), ("app",), {"app": options} if options else {})
    return LastWords(Stub({"get_log_events": [answer]})).of(definition, "app", ARN)


WHERE = {"awslogs-group": "g", "awslogs-stream-prefix": "p"}


def test_last_words_are_bounded() -> None:
    """Only the last characters of them are kept."""
    said = words({"events": [{"message": "x" * 5_000 + "the end"}]}, **WHERE)
    assert said.endswith("the end")
    assert "...xxx" in said
    assert len(said) < LENGTH + 50


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ({"events": []}, WHERE),
        ({"events": [{"message": "x"}]}, {}),
        ({"events": [{"message": "x"}]}, {"awslogs-group": "g"}),
        (Refused("ResourceNotFoundException"), WHERE),
        (Refused("ThrottlingException"), WHERE),
    ],
)
def test_no_last_words(answer: Any, options: dict[str, str]) -> None:
    """Where there are none to be had, nothing is said; a log that cannot be read fails nothing."""
    assert words(answer, **options) == ""


@pytest.mark.parametrize("error", [Refused("ExpiredTokenException"), KeyError("oops")])
def test_last_words_hide_no_login(error: Exception) -> None:
    """Expired credentials and mistakes of our own are not swallowed."""
    with pytest.raises(type(error)):
        words(error, **WHERE)


# Stopping


def stopped(answer: dict[str, Any], *, command: StopTask = STOP, sent: Sent | None = None) -> tuple[list[Any], Stub]:
    """What one look at a task that is to stop comes to."""
    client = Stub({"describe_tasks": [answer], "stop_task": [{}], "list_tasks": [NONE]})
    return events(Ecs(client).act(work(command, database="orders", sent=sent))), client


KNOWN = evolve(STOP, arn=ARN)


def test_stop() -> None:
    """A task that is not stopping yet is stopped, after that was journaled, and looked at until it has."""
    found, client = stopped(task("RUNNING", desiredStatus="RUNNING"), command=KNOWN)
    assert [type(e).__name__ for e in found] == ["Replied", "Attempted"]
    assert client.sent("stop_task") == [
        {"cluster": "main", "task": ARN, "reason": "its deployment no longer waits for it"}
    ]


def test_stop_is_sent_until_ecs_has_taken_it() -> None:
    """A stop that was lost is sent again; one that ECS has taken is not."""
    _, client = stopped(task("RUNNING", desiredStatus="RUNNING"), command=KNOWN, sent=Sent(1, NOW - 5))
    assert len(client.sent("stop_task")) == 1
    _, client = stopped(task("DEPROVISIONING", desiredStatus="STOPPED"), command=KNOWN, sent=Sent(1, NOW - 5))
    assert client.sent("stop_task") == []


def test_stop_ends_with_stopped() -> None:
    """Only STOPPED ends it."""
    found, _ = stopped(task("STOPPED", stopCode="UserInitiated", stoppedReason="ours"), command=KNOWN)
    assert [e.answer for e in found] == [StatusStopped((), "UserInitiated", "ours")]


def test_stop_of_a_forgotten_task() -> None:
    """A task that ECS no longer knows has stopped; one that was just run may only be yet to be seen."""
    just_run = evolve(KNOWN, sent=Sent(2, NOW - 299))
    assert stopped(NOTHING, command=just_run)[0] == []
    long_ago = evolve(KNOWN, sent=Sent(2, NOW - 301))
    found, _ = stopped(NOTHING, command=long_ago)
    assert isinstance(found[0].answer, StatusStopped)


def test_stop_of_a_task_without_an_arn() -> None:
    """A task of which only the attempt is known is looked for by its token, which is that of its RunTask."""
    found, client = stopped(task())
    assert "looking for the task, of which ECS shows no trace" in str(found[0].answer)
    pending = work(STOP, database="orders")
    assert client.sent("list_tasks")[0]["startedBy"] == pending.token(2, 5)
    client = Stub({"list_tasks": [{"taskArns": [ARN]}]})
    assert events(Ecs(client).act(pending)) == [Accepted(7, ARN, NOW)]


def test_commands_of_others_are_left_alone() -> None:
    """A command that is not a task's is none of its business."""
    assert events(Ecs(Stub({})).act(work(None))) == []
