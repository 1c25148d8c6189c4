"""What holds in every reachable state of the deployer, and in every step: each invariant with its sentence.

The explorer walks all states of a small world with them, and tests walk random ones of a larger world.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from deployer_core.engine.messages import (
    AttemptRefused,
    DeadlinePassed,
    DeploymentOutcome,
    Event,
    Notice,
    Pending,
    Progress,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.engine.routing import Commands, DeployerState
from deployer_core.kernel.machine import Absent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus


@frozen
class StateInvariant:
    """What holds in every state."""

    sentence: str
    holds: Callable[[DeployerState], bool]


@frozen
class StepInvariant:
    """What holds of every event that was taken: the state before, the event, the state after, what was given out."""

    sentence: str
    holds: Callable[[DeployerState, Any, DeployerState, Commands], bool]


Invariant: TypeAlias = StateInvariant | StepInvariant
STATE_INVARIANTS: list[StateInvariant] = []
STEP_INVARIANTS: list[StepInvariant] = []
"""Every invariant, filled as this module is imported."""
STALE_INVARIANTS: list[StepInvariant] = []
"""Those of the steps that can fail where an event changed nothing at all: the others hold then."""

A = TypeVar("A", bound=Callable[[DeployerState], bool])
B = TypeVar("B", bound=Callable[[DeployerState, Any, DeployerState, Commands], bool])


def _sentence(holds: Callable[..., bool]) -> str:
    """Return the first sentence of its docstring, in one line; its name where Python was told to strip docstrings."""
    return " ".join((holds.__doc__ or holds.__name__).split())


def _of_state(holds: A) -> A:
    STATE_INVARIANTS.append(StateInvariant(_sentence(holds), holds))
    return holds


def _of_step(holds: B) -> B:
    STEP_INVARIANTS.append(StepInvariant(_sentence(holds), holds))
    return holds


# Words


def current(state: DeployerState) -> list[str]:
    """Return the deployment that holds the stack, if one does."""
    return [state.stack.current] if isinstance(state.stack, stack.Creating | stack.Migrating) else []


def queue(state: DeployerState) -> tuple[str, ...]:
    """Return the deployments that wait for their turn, as the stack has them."""
    return () if isinstance(state.stack, Absent | stack.Stable | stack.Available) else state.stack.queue


def requested(state: DeployerState) -> list[str]:
    """Return the deployments that have not ended, as requested."""
    return [d.info.id for d in state.deployments]


def opened(state: DeployerState) -> list[deployment.State]:
    """Return the deployments that have had their turn and have not ended."""
    return [d for d in state.deployments if not isinstance(d, deployment.Queued)]


def waiting_for(state: DeployerState) -> list[Pending]:
    """Return what is pending, apart from tasks that are being stopped."""
    return [p for p in state.pending if not isinstance(p.command, StopTask)]


def stops(state: DeployerState) -> dict[str, Pending]:
    """Return the tasks that are being stopped, by their runs."""
    return {p.command.run.id: p for p in state.pending if isinstance(p.command, StopTask)}


_MOVING = (Lifecycle.PROGRESS, Lifecycle.ROLLING_BACK)
_OF_WHAT_IS = (deployment.StabiliseStack, deployment.ScaleStack, deployment.UpdateStack)
_UNFINISHED = (ecs_task.Started, ecs_task.Status, Progress, AttemptRefused)
_BEFORE_BARRIER = (
    postgres_migration.Upserting,
    postgres_migration.Ready,
    postgres_migration.Evaluating,
    postgres_migration.Evaluated,
)
_PAST_BARRIER = (
    postgres_migration.Triggered,
    postgres_migration.Running,
    postgres_migration.Migrated,
    postgres_migration.CleaningUp,
    postgres_migration.Done,
)
_AT_REST = (postgres_migration.Done, postgres_migration.Nop)


def is_final(pending: Pending, answer: object) -> bool:
    """Tell whether an answer is the last one to its command. A stack that is missing may be yet to appear."""
    if isinstance(pending.command, StopTask):
        return isinstance(answer, ecs_task.StatusStopped)
    if isinstance(answer, StackStatus):
        sure = bool(pending.ref) or isinstance(pending.command, _OF_WHAT_IS)
        return answer.lifecycle not in _MOVING and (answer.lifecycle is not Lifecycle.MISSING or sure)
    return not isinstance(answer, _UNFINISHED)


def makes_sense(state: DeployerState, event: Event) -> bool:
    """Tell whether an event has to be taken; what does not make sense has to be refused."""
    if isinstance(event, Replied):
        late = next((event.at >= p.deadline for p in state.pending if p.id == event.command), True)
        return late or not isinstance(event.answer, DeadlinePassed)
    if isinstance(event, Requested):
        known = event.deployment in dict(state.known)
        held = isinstance(state.stack, stack.Creating | stack.Migrating | stack.Broken)
        return known or (
            bool(state.stream or event.stream) and not (held and len(queue(state)) >= event.queue_limit)
        )
    if isinstance(event, Terminated):
        return event.deployment in requested(state)
    return not isinstance(event, Repaired) or (
        isinstance(state.stack, stack.Broken) and set(event.force) == set(stops(state))
    )


def _of_stale(holds: B) -> B:
    STALE_INVARIANTS.append(STEP_INVARIANTS[-1])
    return holds


# In every state


@_of_state
def one_is_open(state: DeployerState) -> bool:
    """At most one deployment is open, and the stack is CREATING or MIGRATING for it exactly then."""
    return [d.info.id for d in opened(state)] == current(state)


@_of_state
def queue_is_in_order(state: DeployerState) -> bool:
    """The queue is first in, first out: those that wait, in the order of their requests, after the current one."""
    order = [name for name, _ in state.known]
    waiting = tuple(d.info.id for d in state.deployments if isinstance(d, deployment.Queued))
    turns = [order.index(name) for name in (*current(state), *queue(state))]
    return queue(state) == waiting and turns == sorted(turns)


@_of_state
def nothing_pending_alone(state: DeployerState) -> bool:
    """Nothing is pending when nothing is open, apart from tasks that are being stopped."""
    open_now = current(state)
    return all([p.deployment] == open_now for p in waiting_for(state))


_ASKED: dict[type, type] = {
    deployment.Waiting: deployment.StabiliseStack,
    deployment.Upserting: deployment.UpsertStack,
    deployment.Creating: deployment.CreateStack,
    deployment.ScalingDown: deployment.ScaleStack,
    deployment.InfraMigrate: deployment.UpdateStack,
    deployment.ScalingUp: deployment.ScaleStack,
    postgres_migration.Upserting: postgres_migration.UpsertDatabase,
    postgres_migration.Evaluating: RunTask,
    postgres_migration.Running: RunTask,
    postgres_migration.CleaningUp: postgres_migration.CleanupDatabase,
}


@_of_state
def no_dead_end(state: DeployerState) -> bool:
    """Wherever something is open, something is pending: a command for each machine that waits, and no other."""
    asked = [("", _ASKED[type(d)]) for d in opened(state) if type(d) in _ASKED]
    for migration in state.migrations:
        if type(migration) in _ASKED:
            asked.append((migration.database.spec.name, _ASKED[type(migration)]))
    pending = waiting_for(state)
    return len(pending) == len(asked) == len(
        set(asked) & {(p.database, type(p.command)) for p in pending}
    ) and bool(asked or not opened(state))


@_of_state
def scaled_up_when_migrated(state: DeployerState) -> bool:
    """It is never scaled up unless every migration is DONE or NOP."""
    return all(
        len(state.migrations) == len(d.info.spec.databases)
        and all(isinstance(m, _AT_REST) for m in state.migrations)
        for d in state.deployments
        if isinstance(d, deployment.ScalingUp)
    )


@_of_state
def barrier_holds(state: DeployerState) -> bool:
    """No migration is past BLOCKED while a sibling is before it."""
    return not (
        any(isinstance(m, _PAST_BARRIER) for m in state.migrations)
        and any(isinstance(m, _BEFORE_BARRIER) for m in state.migrations)
    )


@_of_state
def tasks_of_the_ended_are_stopped(state: DeployerState) -> bool:
    """No deployment is open while a task of an ended one may still run."""
    return all([p.deployment] == current(state) for p in stops(state).values()) or not current(state)


# In every step


@_of_step
def stale_changes_nothing(
    before: DeployerState, event: Any, after: DeployerState, commands: Commands
) -> bool:
    """An answer to a command that is not pending changes nothing."""
    command = getattr(event, "command", None)
    return (
        command is None or any(p.id == command for p in before.pending) or (after is before and not commands)
    )


@_of_stale
@_of_step
def last_answer_ends(before: DeployerState, event: Any, after: DeployerState, _: Commands) -> bool:
    """Every command ends: its last answer takes it out of what is pending."""
    if not isinstance(event, Replied):
        return True
    asked = next((p for p in before.pending if p.id == event.command), None)
    ended = all(p.id != event.command for p in after.pending)
    return asked is None or is_final(asked, event.answer) == ended


@_of_step
def each_ends_once(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> bool:
    """Every requested deployment ends once, with one notice, and does not come back."""
    if after.deployments is before.deployments and not commands:
        return True
    was, now = set(requested(before)), requested(after)
    if isinstance(event, Requested) and event.deployment not in dict(before.known):
        was.add(event.deployment)
    noticed = [c.deployment for c in commands if isinstance(c, Notice)]
    return (
        was.issuperset(now) and sorted(noticed) == sorted(was.difference(now)) and len(now) == len(set(now))
    )


@_of_step
def done_is_done(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> bool:
    """A deployment is DONE only when it was upserted or scaled up."""
    last = (deployment.Upserting, deployment.ScalingUp)
    noticed = [
        c.deployment for c in commands if isinstance(c, Notice) and c.outcome is DeploymentOutcome.DONE
    ]
    done = [d.info.id for d in before.deployments if isinstance(d, last) and d.info.id in noticed]
    return noticed == done


@_of_step
def plans_are_good(before: DeployerState, event: Any, after: DeployerState, _: Commands) -> bool:
    """No migration passes BLOCKED when a sibling has failed before it."""
    if after.migrations is before.migrations or any(isinstance(m, _PAST_BARRIER) for m in before.migrations):
        return True
    return not any(isinstance(m, _PAST_BARRIER) for m in after.migrations) or not any(
        isinstance(m, postgres_migration.Failed) for m in after.migrations
    )


@_of_step
def dropped_tasks_are_stopped(before: DeployerState, event: Any, after: DeployerState, _: Commands) -> bool:
    """A task that is dropped and may still run is stopped in the same step."""
    if after.pending is before.pending:
        return True
    kept, stopped = {p.id for p in after.pending}, stops(after)
    for p in before.pending:
        if not isinstance(p.command, RunTask) or p.id in kept or not p.may_have_begun:
            continue
        answer = event.answer if isinstance(event, Replied) and event.command == p.id else None
        seen_to_end = isinstance(answer, ecs_task.StatusStopped) or (
            isinstance(answer, ecs_task.Errored) and not answer.may_still_run
        )
        if not seen_to_end and p.command.run.id not in stopped:
            return False
    return True


@_of_step
def stopping_lasts(before: DeployerState, event: Any, after: DeployerState, _: Commands) -> bool:
    """A task that is being stopped is so until it was seen STOPPED, or an operator names it."""
    if after.pending is before.pending:
        return True
    for run in stops(before).keys() - stops(after).keys():
        forced = isinstance(event, Repaired) and run in event.force
        if not forced and not (
            isinstance(event, Replied) and isinstance(event.answer, ecs_task.StatusStopped)
        ):
            return False
    return True


@_of_step
def given_out_once(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> bool:
    """A command is given out once, when it becomes pending, under the next free id."""
    if after.pending is before.pending:
        return not any(isinstance(c, Pending) for c in commands) and after.next_command >= before.next_command
    known = {p.id for p in before.pending}
    new = [p.id for p in after.pending if p.id not in known]
    given = [c.id for c in commands if isinstance(c, Pending)]
    return given == list(range(before.next_command, after.next_command)) and set(new) <= set(given)


@_of_step
def broken_by_failure(before: DeployerState, event: Any, after: DeployerState, commands: Commands) -> bool:
    """The stack is BROKEN by a deployment that failed, and mended by an operator alone."""
    was, now = isinstance(before.stack, stack.Broken), isinstance(after.stack, stack.Broken)
    if was == now:
        return True
    failed = [
        c.deployment for c in commands if isinstance(c, Notice) and c.outcome is DeploymentOutcome.FAILED
    ]
    return isinstance(event, Repaired) if was else current(before) == failed


@_of_step
def counts_are_remembered(
    before: DeployerState, event: Any, after: DeployerState, commands: Commands
) -> bool:
    """The counts from before are remembered when services go to zero, and forgotten when a deployment is DONE."""
    if any(isinstance(c, Notice) and c.outcome is DeploymentOutcome.DONE for c in commands):
        return after.baseline is None
    kept = dict(before.baseline or ()).items() <= dict(after.baseline or ()).items()
    to_zero = (deployment.ScalingDown, deployment.Creating)
    return kept and not (after.baseline is None and any(isinstance(d, to_zero) for d in after.deployments))
