"""The deployer: tasks that nobody waits for any more, and the words of operators."""

from typing import Any

import pytest

from deployer_core.engine.reducer import Attempt, AttemptRefused, StopTask
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.deployment import StabiliseStack
from deployer_core.machines.ecs_task import Errored, RunTask, Started, Status
from deployer_core.machines.postgres_migration import UpsertDone
from tests.support.deploying import UNEVALUATED, Story, complete, exited

# Stopping tasks


@pytest.mark.parametrize("ended", ["terminated", "late", "faulty", "lost"])
@pytest.mark.parametrize("seen_running", [False, True])
def test_a_task_that_is_dropped_is_stopped(ended: str, seen_running: bool) -> None:
    """A task that was sent and is waited for no more is stopped in the same reduction, by its ARN if known."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask)
    if seen_running:
        story.reply(RunTask, Started("arn:1"))
    asked = story.pending(RunTask)
    match ended:
        case "terminated":
            story.terminate("d1")
        case "late":
            story.late(RunTask)
        case "faulty":
            story.reply(RunTask, UpsertDone())
        case _:
            story.reply(RunTask, Errored("lost", may_still_run=True))
    stopping = story.pending(StopTask)
    assert isinstance(asked.command, RunTask)
    assert stopping.command == StopTask(
        asked.command.run, asked.id, Attempt(1, 1000), "arn:1" if seen_running else ""
    )
    assert stopping in story.given
    assert story.stack == "BROKEN"


def test_a_task_that_was_found_unsent_is_stopped() -> None:
    """A task that runs is stopped, even if nobody wrote down that it was sent."""
    story = Story().to_tasks("d1", UNEVALUATED).reply(RunTask, Started("arn:1")).terminate("d1")
    command = story.pending(StopTask).command
    assert isinstance(command, StopTask)
    assert (command.arn, command.attempt) == ("arn:1", Attempt(0, 1000))


@pytest.mark.parametrize("ended", ["terminated", "late", "lost"])
def test_a_task_that_was_never_sent_needs_no_stopping(ended: str) -> None:
    """What was never attempted cannot run."""
    story = Story().to_tasks("d1", UNEVALUATED)
    if ended == "terminated":
        story.terminate("d1")
    elif ended == "late":
        story.late(RunTask)
    else:
        story.reply(RunTask, Errored("lost", may_still_run=True))
    assert story.waits_for == []
    assert story.repair().stack == "AVAILABLE"


@pytest.mark.parametrize("ended", ["terminated", "late", "lost"])
def test_a_task_whose_every_attempt_was_refused_needs_no_stopping(ended: str) -> None:
    """It has certainly never run, and the stack can be repaired at once."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).reply(RunTask, AttemptRefused(1, "no room"))
    assert story.pending(RunTask).seen == "no room"
    if ended == "terminated":
        story.terminate("d1")
    elif ended == "late":
        story.late(RunTask)
    else:
        story.reply(RunTask, Errored("lost", may_still_run=True))
    assert story.waits_for == []
    assert story.repair().stack == "AVAILABLE"


def test_the_attempt_after_a_refusal_may_run() -> None:
    """A refusal is of one attempt: said late, after the next one, it is stale, and the task is stopped."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).reply(RunTask, AttemptRefused(1, "no room"))
    story.attempt(RunTask, n=2)
    before = story.state
    assert story.reply(RunTask, AttemptRefused(1, "no room")).state is before
    assert story.terminate("d1").waits_for == ["StopTask db0"]


def test_what_has_begun_is_not_refused() -> None:
    """Of a task that is known to the world a refusal is stale, as it is of what was never attempted, and twice."""
    fresh = Story().to_tasks("d1", UNEVALUATED)
    before = fresh.state
    assert fresh.reply(RunTask, AttemptRefused(1, "no room")).state is before
    known = fresh.attempt(RunTask).accept(RunTask, "arn:1")
    before = known.state
    assert known.reply(RunTask, AttemptRefused(1, "no room")).state is before
    refused = (
        Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).reply(RunTask, AttemptRefused(1, "no room"))
    )
    before = refused.state
    assert refused.reply(RunTask, AttemptRefused(1, "still none")).state is before
    other = Story().request("d1").attempt(StabiliseStack)
    before = other.state
    assert other.reply(StabiliseStack, AttemptRefused(1, "no room")).state is before


def stopping() -> Story:
    """A deployment that was terminated while its task ran, and another one that waits."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).accept(RunTask, "arn:1").request("d2")
    return story.terminate("d1")


