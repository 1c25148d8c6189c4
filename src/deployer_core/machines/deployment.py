"""Deployment: one version going out, from the request to DONE or FAILED.

    [*] --Requested--> QUEUED --Triggered--> (TRIGGERED) --StackWait--> WAITING --StackStatus.Stable--> (AVAILABLE)
    (AVAILABLE) --UpsertStack--> UPSERTING --> (UPSERTED) --> DONE                                 in quick mode
    (AVAILABLE) --StackScale(0)--> SCALING_DOWN --> (SCALED_DOWN) --> INFRA_MIGRATE --> (INFRA_MIGRATED)
    (AVAILABLE) --StackCreate--> CREATING --> (INFRA_MIGRATED)
    (INFRA_MIGRATED) --> DB_MIGRATING --All Complete--> (DB_MIGRATED) --> SCALING_UP --> (SCALED_UP) --> DONE
    any step that fails leads to FAILED.

The drawing with every edge is `diagrams/deployment.mmd`. What a stack's status means here is decided in `stack_status`.
"""

from typing import Final, TypeAlias, TypeVar

from attrs import evolve, frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop, listing
from deployer_core.kernel.machine import Absent, Step, refuse, to
from deployer_core.kernel.tags import tagged
from deployer_core.machines.postgres_migration import Database, Phase
from deployer_core.spec import (
    Counts,
    DatabaseSpec,
    DeploymentSpec,
    FixedCount,
    MissingOutputs,
    Pairs,
    Scale,
    SpecError,
    StackSpec,
    Text,
    resolve,
)


@tagged("Deployment.Info/1")
@frozen
class DeploymentInfo:
    """What all states know: the deployment's id and what was asked for."""

    id: str
    spec: DeploymentSpec


_NEXT = {
    Phase.PREPARING: {Phase.BLOCKED, Phase.NOP, Phase.FAILED},
    Phase.BLOCKED: {Phase.FAILED},
    Phase.MIGRATING: {Phase.DONE, Phase.FAILED},
}
"""What a database may report after what; the way from BLOCKED to MIGRATING is the deployment's to give."""
SETTLED: Final = frozenset(set(Phase) - set(_NEXT))


@tagged("Deployment.DatabaseProgress/1")
@frozen
class DatabaseProgress:
    """How far one database has come; `reason` where it failed."""

    database: str
    phase: Phase
    reason: str = ""


# States


@frozen
class _OfDeployment:
    info: DeploymentInfo


@frozen
class _Counted(_OfDeployment):
    counts: Counts


@tagged("Deployment.QUEUED/1")
@frozen
class Queued(_OfDeployment):
    """Waits for its turn."""


@frozen
class Triggered(_OfDeployment):
    """Auto: it is this deployment's turn. `baseline` is what the stack remembers of its counts, if it does."""

    baseline: Counts


@tagged("Deployment.WAITING/1")
@frozen
class Waiting(_OfDeployment):
    """Waits until CloudFormation is at rest."""

    baseline: Counts


@frozen
class Available(_OfDeployment):
    """Auto: the stack is at rest, and it is known whether it exists. `counts` are those to scale up to."""

    exists: bool
    counts: Counts


@tagged("Deployment.UPSERTING/1")
@frozen
class Upserting(_OfDeployment):
    """Quick mode: the stack is created or updated in one step."""


@frozen
class Upserted(_OfDeployment):
    """Auto: quick mode has done its step."""


@tagged("Deployment.CREATING/1")
@frozen
class Creating(_Counted):
    """The stack is created, at zero."""


@tagged("Deployment.SCALING_DOWN/1")
@frozen
class ScalingDown(_Counted):
    """The services are scaled to zero, with the template as it was."""


@frozen
class ScaledDown(_Counted):
    """Auto: no task of the services runs."""


@tagged("Deployment.INFRA_MIGRATE/1")
@frozen
class InfraMigrate(_Counted):
    """The infrastructure is updated, at zero."""


@frozen
class InfraMigrated(_Counted):
    """Auto: the infrastructure is there, and its outputs are known."""

    outputs: Pairs


@tagged("Deployment.DB_MIGRATING/1")
@frozen
class DbMigrating(_Counted):
    """The databases are prepared, then migrated. `passed` once the barrier is passed, whichever way."""

    progress: tuple[DatabaseProgress, ...]
    passed: bool = False


@frozen
class DbMigrated(_Counted):
    """Auto: every database is DONE or NOP."""


@tagged("Deployment.SCALING_UP/1")
@frozen
class ScalingUp(_OfDeployment):
    """The services are scaled up again."""


@frozen
class ScaledUp(_OfDeployment):
    """Auto: the services run."""


@frozen
class Done(_OfDeployment):
    """The version is out."""


