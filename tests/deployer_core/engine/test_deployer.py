"""The deployer: what a person asks, what the world answers, and what comes of it, rule by rule."""

from typing import Any, cast

import pytest
from attrs import evolve

from deployer_core.engine.reducer import (
    INITIAL,
    Accepted,
    Attempt,
    Attempted,
    DeadlinePassed,
    Progress,
    Replied,
    Requested,
    reduce,
)
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment, postgres_migration
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import RunTask, Started, Status
from deployer_core.machines.postgres_migration import CleanupDone, UpsertDatabase, UpsertDone
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import SpecError
from tests.support.deploying import (
    EVALUATED,
    PLAIN,
    QUICK,
    TWO,
    UNEVALUATED,
    Story,
    complete,
    exited,
    full,
    seen,
)

# The long path, the short one, and a new stack


def test_the_long_path() -> None:
    """A full deployment waits, scales to zero, updates, migrates its databases and scales up again."""
    story = Story().to_tasks("d1", EVALUATED)
    assert story.waits_for == ["RunTask db0"]
    story.run_task("db0", exited(2))
    assert story.migrations == {"db0": "RUNNING"}
    story.migrate("db0")
    assert story.waits_for == ["ScaleStack"]
    story.scaled_up()
    assert (story.stack, story.deployments, story.waits_for) == ("AVAILABLE", {}, [])
    assert story.outcomes == [("d1", "DONE")]


def test_quick_mode() -> None:
    """A quick deployment upserts its stack, and is done."""
    story = Story().request("d1", QUICK).reply(StabiliseStack, complete())
    assert story.counts(UpsertStack) == (("Count", 3),)
    story.reply(UpsertStack, complete())
    assert story.outcomes == [("d1", "DONE")]


def test_a_new_stack_is_created_at_zero() -> None:
    """A stack that is missing is created without a running task, and then scaled to its initial count."""
    story = Story().created("d1")
    assert story.counts(CreateStack) == (("Count", 0),)
    story.reply(CreateStack, complete(0))
    assert story.counts(ScaleStack) == (("Count", 1),)


def test_a_database_without_changes_is_not_migrated() -> None:
    """Where the evaluation says 'no changes', no migration is run."""
    story = Story().to_tasks("d1", EVALUATED).run_task("db0", exited(0))
    assert story.waits_for == ["ScaleStack"]


def test_a_database_without_a_migration_is_only_upserted() -> None:
    """Where a spec has no migration, no task is run."""
    story = Story().to_tasks("d1", full("unmigrated"))
    assert story.waits_for == ["ScaleStack"]


def test_missing_outputs_fail_the_databases_before_they_are_touched() -> None:
    """A database that names an output that the stack lacks fails, and none is touched."""
    story = Story().request("d1", TWO).reply(StabiliseStack, complete()).reply(ScaleStack, complete(0))
    story.reply(UpdateStack, seen(Lifecycle.COMPLETE, outputs=()))
    assert story.stack == "BROKEN"
    assert "no output Cluster" in story.notices[0].reason


# Requests


def test_a_request_is_idempotent_for_ever() -> None:
    """The same request again changes nothing, while the deployment runs and after it has ended."""
    story = Story().request("d1")
    running = story.state
    assert story.request("d1").state is running
    story.terminate("d1")
    ended = story.state
    assert story.request("d1").state is ended
    assert story.given == ()


def test_an_id_stands_for_one_spec() -> None:
    """The same id with another spec is refused, even when the first has ended."""
    story = Story().request("d1").terminate("d1")
    with pytest.raises(IllegalEvent, match="another spec; give this an id of its own"):
        story.request("d1", TWO)


def test_the_first_request_names_the_stream() -> None:
    """A stream gets its random id once, from its first request, and is nothing without."""
    with pytest.raises(IllegalEvent, match="gives it its random id"):
        reduce(INITIAL, Requested("d1", PLAIN, 0))
    story = Story().request("d1")
    story.take(Requested("d2", PLAIN, 0, stream="other"))
    assert story.state.stream == "stream"


