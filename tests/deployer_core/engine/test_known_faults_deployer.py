"""Faults that earlier systems had, each shown not to be in this one as a whole."""

from typing import Any

import pytest

from deployer_core.engine.reducer import Accepted, Replied, StopTask
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import stack
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import Errored, RunTask, StatusStopped
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    UpsertDatabase,
    UpsertDone,
)
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import PreviousCount
from tests.support.deploying import PLAIN, QUICK, TWO, UNEVALUATED, Story, complete, exited, full, seen


def test_another_ones_completion_never_frees_the_lock() -> None:
    """A late success of an earlier deployment leaves the lock with the current one."""
    story = Story().request("d1", QUICK).reply(StabiliseStack, complete())
    late = Replied(story.pending(UpsertStack).id, complete(), 0)
    story.request("d2").request("d3").terminate("d1").repair()
    before = story.state
    assert isinstance(before.stack, stack.Migrating)
    assert story.take(late).state is before
    assert before.stack.current == "d2"
    with pytest.raises(IllegalEvent, match="the current deployment is 'd2', not 'd1'"):
        stack.MACHINE.reduce(before.stack, stack.DeploymentCompleted("d1"))


def test_a_withdrawn_deployment_is_never_popped_later() -> None:
    """A deployment that was terminated while it waited has no turn, and is told of once."""
    story = Story().request("d1", QUICK).request("d2").request("d3").terminate("d2")
    story.reply(StabiliseStack, complete()).reply(UpsertStack, complete())
    assert story.deployments == {"d3": "WAITING"}
    story.terminate("d3").repair()
    assert (story.stack, story.deployments) == ("AVAILABLE", {})
    assert story.outcomes == [("d2", "FAILED"), ("d1", "DONE"), ("d3", "FAILED")]


def test_broken_has_a_way_out() -> None:
    """After a failure and a repair the stack takes deployments as before."""
    story = Story().request("d1").reply(StabiliseStack, seen(Lifecycle.TERMINAL))
    assert story.stack == "BROKEN"
    assert story.repair().stack == "AVAILABLE"
    assert story.done("d2").outcomes == [("d1", "FAILED"), ("d2", "DONE")]


FAILING: list[Any] = [
    ("WAITING", Story().request("d1"), StabiliseStack),
    ("UPSERTING", Story().request("d1", QUICK).reply(StabiliseStack, complete()), UpsertStack),
    ("CREATING", Story().created("d1"), CreateStack),
    ("SCALING_DOWN", Story().request("d1").reply(StabiliseStack, complete()), ScaleStack),
    (
        "INFRA_MIGRATE",
        Story().request("d1").reply(StabiliseStack, complete()).reply(ScaleStack, complete()),
        UpdateStack,
    ),
    ("SCALING_UP", Story().to_databases("d1", PLAIN), ScaleStack),
]


@pytest.mark.parametrize(("status", "story", "command"), FAILING, ids=[f[0] for f in FAILING])
def test_a_failure_is_recorded_not_raised(status: str, story: Story, command: type) -> None:
    """Every step that fails gives a state and a notice with AWS's word, in the reduction that says so."""
    again = Story()
    again.state = story.state
    assert again.deployments == {"d1": status}
    again.reply(command, seen(Lifecycle.TERMINAL))
    assert (again.stack, again.deployments, again.waits_for) == ("BROKEN", {}, [])
    assert again.notices[0].reason == "the stack is TERMINAL"


def test_the_first_migration_to_finish_does_not_count_for_both() -> None:
    """The application stays at zero until the second of two migrations is done as well."""
    story = Story().to_tasks("d1", TWO).migrate("db0")
    assert story.migrations == {"db0": "DONE", "db1": "RUNNING"}
    assert story.waits_for == ["RunTask db1"]
    assert story.migrate("db1").waits_for == ["ScaleStack"]


def test_a_migration_that_reports_twice_does_not_count_for_both() -> None:
    """The same answer again, for the same database, is not its sibling's."""
    story = Story().to_tasks("d1", TWO).run_task("db0")
    done = Replied(story.pending(CleanupDatabase).id, CleanupDone(), 0)
    before = story.take(done).state
    assert story.take(done).state is before
    assert story.deployments == {"d1": "DB_MIGRATING"}


@pytest.mark.parametrize(
    "answer",
    [
        exited(1),
        exited(137),
        exited(None),
        exited(0, "SpotInterruption"),
        exited(0, "UserInitiated"),
        exited(0, "TaskFailedToStart"),
        StatusStopped((), "", "gone"),
        Errored("capacity"),
        Errored("lost", may_still_run=True),
    ],
)
@pytest.mark.parametrize("sent", [False, True])
def test_a_task_that_stops_for_any_reason_ends_its_step(answer: Any, sent: bool) -> None:
    """No migration waits for a task that is gone, whether it was ever seen to run or not."""
    story = Story().to_tasks("d1", UNEVALUATED)
    if sent:
        story.attempt(RunTask)
    story.reply(RunTask, answer)
    assert story.stack == "BROKEN"
    assert story.outcomes == [("d1", "FAILED")]


def test_counts_survive_a_deployment_that_failed_at_zero() -> None:
    """A deployment scales to zero and fails; repaired, the next one 'as before' has the counts from before back."""
    story = Story().to_databases("d1", UNEVALUATED, count=6).late(UpsertDatabase)
    assert story.stack == "BROKEN"
    story.repair().to_databases("d2", full(scaling=(PreviousCount("Count", 1),), version="2"), count=0)
    assert story.counts(ScaleStack) == (("Count", 6),)
    assert story.scaled_up().state.baseline is None


def test_counts_survive_two_deployments_that_failed_at_zero() -> None:
    """The second failure finds zero, and does not take it for the count from before."""
    story = Story().to_databases("d1", PLAIN, count=6).terminate("d1").repair()
    story.to_databases("d2", PLAIN, count=0).terminate("d2").repair()
    story.request("d3", QUICK).reply(StabiliseStack, complete(0))
    assert story.counts(UpsertStack) == (("Count", 6),)


def test_a_late_success_after_termination_changes_nothing() -> None:
    """What was under way may succeed later: it is stale, and the next deployment waits for the stack itself."""
    story = Story().to_databases("d1", PLAIN)
    asked = story.pending(ScaleStack)
    story.terminate("d1")
    before = story.state
    for event in (Accepted(asked.id, "ref", 0), Replied(asked.id, complete(), 0)):
        assert story.take(event).state is before
    assert story.outcomes == [("d1", "FAILED")]
    story.repair().request("d2").reply(StabiliseStack, seen(Lifecycle.PROGRESS))
    assert story.deployments == {"d2": "WAITING"}


def test_no_deployment_starts_while_a_task_of_an_earlier_one_may_run() -> None:
    """Neither a repair nor a request starts the next one before the task was seen STOPPED."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).terminate("d1").request("d2")
    with pytest.raises(IllegalEvent, match="may still run"):
        story.repair()
    assert (story.stack, story.waits_for) == ("BROKEN", ["StopTask db0"])
    assert story.reply(StopTask, exited(143, "UserInitiated")).repair().deployments == {"d2": "WAITING"}


def test_two_databases_of_one_deployment_do_not_answer_for_each_other() -> None:
    """An upserted database lets its own migration go on alone."""
    story = Story().to_databases("d1", TWO).reply(UpsertDatabase, UpsertDone(), "db1")
    assert story.migrations == {"db0": "UPSERTING", "db1": "BLOCKED"}
