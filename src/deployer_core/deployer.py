"""The deployer of one stack: the four machines composed, itself a reducer of the same shape.

    reduce(state, event) -> (state, commands)

What the machines tell one another is routed inside (`routing`); what is meant for the world (`world`) stays in
`pending` until its last answer, and is given out once. A state that comes back the same object means that the event
was stale: nothing has changed, and nothing need be kept.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from attrs import evolve

from deployer_core import deployment, ecs_task, postgres_migration, stack
from deployer_core.ecs_task import RunTask
from deployer_core.machine import ABSENT, Absent, IllegalEvent, name_of
from deployer_core.routing import INITIAL, Commands, DeployerState, Draft, Reduction, Task, swap
from deployer_core.spec import DeploymentSpec
from deployer_core.stack_status import StackStatus, read
from deployer_core.world import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Event,
    Notice,
    Pending,
    Progress,
    Repaired,
    Replied,
    Requested,
    Sent,
    StopTask,
    Terminated,
    token,
)

__all__ = [
    "INITIAL",
    "LOGIC",
    "Accepted",
    "Attempted",
    "Commands",
    "DeadlinePassed",
    "DeployerState",
    "Event",
    "Notice",
    "Pending",
    "Progress",
    "Reduction",
    "Repaired",
    "Replied",
    "Requested",
    "Sent",
    "StopTask",
    "Task",
    "Terminated",
    "failure",
    "reduce",
    "token",
]

LOGIC = 1
"""The version of what `reduce` makes of an event: it rises when a stored stream would replay to another state."""


def reduce(state: DeployerState, event: Event) -> Reduction:
    """Take one event from the world, and all that follows from it inside.

    Raises IllegalEvent, and changes nothing, for nonsense: an unknown deployment, a repair of what is not broken, an
    id that stands for two specs. Answers that nobody waits for are no nonsense: they are stale.
    """
    taken = _TAKES.get(type(event))
    if taken is None:
        raise _refusal(state, event, f"the world speaks of {', '.join(sorted(e.__name__ for e in _TAKES))}")
    return taken(state, event)


# Events of the world

_TAKES: dict[type, Callable[[DeployerState, Any], Reduction]] = {}
T = TypeVar("T", bound=Callable[[DeployerState, Any], Reduction])


def _takes(event: type) -> Callable[[T], T]:
    def register(take: T) -> T:
        _TAKES[event] = take
        return take

    return register


def _refusal(state: DeployerState, event: object, why: str) -> IllegalEvent:
    return IllegalEvent("Deployer", name_of(type(state.stack)), event, tuple(e.__name__ for e in _TAKES), why)


@lru_cache(maxsize=1024)
def _digest(spec: DeploymentSpec) -> str:
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:16]


@_takes(Requested)
def _request(state: DeployerState, event: Requested) -> Reduction:
    """Idempotent for ever: the same id with the same spec is no event."""
    digest = _digest(event.spec)
    before = dict(state.known).get(event.deployment)
    if before == digest:
        return state, ()
    if before is not None:
        why = f"deployment {event.deployment!r} was requested before with another spec; give this one an id of its own"
        raise _refusal(state, event, why)
    if not (state.stream or event.stream):
        raise _refusal(state, event, "the first request of a stream gives it its random id")
    draft = Draft(state, event.at)
    draft.stream, draft.queue_limit = state.stream or event.stream, event.queue_limit
    draft.known += ((event.deployment, digest),)
    facts = deployment.Facts(event.deployment, event.spec)
    queued, commands = deployment.MACHINE.reduce(ABSENT, deployment.Requested(facts))
    draft.deployments += (queued,)
    draft.route(commands)
    return draft.result()


def _pending(state: DeployerState, command: int) -> Pending | None:
    return next((p for p in state.pending if p.id == command), None)


@_takes(Attempted)
def _attempt(state: DeployerState, event: Attempted) -> Reduction:
    """A new attempt is not accepted yet, whatever became of the one before."""
    pending = _pending(state, event.command)
    if pending is None or event.attempt != (pending.sent.attempt if pending.sent else 0) + 1:
        return state, ()
    sent = Sent(event.attempt, event.at, event.resolved)
    return evolve(state, pending=swap(state.pending, pending, evolve(pending, sent=sent, ref=""))), ()


@_takes(Accepted)
def _accept(state: DeployerState, event: Accepted) -> Reduction:
    pending = _pending(state, event.command)
    if pending is None or pending.ref:
        return state, ()
    return evolve(state, pending=swap(state.pending, pending, evolve(pending, ref=event.ref))), ()


@_takes(Replied)
def _reply(state: DeployerState, event: Replied) -> Reduction:
    pending = _pending(state, event.command)
    if pending is None:
        return state, ()
    if isinstance(event.answer, DeadlinePassed) and event.at < pending.deadline:
        raise _refusal(
            state, event, f"command {pending.id} has until {pending.deadline}, and it is {event.at}"
        )
    if isinstance(pending.command, StopTask):
        return _reply_to_stop(state, pending, event.answer)
    if isinstance(event.answer, Progress):
        seen = evolve(pending, seen=event.answer.text)
        return (
            (state, ())
            if seen == pending
            else (evolve(state, pending=swap(state.pending, pending, seen)), ())
        )
    answer = _meaning(pending, event.answer)
    draft = Draft(state, event.at)
    if isinstance(answer, _FINAL):
        draft.pending = swap(state.pending, pending)
        draft.answered = pending
        draft.observed = event.answer.counts if isinstance(event.answer, StackStatus) else ()
        try:
            draft.to_asker(pending, answer)
        except IllegalEvent as fault:
            draft.to_asker(pending, failure(pending, f"adapter fault: {fault}", may_still_run=True))
        return draft.result()
    draft.pending = swap(state.pending, pending, evolve(pending, seen=_progress(event.answer)))
    try:
        draft.to_asker(pending, answer)
    except IllegalEvent:
        return state, ()
    after, commands = draft.result()
    return (state, ()) if after == state else (after, commands)


_FINAL = (
    deployment.Stable,
    deployment.Failure,
    ecs_task.StatusStopped,
    ecs_task.Errored,
    postgres_migration.UpsertDone,
    postgres_migration.CleanupDone,
    postgres_migration.Errored,
)


def _meaning(pending: Pending, answer: Any) -> Any:
    """The machine's own event for an answer."""
    if isinstance(answer, StackStatus) and not pending.database:
        return read(
            answer, waiting=isinstance(pending.command, deployment.StabiliseStack), known=bool(pending.ref)
        )
    if isinstance(answer, DeadlinePassed):
        time = f"{pending.deadline - pending.issued:g} s"
        reason = f"no end within {time}" + (f"; last seen: {pending.seen}" if pending.seen else "")
        return failure(pending, reason, may_still_run=True)
    return answer