def test_deployments_wait_for_their_turn() -> None:
    """One deployment runs, the others wait in the order of their requests."""
    story = Story().request("d1").request("d2").request("d3")
    assert story.deployments == {"d1": "WAITING", "d2": "QUEUED", "d3": "QUEUED"}
    story.reply(StabiliseStack, complete()).reply(ScaleStack, complete()).reply(
        UpdateStack, complete()
    ).scaled_up()
    assert story.deployments == {"d2": "WAITING", "d3": "QUEUED"}
    assert story.waits_for == ["StabiliseStack"]


def test_the_queue_has_a_limit() -> None:
    """One too many is refused, and nothing is lost by it."""
    story = Story().request("d1").request("d2", queue_limit=1)
    before = story.state
    with pytest.raises(IllegalEvent, match="1 deployments are waiting, and 1 may"):
        story.request("d3", queue_limit=1)
    assert story.state == before


def test_a_hundred_may_wait_by_default() -> None:
    """The queue takes a hundred, unless the request says otherwise."""
    story = Story()
    for number in range(101):
        story.request(f"d{number}")
    with pytest.raises(IllegalEvent, match="100 deployments are waiting"):
        story.request("d101")


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 129, "a/b", "a\n"])
def test_an_id_has_to_fit_tokens_and_runs(name: str) -> None:
    """A deployment's id that AWS could not carry is refused where it is made."""
    with pytest.raises(SpecError, match="letters, digits, hyphens and dots"):
        Requested(name, PLAIN, 0)


# Attempts and answers


def test_pending_has_all_that_a_recovery_needs() -> None:
    """A command keeps its times, its latest attempt, what the world calls it, and its progress."""
    story = Story().request("d1")
    asked = story.pending(StabiliseStack)
    assert (asked.issued, asked.deadline) == (1000, 1000 + PLAIN.stack.timeout)
    story.take(Attempted(1, 1, 1001, (("Previous", "x"),)))
    story.accept(StabiliseStack, "stack-id").reply(StabiliseStack, seen(Lifecycle.PROGRESS))
    found = story.pending(StabiliseStack)
    assert found.attempt == Attempt(1, 1001, (("Previous", "x"),))
    assert (found.ref, found.seen) == ("stack-id", "PROGRESS")


def test_attempts_are_counted_in_order() -> None:
    """An attempt out of order is stale, the next one replaces the one before."""
    story = Story().request("d1")
    before = story.state
    assert story.attempt(StabiliseStack, n=2).state is before
    story.attempt(StabiliseStack, n=1).attempt(StabiliseStack, n=2)
    assert story.pending(StabiliseStack).attempt == Attempt(2, 1000)


def test_what_was_sent_and_accepted_is_not_sent_again() -> None:
    """Once the world has taken a command, another attempt and another name for it are stale."""
    story = Story().request("d1").attempt(StabiliseStack).accept(StabiliseStack, "one")
    before = story.state
    assert story.attempt(StabiliseStack, n=2).state is before
    assert story.accept(StabiliseStack, "two").state is before


def test_an_empty_ref_is_no_news() -> None:
    """A command that was accepted under no name is not accepted yet."""
    story = Story().request("d1")
    before = story.state
    assert story.accept(StabiliseStack, "").state is before


@pytest.mark.parametrize(
    "event",
    [
        Attempted(1, 1, 0),
        Accepted(1, "ref", 0),
        *(
            Replied(1, answer, 0)
            for answer in (
                complete(),
                exited(),
                UpsertDone(),
                DeadlinePassed(),
                deployment.Failure("x"),
                Started("arn"),
            )
        ),
    ],
)
def test_what_is_not_pending_is_stale(event: Any) -> None:
    """Whatever is said of a command that has had its last answer changes nothing."""
    story = Story().request("d1").reply(StabiliseStack, complete())
    before = story.state
    assert story.take(event).state is before
    assert story.given == ()