@frozen
class Failed(_OfDeployment):
    """The version is not out; `reason` says why, in AWS's own words where it was AWS."""

    reason: str


Resting: TypeAlias = (
    Queued | Waiting | Upserting | Creating | ScalingDown | InfraMigrate | DbMigrating | ScalingUp
)
"""The states in which something is awaited: those that are stored."""
State: TypeAlias = (
    Resting
    | Triggered
    | Available
    | Upserted
    | ScaledDown
    | InfraMigrated
    | DbMigrated
    | ScaledUp
    | Done
    | Failed
)
Stepping = TypeVar("Stepping", ScalingDown, InfraMigrate, ScalingUp)
Making = TypeVar("Making", Creating, Upserting)


# Events


@frozen
class Requested:
    """Somebody asks for a version."""

    info: DeploymentInfo


@frozen
class Started:
    """It is this deployment's turn; `baseline` is what the stack remembers of its counts."""

    baseline: Counts = ()


@frozen
class Progress:
    """The stack moves."""


@frozen
class Stable:
    """The stack is at rest, as the step wanted it."""

    exists: bool = True
    outputs: Pairs = ()
    counts: Counts = ()


@tagged("Deployment.Failure/1")
@frozen
class Failure:
    """The step cannot succeed any more."""

    reason: str


@frozen
class DatabaseReported:
    """A database has come further."""

    progress: DatabaseProgress


@frozen
class Terminated:
    """An operator ends the deployment."""

    by: str


Event: TypeAlias = Requested | Started | Progress | Stable | Failure | DatabaseReported | Terminated


# Commands: to the stack machine, to the migrations, to the world


@frozen
class _Named:
    deployment: str


@frozen
class QueueOnStack(_Named):
    """Ask the stack for a turn."""


@frozen
class ReleaseStack(_Named):
    """Tell the stack that the deployment is DONE."""


@frozen
class BreakStack(_Named):
    """Tell the stack that the deployment FAILED."""

    reason: str


@frozen
class WithdrawFromStack(_Named):
    """Tell the stack that the deployment no longer waits for its turn."""

    reason: str


@frozen
class PrepareMigration:
    """Start a database's migration, blocked."""

    database: Database


@frozen
class UnblockMigration(_Named):
    """Every plan is known good: let this database's migration go on."""

    database: str


@frozen
class AbandonMigration(_Named):
    """A sibling failed before the barrier: give this database's migration up."""

    database: str
    reason: str


@tagged("Deployment.StabiliseStack/1")
@frozen
class StabiliseStack(_Named):
    """Wait until the stack is at rest; `cancel_updates` cancels the update that was first seen in progress."""

    stack: StackSpec
    cancel_updates: bool


@frozen
class _Change(_Named):
    stack: StackSpec
    counts: Counts


@tagged("Deployment.CreateStack/1")
@frozen
class CreateStack(_Change):
    """Create the stack with these counts."""


@tagged("Deployment.UpdateStack/1")
@frozen
class UpdateStack(_Change):
    """Update the stack with these counts; where they are zero, it ends with no task running."""


@tagged("Deployment.UpsertStack/1")
@frozen
class UpsertStack(_Change):
    """Create the stack, or update it where it exists, with these counts."""


@tagged("Deployment.ScaleStack/1")
@frozen
class ScaleStack(_Change):
    """Set the counts and nothing else; where they are zero, it ends with no task running."""


StackChange: TypeAlias = CreateStack | UpdateStack | UpsertStack | ScaleStack
StackCommand: TypeAlias = StabiliseStack | StackChange
Command: TypeAlias = (
    QueueOnStack
    | ReleaseStack
    | BreakStack
    | WithdrawFromStack
    | PrepareMigration
    | UnblockMigration
    | AbandonMigration
    | StackCommand
)


def _counts(scaling: tuple[Scale, ...], baseline: Counts, observed: Counts) -> Counts:
    """Return the counts to scale up to: the fixed ones, else as remembered, else as observed, else the initial ones."""
    before = {**dict(observed), **dict(baseline)}
    return tuple(
        (s.parameter, s.count if isinstance(s, FixedCount) else before.get(s.parameter, s.initial))
        for s in scaling
    )


def _zero(counts: Counts) -> Counts:
    return tuple((parameter, 0) for parameter, _ in counts)


# Edges

machine: Builder[State, Event, Command] = Builder("Deployment", State, Event)


@machine.on
def request(_: Absent, event: Requested) -> Step[Queued]:
    """Ask the stack, which says whose turn it is."""
    return to(Queued(event.info), QueueOnStack(event.info.id))


@machine.on(Arrow(Triggered, "Triggered"))
def start(state: Queued, event: Started) -> Step[Triggered]:
    """Take the turn."""
    return to(Triggered(state.info, event.baseline))


