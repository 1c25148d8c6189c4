"""The deployer of one stack: the four machines composed, itself a reducer of the same shape.

    reduce(state, event) -> (state, commands)

What the machines tell one another is routed inside (`routing`); what is meant for the world (`messages`) stays in
`pending` until its last answer, and is given out once. A state that comes back the same object means that the event
was stale: nothing has changed, and nothing need be kept.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias, TypeVar, get_args

from attrs import evolve

from deployer_core.engine import messages
from deployer_core.engine.messages import Answer, Pending, StopTask
from deployer_core.engine.routing import (
    DeployerState,
    Reduction,
    Traced,
    Transaction,
    swap,
)
from deployer_core.kernel.machine import IllegalEvent, Microstep, name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import StackStatus, read
from deployer_core.spec import digest

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


def _refusal(state: DeployerState, event: object, why: str) -> IllegalEvent:
    return IllegalEvent("Deployer", name_of(type(state.stack)), event, tuple(e.__name__ for e in _TAKES), why)


@_takes(messages.Requested)
def _request(state: DeployerState, event: messages.Requested, begin: Begin) -> Reduction:
    """Let a deployment in, once: the same id with the same spec is no event."""
    asked = digest(event.spec)
    before = dict(state.known).get(event.deployment)
    if before == asked:
        return state, ()
    if before is not None:
        why = f"deployment {event.deployment!r} was requested before with another spec; give this an id of its own"
        raise _refusal(state, event, why)
    if not (state.stream or event.stream):
        raise _refusal(state, event, "the first request of a stream gives it its random id")
    transaction = begin(state, event.at)
    transaction.stream, transaction.queue_limit = state.stream or event.stream, event.queue_limit
    transaction.known += ((event.deployment, asked),)
    transaction.add(deployment.DeploymentInfo(event.deployment, event.spec))
    return transaction.result()


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
    return evolve(state, pending=swap(state.pending, pending, evolve(pending, attempt=attempt))), ()


@_takes(messages.Accepted)
def _accept(state: DeployerState, event: messages.Accepted, _: Begin) -> Reduction:
    pending = _pending(state, event.command)
    if pending is None or pending.ref or not event.ref:
        return state, ()
    return evolve(state, pending=swap(state.pending, pending, evolve(pending, ref=event.ref))), ()


@_takes(messages.Replied)
def _reply(state: DeployerState, event: messages.Replied, begin: Begin) -> Reduction:
    pending, answer = _pending(state, event.command), event.answer
    if type(answer) not in _ANSWERS:
        raise _refusal(state, event, f"{type(answer).__name__} is no answer of the world")
    if pending is None:
        return state, ()
    if isinstance(answer, messages.DeadlinePassed) and event.at < pending.deadline:
        raise _refusal(
            state, event, f"command {pending.id} has until {pending.deadline}, and it is {event.at}"
        )
    if isinstance(pending.command, StopTask):
        return _reply_to_stop(state, pending, answer)
    if isinstance(answer, _NO_MACHINES):
        told = _told(pending, answer) if isinstance(answer, messages.Progress) else _refused(pending, answer)
        if told is pending:
            return state, ()
        return evolve(state, pending=swap(state.pending, pending, told)), ()
    meaning = _meaning(pending, answer)
    if type(meaning) in _FINAL:
        return _end(begin(state, event.at), pending, answer, meaning)
    told = _told(pending, answer)
    if told is pending and isinstance(answer, StackStatus):
        return state, ()
    return _go_on(begin(state, event.at), state, pending, told, meaning)


def _end(transaction: Transaction, pending: Pending, answer: Answer, meaning: Any) -> Reduction:
    """Take the last answer: the command is no longer pending, whatever the machine that asked makes of it."""
    transaction.observed = answer.counts if isinstance(answer, StackStatus) else ()
    transaction.pending = swap(transaction.pending, pending)
    transaction.answered = pending
    try:
        transaction.to_asker(pending, meaning)
    except IllegalEvent as fault:
        transaction.to_asker(pending, failure(pending, f"adapter fault: {fault}", may_still_run=True))
    return transaction.result()


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


def _told(pending: Pending, answer: Answer) -> Pending:
    """Return the command with what was said of it, itself where that is no news. (`evolve` would be much slower.)"""
    seen, progress = _progress(answer)
    ref = pending.ref or (answer.arn if isinstance(answer, ecs_task.Started) else "")
    same = progress is pending.progress or progress == pending.progress
    if same and seen == pending.seen and ref == pending.ref:
        return pending
    return Pending(
        pending.id,
        pending.deployment,
        pending.database,
        pending.command,
        pending.issued,
        pending.deadline,
        pending.attempt,
        ref,
        seen,
        progress,
        pending.unresolved,
    )


def _refused(pending: Pending, answer: messages.AttemptRefused) -> Pending:
    """Return the command with its latest attempt refused, itself where that is no news, or of an earlier attempt."""
    attempt = pending.attempt
    if not isinstance(pending.command, RunTask) or pending.ref or attempt is None or attempt.refused:
        return pending
    if attempt.number != answer.number:
        return pending
    return evolve(pending, attempt=evolve(attempt, refused=True), seen=answer.reason, progress=None)


_ANSWERS = frozenset(get_args(Answer))
_NO_MACHINES = (messages.Progress, messages.AttemptRefused)
_FINAL = frozenset(
    {
        deployment.Stable,
        deployment.Failure,
        ecs_task.StatusStopped,
        ecs_task.Errored,
        postgres_migration.UpsertDone,
        postgres_migration.CleanupDone,
        postgres_migration.Errored,
    }
)
_OF_A_STACK = (deployment.ScaleStack, deployment.UpdateStack)
"""Commands that are given only where the stack was seen."""


def _meaning(pending: Pending, answer: Any) -> Any:
    """Return the machine's own event for an answer."""
    if isinstance(answer, StackStatus):
        waiting = isinstance(pending.command, deployment.StabiliseStack)
        return read(
            answer, waiting=waiting, known=bool(pending.ref) or isinstance(pending.command, _OF_A_STACK)
        )
    if isinstance(answer, messages.DeadlinePassed):
        time = f"{pending.deadline - pending.issued:g} s"
        reason = f"no end within {time}" + (f"; last seen: {pending.seen}" if pending.seen else "")
        return failure(pending, reason, may_still_run=True)
    return answer


