"""The deployer: the barrier, what a status means, the counts that are remembered, ids and routes."""

from typing import Any

import pytest
from attrs import evolve

from deployer_core.engine import reducer, routing
from deployer_core.engine.reducer import INITIAL, Requested, Terminated, reduce, token
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import CreateStack, ScaleStack, StabiliseStack, UpdateStack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase, UpsertDone
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import Counts, FixedCount, PreviousCount
from tests.support.deploying import PLAIN, TWO, UNEVALUATED, Story, complete, exited, full, seen

# The barrier


def test_no_database_is_changed_until_every_plan_is_known_good() -> None:
    """A database that is ready waits for its sibling; then both migrate."""
    story = Story().to_databases("d1", TWO).reply(UpsertDatabase, UpsertDone(), "db0")
    assert story.migrations == {"db0": "BLOCKED", "db1": "UPSERTING"}
    story.reply(UpsertDatabase, UpsertDone(), "db1")
    assert story.migrations == {"db0": "RUNNING", "db1": "RUNNING"}


@pytest.mark.parametrize("first", ["db0", "db1"])
def test_a_failure_before_the_barrier_spares_the_siblings(first: str) -> None:
    """If one fails before all are ready, none is migrated, and the deployment fails with the reason."""
    answers: dict[str, Any] = {"db0": UpsertDone(), "db1": postgres_migration.Errored("no disk")}
    story = Story().to_databases("d1", TWO)
    for name in sorted(answers, key=lambda name: name != first):
        story.reply(UpsertDatabase, answers[name], name)
    assert (story.stack, story.waits_for) == ("BROKEN", [])
    assert story.notices[0].reason == "db0: abandoned unchanged, since db1 failed; db1: no disk"


def test_a_failure_behind_the_barrier_waits_for_the_siblings() -> None:
    """A failed migration does not stop its sibling: the deployment fails when all have settled."""
    story = Story().to_tasks("d1", TWO).run_task("db0", exited(1))
    assert story.deployments == {"d1": "DB_MIGRATING"}
    story.run_task("db1").reply(CleanupDatabase, postgres_migration.Errored("gone"))
    assert story.stack == "BROKEN"
    assert "db0: migrate: " in story.notices[0].reason
    assert "; db1: gone" in story.notices[0].reason


def test_a_sibling_that_has_nothing_to_do_holds_nothing_up() -> None:
    """A database without changes is past the barrier by itself, and scaling up waits for the other one."""
    story = Story().to_tasks("d1", full("evaluated", "unevaluated")).run_task("db0", exited(0))
    assert story.migrations == {"db0": "NOP", "db1": "RUNNING"}
    assert story.migrate("db1").waits_for == ["ScaleStack"]


# What a status means


@pytest.mark.parametrize(
    ("lifecycle", "status"),
    [
        (Lifecycle.PROGRESS, "WAITING"),
        (Lifecycle.ROLLING_BACK, "WAITING"),
        (Lifecycle.COMPLETE, "SCALING_DOWN"),
        (Lifecycle.ROLLED_BACK, "SCALING_DOWN"),
        (Lifecycle.MISSING, "CREATING"),
        (Lifecycle.ROLLED_BACK_CREATION, ""),
        (Lifecycle.TERMINAL, ""),
    ],
)
def test_what_a_lifecycle_means_while_waiting(lifecycle: Lifecycle, status: str) -> None:
    """A stack at rest lets the deployment go on, a broken one fails it."""
    story = Story().request("d1").reply(StabiliseStack, seen(lifecycle))
    assert story.deployments == ({"d1": status} if status else {})


@pytest.mark.parametrize(
    ("lifecycle", "goes_on"),
    [
        (Lifecycle.PROGRESS, True),
        (Lifecycle.ROLLING_BACK, True),
        (Lifecycle.COMPLETE, True),
        (Lifecycle.ROLLED_BACK, False),
        (Lifecycle.MISSING, False),
        (Lifecycle.ROLLED_BACK_CREATION, False),
        (Lifecycle.TERMINAL, False),
    ],
)
@pytest.mark.parametrize("step", [ScaleStack, UpdateStack])
def test_what_a_lifecycle_means_while_our_change_runs(
    step: type, lifecycle: Lifecycle, goes_on: bool
) -> None:
    """Only COMPLETE ends our change well; a rollback holds the lock until it has settled; a lost stack fails."""
    story = Story().request("d1").reply(StabiliseStack, complete())
    if step is UpdateStack:
        story.reply(ScaleStack, complete())
    story.reply(step, seen(lifecycle))
    assert (story.stack == "CREATING") is goes_on


def test_a_stack_that_is_yet_to_appear_is_waited_for() -> None:
    """A missing stack is no failure of CreateStack until it was accepted."""
    story = Story().created("d1").reply(CreateStack, seen(Lifecycle.MISSING))
    assert story.deployments == {"d1": "CREATING"}
    story.accept(CreateStack, "stack-id").reply(CreateStack, seen(Lifecycle.MISSING))
    assert story.stack == "BROKEN"


