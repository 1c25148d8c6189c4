"""What may be said to a deployer: an independent statement of what has to be taken, and what refused."""

from deployer_core.engine import messages
from deployer_core.engine.memory import Bound
from deployer_core.engine.messages import Pending, StopTask
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import Absent
from deployer_core.machines import deployment, ecs_task, stack
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import digest

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
_UNFINISHED = (ecs_task.Started, ecs_task.Status, messages.Progress, messages.Declined)


def is_final(pending: Pending, answer: object) -> bool:
    """Tell whether an answer is the last one to its command. A stack that is missing may be yet to appear.

    While a stack is rolling back, its command has twice the time. A run that did nothing may be begun again (`Again`).
    """
    command = pending.command
    if isinstance(command, StopTask):
        return isinstance(answer, ecs_task.StatusStopped)
    if isinstance(answer, StackStatus):
        looks = isinstance(command, deployment.StabiliseStack)
        sure = bool(pending.ref) or isinstance(command, _OF_WHAT_IS)
        moves = answer.lifecycle in _MOVING or (looks and answer.lifecycle is Lifecycle.DELETING)
        return not moves and (answer.lifecycle is not Lifecycle.MISSING or sure)
    if isinstance(answer, messages.DeadlinePassed) and isinstance(command, deployment.StackCommand):
        rolls_back = isinstance(pending.progress, messages.StackProgress) and pending.progress.rolling_back
        return not rolls_back or extended(pending)
    return not isinstance(answer, _UNFINISHED)


def extended(pending: Pending) -> bool:
    """Tell whether a stack's command has been given more time than it had at first."""
    command = pending.command
    if not isinstance(command, deployment.StackCommand):
        return False
    timeout = command.timeout if isinstance(command, deployment.StabiliseStack) else command.stack.timeout
    return pending.deadline > pending.issued + timeout


def began(pending: Pending) -> bool:
    """Tell whether a run may have begun: the world knows it, or was asked for it and has not declined."""
    return bool(pending.ref) or (pending.attempt is not None and not pending.attempt.over)


def expired(info: deployment.DeploymentInfo, at: float) -> bool:
    """Tell whether a deployment that waits has waited for too long."""
    return info.terms.start_by is not None and at > info.terms.start_by


def withdraws(event: messages.Requested, info: deployment.DeploymentInfo) -> bool:
    """Tell whether a request takes the place of a deployment that waits."""
    if event.rollback:
        return not event.rollback.keep_queue
    return event.supersede and not info.terms.rollback


def makes_sense(state: DeployerState, event: messages.Event) -> bool:
    """Tell whether an event has to be taken; what does not make sense has to be refused."""
    if isinstance(event, messages.Replied):
        if not isinstance(event.answer, messages.DeadlinePassed):
            return True
        return all(event.at >= p.deadline for p in state.pending if p.id == event.command)
    if isinstance(event, messages.Requested):
        known = event.deployment in dict(state.known)
        return _is_the_same(state, event) if known else _may_be_asked(state, event)
    if isinstance(event, messages.Terminated):
        return event.deployment in requested(state)
    return not isinstance(event, messages.Repaired) or (
        isinstance(state.stack, stack.Broken) and set(event.force) == set(stops(state))
    )


def _is_the_same(state: DeployerState, event: messages.Requested) -> bool:
    """Tell whether a request says again what was asked for under this id."""
    for info in (d.info for d in state.deployments if d.info.id == event.deployment):
        target, terms = event.rollback.target if event.rollback else "", info.terms
        asked = (event.spec, event.force, event.adopt, target)
        return asked == (info.spec, terms.force, terms.adopt, terms.rollback)
    return dict(state.known)[event.deployment] == event.digest


def _may_be_asked(state: DeployerState, event: messages.Requested) -> bool:
    """Tell whether a new request has to be let in: of the stream's own stack, and where there is room."""
    anew = not state.stream or event.adopt == state.stream
    bound = state.bound in (None, Bound(event.spec.key, event.spec.stack.name))
    free = not state.deployments and not state.memory.changed
    if (anew and not event.stream) or not (bound or free) or not _may_go_back(state, event):
        return False
    mends = isinstance(state.stack, stack.Broken) and event.rollback is not None
    begins = mends or isinstance(state.stack, Absent | stack.Available)
    waiting = [d.info for d in state.deployments if isinstance(d, deployment.Queued)]
    left = [info for info in waiting if not expired(info, event.at)]
    if mends and (stops(state) or (left and not any(withdraws(event, info) for info in left))):
        return False
    room = len([info for info in left if not withdraws(event, info)]) < event.queue_limit
    return begins or (room and not event.exclusive)


def _may_go_back(state: DeployerState, event: messages.Requested) -> bool:
    """Tell whether the target of a rollback, where it is one, was DONE as it says, on databases that are so still."""
    if event.rollback is None:
        return True
    target, memory = event.rollback.target, state.memory
    was = [one for one in memory.done if one.id == target]
    if not was:
        return event.force and target in dict(state.known)
    return was[-1].digest == digest(event.spec) and (event.force or was[-1].moved == memory.moved)
