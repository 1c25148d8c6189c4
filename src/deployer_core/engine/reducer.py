"""The deployer of one stack: the four machines composed, itself a reducer of the same shape.

    reduce(state, event) -> (state, commands)

What the machines tell one another is routed inside (`routing`); what is meant for the world (`messages`) stays in
`pending` until its last answer, and is given out once. A state that comes back the same object means that the event
was stale: nothing has changed, and nothing need be kept.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, TypeVar

from attrs import evolve

from deployer_core.engine import messages
from deployer_core.engine.answers import (
    ANSWERS,
    FINAL,
    TO_NO_MACHINE,
    failure,
    may_take_longer,
    meaning_of,
    progress_of,
    rolls_back,
    with_decline,
    with_news,
)
from deployer_core.engine.memory import (
    Bound,
    ended,
    moved_past,
    refusal,
    suspending,
    to_zero,
    took_data,
    upserted,
    wanted,
    way_back,
    with_removed,
)
from deployer_core.engine.messages import Answer, Pending, StopTask
from deployer_core.engine.routing import Traced, Transaction
from deployer_core.engine.state import DeployerState, Reduction, swap
from deployer_core.kernel.machine import Absent, IllegalEvent, Microstep, name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import StabiliseStack
from deployer_core.machines.stack_status import StackStatus
from deployer_core.spec import OnFailure, digest

LOGIC = 1
"""The version of what `reduce` makes of an event: it rises when a stored stream would replay to another state."""


def reduce(state: DeployerState, event: messages.Event) -> Reduction:
    """Take one event from the world, and all that follows from it inside.

    Raises IllegalEvent, and changes nothing, for nonsense: an unknown deployment, a repair of what is not broken, an
    id that stands for two specs. Answers that nobody waits for are no nonsense: they are stale.
    """
    return _TAKES.get(type(event), _refuse)(state, event, Transaction)


def microsteps(state: DeployerState, event: messages.Event) -> tuple[tuple[str, Microstep[Any, Any]], ...]:
    """Take the same event one edge of one machine at a time, each with the machine's name; none if it is stale."""
    transactions: list[Traced] = []

    def begin(state: DeployerState, at: float) -> Transaction:
        transactions.append(Traced(state, at))
        return transactions[-1]

    _TAKES.get(type(event), _refuse)(state, event, begin)
    return tuple(step for transaction in transactions for step in transaction.taken)


# Events of the world

Begin: TypeAlias = Callable[[DeployerState, float], Transaction]
Take: TypeAlias = Callable[[DeployerState, Any, Begin], Reduction]
_TAKES: dict[type, Take] = {}
T = TypeVar("T", bound=Take)


def _takes(event: type) -> Callable[[T], T]:
    def register(take: T) -> T:
        _TAKES[event] = take
        return take

    return register


def _refuse(state: DeployerState, event: object, _: Begin) -> NoReturn:
    raise _refusal(state, event, f"the world speaks of {', '.join(sorted(e.__name__ for e in _TAKES))}")


class Busy(IllegalEvent):
    """An exclusive request would have to wait for its turn."""


def _refusal(
    state: DeployerState, event: object, why: str, kind: type[IllegalEvent] = IllegalEvent
) -> IllegalEvent:
    return kind("Deployer", name_of(type(state.stack)), event, tuple(e.__name__ for e in _TAKES), why)


