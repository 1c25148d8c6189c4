"""Every invariant can fail: a planted mistake for each, which the explorer finds."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from attrs import evolve

from deployer_core.analysis import expand, explore, invariants, traces
from deployer_core.analysis.expand import Reducer
from deployer_core.analysis.world_invariants import MOVE_INVARIANTS
from deployer_core.engine import reducer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    DeploymentOutcome,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.engine.state import INITIAL, Commands, DeployerState
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from tests.deployer_core.analysis.mistakes import MISTAKES

Mistake = Callable[[DeployerState, Any, DeployerState, Commands], tuple[DeployerState, Commands]]
PLANTED: list[Any] = []


def planted(sentence: str, deployments: int = 1, databases: int = 0) -> Callable[[Mistake], Mistake]:
    """Plant a mistake in the deployer; name the invariant that finds it, and how large a world it takes."""

    def register(mistake: Mistake) -> Mistake:
        (whole,) = [s for s in SENTENCES if s.startswith(sentence)]
        PLANTED.append(pytest.param(mistake, whole, deployments, databases, id=mistake.__name__.strip("_")))
        return mistake

    return register


SENTENCES = [
    *(i.sentence for i in invariants.STATE_INVARIANTS),
    *(i.sentence for i in invariants.STEP_INVARIANTS),
    *(i.sentence for i in MOVE_INVARIANTS),
    *(expand.SENSE, expand.ILLEGAL, expand.ONCE, explore.ENDS),
]


def wrong(mistake: Mistake) -> Reducer:
    """Return the deployer with a mistake."""

    def reduce(state: DeployerState, event: Event) -> tuple[DeployerState, Commands]:
        return mistake(state, event, *reducer.reduce(state, event))

    return reduce


def of(kind: type, items: Iterable[Any]) -> list[Any]:
    """Those of a kind."""
    return [item for item in items if isinstance(item, kind)]


def running(state: DeployerState) -> list[Any]:
    """Return the deployments that are open."""
    return invariants.opened(state)


@planted("At most one deployment is open")
def _frees_the_lock_at_once(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if of(deployment.ScalingDown, after.deployments):
        after = evolve(after, stack=stack.Available())
    return after, commands


@planted("At most one deployment is open", deployments=2)
def _frees_the_lock_on_any_end(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if of(Notice, commands) and running(after) == running(before) and running(after):
        after = evolve(after, stack=stack.Available())
    return after, commands


@planted("The queue is first in, first out", deployments=3)
def _takes_the_last_first(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Requested) and isinstance(after.stack, stack.Creating | stack.Migrating):
        after = evolve(after, stack=evolve(after.stack, queue=tuple(sorted(after.stack.queue, reverse=True))))
    return after, commands


@planted("The queue is first in, first out", deployments=2)
def _pops_what_was_withdrawn(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Terminated) and isinstance(after.stack, stack.Creating | stack.Migrating):
        after = evolve(after, stack=before.stack)
    return after, commands


@planted("Nothing is pending when nothing is open")
def _keeps_what_is_dropped(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Terminated):
        after = evolve(
            after, pending=(*(p for p in before.pending if p not in after.pending), *after.pending)
        )
    return after, commands


@planted("Wherever something is open, something is pending")
def _forgets_what_it_gave_out(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    lost = [p for p in after.pending if isinstance(p.command, deployment.UpdateStack)]
    return evolve(after, pending=tuple(p for p in after.pending if p not in lost)), commands


@planted("It is never scaled up", databases=1)
def _scales_up_at_once(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    changed = [
        deployment.ScalingUp(d.info) if isinstance(d, deployment.DbMigrating) else d
        for d in after.deployments
    ]
    return evolve(after, deployments=tuple(changed)), commands


def released(state: DeployerState, from_: type[postgres_migration.Blocked]) -> DeployerState:
    """Return the state with every migration RUNNING that was in another state."""
    return evolve(
        state,
        migrations=tuple(
            postgres_migration.Running(m.database) if isinstance(m, from_) else m for m in state.migrations
        ),
    )


@planted("No migration is past BLOCKED", databases=2)
def _unblocks_each_when_it_is_ready(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return released(after, postgres_migration.Blocked), commands


@planted("No migration passes BLOCKED", databases=2)
def _unblocks_though_one_failed(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if before.migrations and not after.migrations and of(postgres_migration.Blocked, before.migrations):
        blocked = of(postgres_migration.Blocked, before.migrations)
        failed = [postgres_migration.Failed(m.database, "") for m in before.migrations if m not in blocked]
        after = released(evolve(before, migrations=(*blocked, *failed)), postgres_migration.Blocked)
        commands = ()
        if isinstance(event, Replied):
            after = evolve(after, pending=tuple(p for p in before.pending if p.id != event.command))
    return after, commands


@planted("No deployment is open while a task", deployments=2, databases=1)
def _starts_while_a_task_runs(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Repaired):
        after = evolve(after, pending=(*invariants.stops(before).values(), *after.pending))
    return after, commands


@planted("An answer to a command that is not pending")
def _counts_what_is_stale(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Replied) and all(p.id != event.command for p in before.pending):
        after = evolve(after, next_command=after.next_command + 1)
    return after, commands


@planted("Every command ends")
def _waits_past_the_deadline(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    late = isinstance(event, Replied) and isinstance(event.answer, DeadlinePassed)
    return (before, ()) if late else (after, commands)


@planted("Every requested deployment ends once")
def _tells_nobody(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return after, tuple(c for c in commands if not isinstance(c, Notice))


@planted("Every requested deployment ends once", deployments=2)
def _tells_twice(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return after, (*commands, *of(Notice, commands))


@planted("A deployment is DONE only when")
def _takes_failure_for_success(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return after, tuple(
        evolve(c, outcome=DeploymentOutcome.DONE) if isinstance(c, Notice) else c for c in commands
    )


def without_new_stops(after: DeployerState, commands: Commands) -> tuple[DeployerState, Commands]:
    """Do the same, but stop nothing."""
    new = [c for c in commands if isinstance(c, Pending) and isinstance(c.command, StopTask)]
    return evolve(after, pending=tuple(p for p in after.pending if p not in new)), commands


@planted("A task that is dropped and may still run", databases=1)
def _stops_no_task(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return without_new_stops(after, commands)


@planted("A task that is dropped and may still run", databases=1)
def _stops_no_task_past_its_deadline(
    before: Any, event: Any, after: DeployerState, commands: Commands
) -> Any:
    return (after, commands) if isinstance(event, Terminated) else without_new_stops(after, commands)


@planted("A task that is being stopped", databases=1)
def _takes_it_for_stopped(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Replied) and isinstance(event.answer, ecs_task.Errored):
        stopping = [p for p in invariants.stops(before).values() if p.id == event.command]
        after = evolve(after, pending=tuple(p for p in after.pending if p.id not in [s.id for s in stopping]))
    return after, commands


@planted("A command is given out once")
def _gives_out_twice(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return after, (*commands, *of(Pending, commands))


@planted("A command is given out once")
def _gives_out_again(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return after, after.pending if isinstance(event, Attempted) else commands


@planted("The stack is BROKEN only if", deployments=2)
def _mends_itself(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Requested) and isinstance(before.stack, stack.Broken):
        after = evolve(after, stack=stack.Available())
    return after, commands


@planted("The stack is BROKEN only if", deployments=2)
def _breaks_when_one_is_withdrawn(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if of(Notice, commands) and running(after) == running(before) and running(after):
        after = evolve(after, stack=stack.Broken())
    return after, commands


@planted("The counts from before are remembered")
def _forgets_the_counts_on_failure(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    return (
        evolve(after, memory=evolve(after.memory, baseline=None)) if of(Notice, commands) else after
    ), commands


@planted("The counts from before are remembered", deployments=2)
def _keeps_the_counts_for_ever(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    kept = before.memory.baseline or after.memory.baseline
    return evolve(after, memory=evolve(after.memory, baseline=kept)), commands


@planted("Nobody is queued while", deployments=2)
def _frees_the_stack_behind_whom_others_wait(
    before: Any, event: Any, after: DeployerState, commands: Commands
) -> Any:
    if of(deployment.Queued, after.deployments) and isinstance(after.stack, stack.Broken):
        after = evolve(after, stack=stack.Available())
    return after, commands


@planted("What was superseded or expired", deployments=2)
def _leaves_the_expired(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Repaired) and of(deployment.Queued, before.deployments) and not running(after):
        queue = before.stack.queue if isinstance(before.stack, stack.Broken) else ()
        after = evolve(after, deployments=(*before.deployments,), stack=stack.Broken(queue))
        commands = ()
    return after, commands


@planted("A full deployment is DONE on its own schema", databases=1)
def _takes_every_database_for_migrated(
    before: Any, event: Any, after: DeployerState, commands: Commands
) -> Any:
    started = [d for d in before.deployments if isinstance(d, deployment.DbMigrating)]
    asked = isinstance(event, Replied) and event.command in [p.id for p in before.pending]
    if started and asked:
        info = started[0].info
        end = Notice(info.id, info.spec.version, DeploymentOutcome.DONE, "", event.at)
        after = evolve(after, deployments=(), migrations=(), tasks=(), pending=(), stack=stack.Available())
        commands = (end,)
    return after, commands


@planted("A database's task begins only", databases=1)
def _begins_while_others_run(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    counted = [
        evolve(p, command=evolve(p.command, counts=(("Count", 3),)))
        if isinstance(p.command, deployment.CreateStack)
        else p
        for p in after.pending
    ]
    return evolve(after, pending=tuple(counted)), commands


@planted("Who ended before anything was sent")
def _breaks_though_nothing_was_sent(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if of(deployment.Waiting, before.deployments) and isinstance(after.stack, stack.Available):
        after = evolve(after, stack=stack.Broken())
    return after, commands


@planted("What makes sense is taken")
def _refuses_an_operator(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Terminated) and of(Notice, commands):
        raise IllegalEvent("Deployer", "", event, ())
    return after, commands


@planted("Nothing is raised but IllegalEvent")
def _falls_over(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    if isinstance(event, Replied) and event.command == 2:
        raise KeyError(event.command)
    return after, commands


@planted("The same event twice")
def _takes_a_request_twice(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
    again = isinstance(event, Requested) and after is before
    return (evolve(after, next_command=after.next_command + 1) if again else after), commands


@planted("Every deployment ends")
def _asks_again_for_ever(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> Any:
    asked = [p for p in before.pending if isinstance(event, Replied) and p.id == event.command]
    if asked and asked[0] not in after.pending and isinstance(asked[0].command, deployment.StabiliseStack):
        again = evolve(asked[0], id=before.next_command)
        return evolve(before, pending=(again,), next_command=again.id + 1), (again,)
    return after, commands


@pytest.mark.parametrize(("mistake", "sentence", "deployments", "databases"), PLANTED)
def test_a_planted_mistake_is_found(
    mistake: Mistake, sentence: str, deployments: int, databases: int
) -> None:
    """Each invariant can fail, and the trace that shows it ends in the violation when it is replayed."""
    report = explore.explore(deployments, databases, limit=7000, reducer=wrong(mistake), until=sentence)
    (found,) = [v for v in report.violations if v.sentence == sentence]
    assert f"VIOLATED: {sentence}" in str(report)
    trace = report.trace(found).splitlines()
    assert trace[0] == f"VIOLATED: {sentence}"
    assert sum(line[:5].strip(" .").isdigit() for line in trace) == len(found.events)


def test_a_deployer_that_takes_nonsense_is_found() -> None:
    """A reducer that swallows what it should refuse is found, whatever it makes of it."""

    def reduce(state: DeployerState, event: Event) -> tuple[DeployerState, Commands]:
        try:
            return reducer.reduce(state, event)
        except IllegalEvent:
            return state, ()

    assert [v.sentence for v in explore.explore(1, 0, reducer=reduce).violations] == [expand.SENSE]


def test_every_invariant_has_a_planted_mistake() -> None:
    """No invariant is there that could not fail."""
    begins = {m.by for m in MISTAKES if m.by}
    assert {p.values[1] for p in PLANTED} | {s for s in SENTENCES if s.startswith(tuple(begins))} == set(
        SENTENCES
    )


def test_a_trace_is_a_shortest_one_that_reads() -> None:
    """A counterexample tells each event, what it gave out and where it led, and is no longer than it must be."""
    report = explore.explore(1, 1, reducer=wrong(_stops_no_task))
    (found,) = [v for v in report.violations if v.sentence.startswith("A task that is dropped")]
    told = report.trace(found)
    assert len(found.events) == 6
    assert "  1. Requested d1 (evaluated)\n       gives out 1 StabiliseStack d1\n" in told
    assert (
        "  5. Attempted to 4 RunTask d1 db0\n     = stack CREATING, d1 DB_MIGRATING, db0 EVALUATING" in told
    )
    assert told.endswith("= stack BROKEN")


def test_a_trace_shows_what_was_raised() -> None:
    """A counterexample that ends in an exception ends with its name and its words."""
    report = explore.explore(1, 0, reducer=wrong(_falls_over))
    assert "raises KeyError: 2" in report.trace(report.violations[0])


def test_a_trace_goes_back_to_what_was_asked_for() -> None:
    """A way that took a waiting deployment's spec when its turn came tells the spec where it was requested."""

    def mistake(before: Any, event: Any, after: DeployerState, commands: Commands) -> Any:
        second = [d for d in of(deployment.ScalingDown, after.deployments) if d.info.id == "d2"]
        return (evolve(after, stack=stack.Available()) if second else after), commands

    report = explore.explore(2, 0, reducer=wrong(mistake))
    (found,) = [v for v in report.violations if v.sentence.startswith("At most one")]
    asked = [e for e in found.events if isinstance(e, Requested)]
    assert [e.spec.version for e in asked] == ["quick", "plain"]
    assert explore.reduce_all(found.events, wrong(mistake)).stack == stack.Available()


def test_words_of_people_and_stale_answers_are_told() -> None:
    """Every kind of event has a line that a person can read."""
    assert traces.event_text(Terminated("d1", "ann", 0), INITIAL) == "Terminated d1"
    assert traces.event_text(Repaired("ann", 0, ("d1/db/migrate",)), INITIAL) == "Repaired d1/db/migrate"
    assert traces.event_text(Accepted(7, "x", 0), INITIAL) == "Accepted to command 7, which is not pending"