# The stack remembers its counts


def scale_up(story: Story) -> Counts:
    """The counts of the step up."""
    return story.counts(ScaleStack)


def test_as_before_is_what_was_observed() -> None:
    """A deployment scales up to what it found when it began."""
    story = Story().to_databases("d1", PLAIN, count=7)
    assert scale_up(story) == (("Count", 7),)


def test_a_wanted_count_is_the_spec_s() -> None:
    """A count that the version wants is not overruled by what was found."""
    story = Story().to_databases("d1", full(scaling=(FixedCount("Count", 5),)), count=7)
    assert scale_up(story) == (("Count", 5),)


def test_counts_are_forgotten_when_a_deployment_is_done() -> None:
    """After DONE the next deployment goes by what it finds."""
    story = Story().done("d1")
    assert story.state.baseline is None
    assert scale_up(story.to_databases("d2", PLAIN, count=9)) == (("Count", 9),)


def test_a_parameter_of_its_own_is_remembered_beside_others() -> None:
    """A version that scales one parameter more has that one's count kept too, when an earlier one failed at zero."""
    both = full(scaling=(PreviousCount("Count", 1), PreviousCount("Workers", 1)), version="2")
    story = Story().to_databases("d1", UNEVALUATED, count=3).terminate("d1").repair()
    status = evolve(complete(0), counts=(("Count", 0), ("Workers", 4)))
    story.request("d2", both).reply(StabiliseStack, status).terminate("d2").repair()
    assert story.state.baseline == (("Count", 3), ("Workers", 4))


def test_a_stack_without_scaling_leaves_room_for_counts() -> None:
    """A failed deployment that scaled nothing does not keep a later one from remembering."""
    nothing = evolve(complete(), counts=())
    story = Story().request("d1", full(scaling=())).reply(StabiliseStack, nothing).terminate("d1").repair()
    story.to_databases("d2", PLAIN, count=6).terminate("d2").repair()
    assert scale_up(story.to_databases("d3", PLAIN, count=0)) == (("Count", 6),)


def test_a_stack_created_at_zero_remembers_what_it_should_have_had() -> None:
    """A new stack whose deployment fails is later scaled to the counts that it was to have."""
    story = Story().created("d1").reply(CreateStack, complete(0)).terminate("d1").repair()
    assert scale_up(story.to_databases("d2", full(scaling=(PreviousCount("Count", 9),)), count=0)) == (
        ("Count", 1),
    )


# Ids, tokens, routes


def test_command_ids_count_up() -> None:
    """Ids are deterministic: the same events give the same commands."""
    story, again = Story().to_tasks("d1", TWO), Story().to_tasks("d1", TWO)
    assert [p.id for p in story.state.pending] == [6, 7]
    assert story.state == again.state


def test_a_token_is_of_one_send_alone() -> None:
    """Tokens differ by stream, deployment, command and attempt, and fit what AWS takes."""
    tokens = [
        token("s", "d", 1, 1),
        token("t", "d", 1, 1),
        token("s", "e", 1, 1),
        token("s", "d", 2, 1),
        token("s", "d", 1, 2),
        token("s", "d", 11, 1),
    ]
    assert len(set(tokens)) == len(tokens)
    assert {len(t) for t in tokens} == {49}


MACHINES = (stack, deployment, postgres_migration, ecs_task)


def test_every_command_of_every_machine_has_a_route() -> None:
    """Nothing that a machine says is lost: each command is routed, but RunTask, which is sent where it is made."""
    said = {command for machine in MACHINES for command in members(machine.Command)}
    assert said - set(routing._ROUTES) == {RunTask}
    assert set(routing._ROUTES) <= said


def members(union: Any) -> tuple[type, ...]:
    """The classes of a union, or the one class that it is."""
    return getattr(union, "__args__", (union,))


def test_what_is_not_there_is_looked_for_in_vain() -> None:
    """A part that should be there and is not is a bug, and shows as one."""
    transaction = routing.Transaction(INITIAL, 0)
    for look in (transaction.find, transaction.find_migration):
        with pytest.raises(LookupError, match="nobody"):
            look("nobody")
    with pytest.raises(LookupError):
        routing.swap((1, 2), 3)


def test_microsteps_tell_the_same_story() -> None:
    """Each edge of each machine is shown in order, and a stale event takes none."""
    event = Requested("d1", PLAIN, 0, stream="s")
    taken = [(machine, step.edge.name) for machine, step in reducer.microsteps(INITIAL, event)]
    assert taken == [
        ("Deployment", "Requested"),
        ("Stack", "Triggered"),
        ("Deployment", "Started"),
        ("Deployment", "StackWait"),
    ]
    after, _ = reduce(INITIAL, event)
    assert reducer.microsteps(after, event) == ()


def test_a_refusal_changes_nothing() -> None:
    """What is refused leaves the state as it was, to the last value."""
    story = Story().request("d1")
    before = story.state
    with pytest.raises(IllegalEvent):
        reduce(before, Terminated("d9", "ann", 0))
    assert before == Story().request("d1").state