@pytest.mark.parametrize(
    "answer", [Status("DEPROVISIONING"), Errored("throttled"), Started("arn:1"), UpsertDone(), complete()]
)
def test_only_stopped_ends_stopping(answer: Any) -> None:
    """Whatever is said of a task that is being stopped: it may still run until it was seen STOPPED."""
    story = stopping().reply(StopTask, answer)
    assert story.waits_for == ["StopTask db0"]
    with pytest.raises(IllegalEvent, match="the task of d1/db0/migrate may still run"):
        story.repair()


def test_a_task_that_was_seen_to_stop_is_out_of_the_way() -> None:
    """Once the task was seen STOPPED, the stack can be repaired."""
    story = stopping().reply(StopTask, exited(137, "UserInitiated")).repair()
    assert story.deployments == {"d2": "WAITING"}


def test_a_task_that_does_not_stop_is_unresolved() -> None:
    """Past its deadline a stopping task stays, with what was last seen of it, and once more is no news."""
    story = stopping().reply(StopTask, Status("DEPROVISIONING")).late(StopTask)
    found = story.pending(StopTask)
    assert (found.unresolved, found.seen) == (True, "DEPROVISIONING")
    before = story.state
    assert story.late(StopTask).state is before
    assert story.reply(StopTask, exited()).waits_for == []


def test_an_operator_may_name_a_task_that_does_not_stop() -> None:
    """A repair by the run's name takes the task for stopped, and the next deployment starts."""
    story = stopping().repair("d1/db0/migrate")
    assert story.deployments == {"d2": "WAITING"}
    assert story.waits_for == ["StabiliseStack"]


def test_a_task_that_is_not_being_stopped_can_not_be_named() -> None:
    """A mistyped name is an error, and the repair does not happen."""
    with pytest.raises(IllegalEvent, match="no task is being stopped for d1/db9/migrate"):
        stopping().repair("d1/db0/migrate", "d1/db9/migrate")


# Operators


def test_terminating_what_waits_breaks_nothing() -> None:
    """A deployment that is terminated while it waits leaves the queue, and the current one goes on."""
    story = Story().request("d1").request("d2").terminate("d2")
    assert (story.stack, story.deployments) == ("CREATING", {"d1": "WAITING"})
    assert story.outcomes == [("d2", "FAILED")]
    assert story.notices[0].reason == "terminated by ann while it waited for its turn"


def test_terminating_what_runs_breaks_the_stack() -> None:
    """A deployment that is terminated while it runs fails: nothing is waited for, and the stack is BROKEN."""
    story = Story().request("d1").request("d2").terminate("d1")
    assert (story.stack, story.waits_for, story.deployments) == ("BROKEN", [], {"d2": "QUEUED"})


@pytest.mark.parametrize(("name", "why"), [("d1", "has ended"), ("d9", "was never requested")])
def test_only_what_is_there_can_be_terminated(name: str, why: str) -> None:
    """Terminating what has ended, or never was, is an error that says which."""
    story = Story().request("d1").terminate("d1")
    with pytest.raises(IllegalEvent, match=f"{name}' {why}"):
        story.terminate(name)


def test_only_a_broken_stack_can_be_repaired() -> None:
    """A repair of a stack that is not broken is an error."""
    with pytest.raises(IllegalEvent, match="refuses Repaired"):
        Story().request("d1").repair()


def test_a_repaired_stack_takes_the_next() -> None:
    """After the repair the head of the queue has its turn."""
    story = Story().request("d1").request("d2").request("d3").terminate("d1").repair()
    assert story.deployments == {"d2": "WAITING", "d3": "QUEUED"}


def test_a_broken_stack_goes_on_taking_requests() -> None:
    """While the stack is broken, requests wait, and may be withdrawn."""
    story = Story().request("d1").terminate("d1").request("d2").request("d3").terminate("d2")
    assert (story.stack, story.deployments) == ("BROKEN", {"d3": "QUEUED"})