@machine.always(Arrow(Waiting, "StackWait"))
def stabilise(state: Triggered) -> Step[Waiting]:
    """Wait for CloudFormation, which may still be busy with somebody else's change."""
    spec = state.info.spec
    return to(
        Waiting(state.info, state.baseline), StabiliseStack(state.info.id, spec.stack, spec.cancel_updates)
    )


@machine.on(SelfLoop("StackStatus.Progress"))
def keep_waiting(state: Waiting, _: Progress) -> Step[Waiting]:
    """Wait on: somebody else's change is not done yet."""
    return to(state)


def _failed(info: DeploymentInfo, reason: str) -> Step[Failed]:
    """Fail from any state but QUEUED, which breaks the stack, once."""
    return to(Failed(info, reason), BreakStack(info.id, reason))


@machine.on(
    Arrow(
        Failed,
        "Stack Failure",
        nodes={Waiting: "FAILED_1", ScalingDown: "FAILED_2", InfraMigrate: "FAILED_4", ScalingUp: "FAILED_5"},
    )
)
def fail(state: Waiting | ScalingDown | InfraMigrate | ScalingUp, event: Failure) -> Step[Failed]:
    """Fail, since the stack is not as the step needs it."""
    return _failed(state.info, event.reason)


@machine.on(Arrow(Available, "StackStatus.Stable"))
def find(state: Waiting, event: Stable) -> Step[Available]:
    """Learn whether the stack exists, and with which counts."""
    counts = _counts(state.info.spec.stack.scaling, state.baseline, event.counts)
    return to(Available(state.info, event.exists, counts))


@machine.always(
    Arrow(ScalingDown, choice="available", guard="<code>if !quick & exists</code><br>StackScale(0)"),
    Arrow(Upserting, choice="available", guard="<code>if quick</code><br>UpsertStack"),
    Arrow(Creating, choice="available", guard="<code>if !quick, !exists</code><br>StackCreate"),
)
def choose(state: Available) -> Step[ScalingDown] | Step[Upserting] | Step[Creating]:
    """Take one step in quick mode; else nothing may use the databases while they change, so all starts from zero."""
    info, counts = state.info, state.counts
    if info.spec.quick:
        return to(Upserting(info), UpsertStack(info.id, info.spec.stack, counts))
    if state.exists:
        return to(ScalingDown(info, counts), ScaleStack(info.id, info.spec.stack, _zero(counts)))
    return to(Creating(info, counts), CreateStack(info.id, info.spec.stack, _zero(counts)))


@machine.on(Arrow(InfraMigrated, "Stack Stable"))
def finish_infra(state: Creating | InfraMigrate, event: Stable) -> Step[InfraMigrated]:
    """Keep the outputs, which name what the migrations need."""
    return to(InfraMigrated(state.info, state.counts, event.outputs))


@machine.on(SelfLoop("Stack Progress"))
def watch(state: Stepping, _: Progress) -> Step[Stepping]:
    """Wait on while the step is under way."""
    return to(state)


@machine.on(Arrow(ScaledDown, "Stack Stable"))
def finish_scaling_down(state: ScalingDown, _: Stable) -> Step[ScaledDown]:
    """Go on: nothing runs any more."""
    return to(ScaledDown(state.info, state.counts))


@machine.always(Arrow(InfraMigrate, "Stack Trigger<br>(Infra Migrate)"))
def migrate_infra(state: ScaledDown) -> Step[InfraMigrate]:
    """Apply the new template, still at zero."""
    command = UpdateStack(state.info.id, state.info.spec.stack, _zero(state.counts))
    return to(InfraMigrate(state.info, state.counts), command)


@machine.always(Arrow(DbMigrating, "Migrate Data"))
def migrate_data(state: InfraMigrated) -> Step[DbMigrating]:
    """Prepare a migration for each database, all blocked; none at all where the outputs lack what one of them needs."""
    databases, outputs = state.info.spec.databases, dict(state.outputs)
    if any(_lack(spec, outputs) for spec in databases):
        progress = tuple(
            DatabaseProgress(d.name, Phase.FAILED, _lack(d, outputs) or "not begun, since a sibling failed")
            for d in databases
        )
        return to(DbMigrating(state.info, state.counts, progress))
    progress = tuple(DatabaseProgress(d.name, Phase.PREPARING) for d in databases)
    commands = [PrepareMigration(Database(state.info.id, resolve(d, outputs))) for d in databases]
    return to(DbMigrating(state.info, state.counts, progress), *commands)


def _lack(spec: DatabaseSpec[Text], outputs: dict[str, str]) -> str:
    """Say why these outputs do not make this spec whole; empty where they do."""
    try:
        resolve(spec, outputs)
    except (MissingOutputs, SpecError) as problem:
        return str(problem)
    return ""


