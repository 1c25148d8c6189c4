"""What holds in every reachable state of the deployer, and in every step: each invariant with its sentence.

The explorer walks all states of a small world with them, and tests walk random ones of a larger world.
"""

from deployer_core.analysis.attempts import ATTEMPT_INVARIANTS
from deployer_core.analysis.checks import Invariant as Invariant
from deployer_core.analysis.checks import Taken as Taken
from deployer_core.analysis.checks import into
from deployer_core.analysis.legal import began, current, is_final, queue
from deployer_core.analysis.legal import makes_sense as makes_sense
from deployer_core.analysis.legal import opened as opened
from deployer_core.analysis.legal import requested as requested
from deployer_core.analysis.legal import stops as stops
from deployer_core.analysis.legal import waiting_for as waiting_for
from deployer_core.engine import messages
from deployer_core.engine.messages import DeploymentOutcome, Pending
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import Absent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus

STATE_INVARIANTS: list[Invariant[DeployerState]] = []
STEP_INVARIANTS: list[Invariant[Taken]] = [*ATTEMPT_INVARIANTS]
"""Every invariant, filled as this module is imported."""
STALE_INVARIANTS: list[Invariant[Taken]] = []
"""Those of the steps that can fail where an event changed nothing at all: the others hold then."""

_of_state = into(STATE_INVARIANTS)
_of_step = into(STEP_INVARIANTS)
_of_stale = into(STEP_INVARIANTS, STALE_INVARIANTS)


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
def nobody_waits_for_nobody(state: DeployerState) -> bool:
    """Nobody is queued while the stack is AVAILABLE."""
    waits = any(isinstance(d, deployment.Queued) for d in state.deployments)
    return not waits or not isinstance(state.stack, Absent | stack.Available)


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
    for back in (d for d in state.deployments if isinstance(d, deployment.Restoring)):
        asked.append(("", type(back.change) if back.sent else deployment.StabiliseStack))
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
def stale_changes_nothing(step: Taken) -> bool:
    """An answer to a command that is not pending changes nothing."""
    command = getattr(step.event, "command", None)
    changed = step.after is not step.before or step.commands
    return command is None or not changed or any(p.id == command for p in step.before.pending)


@_of_stale
def last_answer_ends(step: Taken) -> bool:
    """Every command ends: its last answer takes it out of what is pending."""
    if not isinstance(step.event, messages.Replied):
        return True
    asked = next((p for p in step.before.pending if p.id == step.event.command), None)
    ended = all(p.id != step.event.command for p in step.after.pending)
    if isinstance(step.event.answer, ecs_task.Again):
        return True
    return asked is None or is_final(asked, step.event.answer) == ended


@_of_step
def each_ends_once(step: Taken) -> bool:
    """Every requested deployment ends once, with one notice, and does not come back."""
    before, event, after = step.before, step.event, step.after
    if after.deployments is before.deployments and not step.commands:
        return True
    was, now = set(requested(before)), requested(after)
    if isinstance(event, messages.Requested) and event.deployment not in dict(before.known):
        was.add(event.deployment)
    ended = sorted(step.ended(*DeploymentOutcome))
    return was.issuperset(now) and ended == sorted(was.difference(now)) and len(now) == len(set(now))


@_of_step
def done_is_done(step: Taken) -> bool:
    """A deployment is DONE only when it was upserted or scaled up."""
    last = (deployment.Upserting, deployment.ScalingUp)
    done = step.ended(DeploymentOutcome.DONE)
    return done == [d.info.id for d in step.before.deployments if isinstance(d, last) and d.info.id in done]


@_of_step
def plans_are_good(step: Taken) -> bool:
    """No migration passes BLOCKED when a sibling has failed before it."""
    was, now = step.before.migrations, step.after.migrations
    if now is was or any(isinstance(m, _PAST_BARRIER) for m in was):
        return True
    failed = any(isinstance(m, postgres_migration.Failed) for m in now)
    return not failed or not any(isinstance(m, _PAST_BARRIER) for m in now)


@_of_step
def dropped_tasks_are_stopped(step: Taken) -> bool:
    """A task that is dropped and may still run is stopped in the same step."""
    event, after = step.event, step.after
    if after.pending is step.before.pending:
        return True
    kept, stopped = {p.id for p in after.pending}, stops(after)
    for p in step.before.pending:
        if not isinstance(p.command, RunTask) or p.id in kept or not began(p):
            continue
        answer = event.answer if isinstance(event, messages.Replied) and event.command == p.id else None
        seen_to_end = isinstance(answer, ecs_task.StatusStopped | ecs_task.Again) or (
            isinstance(answer, ecs_task.Errored) and not answer.may_still_run
        )
        if not seen_to_end and p.command.run.id not in stopped:
            return False
    return True


@_of_step
def stopping_lasts(step: Taken) -> bool:
    """A task that is being stopped is so until it was seen STOPPED, or an operator names it."""
    if step.after.pending is step.before.pending:
        return True
    forced = step.event.force if isinstance(step.event, messages.Repaired) else ()
    seen = isinstance(getattr(step.event, "answer", None), ecs_task.StatusStopped)
    return all(seen or run in forced for run in stops(step.before).keys() - stops(step.after).keys())


@_of_step
def given_out_once(step: Taken) -> bool:
    """A command is given out once, when it becomes pending, under the next free id."""
    before, after = step.before, step.after
    given = [c.id for c in step.commands if isinstance(c, Pending)]
    if after.pending is before.pending:
        return not given and after.next_command >= before.next_command
    new = {p.id for p in after.pending} - {p.id for p in before.pending}
    return given == list(range(before.next_command, after.next_command)) and new <= set(given)


@_of_step
def counts_are_remembered(step: Taken) -> bool:
    """The counts from before are remembered when a change may move them, and forgotten when they are so again."""
    kept, restored = step.after.memory.baseline, _restored(step)
    if step.ended(DeploymentOutcome.DONE) or restored:
        return kept is None
    to_zero = (deployment.ScalingDown, deployment.Creating)
    lost = kept is None and any(isinstance(d, to_zero) for d in step.after.deployments)
    return not lost and (kept is not None or step.before.memory.baseline is None)


def _restored(step: Taken) -> bool:
    """Tell whether a deployment was put back by this step."""
    was = next((d for d in step.before.deployments if isinstance(d, deployment.Restoring)), None)
    answer = getattr(step.event, "answer", None)
    return (
        was is not None
        and was.sent
        and isinstance(answer, StackStatus)
        and bool(step.ended(*DeploymentOutcome))
        and (answer.lifecycle is Lifecycle.COMPLETE)
    )
