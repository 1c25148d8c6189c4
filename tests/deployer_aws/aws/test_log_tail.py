"""The ends of tasks: what a failed one had to say, and tasks that are to stop."""

from typing import Any

import pytest
from attrs import evolve, frozen

from deployer_aws.aws.definitions import TaskDefinition
from deployer_aws.aws.log_tail import LENGTH, LogTail
from deployer_aws.executors.ecs import Ecs
from deployer_core.engine.messages import Accepted, Attempt, StopTask
from deployer_core.machines.ecs_task import StatusStopped
from tests.deployer_aws.aws_answers import (
    ARN,
    NEWEST,
    NONE,
    NOTHING,
    NOW,
    STOP,
    Refused,
    Stub,
    defined,
    events,
    task,
    task_observed,
    work,
)

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
    (end,) = task_observed(
        task("STOPPED", {"name": "app", "exitCode": 1, "reason": "oops"}), definition=LOGGED, logs=logs
    )
    assert end.exits[0].reason == "oops; its last lines in /ecs/migrate: one\ntwo"
    assert logs.sent("get_log_events") == [
        {"logGroupName": "/ecs/migrate", "logStreamName": "ecs/app/0123", "limit": 20, "startFromHead": False}
    ]
    (end,) = task_observed(task("STOPPED", {"name": "app", "exitCode": 0}), definition=LOGGED, logs=logs)
    assert end.exits[0].reason == ""
    assert len(logs.calls) == 1


def words(answer: Any, **options: str) -> str:
    """Return the log tail where the log client answers so."""
    definition = TaskDefinition(NEWEST, ("app",), ("app",), {"app": options} if options else {})
    return LogTail(Stub({"get_log_events": [answer]})).read(definition, "app", ARN)


@frozen
class Here:
    """What boto3's client says of itself."""

    region_name: str = "eu-west-1"


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
def test_no_log_tail(answer: Any, options: dict[str, str]) -> None:
    """Where there are none to be had, nothing is said; a log that cannot be read fails nothing."""
    assert words(answer, **options) == ""


@pytest.mark.parametrize(("region", "read"), [("eu-west-1", 1), ("us-east-1", 0)])
def test_log_in_another_region(region: str, read: int) -> None:
    """Where the log is in another region than ours, a group of its name here is another one: it is named, not read."""
    logs = Stub({"get_log_events": [{"events": [{"message": "one"}]}]}, meta=Here())
    definition = TaskDefinition(NEWEST, ("app",), ("app",), {"app": {**WHERE, "awslogs-region": region}})
    said = LogTail(logs).read(definition, "app", ARN)
    assert len(logs.calls) == read
    assert said == ("its last lines in g: one" if read else "its log is in g in us-east-1")


@pytest.mark.parametrize("error", [Refused("ExpiredTokenException"), KeyError("oops")])
def test_last_words_hide_no_login(error: Exception) -> None:
    """Expired credentials and mistakes of our own are not swallowed."""
    with pytest.raises(type(error)):
        words(error, **WHERE)


# Stopping


def stopped(
    answer: dict[str, Any], *, command: StopTask = STOP, attempt: Attempt | None = None
) -> tuple[list[Any], Any]:
    """Return what one look at a task that is to stop comes to."""
    client = Stub({"describe_tasks": [answer], "stop_task": [{}], "list_tasks": [NONE]})
    return events(Ecs(client).act(work(command, database="orders", attempt=attempt))), client


KNOWN = evolve(STOP, arn=ARN)


def test_stop() -> None:
    """A task that is not stopping yet is stopped, after that was journaled, and looked at until it has."""
    found, client = stopped(task("RUNNING", desiredStatus="RUNNING"), command=KNOWN)
    assert [type(e).__name__ for e in found] == ["Attempted", "Replied"]
    assert client.sent("stop_task") == [
        {"cluster": "main", "task": ARN, "reason": "its deployment no longer waits for it"}
    ]


def test_stop_is_sent_until_ecs_has_taken_it() -> None:
    """A stop that was lost is sent again; one that ECS has taken is not."""
    _, client = stopped(task("RUNNING", desiredStatus="RUNNING"), command=KNOWN, attempt=Attempt(1, NOW - 5))
    assert len(client.sent("stop_task")) == 1
    _, client = stopped(
        task("DEPROVISIONING", desiredStatus="STOPPED"), command=KNOWN, attempt=Attempt(1, NOW - 5)
    )
    assert client.sent("stop_task") == []


def test_stop_ends_with_stopped() -> None:
    """Only STOPPED ends it."""
    found, _ = stopped(task("STOPPED", stopCode="UserInitiated", stoppedReason="ours"), command=KNOWN)
    assert [e.answer for e in found] == [StatusStopped((), "UserInitiated", "ours")]


def test_stop_of_a_forgotten_task() -> None:
    """A task that ECS no longer knows has stopped; one that was just run may only be yet to be seen."""
    just_run = evolve(KNOWN, attempt=Attempt(2, NOW - 299))
    assert stopped(NOTHING, command=just_run)[0] == []
    long_ago = evolve(KNOWN, attempt=Attempt(2, NOW - 301))
    found, _ = stopped(NOTHING, command=long_ago)
    assert isinstance(found[0].answer, StatusStopped)


def test_stop_of_a_task_without_an_arn() -> None:
    """A task of which only the attempt is known is looked for by its token, which is that of its RunTask."""
    found, client = stopped(task())
    assert "looking for the task, of which ECS shows no trace" in str(found[0].answer)
    pending = work(STOP, database="orders")
    assert client.sent("list_tasks")[0]["startedBy"] == STOP.attempt.token
    client = Stub({"list_tasks": [{"taskArns": [ARN]}]})
    assert events(Ecs(client).act(pending)) == [Accepted(7, ARN, NOW)]


def test_commands_of_others_are_left_alone() -> None:
    """A command that is not a task's is none of its business."""
    assert events(Ecs(Stub({})).act(work(None))) == []