@machine.on(SelfLoop("Progress"))
def report(state: DbMigrating, event: DatabaseReported) -> Step[DbMigrating]:
    """Hold the barrier: when none is PREPARING any more, all are unblocked together, or none where one has failed."""
    progress = _with(state.progress, event.progress)
    if state.passed or any(p.phase is Phase.PREPARING for p in progress):
        return to(evolve(state, progress=progress))
    blocked = [p.database for p in progress if p.phase is Phase.BLOCKED]
    if failed := [p.database for p in progress if p.phase is Phase.FAILED]:
        why = f"abandoned unchanged, since {', '.join(failed)} failed"
        abandon = [AbandonMigration(state.info.id, name, why) for name in blocked]
        return to(evolve(state, progress=progress, passed=True), *abandon)
    progress = tuple(evolve(p, phase=Phase.MIGRATING) if p.database in blocked else p for p in progress)
    unblock = [UnblockMigration(state.info.id, name) for name in blocked]
    return to(evolve(state, progress=progress, passed=True), *unblock)


def _with(progress: tuple[DatabaseProgress, ...], new: DatabaseProgress) -> tuple[DatabaseProgress, ...]:
    """Return the progress with one database's news, where they can follow what is known of it."""
    old = next((p for p in progress if p.database == new.database), None)
    if old is None:
        refuse(f"database {new.database!r} is not of this deployment")
    if new.phase not in _NEXT.get(old.phase, ()):
        refuse(f"database {new.database!r} is {old.phase.value}, which {new.phase.value} cannot follow")
    return tuple(new if p is old else p for p in progress)


@machine.always(
    Arrow(DbMigrated, "All Complete"), Arrow(Failed, "Migration Failure", nodes={DbMigrating: "FAILED_3"})
)
def settle(state: DbMigrating) -> Step[DbMigrated] | Step[Failed] | None:
    """Conclude once every database has settled. After a failure the services stay at zero: a schema may be half-way."""
    if any(p.phase not in SETTLED for p in state.progress):
        return None
    if reasons := [f"{p.database}: {p.reason}" for p in state.progress if p.phase is Phase.FAILED]:
        return _failed(state.info, "; ".join(reasons))
    return to(DbMigrated(state.info, state.counts))


@machine.always(Arrow(ScalingUp, "Scale Trigger"))
def scale_up(state: DbMigrated) -> Step[ScalingUp]:
    """Scale up: the data fits the new version."""
    return to(ScalingUp(state.info), ScaleStack(state.info.id, state.info.spec.stack, state.counts))


@machine.on(Arrow(ScaledUp, "Scaled Stable"))
def finish_scaling_up(state: ScalingUp, _: Stable) -> Step[ScaledUp]:
    """Go on: the services run."""
    return to(ScaledUp(state.info))


@machine.on(Arrow(Upserted, "Stack Stable"))
def finish_upsert(state: Upserting, _: Stable) -> Step[Upserted]:
    """Go on: the one step is done."""
    return to(Upserted(state.info))


@machine.always(Arrow(Done, "Done"))
def end(state: ScaledUp | Upserted) -> Step[Done]:
    """Free the stack for the next deployment."""
    return to(Done(state.info), ReleaseStack(state.info.id))


@machine.on(Arrow(Failed, "StackStatus.Error", nodes={Upserting: "UPSERTING_FAILED"}))
def fail_upsert(state: Upserting, event: Failure) -> Step[Failed]:
    """Fail, since the one step did."""
    return _failed(state.info, event.reason)


@machine.on(SelfLoop("Stack Progress", extension=True))
def watch_making(state: Making, _: Progress) -> Step[Making]:
    """Wait on while the step is under way."""
    return to(state)


@machine.on(Arrow(Failed, "Stack Failure", extension=True))
def fail_creating(state: Creating, event: Failure) -> Step[Failed]:
    """Fail, since a failed creation would wait for ever."""
    return _failed(state.info, event.reason)


@machine.on(Arrow(Failed, extension=True))
def terminate_queued(state: Queued, event: Terminated) -> Step[Failed]:
    """Fail without breaking the stack."""
    reason = f"terminated by {event.by} while it waited for its turn"
    return to(Failed(state.info, reason), WithdrawFromStack(state.info.id, reason))


@machine.on(Arrow(Failed, extension=True))
def terminate(
    state: Waiting | Upserting | Creating | ScalingDown | InfraMigrate | DbMigrating | ScalingUp,
    event: Terminated,
) -> Step[Failed]:
    """Stop waiting; what CloudFormation is doing goes on, and the next deployment waits for it."""
    return _failed(state.info, f"terminated by {event.by}")


MACHINE = machine.seal(failed=(Failed,), leaves=(Done,))


def __dir__() -> list[str]:
    return listing(globals())
