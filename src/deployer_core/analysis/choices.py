"""What the world may say next to a deployer: every request, and every answer that means something of its own."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from attrs import evolve

from deployer_core.analysis.legal import current, queue, stops
from deployer_core.analysis.menu import AT, COUNT, HELD, OTHER, QUICK, SECRET, STACK, STREAM, Ask
from deployer_core.engine import messages
from deployer_core.engine.memory import TO_ZERO, Bound
from deployer_core.engine.messages import Infrastructure, Requested
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import Absent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import ScalableTarget, StabiliseStack, UpdateStack, UpsertStack
from deployer_core.machines.ecs_task import Again, Exit, RunTask, StatusStopped
from deployer_core.machines.postgres_migration import CleanupDone, UpsertDone
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import DeploymentSpec, Previous, digest

_OUTPUTS = (("Cluster", "main"),)
_WRONG: tuple[messages.Answer, ...] = (UpsertDone(), ecs_task.Started("arn:wrong"))
"""Answers of a faulty adapter, the last one and not: no stack takes them."""
TARGET = ScalableTarget("service/main/shop", scheduled=True)


def _seen(lifecycle: Lifecycle, count: int = 3, removed: str = "") -> StackStatus:
    """Return a status as it would come; a stack that is missing has neither outputs nor counts."""
    if lifecycle is Lifecycle.MISSING:
        return StackStatus(lifecycle, lifecycle.value)
    counts, gone = ((COUNT, count),), (removed,) if removed else ()
    return StackStatus(lifecycle, lifecycle.value, outputs=_OUTPUTS, counts=counts, removed=gone)


COMPLETE = _seen(Lifecycle.COMPLETE)
_LATE = messages.DeadlinePassed()
OF_STACK: tuple[messages.Answer, ...] = (
    *(_seen(lifecycle) for lifecycle in Lifecycle),
    messages.Failure("denied"),
    messages.Refused("not as asked for"),
    _LATE,
    *_WRONG,
)
OF_LOOK: tuple[messages.Answer, ...] = (
    *OF_STACK,
    *(_seen(Lifecycle.COMPLETE, count) for count in (0, 2)),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE without counts", outputs=_OUTPUTS),
)
"""Of the first look at a stack: what runs there was scaled up or down by somebody, or is at zero."""
OF_CHANGE: tuple[messages.Answer, ...] = (
    *OF_STACK,
    messages.Failure("put back", Infrastructure.AS_BEFORE),
    messages.Failure("taken over", taken_over=True),
    messages.Failure("not well since", Infrastructure.NEW, removed=("Bucket",)),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE without outputs"),
    _seen(Lifecycle.COMPLETE, removed="Bucket"),
)
OF_DATABASE: tuple[messages.Answer, ...] = (
    UpsertDone(),
    UpsertDone(took=True),
    CleanupDone(),
    postgres_migration.Errored("no connection"),
    postgres_migration.Errored("a right is missing", took=True),
    _LATE,
    ecs_task.Started("arn:wrong"),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE"),
)
_MAIN = Exit("main", 0, judged=True, essential=True)


def _exit(code: int | None, *beside: Exit, stop_code: str = ecs_task.EXITED) -> StatusStopped:
    return StatusStopped((*beside, evolve(_MAIN, code=code)), stop_code)


OF_TASK: tuple[messages.Answer, ...] = (
    ecs_task.Started("arn:task"),
    ecs_task.Status("PENDING"),
    _exit(0, Exit("sidecar", 137, essential=True)),
    _exit(2, Exit("sidecar", 0), stop_code=""),
    _exit(1, Exit("sidecar", 0)),
    _exit(0, Exit("sidecar", 1, essential=True)),
    _exit(0, stop_code="SpotInterruption"),
    _exit(None),
    Again("no capacity"),
    ecs_task.Errored("refused"),
    ecs_task.Errored("lost", may_still_run=True),
    _LATE,
    UpsertDone(),
    StackStatus(Lifecycle.PROGRESS, "PROGRESS"),
)
OF_STOP: tuple[messages.Answer, ...] = (
    StatusStopped((), "UserInitiated"),
    ecs_task.Status("DEPROVISIONING"),
    ecs_task.Errored("not found"),
    _LATE,
    UpsertDone(),
)
AFTER_ALL_START_BY: tuple[messages.Answer, ...] = (
    COMPLETE,
    messages.Failure("denied"),
    messages.Refused("not as asked for"),
    ecs_task.Errored("refused"),
    postgres_migration.Errored("no connection"),
)
"""Answers that may end a deployment, for when others have waited for too long."""


def earlier(asks: tuple[Ask, ...]) -> tuple[messages.Event, ...]:
    """Return how a stack comes to have been deployed before: a quick deployment, DONE."""
    return (
        Requested("d0", asks[0].spec, AT, stream=STREAM),
        messages.Replied(1, COMPLETE, AT),
        messages.Replied(2, COMPLETE, AT),
    )


def next_id(state: DeployerState) -> str:
    """Return the id of the next request; that of `earlier` is d0."""
    first = state.known[0][0] if state.known else ""
    return f"d{len(state.known) + (first != 'd0')}"


def will_wait(state: DeployerState) -> bool:
    """Tell whether a deployment that is requested now has to wait for its turn."""
    return not isinstance(state.stack, Absent | stack.Available)


def in_turn(state: DeployerState, after: DeployerState) -> str:
    """Return the deployment that waited before a step, and has its turn after it; empty where none has.

    While a deployment waits, nothing looks at its spec: the stack's queue holds ids. So the walk need not choose among
    the specs until the turn comes, and then takes that step with each of them (`specified_as`). That a deployment is a
    rollback is known from the beginning: nobody but a rollback withdraws one.
    """
    turn = current(after)
    if not turn or turn[0] not in queue(state):
        return ""
    (info,) = [d.info for d in state.deployments if d.info.id == turn[0]]
    elsewhere = info.spec.key != QUICK.key or info.spec.stack.name != STACK.name
    return "" if info.terms.rollback or elsewhere else turn[0]


def specified_as(state: DeployerState, name: str, ask: Ask) -> DeployerState:
    """Return the state as it were, had a deployment that waits been requested as something else."""
    deployments = tuple(
        deployment.Queued(
            deployment.DeploymentInfo(name, ask.spec, evolve(d.info.terms, force=ask.force, adopt=ask.adopt))
        )
        if d.info.id == name
        else d
        for d in state.deployments
    )
    asked = _request(name, ask).digest
    known = tuple((each, asked if each == name else kept) for each, kept in state.known)
    return evolve(state, deployments=deployments, known=known)


def asked_as(request: Requested, info: deployment.DeploymentInfo) -> Requested:
    """Return a request of a deployment that waits as it was taken for in its turn."""
    return evolve(request, spec=info.spec, force=info.terms.force, adopt=info.terms.adopt)


def goes_to_zero(state: DeployerState, pending: messages.Pending) -> bool:
    """Tell whether a command ends with nothing running: then new targets of auto scaling are suspended."""
    asks = next((d for d in state.deployments if d.info.id == pending.deployment), None)
    return isinstance(asks, TO_ZERO) and bool(asks.info.spec.stack.scaling)


def answers(pending: messages.Pending, *, to_zero: bool = False) -> tuple[messages.Answer, ...]:
    """Return every answer to a command that means something of its own, and some that mean nothing to it."""
    command = pending.command
    if isinstance(command, messages.StopTask):
        return OF_STOP
    if isinstance(command, RunTask):
        number = pending.attempt.number if pending.attempt else 1
        earlier = (messages.Declined(number - 1, "no capacity"),) if number > 1 else ()
        return (*OF_TASK, messages.Declined(number, "no capacity"), *earlier)
    if pending.database:
        return OF_DATABASE
    if isinstance(command, StabiliseStack):
        return OF_LOOK
    progress = messages.StackProgress("", suspending=(TARGET,))
    return (*OF_CHANGE, messages.Progress("suspending", progress)) if to_zero else OF_CHANGE


STALE: tuple[messages.Answer, ...] = tuple(
    {
        type(a): a for a in (*OF_LOOK, *OF_CHANGE, *OF_DATABASE, *OF_TASK, messages.Declined(1, "late"))
    }.values()
)
"""An answer of each kind, for a command that is no longer pending: one of them in each state, in turn."""


def stale(state: DeployerState) -> Iterator[messages.Event]:
    """Give what may still come in for a command that has had its last answer, or was dropped."""
    pending = {p.id for p in state.pending}
    for gone in [number for number in range(1, state.next_command) if number not in pending][-1:]:
        yield messages.Attempted(gone, 1, AT)
        yield messages.Accepted(gone, "late", AT)
        yield messages.Replied(gone, STALE[(gone + len(state.pending)) % len(STALE)], AT)


def attempts(state: DeployerState, pending: messages.Pending) -> Iterator[messages.Event]:
    """Give the next attempt at a command, and one that skips a number.

    What a change needs is resolved with its first attempt, and the scaling of what it takes to zero is suspended.
    """
    command, number = pending.command, pending.attempt.number + 1 if pending.attempt else 1
    keeps = (
        isinstance(command, UpdateStack | UpsertStack) and (SECRET, Previous()) in command.stack.parameters
    )
    resolved = ((SECRET, "kept"),) if keeps else ()
    down = isinstance(command, deployment.ScaleStack) and goes_to_zero(state, pending)
    targets = (TARGET,) if down else ()
    for n in (number, number + 1):
        token = messages.token(state.stream, pending.deployment, pending.id, n)
        yield messages.Attempted(pending.id, n, AT, resolved, token, targets)


def replies(state: DeployerState, pending: messages.Pending) -> Iterator[messages.Event]:
    """Give the same as `answers`, each when it may come, and one that comes half a second too early."""
    every = [a for a in answers(pending, to_zero=goes_to_zero(state, pending)) if _may_follow(pending, a)]
    for answer in every:
        at = pending.deadline if answer is _LATE else AT
        yield messages.Replied(pending.id, answer, at)
        if isinstance(answer, Again):
            yield messages.Replied(pending.id, answer, pending.deadline)
    yield messages.Replied(pending.id, _LATE, pending.deadline - 0.5)
    for at in moments(state)[1:]:
        for answer in every:
            if answer in AFTER_ALL_START_BY:
                yield messages.Replied(pending.id, answer, at)


def _may_follow(pending: messages.Pending, answer: messages.Answer) -> bool:
    """Tell whether an answer may come after what was seen: a change rolls back that was sent, and then to its end."""
    if not isinstance(answer, StackStatus) or pending.database:
        return True
    if answer.lifecycle is Lifecycle.ROLLING_BACK:
        return pending.attempt is not None or isinstance(pending.command, StabiliseStack)
    rolls_back = isinstance(pending.progress, messages.StackProgress) and pending.progress.rolling_back
    return answer.lifecycle is not Lifecycle.PROGRESS or not rolls_back


def moments(state: DeployerState) -> list[float]:
    """Return when something may happen: before, and after the start_by of each deployment that waits."""
    waiting = [d.info.terms.start_by for d in state.deployments if isinstance(d, deployment.Queued)]
    return [AT, *(at + 1 for at in waiting if at is not None)]


def events(state: DeployerState, asks: tuple[Ask, ...], left: int) -> Iterator[messages.Event]:
    """Give everything that the world may say next, sense and nonsense; `left` is how many may still begin."""
    yield from requests(state, asks, left)
    for pending in state.pending:
        yield from attempts(state, pending)
        if pending.attempt or pending.database or isinstance(pending.command, StabiliseStack):
            yield messages.Accepted(pending.id, f"ref-{pending.id}", AT)
        yield from replies(state, pending)
    yield from stale(state)
    if not state.known:
        return
    ended = next(
        (name for name, _ in state.known if all(d.info.id != name for d in state.deployments)), "d99"
    )
    runs, waits = stops(state), bool(queue(state))
    for at in moments(state):
        for name in (ended, *(d.info.id for d in state.deployments)):
            yield messages.Terminated(name, "ann", at)
        for withdraw in (False, True)[: 1 + waits]:
            for many in range(len(runs) + 1):
                for force in combinations(runs, many):
                    yield messages.Repaired("ann", at, force, withdraw)
    yield messages.Repaired("ann", AT, ("nobody",))


def _request(name: str, ask: Ask, at: float = AT, stream: str = OTHER) -> Requested:
    """Return a request; who is requested later may wait longer."""
    start_by = int(name.lstrip("d") or 0) * messages.DAY
    return Requested(name, ask.spec, at, stream, start_by=start_by, force=ask.force, adopt=ask.adopt)


def requests(state: DeployerState, asks: tuple[Ask, ...], left: int) -> Iterator[Requested]:
    """Give what may be asked for. A deployment that will have to wait is requested in one way: see `in_turn`.

    One that withdraws those that wait takes the place of one of them.
    """
    name, waits, queued = next_id(state), will_wait(state), queue(state)
    first = _request(name, asks[0])
    if left:
        for ask in asks[:1] if waits else asks:
            yield _request(name, ask, stream=OTHER if state.stream else STREAM)
        yield evolve(first, exclusive=True)
        if waits:
            yield evolve(first, queue_limit=len(queued))
        yield from _nonsense(state, first)
    for at in moments(state) if queued else ():
        if left or any(not d.info.terms.rollback for d in state.deployments if d.info.id in queued):
            yield evolve(first, at=at, supersede=True)
        if left and at > AT:
            yield evolve(first, at=at)
    yield from _again(state, first)
    if left or queued:
        yield from _rollbacks(state, asks, name, left)


def _nonsense(state: DeployerState, first: Requested) -> Iterator[Requested]:
    """Give what is asked for of the wrong stream, or by somebody who copied the journal."""
    if state.bound is None:
        yield evolve(first, stream="")
        return
    for bound in (Bound("staging/blog", "shop"), Bound("staging/shop", "blog")):
        if bound != state.bound:
            yield evolve(first, spec=_bound_to(first.spec, bound))
    yield evolve(first, adopt=state.stream, stream="")
    yield evolve(first, adopt=state.stream)


def _again(state: DeployerState, first: Requested) -> Iterator[Requested]:
    """Give a request that was made before, and others under its id."""
    for each in state.deployments[-1:]:
        terms, spec = each.info.terms, each.info.spec
        again = evolve(first, deployment=each.info.id, spec=spec, force=terms.force, adopt=terms.adopt)
        if isinstance(each, deployment.Queued | deployment.Waiting) and not terms.rollback:
            yield again
            yield evolve(again, spec=evolve(spec, version="other"))
            yield evolve(again, spec=evolve(spec, databases=spec.databases[1:] or HELD))


def _bound_to(spec: DeploymentSpec, bound: Bound) -> DeploymentSpec:
    application = bound.key.partition("/")[2]
    return evolve(spec, application=application, stack=evolve(spec.stack, name=bound.stack))


@lru_cache
def _by_digest(asks: tuple[Ask, ...]) -> dict[str, DeploymentSpec]:
    specs = [evolve(ask.spec, quick=True) for ask in asks]
    return {digest(spec): spec for spec in specs}


def _rollbacks(state: DeployerState, asks: tuple[Ask, ...], name: str, left: int) -> Iterator[Requested]:
    """Give every rollback to what was DONE, one to what never was, and one to what it was not.

    One that has to wait is forced only where it would be an error otherwise: by its turn it comes to the same.
    """
    specs, waits = _by_digest(asks), bool(queue(state))
    targets = {was.id: specs[was.digest] for was in state.memory.done if was.digest in specs}
    ended = [each for each, _ in state.known if each not in targets][:1]
    for target in (*targets, *ended, "nobody"):
        spec = targets.get(target, asks[0].spec)
        moved = any(was.moved != state.memory.moved for was in state.memory.done if was.id == target)
        forces = (False, True) if moved or isinstance(state.stack, Absent | stack.Available) else (False,)
        for keep in (False, True)[: 1 + waits] if left else (False,):
            for force in forces:
                request = _request(name, Ask(spec, force=force))
                yield evolve(request, rollback=messages.Rollback(target, keep_queue=keep))
    for target, spec in targets.items():
        wrong = _request(name, Ask(evolve(spec, version="other")))
        yield evolve(wrong, rollback=messages.Rollback(target))