@_takes(messages.Requested)
def _request(state: DeployerState, event: messages.Requested, begin: Begin) -> Reduction:
    """Let a deployment in, once: the same id with the same spec is no event."""
    asked = event.digest
    before = dict(state.known).get(event.deployment)
    if before == asked:
        return state, ()
    if before is not None:
        why = f"deployment {event.deployment!r} was requested before, for something else; give this an id of its own"
        raise _refusal(state, event, why)
    bound, rollback = Bound(event.spec.key, event.spec.stack.name), event.rollback
    if why := _unasked(state, event, bound):
        raise _refusal(state, event, why)
    transaction = begin(state, event.at)
    transaction.expire()
    others = transaction.queued()
    mends = rollback is not None and isinstance(transaction.stack, stack.Broken)
    if event.exclusive and not mends and not isinstance(transaction.stack, Absent | stack.Available):
        why = "it was to begin at once, and would have to wait; try again later"
        raise _refusal(state, event, why, Busy)
    if rollback and rollback.keep_queue and others and isinstance(transaction.stack, stack.Broken):
        raise _refusal(state, event, "others wait, and the first of them would begin; do not keep the queue")
    for info in others:
        if (rollback and not rollback.keep_queue) or (event.supersede and not info.terms.rollback):
            transaction.to_deployment(info.id, deployment.Superseded(event.deployment))
    if mends:
        _mend(state, transaction, messages.Repaired(event.by, event.at))
    adopts = bool(state.stream) and event.adopt == state.stream
    transaction.stream = event.stream if adopts or not state.stream else state.stream
    transaction.bound, transaction.queue_limit = bound, event.queue_limit
    transaction.known += ((event.deployment, asked),)
    transaction.add(deployment.DeploymentInfo(event.deployment, event.spec, event.terms))
    return transaction.result()


def _unasked(state: DeployerState, event: messages.Requested, bound: Bound) -> str:
    """Say why this may not be asked of this stream, whatever its stack is doing; empty where it may."""
    if not event.stream and (not state.stream or event.adopt == state.stream):
        return "the first request of a stream gives it its random id"
    free = not state.deployments and not state.memory.changed
    if state.bound not in (None, bound) and not free:
        ours = state.bound
        return (
            f"this stream is of {ours.key} on stack {ours.stack}, not of {bound.key} on stack {bound.stack}; "
            "another application or stack needs a stream of its own"
        )
    if event.rollback is None:
        return ""
    target = event.rollback.target
    was = next((one for one in reversed(state.memory.done) if one.id == target), None)
    if was is None and not (event.force and target in dict(state.known)):
        return f"deployment {target!r} is not one of the last that were DONE; roll back to one of those, or force it"
    if was is not None and was.digest != digest(event.spec):
        return f"the spec is not the one of deployment {target!r}"
    if moved_past(state.memory, target) and not event.force:
        return (
            f"databases were migrated since {target}, whose code may not run on them; "
            "deploy a version forward, or force it"
        )
    return ""


def _pending(state: DeployerState, command: int) -> Pending | None:
    for pending in state.pending:
        if pending.id == command:
            return pending
    return None


@_takes(messages.Attempted)
def _attempt(state: DeployerState, event: messages.Attempted, _: Begin) -> Reduction:
    """Refuse a second send of what was accepted; what was found without sending may be sent (a task, to stop it)."""
    pending = _pending(state, event.command)
    if pending is None or event.number != (pending.attempt.number if pending.attempt else 0) + 1:
        return state, ()
    if pending.attempt and pending.ref:
        return state, ()
    attempt = messages.Attempt(event.number, event.at, event.resolved, token=event.token)
    waits = swap(state.pending, pending, evolve(pending, attempt=attempt))
    memory = suspending(state.memory, event.suspending)
    if isinstance(pending.command, StabiliseStack) and not memory.changed:
        memory = evolve(memory, changed=True)
    return evolve(state, pending=waits, memory=memory), ()


@_takes(messages.Accepted)
def _accept(state: DeployerState, event: messages.Accepted, _: Begin) -> Reduction:
    pending = _pending(state, event.command)
    if pending is None or pending.ref or not event.ref:
        return state, ()
    return evolve(state, pending=swap(state.pending, pending, evolve(pending, ref=event.ref))), ()


