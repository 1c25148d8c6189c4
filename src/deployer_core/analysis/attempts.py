"""What holds in every step of attempts, times and ends: part of the `invariants`."""

from typing import Any

from deployer_core.analysis.checks import Invariant, Taken, into
from deployer_core.analysis.legal import began, expired, is_final, requested, withdraws
from deployer_core.engine import messages
from deployer_core.engine.messages import DeploymentOutcome, Pending, StopTask
from deployer_core.engine.state import DeployerState
from deployer_core.machines import deployment, ecs_task, postgres_migration
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus

ATTEMPT_INVARIANTS: list[Invariant[Taken]] = []
_of_step = into(ATTEMPT_INVARIANTS)
_of_attempt = into(ATTEMPT_INVARIANTS, events=(messages.Attempted,))
_of_reply = into(ATTEMPT_INVARIANTS, events=(messages.Replied,))
_of_command = into(ATTEMPT_INVARIANTS, events=(messages.Replied, messages.Accepted))

_PAST_BARRIER = (postgres_migration.Running, postgres_migration.CleaningUp, postgres_migration.Done)
_AT_ZERO = (deployment.Creating, deployment.ScalingDown, deployment.InfraMigrate)


def _of_event(state: DeployerState, event: Any) -> Pending | None:
    """Return the command that an event is about, as long as it is pending."""
    number = getattr(event, "command", None)
    return next((p for p in state.pending if p.id == number), None)


@_of_attempt
def attempts_in_order(step: Taken) -> bool:
    """Attempts are numbered in order, none is made after acceptance, and each is kept as it was made."""
    event, before = step.event, _of_event(step.before, step.event)
    if not isinstance(event, messages.Attempted) or before is None:
        return True
    now, attempt = _of_event(step.after, event), before.attempt
    if event.number != (attempt.number if attempt else 0) + 1 or (attempt and before.ref):
        return False
    made = messages.Attempt(event.number, event.at, event.resolved, token=event.token)
    return now is not None and now.attempt == made


@_of_reply
def attempts_are_over(step: Taken) -> bool:
    """An attempt is over by its own refusal, before anything came of it, or because its run did nothing."""
    before, now = _of_event(step.before, step.event), _of_event(step.after, step.event)
    if before is None or now is None or before.attempt is None or now.attempt is None:
        return True
    if before.attempt.over or not now.attempt.over:
        return True
    answer = getattr(step.event, "answer", None)
    declined = isinstance(answer, messages.Declined) and answer.number == before.attempt.number
    return isinstance(answer, ecs_task.Again) or (declined and not before.ref)


@_of_command
def names_stay(step: Taken) -> bool:
    """What the world calls a command stays its name, until its run is begun again."""
    before, now = _of_event(step.before, step.event), _of_event(step.after, step.event)
    if before is None or now is None or not before.ref:
        return True
    return now.ref == before.ref or isinstance(getattr(step.event, "answer", None), ecs_task.Again)


@_of_step
def stopped_by_name(step: Taken) -> bool:
    """A run is stopped by all that is known of it, and only where it may have begun."""
    for new in (c for c in step.commands if isinstance(c, Pending)):
        if isinstance(new.command, StopTask):
            run = next((p for p in step.before.pending if p.id == new.command.command), None)
            if run is None or not began(run):
                return False
            number = run.attempt.number if run.attempt else 0
            if (new.command.arn, new.command.attempt.number) != (run.ref, number):
                return False
    return True


@_of_step
def given_its_time(step: Taken) -> bool:
    """A command has the time that its spec gives it, from now on; a task a quarter of an hour to stop."""
    new = [c for c in step.commands if isinstance(c, Pending)]
    return all(p.issued == step.event.at and p.deadline == p.issued + time_of(p) for p in new)


def time_of(pending: Pending) -> int:
    """Return how many seconds a command has, at first."""
    command = pending.command
    if isinstance(command, StopTask):
        return 900
    if isinstance(command, RunTask):
        return command.run.task.timeout
    if isinstance(command, deployment.StabiliseStack):
        return command.timeout
    if isinstance(command, postgres_migration.UpsertDatabase | postgres_migration.CleanupDatabase):
        return command.database.spec.timeout
    return command.stack.timeout


@_of_step
def stream_stays(step: Taken) -> bool:
    """A stream keeps its id, but where a request adopts the old one."""
    old, event = step.before.stream, step.event
    adopts = isinstance(event, messages.Requested) and event.adopt == old
    return step.after.stream == old or not old or adopts


@_of_step
def late_is_never_begun(step: Taken) -> bool:
    """What was superseded or expired never begins, and does not go on waiting once anybody else may begin."""
    event, after = step.event, step.after
    word = isinstance(event, messages.Requested | messages.Terminated | messages.Repaired)
    if after.deployments is step.before.deployments or not (word or step.ended(*DeploymentOutcome)):
        return True
    new = (
        event
        if isinstance(event, messages.Requested) and event.deployment not in dict(step.before.known)
        else None
    )
    late = [
        d.info.id
        for d in step.before.deployments
        if isinstance(d, deployment.Queued)
        and (expired(d.info, event.at) or (new and withdraws(new, d.info)))
    ]
    return not set(late) & set(requested(after))