def failure(pending: Pending, reason: str, *, may_still_run: bool) -> Any:
    """Return a failure as an event of the machine that asked."""
    if not pending.database:
        return deployment.Failure(reason)
    if isinstance(pending.command, RunTask | StopTask):
        return ecs_task.Errored(reason, may_still_run)
    return postgres_migration.Errored(reason)


_stack_progress = lru_cache(maxsize=64)(messages.StackProgress)  # for speed: the same again and again


def _progress(answer: Any) -> tuple[str, messages.CommandProgress | None]:
    """Return an answer that is not the last one as words for people, and as a value for programs."""
    if isinstance(answer, StackStatus):
        words = f"{answer.status}: {answer.reason}" if answer.reason else answer.status
        return words, _stack_progress(answer.status)
    if isinstance(answer, messages.Progress):
        return answer.text, answer.value
    status = answer.last_status if isinstance(answer, ecs_task.Status) else "RUNNING"
    return status, messages.TaskProgress(status)


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
        seen, progress = _progress(answer)
        after = evolve(pending, seen=seen, progress=progress)
    if after == pending:
        return state, ()
    return evolve(state, pending=swap(state.pending, pending, after)), ()


@_takes(messages.Terminated)
def _terminate(state: DeployerState, event: messages.Terminated, begin: Begin) -> Reduction:
    if all(d.info.id != event.deployment for d in state.deployments):
        ended = event.deployment in dict(state.known)
        raise _refusal(
            state, event, f"deployment {event.deployment!r} {'has ended' if ended else 'was never requested'}"
        )
    transaction = begin(state, event.at)
    transaction.to_deployment(event.deployment, deployment.Terminated(event.by))
    return transaction.result()


@_takes(messages.Repaired)
def _repair(state: DeployerState, event: messages.Repaired, begin: Begin) -> Reduction:
    """Refuse while a task may still run, unless its run is named."""
    stops = {p.command.run.id: p for p in state.pending if isinstance(p.command, StopTask)}
    if unknown := sorted(set(event.force) - set(stops)):
        raise _refusal(state, event, f"no task is being stopped for {', '.join(unknown)}")
    transaction = begin(state, event.at)
    transaction.pending = tuple(p for run, p in stops.items() if run not in event.force)
    transaction.to_stack(stack.Repaired(event.by))
    if running := sorted(set(stops) - set(event.force)):
        why = f"the task of {', '.join(running)} may still run"
        raise _refusal(state, event, f"{why}; wait until it has stopped, or force the repair by its name")
    return transaction.result()