@_takes(messages.Replied)
def _reply(state: DeployerState, event: messages.Replied, begin: Begin) -> Reduction:
    pending, answer = _pending(state, event.command), event.answer
    if type(answer) not in ANSWERS:
        raise _refusal(state, event, f"{type(answer).__name__} is no answer of the world")
    if pending is None:
        return state, ()
    if isinstance(answer, messages.DeadlinePassed) and event.at < pending.deadline:
        raise _refusal(
            state, event, f"command {pending.id} has until {pending.deadline}, and it is {event.at}"
        )
    if isinstance(pending.command, StopTask):
        return _reply_to_stop(state, pending, answer)
    if isinstance(answer, messages.DeadlinePassed) and may_take_longer(pending):
        longer = evolve(pending, deadline=2 * pending.deadline - pending.issued)
        return evolve(state, pending=swap(state.pending, pending, longer)), ()
    if isinstance(answer, ecs_task.Again) and not pending.may_have_begun:
        return state, ()
    if isinstance(answer, TO_NO_MACHINE):
        told = (
            with_news(pending, answer)
            if isinstance(answer, messages.Progress)
            else with_decline(pending, answer)
        )
        if told is pending:
            return state, ()
        progress = getattr(answer, "value", None)
        targets = progress.suspending if isinstance(progress, messages.StackProgress) else ()
        waits = swap(state.pending, pending, told)
        return evolve(state, pending=waits, memory=suspending(state.memory, targets)), ()
    meaning = meaning_of(pending, answer, event.at)
    if type(meaning) in FINAL:
        return _end(begin(state, event.at), pending, answer, meaning)
    told = with_news(pending, answer)
    if told is pending and isinstance(answer, StackStatus):
        return state, ()
    return _go_on(begin(state, event.at), state, pending, told, meaning)


def _end(transaction: Transaction, pending: Pending, answer: Answer, meaning: Any) -> Reduction:
    """Take the last answer: the command is no longer pending, whatever the machine that asked makes of it."""
    transaction.observed = answer.counts if isinstance(answer, StackStatus) else ()
    transaction.pending = swap(transaction.pending, pending)
    transaction.answered = pending
    if isinstance(pending.command, postgres_migration.UpsertDatabase):
        transaction.memory = upserted(transaction.memory, pending, answer)
    elif not pending.database:
        meaning = _for_deployment(transaction, pending, answer, meaning)
    try:
        transaction.to_asker(pending, meaning)
    except IllegalEvent as fault:
        wrong = failure(pending, f"adapter fault: {fault}", may_still_run=True)
        if not pending.database:
            wrong = _for_deployment(transaction, pending, messages.Refused(wrong.reason), wrong)
        transaction.to_asker(pending, wrong)
    return transaction.result()


def _for_deployment(transaction: Transaction, pending: Pending, answer: Answer, meaning: Any) -> Any:
    """Return what a last answer means to the deployment, with what the stack remembers.

    How the stack was found decides about the whole deployment; how a change ended, about the way back.
    """
    asker, good = transaction.find(pending.deployment), isinstance(meaning, deployment.Stable)
    if isinstance(pending.command, StabiliseStack):
        if isinstance(asker, deployment.Waiting):
            return _first_look(transaction, asker, answer, meaning)
        return _look_back(transaction, answer, meaning)
    transaction.memory = ended(transaction.memory, pending, asker, answer, good=good)
    if isinstance(answer, messages.DeadlinePassed) and rolls_back(pending):
        return _left_alone(asker, meaning, STILL_ROLLING_BACK)
    if isinstance(answer, messages.Failure) and answer.taken_over:
        return _left_alone(asker, meaning, TAKEN_OVER)
    if isinstance(meaning, deployment.Stable | deployment.Failure):
        return evolve(meaning, back=way_back(transaction.memory, asker.info))
    return meaning


STILL_ROLLING_BACK = deployment.NoWayBack("CloudFormation is still rolling back")
TAKEN_OVER = deployment.NoWayBack("the stack is another deployer's now")


def _left_alone(asker: deployment.State, meaning: Any, why: deployment.NoWayBack) -> Any:
    """Return a failure after which nothing is put back, whatever the stack remembers."""
    return meaning if asker.info.spec.on_failure is OnFailure.LEAVE else evolve(meaning, back=why)


def _look_back(transaction: Transaction, answer: Answer, meaning: Any) -> Any:
    """Return how the stack was found before it is put back: an update that nobody waited for may have taken data."""
    removed = answer.removed if isinstance(answer, StackStatus) else ()
    transaction.memory = with_removed(transaction.memory, removed)
    return deployment.Failure(took_data(removed)) if removed else meaning