def failure(pending: Pending, reason: str, *, may_still_run: bool) -> Any:
    """A failure in the words of the machine that asked."""
    if not pending.database:
        return deployment.Failure(reason)
    if isinstance(pending.command, RunTask):
        return ecs_task.Errored(reason, may_still_run)
    return postgres_migration.Errored(reason)


def _progress(answer: Any) -> str:
    """What a person may like to read of an answer that is not the last one."""
    if isinstance(answer, StackStatus):
        return f"{answer.status}: {answer.reason}" if answer.reason else answer.status
    if isinstance(answer, Progress):
        return answer.text
    return answer.last_status if isinstance(answer, ecs_task.Status) else type(answer).__name__


def _reply_to_stop(state: DeployerState, pending: Pending, answer: Any) -> Reduction:
    """Only STOPPED ends it: what was not seen to stop may still run."""
    if isinstance(answer, ecs_task.StatusStopped):
        return evolve(state, pending=swap(state.pending, pending)), ()
    after = evolve(
        pending,
        seen=answer.reason if isinstance(answer, ecs_task.Errored) else _progress(answer),
        unresolved=pending.unresolved or isinstance(answer, DeadlinePassed),
    )
    return (
        (state, ()) if after == pending else (evolve(state, pending=swap(state.pending, pending, after)), ())
    )


@_takes(Terminated)
def _terminate(state: DeployerState, event: Terminated) -> Reduction:
    if all(isinstance(d, Absent) or d.facts.id != event.deployment for d in state.deployments):
        ended = event.deployment in dict(state.known)
        raise _refusal(
            state, event, f"deployment {event.deployment!r} {'has ended' if ended else 'was never requested'}"
        )
    draft = Draft(state, event.at)
    draft.to_deployment(event.deployment, deployment.Terminated(event.by))
    return draft.result()


@_takes(Repaired)
def _repair(state: DeployerState, event: Repaired) -> Reduction:
    """Refused while a task may still run, unless its run is named."""
    stops = {p.command.run.id: p for p in state.pending if isinstance(p.command, StopTask)}
    if unknown := sorted(set(event.force) - set(stops)):
        raise _refusal(state, event, f"no task is being stopped for {', '.join(unknown)}")
    draft = Draft(state, event.at)
    draft.pending = tuple(p for run, p in stops.items() if run not in event.force)
    draft.to_stack(stack.Repaired(event.by))
    if running := sorted(set(stops) - set(event.force)):
        why = f"the task of {', '.join(running)} may still run; wait until it has stopped, or force the repair by its name"
        raise _refusal(state, event, why)
    return draft.result()
