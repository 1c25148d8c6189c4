"""What may be taken from an event for a pending command, and what the executor has to look at itself. Pure.

Taken are the answers for which an event alone is enough: a task's progress, its good end, the end of one that was to
stop, and the progress of a stack under a change of our own. For everything else an event is a *hint*, and the executor
looks at the command now: a stack's end needs outputs, counts and whether its services are at zero; a task's bad end
needs its log tail. So one place decides about those, and a hint that is late, doubled or wrong costs no more than a
look.
"""

from deployer_aws.aws.stacks import LIFECYCLES, MOVING, lifecycle, status_reason
from deployer_aws.events.parsing import AwsEvent, EventKind
from deployer_aws.ports import Taken, Work
from deployer_core.engine.messages import StackProgress, StopTask, TaskProgress
from deployer_core.machines.deployment import CreateStack, ScaleStack, UpdateStack, UpsertStack
from deployer_core.machines.ecs_task import EXITED, Exit, Run, RunTask, Started, Status, StatusStopped
from deployer_core.machines.stack_status import Lifecycle, StackStatus

RANKS = {
    status: rank
    for rank, status in enumerate(
        (
            "PROVISIONING",
            "PENDING",
            "ACTIVATING",
            "RUNNING",
            "DEACTIVATING",
            "STOPPING",
            "DEPROVISIONING",
            "STOPPED",
        )
    )
}
"""The order of a task's statuses, of which some are skipped (ECS Developer Guide, 'Amazon ECS task lifecycle')."""


NOTHING = Taken()
LOOK = Taken(look=True)


def take(work: Work, event: AwsEvent) -> Taken:
    """Return what an event means to a pending command: nothing, where it is no news."""
    command = work.pending.command
    if event.kind is EventKind.STACK:
        return _stack(work, event)
    if isinstance(command, RunTask):
        return _task(work, command.run, event)
    if isinstance(command, StopTask):
        return _stop(work, event)
    return LOOK  # a service's task has stopped, and a stack's command waits for that


# Tasks


def _task(work: Work, run: Run, event: AwsEvent) -> Taken:
    arn, status = event.task_arn or "", event.last_status or ""
    accepted = () if work.pending.ref else (work.accept(arn),)
    if event.final:
        end = _good_end(run, event)
        return Taken((*accepted, work.reply(end))) if end else Taken(accepted, look=True)
    if status not in RANKS:
        return Taken(accepted, look=True)
    if RANKS[status] <= _rank(work):
        return Taken(accepted)
    if RANKS[status] > RANKS["RUNNING"] > _rank(work):
        return Taken(accepted, look=True)  # whether it was ever RUNNING is not said
    answer = Started(arn) if status == "RUNNING" else Status(status)
    return Taken((*accepted, work.reply(answer)))


def _rank(work: Work) -> int:
    """Return how far the task of a command is known to have come; -1 where nothing is known."""
    known = work.pending.progress
    return RANKS.get(known.last_status, -1) if isinstance(known, TaskProgress) else -1


def _good_end(run: Run, event: AwsEvent) -> StatusStopped | None:
    """Return a task's end where nothing is left to be asked: the accepted exit code of its only, named container.

    Of several, the definition says which ones are essential, and so may have stopped the judged one half-way.
    """
    if event.last_status != "STOPPED" or event.stop_code != EXITED or len(event.containers) != 1:
        return None
    (only,) = event.containers
    if run.task.container != only.name or only.exit_code not in run.success:
        return None
    return StatusStopped(
        (Exit(only.name, only.exit_code, True, only.reason, True),), EXITED, event.reason or ""
    )


def _stop(work: Work, event: AwsEvent) -> Taken:
    """Take STOPPED as the end. A task whose ARN was not known can now be told to stop."""
    if event.final:
        return Taken((work.reply(StatusStopped((), event.stop_code or "", event.reason or "")),))
    status = event.last_status or ""
    news = RANKS.get(status, -1) > _rank(work)
    progress = (work.reply(Status(status)),) if news else ()
    if work.pending.ref or getattr(work.pending.command, "arn", ""):
        return Taken(progress)
    return Taken((work.accept(event.task_arn or ""), *progress), look=True)


# Stacks


def _stack(work: Work, event: AwsEvent) -> Taken:
    """Have a stack at rest looked at. One that moves is news only where our own change moves it."""
    status, where = event.status or "", event.lifecycle or Lifecycle.TERMINAL
    if where not in MOVING or where is Lifecycle.DELETING:
        return LOOK
    pending = work.pending
    ours = isinstance(pending.command, CreateStack | UpdateStack | UpsertStack | ScaleStack)
    if not ours or pending.attempt is None or event.token != work.token(pending.attempt.number):
        return NOTHING
    if not pending.ref:
        return LOOK
    known = pending.progress
    if _stage(status) <= _stage(known.status if isinstance(known, StackProgress) else ""):
        return NOTHING
    return Taken((work.reply(StackStatus(where, status, status_reason(event.reason))),))


def _stage(status: str) -> int:
    """Return how far a change is, by its status: it goes on, cleans up, or rolls back, and never the other way."""
    if status not in LIFECYCLES:
        return -1
    if lifecycle(status) not in MOVING:
        return 4
    return 2 * (lifecycle(status) is Lifecycle.ROLLING_BACK) + ("CLEANUP" in status)
