"""A small world for the explorer: what may be asked of a deployer, and every answer that means something of its own."""

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement

from attrs import evolve

from deployer_core.analysis.invariants import current, queue, stops
from deployer_core.engine import messages
from deployer_core.engine.routing import DeployerState
from deployer_core.kernel.machine import Absent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import Exit, RunTask, StatusStopped
from deployer_core.machines.postgres_migration import CleanupDone, UpsertDone
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import (
    AdminUrl,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    Migration,
    Output,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateUrl,
    Text,
    digest,
)

AT = 0.0
"""When everything happens, but for what has to be late."""
STREAM = "5" * 32

KINDS = ("evaluated", "unevaluated", "unmigrated")
"""The kinds of database: with an evaluation, with a migration alone, with neither."""

STACK = StackSpec(
    "shop", TemplateUrl("https://templates.example/shop.yaml"), scaling=(PreviousCount("Count", 1),)
)
TASK: TaskSpec[Text] = TaskSpec(Output("Cluster"), "migrate")
QUICK = DeploymentSpec("staging", "shop", "quick", STACK, quick=True)
ADMIN = AdminUrl("postgresql://admin@db.example/postgres")


def database(name: str, kind: str) -> DatabaseSpec[Text]:
    """Return a database of one of the kinds."""
    migrate = None if kind == "unmigrated" else Migration(TASK)
    return DatabaseSpec(
        name, ADMIN, migrate=migrate, evaluate=Evaluation(TASK) if kind == "evaluated" else None
    )


def specs(databases: int) -> tuple[DeploymentSpec, ...]:
    """Return every deployment that may be requested, named by its version: quick, or with databases of any kinds.

    Databases are interchangeable (they differ by name alone), so the order of their kinds makes no difference.
    """
    full = [
        DeploymentSpec(
            "staging",
            "shop",
            "+".join(kinds) or "plain",
            STACK,
            tuple(database(f"db{i}", k) for i, k in enumerate(kinds)),
        )
        for kinds in combinations_with_replacement(KINDS, databases)
    ]
    return (QUICK, *full)


_OUTPUTS = (("Cluster", "main"),)
_WRONG: tuple[messages.Answer, ...] = (UpsertDone(), ecs_task.Started("arn:wrong"))
"""Answers of a faulty adapter, the last one and not: no stack takes them."""


def _seen(lifecycle: Lifecycle) -> StackStatus:
    """Return a status as it would come; a stack that is missing has neither outputs nor counts."""
    if lifecycle is Lifecycle.MISSING:
        return StackStatus(lifecycle, lifecycle.value)
    return StackStatus(lifecycle, lifecycle.value, outputs=_OUTPUTS, counts=(("Count", 3),))


COMPLETE = _seen(Lifecycle.COMPLETE)
OF_STACK: tuple[messages.Answer, ...] = (
    *(_seen(lifecycle) for lifecycle in Lifecycle),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE without outputs"),
    messages.Failure("denied"),
    messages.DeadlinePassed(),
    *_WRONG,
)
OF_DATABASE: tuple[messages.Answer, ...] = (
    UpsertDone(),
    CleanupDone(),
    postgres_migration.Errored("no connection"),
    messages.DeadlinePassed(),
    ecs_task.Started("arn:wrong"),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE"),
)
_MAIN = "main"
OF_TASK: tuple[messages.Answer, ...] = (
    ecs_task.Started("arn:task"),
    ecs_task.Status("PENDING"),
    StatusStopped((Exit(_MAIN, 0, judged=True), Exit("sidecar", 137)), ecs_task.EXITED),
    StatusStopped((Exit(_MAIN, 2, judged=True),)),
    StatusStopped((Exit(_MAIN, 1, judged=True),), ecs_task.EXITED),
    StatusStopped((Exit(_MAIN, 0, judged=True),), "SpotInterruption"),
    StatusStopped((Exit(_MAIN, None, judged=True),), ecs_task.EXITED),
    StatusStopped((), "TaskFailedToStart", "no capacity"),
    ecs_task.Errored("refused"),
    ecs_task.Errored("lost", may_still_run=True),
    messages.DeadlinePassed(),
    UpsertDone(),
    StackStatus(Lifecycle.PROGRESS, "PROGRESS"),
)
OF_STOP: tuple[messages.Answer, ...] = (
    StatusStopped((), "UserInitiated"),
    ecs_task.Status("DEPROVISIONING"),
    ecs_task.Errored("not found"),
    messages.DeadlinePassed(),
    UpsertDone(),
)