def _first_look(transaction: Transaction, asker: deployment.Waiting, answer: Answer, meaning: Any) -> Any:
    """Return how the stack was found: as it is needed, in trouble, not in time, or so that it may not be changed."""
    memory, info, observed = transaction.memory, asker.info, transaction.observed
    if isinstance(answer, messages.Refused):
        return deployment.Refused(answer.reason)
    if isinstance(answer, messages.DeadlinePassed):
        return deployment.Late(meaning.reason)
    if not isinstance(meaning, deployment.Stable):
        return meaning
    if why := refusal(memory, info, meaning.exists, observed):
        return deployment.Refused(why)
    counts, zero = wanted(memory, info.spec, observed), to_zero(info.spec, observed)
    return evolve(meaning, counts=counts, zero=zero)


def _go_on(
    transaction: Transaction, state: DeployerState, pending: Pending, told: Pending, meaning: Any
) -> Reduction:
    """Take an answer that is not the last: stale where it is no news, or the machine that asked does not take it."""
    if told is not pending:
        transaction.pending = swap(transaction.pending, pending, told)
    try:
        transaction.to_asker(pending, meaning)
    except IllegalEvent:
        return state, ()
    same = transaction.pending is state.pending and transaction.tasks is state.tasks
    return (state, ()) if same else transaction.result()


def _reply_to_stop(state: DeployerState, pending: Pending, answer: Answer) -> Reduction:
    """End it when STOPPED was seen: what was not seen to stop may still run, whatever else is said of it."""
    after = pending
    if isinstance(answer, ecs_task.StatusStopped):
        return evolve(state, pending=swap(state.pending, pending)), ()
    if isinstance(answer, messages.DeadlinePassed):
        after = evolve(pending, unresolved=True)
    elif isinstance(answer, ecs_task.Errored):
        after = evolve(pending, seen=answer.reason, progress=None)
    elif isinstance(answer, ecs_task.Status | ecs_task.Started | messages.Progress):
        seen, progress = progress_of(answer)
        after = evolve(pending, seen=seen, progress=progress)
    if after == pending:
        return state, ()
    return evolve(state, pending=swap(state.pending, pending, after)), ()


@_takes(messages.Terminated)
def _terminate(state: DeployerState, event: messages.Terminated, begin: Begin) -> Reduction:
    name = event.deployment
    if all(d.info.id != name for d in state.deployments):
        ended = name in dict(state.known)
        raise _refusal(state, event, f"deployment {name!r} {'has ended' if ended else 'was never requested'}")
    transaction = begin(state, event.at)
    transaction.expire()
    if any(d.info.id == name for d in transaction.deployments):
        back = transaction.way_back(name)
        transaction.to_deployment(name, deployment.Terminated(event.by, event.reason, back))
    return transaction.result()


@_takes(messages.Repaired)
def _repair(state: DeployerState, event: messages.Repaired, begin: Begin) -> Reduction:
    transaction = begin(state, event.at)
    transaction.expire()
    if event.withdraw_queue:
        for info in transaction.queued():
            transaction.to_deployment(info.id, deployment.Terminated(event.by, event.reason))
    _mend(state, transaction, event)
    return transaction.result()


def _mend(state: DeployerState, transaction: Transaction, event: messages.Repaired) -> None:
    """Let the queue go on; refuse while a task may still run, unless its run is named."""
    stops = {p.command.run.id: p for p in state.pending if isinstance(p.command, StopTask)}
    if unknown := sorted(set(event.force) - set(stops)):
        raise _refusal(state, event, f"no task is being stopped for {', '.join(unknown)}")
    transaction.pending = tuple(p for run, p in stops.items() if run not in event.force)
    transaction.to_stack(stack.Repaired(event.by))
    if running := sorted(set(stops) - set(event.force)):
        why = f"the task of {', '.join(running)} may still run"
        raise _refusal(state, event, f"{why}; wait until it has stopped, or force the repair by its name")