def test_progress_is_kept_once() -> None:
    """Progress is news the first time, and stale when it is said again."""
    story = Story().request("d1").reply(StabiliseStack, seen(Lifecycle.PROGRESS))
    before = story.state
    assert story.pending(StabiliseStack).seen == "PROGRESS"
    assert story.reply(StabiliseStack, seen(Lifecycle.PROGRESS)).state is before


def test_progress_is_told_with_its_reason() -> None:
    """A status that says why is kept with its reason."""
    moving = evolve(seen(Lifecycle.ROLLING_BACK), reason="no capacity")
    story = Story().request("d1").reply(StabiliseStack, moving)
    assert story.pending(StabiliseStack).seen == "ROLLING_BACK: no capacity"


def test_progress_in_words_is_kept_once() -> None:
    """Any command may be told to have come so far: no machine takes it, and the same words again are no news."""
    story = Story().request("d1")
    machines = (story.state.stack, story.state.deployments)
    story.reply(StabiliseStack, Progress("halfway"))
    before = story.state
    assert story.pending(StabiliseStack).seen == "halfway"
    assert (story.state.stack, story.state.deployments) == machines
    assert story.given == ()
    assert story.reply(StabiliseStack, Progress("halfway")).state is before
    assert story.reply(StabiliseStack, Progress("nearly there")).state is not before


def test_a_wrong_answer_that_is_not_final_is_stale() -> None:
    """An answer that the machine can't take, and that ends nothing, changes nothing."""
    story = Story().request("d1")
    before = story.state
    assert story.reply(StabiliseStack, Status("PENDING")).state is before


@pytest.mark.parametrize(
    ("way", "command", "answer"),
    [
        (Story().request("d1"), StabiliseStack, UpsertDone()),
        (Story().to_databases("d1", UNEVALUATED), UpsertDatabase, complete()),
        (Story().to_databases("d1", UNEVALUATED), UpsertDatabase, CleanupDone()),
        (Story().to_tasks("d1", UNEVALUATED), RunTask, postgres_migration.Errored("x")),
    ],
)
def test_a_wrong_answer_that_is_final_is_an_adapter_fault(way: Story, command: type, answer: Any) -> None:
    """Nothing waits for ever: the last answer fails the step, whatever it was, and names what did not fit."""
    story = Story()
    story.state = way.state
    story.reply(command, answer)
    assert story.stack == "BROKEN"
    assert "adapter fault: " in story.notices[0].reason
    assert " refuses " in story.notices[0].reason


@pytest.mark.parametrize("answer", [None, "ok", deployment.Terminated("ann"), postgres_migration.Unblocked()])
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    """Only the world's own words are answers: nothing reaches a machine in disguise."""
    story = Story().to_databases("d1", UNEVALUATED)
    with pytest.raises(IllegalEvent, match="is no answer of the world"):
        story.reply(UpsertDatabase, answer)


def test_what_is_no_event_is_refused() -> None:
    """A deployer takes the six kinds of event, and says so."""
    with pytest.raises(IllegalEvent, match="the world speaks of Accepted, Attempted, Repaired, Replied"):
        reduce(INITIAL, cast(Any, "deploy!"))


# Deadlines


def test_a_deadline_ends_a_command() -> None:
    """Past its deadline a command fails, with the time that it had and what was last seen."""
    story = Story().request("d1").reply(StabiliseStack, seen(Lifecycle.PROGRESS)).late(StabiliseStack)
    assert story.stack == "BROKEN"
    assert story.notices[0].reason == "no end within 3600 s; last seen: PROGRESS"


def test_a_deadline_that_is_to_come_ends_nothing() -> None:
    """Nobody may call a command late before it is."""
    story = Story().request("d1")
    with pytest.raises(IllegalEvent, match="command 1 has until"):
        story.reply(StabiliseStack, DeadlinePassed())


def test_a_success_after_the_deadline_is_a_success() -> None:
    """A runner that was down overnight does not call a success late."""
    story = Story().request("d1")
    story.now += 100_000
    story.reply(StabiliseStack, complete())
    assert story.deployments == {"d1": "SCALING_DOWN"}