@_of_step
def causes_are_told(step: Taken) -> bool:
    """A notice says why a deployment FAILED: what it was told while it waited, or the cause of what failed first."""
    failed = [
        c for c in step.commands if isinstance(c, messages.Notice) and c.outcome is DeploymentOutcome.FAILED
    ]
    was = {d.info.id: d for d in step.before.deployments} if failed else {}
    return all(n.deployment in was and n.cause is _cause(step, was[n.deployment]) for n in failed)


def _cause(step: Taken, was: deployment.Resting) -> deployment.Cause:
    event, causes = step.event, deployment.Cause
    if isinstance(was, deployment.Queued):
        if expired(was.info, event.at):
            return causes.EXPIRED
        return causes.SUPERSEDED if isinstance(event, messages.Requested) else causes.TERMINATED
    if isinstance(was, deployment.Restoring):
        return was.cause
    if isinstance(event, messages.Terminated):
        return causes.TERMINATED
    answer = event.answer
    if not isinstance(was, deployment.Waiting):
        return causes.FAILURE
    if isinstance(answer, messages.DeadlinePassed):
        return causes.EXPIRED
    at_rest = isinstance(answer, StackStatus) and answer.lifecycle.name in (
        "COMPLETE",
        "ROLLED_BACK",
        "MISSING",
    )
    trouble = isinstance(answer, messages.Failure | StackStatus) and not at_rest
    return causes.FAILURE if trouble else causes.REFUSED


@_of_step
def at_zero_between(step: Taken) -> bool:
    """Every command between the scaling down and the scaling up carries zero counts, but the way back's."""
    asks = {d.info.id: d for d in step.after.deployments}
    for new in (c for c in step.commands if isinstance(c, Pending)):
        counts = getattr(new.command, "counts", ())
        if isinstance(asks.get(new.deployment), _AT_ZERO) and any(count for _, count in counts):
            return False
    return True


@_of_reply
def good_only_when_whole(step: Taken) -> bool:
    """A change of ours counts only when the stack is COMPLETE after it; any other end of it fails the deployment."""
    event, pending = step.event, _of_event(step.before, step.event)
    changes = pending and isinstance(pending.command, deployment.StackCommand)
    looks = pending and isinstance(pending.command, deployment.StabiliseStack)
    if (
        pending is None
        or not changes
        or looks
        or _of_event(step.after, event)
        or not is_final(pending, event.answer)
    ):
        return True
    whole = isinstance(event.answer, StackStatus) and event.answer.lifecycle is Lifecycle.COMPLETE
    left = [d for d in step.after.deployments if d.info.id == pending.deployment]
    failed = pending.deployment in step.ended(DeploymentOutcome.FAILED)
    return whole or failed or any(isinstance(d, deployment.Restoring) for d in left)


@_of_reply
def left_to_others(step: Taken) -> bool:
    """Nothing is put back of a stack that another stream's deployer has taken over, or that is still rolling back."""
    answer, pending = step.event.answer, _of_event(step.before, step.event)
    over = isinstance(answer, messages.Failure) and answer.taken_over
    late = isinstance(answer, messages.DeadlinePassed) and getattr(
        pending and pending.progress, "rolling_back", False
    )
    began = len(step.after.deployments) == len(step.before.deployments) and any(
        isinstance(now, deployment.Restoring) and not isinstance(was, deployment.Restoring)
        for was, now in zip(step.before.deployments, step.after.deployments, strict=True)
    )
    return not (over or late) or not began


@_of_reply
def judged_by_its_own_word(step: Taken) -> bool:
    """A run did its work only if its judged container says so, by a good code, and nothing essential failed beside."""
    event, pending = step.event, _of_event(step.before, step.event)
    if pending is None or not isinstance(pending.command, RunTask):
        return True
    if not isinstance(event, messages.Replied) or _of_event(step.after, event):
        return True
    passed = (postgres_migration.Nop, postgres_migration.Blocked, *_PAST_BARRIER)
    now = [m for m in step.after.migrations if m.database.spec.name == pending.database]
    return not any(isinstance(m, passed) for m in now) or _did_its_work(
        pending.command.run, event.answer, now[0]
    )


def _did_its_work(run: ecs_task.Run, answer: Any, now: postgres_migration.Resting) -> bool:
    if not isinstance(answer, ecs_task.StatusStopped) or answer.stop_code not in (
        "",
        "EssentialContainerExited",
    ):
        return False
    (code,) = [e.code for e in answer.exits if e.judged] or [None]
    spec = now.database.spec
    if spec.migrate is None or any(_failed_beside(e, run) for e in answer.exits):
        return False
    if run.purpose is ecs_task.Purpose.MIGRATE or spec.evaluate is None:
        return code in spec.migrate.success
    nop = isinstance(now, postgres_migration.Nop)
    return code in (spec.evaluate.no_changes if nop else spec.evaluate.changes)


def _failed_beside(one: ecs_task.Exit, run: ecs_task.Run) -> bool:
    beside = one.essential and not one.judged and one.container not in run.task.excused
    return beside and one.code not in (None, 0, 137, 143)