EARLIER: tuple[messages.Event, ...] = (
    messages.Requested("d0", QUICK, AT, stream=STREAM),
    messages.Replied(1, COMPLETE, AT),
    messages.Replied(2, COMPLETE, AT),
)
"""How a stack comes to have been deployed before: a quick deployment, DONE."""


def left(state: DeployerState, deployments: int) -> int:
    """Return how many may still be requested; that of `EARLIER` does not count."""
    return deployments - sum(name != "d0" for name, _ in state.known)


def will_wait(state: DeployerState) -> bool:
    """Tell whether a deployment that is requested now has to wait for its turn."""
    return not isinstance(state.stack, Absent | stack.Available)


def in_turn(state: DeployerState, after: DeployerState) -> str:
    """Return the deployment that waited before a step, and has its turn after it; empty where none has.

    While a deployment waits, nothing looks at its spec: the stack's queue holds ids. So the walk need not choose among
    the specs until the turn comes, and then takes that step with each of them (`specified_as`).
    """
    turn = current(after)
    return turn[0] if turn and turn[0] in queue(state) else ""


def specified_as(state: DeployerState, name: str, spec: DeploymentSpec) -> DeployerState:
    """Return the state as it were, had a deployment that waits been requested with another spec."""
    info = deployment.DeploymentInfo(name, spec)
    waiting = [isinstance(d, deployment.Queued) and d.info.id == name for d in state.deployments]
    deployments = tuple(
        deployment.Queued(info) if waits else d for waits, d in zip(waiting, state.deployments, strict=True)
    )
    known = tuple((each, digest(spec) if each == name else kept) for each, kept in state.known)
    return evolve(state, deployments=deployments, known=known)


def answers(pending: messages.Pending) -> tuple[messages.Answer, ...]:
    """Return every answer to a command that means something of its own, and some that mean nothing to it."""
    if not pending.database:
        return OF_STACK
    if isinstance(pending.command, messages.StopTask):
        return OF_STOP
    if isinstance(pending.command, RunTask):
        return (
            *OF_TASK,
            messages.Declined(pending.attempt.number if pending.attempt else 1, "no capacity"),
        )
    return OF_DATABASE


STALE: tuple[messages.Answer, ...] = tuple(
    {type(a): a for a in (*OF_STACK, *OF_DATABASE, *OF_TASK, messages.Declined(1, "late"))}.values()
)
"""An answer of each kind, for a command that is no longer pending."""


def stale(state: DeployerState) -> Iterator[messages.Event]:
    """Give what may still come in for a command that has had its last answer, or was dropped."""
    pending = {p.id for p in state.pending}
    for gone in [number for number in range(1, state.next_command) if number not in pending][-1:]:
        yield messages.Attempted(gone, 1, AT)
        yield messages.Accepted(gone, "late", AT)
        for answer in STALE:
            yield messages.Replied(gone, answer, AT)


def replies(pending: messages.Pending) -> Iterator[messages.Event]:
    """Give the same, each when it may come."""
    for answer in answers(pending):
        yield messages.Replied(
            pending.id, answer, pending.deadline if isinstance(answer, messages.DeadlinePassed) else AT
        )


def events(
    state: DeployerState, menu: tuple[DeploymentSpec, ...], deployments: int
) -> Iterator[messages.Event]:
    """Give everything that the world may say next, sense and nonsense.

    A deployment that will have to wait is requested in one way: see `in_turn`.
    """
    if more := left(state, deployments):
        for spec in menu[:1] if will_wait(state) else menu:
            yield messages.Requested(
                f"d{deployments - more + 1}", spec, AT, stream="" if state.stream else STREAM
            )
    for pending in state.pending:
        yield messages.Attempted(pending.id, pending.attempt.number + 1 if pending.attempt else 1, AT)
        yield messages.Accepted(pending.id, f"ref-{pending.id}", AT)
        yield from replies(pending)
    yield from stale(state)
    known = [name for name, _ in state.known]
    for name in known:
        yield messages.Terminated(name, "ann", AT)
    if known:
        runs = stops(state)
        for many in range(len(runs) + 1):
            for force in combinations(runs, many):
                yield messages.Repaired("ann", AT, force)
