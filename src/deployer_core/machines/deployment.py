"""Deployment: one version going out, from the request to DONE or FAILED.

    [*] --Requested--> QUEUED --Triggered--> (TRIGGERED) --StackWait--> WAITING --StackStatus.Stable--> (AVAILABLE)
    (AVAILABLE) --UpsertStack--> UPSERTING --> (UPSERTED) --> DONE                                 in quick mode
    (AVAILABLE) --StackScale(0)--> SCALING_DOWN --> (SCALED_DOWN) --> INFRA_MIGRATE --> (INFRA_MIGRATED)
    (AVAILABLE) --StackCreate--> CREATING --> (INFRA_MIGRATED)
    (INFRA_MIGRATED) --> DB_MIGRATING --All Complete--> (DB_MIGRATED) --> SCALING_UP --> (SCALED_UP) --> DONE
    any step that fails leads to FAILED; by way of RESTORING where the deployment may be put back.

The drawing with every edge is `diagrams/deployment.mmd`. What a stack's status means here is decided in `stack_status`;
what a stack remembers from one deployment to the next, and so whether there is a way back, in `engine.memory`. The
commands to CloudFormation stand in `stack_changes`; here they have the same names.
"""

from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from attrs import evolve, frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop, listing
from deployer_core.kernel.machine import Absent, Step, refuse, to
from deployer_core.kernel.tags import tagged
from deployer_core.machines.postgres_migration import Database, Phase
from deployer_core.machines.stack_changes import (
    STACK_COMMANDS as STACK_COMMANDS,
    Back as Back,
    CreateStack as CreateStack,
    NoWayBack as NoWayBack,
    Restoration as Restoration,
    ScalableTarget as ScalableTarget,
    ScaleStack as ScaleStack,
    StabiliseStack as StabiliseStack,
    StackChange as StackChange,
    StackCommand as StackCommand,
    UpdateStack as UpdateStack,
    UpsertStack as UpsertStack,
    WayBack as WayBack,
)
from deployer_core.spec import (
    Counts,
    DatabaseSpec,
    DeploymentSpec,
    MissingOutputs,
    Pairs,
    SpecError,
    Text,
    resolve,
)


@tagged("Deployment.Terms/1")
@frozen
class Terms:
    """Who asked for a deployment, and on which terms.

    It is not begun after `start_by`, in seconds since 1970; None is no limit. `adopt` names the stream of another
    journal whose stack it may take over. `force` goes on where a risk would have it refused. `rollback` names the
    deployment that it repeats, and `sent` the values that were sent for that one's parameters.
    """

    by: str = ""
    reason: str = ""
    start_by: float | None = None
    adopt: str = ""
    force: bool = False
    rollback: str = ""
    sent: Pairs = ()


NO_TERMS: Final = Terms()


@tagged("Deployment.Info/1")
@frozen
class DeploymentInfo:
    """What all states know: the deployment's id, what was asked for, and on which terms."""

    id: str
    spec: DeploymentSpec
    terms: Terms = NO_TERMS


class Cause(StrEnum):
    """Why a deployment FAILED."""

    FAILURE = "FAILURE"
    TERMINATED = "TERMINATED"
    REFUSED = "REFUSED"
    SUPERSEDED = "SUPERSEDED"
    EXPIRED = "EXPIRED"


_NEXT = {
    Phase.PREPARING: {Phase.BLOCKED, Phase.NOP, Phase.FAILED},
    Phase.BLOCKED: {Phase.FAILED},
    Phase.MIGRATING: {Phase.DONE, Phase.FAILED},
}
"""What a database may report after what; the way from BLOCKED to MIGRATING is the deployment's to give."""
SETTLED: Final = frozenset(set(Phase) - set(_NEXT))
TOO_LATE: Final = "it was to begin before now, or not at all; request it again"


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
    """`counts` are those to scale up to."""

    counts: Counts


@tagged("Deployment.QUEUED/1")
@frozen
class Queued(_OfDeployment):
    """Waits for its turn."""


@frozen
class Triggered(_OfDeployment):
    """Auto: it is this deployment's turn."""


@tagged("Deployment.WAITING/1")
@frozen
class Waiting(_OfDeployment):
    """Waits until CloudFormation is at rest."""


@frozen
class Available(_Counted):
    """Auto: the stack is at rest, and it is known whether it exists. `zero` are the counts that it has now, at 0."""

    exists: bool
    zero: Counts


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
    """Auto: the infrastructure is there, and its outputs are known. `back` is the way back, should it fail now."""

    outputs: Pairs
    back: "Back"


@tagged("Deployment.DB_MIGRATING/1")
@frozen
class DbMigrating(_Counted):
    """The databases are prepared, then migrated. `passed` once the barrier is passed, whichever way.

    `back` is the way back, should it fail now.
    """

    progress: tuple[DatabaseProgress, ...]
    back: "Back" = None
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


@tagged("Deployment.RESTORING/1")
@frozen
class Restoring(_OfDeployment):
    """What a failed deployment had changed is put back, as it was. `change` is to be sent once the stack is at rest.

    `sent` says that it was given out: what is awaited is its end. `cause` and `reason` are those of the failure.
    """

    cause: Cause
    reason: str
    change: "Restoration | None"
    sent: bool = False


@frozen
class Done(_OfDeployment):
    """The version is out."""


@frozen
class Failed(_OfDeployment):
    """The version is not out; `reason` says why, in AWS's own words where it was AWS."""

    cause: Cause
    reason: str


Resting: TypeAlias = (
    Queued | Waiting | Upserting | Creating | ScalingDown | InfraMigrate | DbMigrating | ScalingUp | Restoring
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
Extending = TypeVar("Extending", Creating, Upserting, Restoring)


# Commands: to the stack machine, to the migrations, to the world


@frozen
class _Named:
    deployment: str


@frozen
class QueueOnStack(_Named):
    """Ask the stack for a turn."""


@frozen
class CompleteOnStack(_Named):
    """Tell the stack that the deployment is DONE."""


@frozen
class _Ended(_Named):
    cause: Cause
    reason: str


@frozen
class BreakStack(_Ended):
    """Tell the stack that the deployment FAILED, and that a person has to look at it."""


@frozen
class ReleaseStack(_Ended):
    """Tell the stack that the deployment FAILED before it was given anything to change."""


@frozen
class WithdrawFromStack(_Ended):
    """Tell the stack that the deployment no longer waits for its turn."""


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


@frozen
class AbandonSteps(_Named):
    """Give up whatever is still awaited, since the deployment is to be put back."""


Command: TypeAlias = (
    QueueOnStack
    | CompleteOnStack
    | BreakStack
    | ReleaseStack
    | WithdrawFromStack
    | PrepareMigration
    | UnblockMigration
    | AbandonMigration
    | AbandonSteps
    | StackCommand
)


# Events


@frozen
class Requested:
    """Somebody asks for a version."""

    info: DeploymentInfo


@frozen
class Started:
    """It is this deployment's turn, at this time; without one no `start_by` is looked at."""

    at: float | None = None


@frozen
class Progress:
    """The stack moves."""


@frozen
class Stable:
    """The stack is at rest, as the step wanted it.

    For the first look: `counts` are those to scale up to, `zero` those of what runs now, at 0. After a change `back` is
    the way back, should what comes next fail at once.
    """

    exists: bool = True
    outputs: Pairs = ()
    counts: Counts = ()
    zero: Counts = ()
    back: Back = None


@frozen
class Failure:
    """The step cannot succeed any more."""

    reason: str
    back: Back = None


@frozen
class Refused:
    """The deployment cannot be carried out as it was asked for, which was found before anything was changed."""

    reason: str


@frozen
class Late:
    """The stack did not come to rest in time."""

    reason: str


@frozen
class DatabaseReported:
    """A database has come further; `back` is the way back, should the deployment fail by it."""

    progress: DatabaseProgress
    back: Back = None


@frozen
class Terminated:
    """An operator ends the deployment."""

    by: str
    reason: str = ""
    back: Back = None


@frozen
class Superseded:
    """A newer request, with this id, takes the place of this one."""

    by: str


@frozen
class Expired:
    """It has waited until after its `start_by`."""


Event: TypeAlias = (
    Requested
    | Started
    | Progress
    | Stable
    | Failure
    | Refused
    | Late
    | DatabaseReported
    | Terminated
    | Superseded
    | Expired
)


def _zero(counts: Counts) -> Counts:
    return tuple((parameter, 0) for parameter, _ in counts)


# Edges

machine: Builder[State, Event, Command] = Builder("Deployment", State, Event)


@machine.on
def request(_: Absent, event: Requested) -> Step[Queued]:
    """Ask the stack, which says whose turn it is."""
    return to(Queued(event.info), QueueOnStack(event.info.id))


@machine.on(Arrow(Triggered, "Triggered"), Arrow(Failed, "Triggered<br>(after start_by)", extension=True))
def start(state: Queued, event: Started) -> Step[Triggered] | Step[Failed]:
    """Take the turn, unless it comes too late: what was asked for yesterday is not begun today without a word."""
    info = state.info
    if event.at is not None and info.terms.start_by is not None and event.at > info.terms.start_by:
        return _end(ReleaseStack, info, Cause.EXPIRED, TOO_LATE)
    return to(Triggered(info))


@machine.always(Arrow(Waiting, "StackWait"))
def stabilise(state: Triggered) -> Step[Waiting]:
    """Wait for CloudFormation, which may still be busy with somebody else's change."""
    info, spec = state.info, state.info.spec
    look = StabiliseStack(
        info.id,
        spec.stack,
        spec.wait_timeout,
        spec.cancel_updates,
        spec.stack.discard_rolled_back_creation,
        adopt=info.terms.adopt,
        force=info.terms.force,
        check=True,
        clusters=_clusters(spec),
        sent=info.terms.sent,
    )
    return to(Waiting(info), look)


def _clusters(spec: DeploymentSpec) -> tuple[Text, ...]:
    """Return where the tasks of a deployment run."""
    steps = [step for database in spec.databases for step in (database.evaluate, database.migrate) if step]
    return tuple(dict.fromkeys(step.task.cluster for step in steps))


@machine.on(SelfLoop("StackStatus.Progress"))
def keep_waiting(state: Waiting, _: Progress) -> Step[Waiting]:
    """Wait on: somebody else's change is not done yet."""
    return to(state)


def _end(
    tell: type[BreakStack | ReleaseStack | WithdrawFromStack], info: DeploymentInfo, cause: Cause, reason: str
) -> Step[Failed]:
    """Fail, and tell the stack so, once."""
    return to(Failed(info, cause, reason), tell(info.id, cause, reason))


def _fail_or_restore(
    info: DeploymentInfo, cause: Cause, reason: str, back: Back
) -> Step[Failed] | Step[Restoring]:
    """Look at the stack, to put back what was changed; where there is no way back, fail, which breaks the stack."""
    if isinstance(back, WayBack):
        terms = info.terms
        look = StabiliseStack(
            info.id, info.spec.stack, info.spec.wait_timeout, adopt=terms.adopt, force=terms.force
        )
        return to(Restoring(info, cause, reason, back.change), AbandonSteps(info.id), look)
    why = f"; not put back: {back.why}" if back else ""
    return _end(BreakStack, info, cause, reason + why)


def _terminated(event: Terminated) -> str:
    return f"terminated by {event.by}" + (f": {event.reason}" if event.reason else "")


@machine.on(Arrow(Failed, "Stack Failure", nodes={Waiting: "FAILED_1"}))
def fail_waiting(state: Waiting, event: Failure) -> Step[Failed]:
    """Fail, since the stack is in trouble of its own: a person has to look at it."""
    return _end(BreakStack, state.info, Cause.FAILURE, event.reason)


@machine.on(
    Arrow(
        Failed,
        "Stack Failure",
        nodes={ScalingDown: "FAILED_2", InfraMigrate: "FAILED_4", ScalingUp: "FAILED_5"},
        each=True,
    ),
    Arrow(Restoring, "Stack Failure<br>(restore)", each=True, extension=True),
)
def fail(state: ScalingDown | InfraMigrate | ScalingUp, event: Failure) -> Step[Failed] | Step[Restoring]:
    """Fail, since the stack is not as the step needs it."""
    return _fail_or_restore(state.info, Cause.FAILURE, event.reason, event.back)


@machine.on(Arrow(Available, "StackStatus.Stable"))
def find(state: Waiting, event: Stable) -> Step[Available]:
    """Learn whether the stack exists, and with which counts."""
    return to(Available(state.info, event.counts, event.exists, event.zero))


@machine.always(
    Arrow(ScalingDown, choice="available", guard="<code>if !quick & exists</code><br>StackScale(0)"),
    Arrow(Upserting, choice="available", guard="<code>if quick</code><br>UpsertStack"),
    Arrow(Creating, choice="available", guard="<code>if !quick, !exists</code><br>StackCreate"),
)
def choose(state: Available) -> Step[ScalingDown] | Step[Upserting] | Step[Creating]:
    """Take one step in quick mode; else nothing may use the databases while they change, so all starts from zero."""
    info, stack, adopt, counts = state.info, state.info.spec.stack, state.info.terms.adopt, state.counts
    if info.spec.quick:
        upsert = UpsertStack(info.id, stack, counts, adopt=adopt, sent=info.terms.sent)
        return to(Upserting(info), upsert)
    if state.exists:
        return to(ScalingDown(info, counts), ScaleStack(info.id, stack, state.zero, adopt=adopt))
    return to(Creating(info, counts), CreateStack(info.id, stack, _zero(counts), adopt=adopt))


@machine.on(Arrow(InfraMigrated, "Stack Stable"))
def finish_infra(state: Creating | InfraMigrate, event: Stable) -> Step[InfraMigrated]:
    """Keep the outputs, which name what the migrations need."""
    return to(InfraMigrated(state.info, state.counts, event.outputs, event.back))


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
    info = state.info
    command = UpdateStack(info.id, info.spec.stack, _zero(state.counts), adopt=info.terms.adopt)
    return to(InfraMigrate(info, state.counts), command)


@machine.always(Arrow(DbMigrating, "Migrate Data"))
def migrate_data(state: InfraMigrated) -> Step[DbMigrating]:
    """Prepare a migration for each database, all blocked; none at all where the outputs lack what one of them needs."""
    databases, outputs = state.info.spec.databases, dict(state.outputs)
    resolved = [_resolve(spec, outputs) for spec in databases]
    whole = [one for one in resolved if not isinstance(one, str)]
    if len(whole) < len(databases):
        progress = tuple(
            DatabaseProgress(
                d.name, Phase.FAILED, one if isinstance(one, str) else "not begun, since a sibling failed"
            )
            for d, one in zip(databases, resolved, strict=True)
        )
        return to(DbMigrating(state.info, state.counts, progress, state.back))
    progress = tuple(DatabaseProgress(d.name, Phase.PREPARING) for d in databases)
    commands = [PrepareMigration(Database(state.info.id, one)) for one in whole]
    return to(DbMigrating(state.info, state.counts, progress, state.back), *commands)


def _resolve(spec: DatabaseSpec[Text], outputs: dict[str, str]) -> DatabaseSpec[str] | str:
    """Return the spec made whole by these outputs, or say why they do not make it so."""
    try:
        return resolve(spec, outputs)
    except (MissingOutputs, SpecError) as problem:
        return str(problem)


@machine.on(SelfLoop("Progress"))
def report(state: DbMigrating, event: DatabaseReported) -> Step[DbMigrating]:
    """Hold the barrier: when none is PREPARING any more, all are unblocked together, or none where one has failed."""
    progress = _with(state.progress, event.progress)
    state = evolve(state, back=event.back)
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
    Arrow(DbMigrated, "All Complete"),
    Arrow(Failed, "Migration Failure", nodes={DbMigrating: "FAILED_3"}),
    Arrow(Restoring, "Migration Failure<br>(restore)", extension=True),
)
def settle(state: DbMigrating) -> Step[DbMigrated] | Step[Failed] | Step[Restoring] | None:
    """Conclude once every database has settled. After a failure past the barrier the services stay at zero: a schema
    may be half-way.
    """
    if any(p.phase not in SETTLED for p in state.progress):
        return None
    if reasons := [f"{p.database}: {p.reason}" for p in state.progress if p.phase is Phase.FAILED]:
        return _fail_or_restore(state.info, Cause.FAILURE, "; ".join(reasons), state.back)
    return to(DbMigrated(state.info, state.counts))


@machine.always(Arrow(ScalingUp, "Scale Trigger"))
def scale_up(state: DbMigrated) -> Step[ScalingUp]:
    """Scale up: the data fits the new version."""
    info = state.info
    return to(ScalingUp(info), ScaleStack(info.id, info.spec.stack, state.counts, adopt=info.terms.adopt))


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
    return to(Done(state.info), CompleteOnStack(state.info.id))


@machine.on(Arrow(Failed, "StackStatus.Error", nodes={Upserting: "UPSERTING_FAILED"}))
def fail_upsert(state: Upserting, event: Failure) -> Step[Failed]:
    """Fail, since the one step did."""
    return _end(BreakStack, state.info, Cause.FAILURE, event.reason)


@machine.on(SelfLoop("Stack Progress", extension=True))
def watch_on(state: Extending, _: Progress) -> Step[Extending]:
    """Wait on while the step is under way."""
    return to(state)


@machine.on(Arrow(Failed, "Stack Failure", extension=True))
def fail_creating(state: Creating, event: Failure) -> Step[Failed]:
    """Fail, since a failed creation would wait for ever. Nothing is put back: nothing was there."""
    return _end(BreakStack, state.info, Cause.FAILURE, event.reason)


@machine.on(Arrow(Failed, extension=True))
def terminate_queued(state: Queued, event: Terminated) -> Step[Failed]:
    """Fail without a word to the world: it has not begun."""
    reason = f"{_terminated(event)}, while it waited for its turn"
    return _end(WithdrawFromStack, state.info, Cause.TERMINATED, reason)


@machine.on(Arrow(Failed, extension=True))
def supersede(state: Queued, event: Superseded) -> Step[Failed]:
    """Fail, since nobody wants this version any more."""
    return _end(WithdrawFromStack, state.info, Cause.SUPERSEDED, f"superseded by {event.by}")


@machine.on(Arrow(Failed, extension=True))
def expire(state: Queued, _: Expired) -> Step[Failed]:
    """Fail, since it was to begin earlier or not at all."""
    return _end(WithdrawFromStack, state.info, Cause.EXPIRED, TOO_LATE)


@machine.on(Arrow(Failed, extension=True))
def refuse_waiting(state: Waiting, event: Refused | Late) -> Step[Failed]:
    """Fail with the stack as it was: nothing was changed yet, so nobody has to look at it."""
    cause = Cause.REFUSED if isinstance(event, Refused) else Cause.EXPIRED
    return _end(ReleaseStack, state.info, cause, event.reason)


@machine.on(Arrow(Failed, extension=True))
def terminate_waiting(state: Waiting, event: Terminated) -> Step[Failed]:
    """Fail with the stack as it was."""
    return _end(ReleaseStack, state.info, Cause.TERMINATED, _terminated(event))


@machine.on(Arrow(Failed, extension=True))
def terminate(state: Upserting | Creating, event: Terminated) -> Step[Failed]:
    """Stop waiting; what CloudFormation is doing goes on, and the next deployment waits for it."""
    return _end(BreakStack, state.info, Cause.TERMINATED, _terminated(event))


@machine.on(
    Arrow(Failed, each=True, extension=True),
    Arrow(Restoring, "Terminated<br>(restore)", each=True, extension=True),
)
def terminate_step(
    state: ScalingDown | InfraMigrate | DbMigrating | ScalingUp, event: Terminated
) -> Step[Failed] | Step[Restoring]:
    """Stop waiting, and put back what was changed where that can be done."""
    return _fail_or_restore(state.info, Cause.TERMINATED, _terminated(event), event.back)


@machine.on(
    Arrow(Restoring, "Stack Stable<br>(of the look)", extension=True),
    Arrow(Failed, "Stack Stable", extension=True),
)
def put_back(state: Restoring, event: Stable) -> Step[Restoring] | Step[Failed]:
    """Send what puts the stack back once it is at rest; say whether the services are back."""
    if state.sent:
        return _not_out(state, "the services are back as before")
    if not event.exists:
        return _not_out(state, "not put back: the stack is missing")
    if state.change is None:
        return _not_out(
            state, "nothing to put back to: no deployment is DONE, and the infrastructure may have changed"
        )
    return to(evolve(state, sent=True), state.change)


def _not_out(state: Restoring, how: str) -> Step[Failed]:
    """Fail for what failed first; `how` the way back ended is added."""
    return _end(BreakStack, state.info, state.cause, f"{state.reason}; {how}")


@machine.on(Arrow(Failed, "Stack Failure", extension=True))
def fail_restoring(state: Restoring, event: Failure) -> Step[Failed]:
    """Fail with the services where they are."""
    return _not_out(state, f"not put back: {event.reason}")


@machine.on(Arrow(Failed, extension=True))
def terminate_restoring(state: Restoring, event: Terminated) -> Step[Failed]:
    """Stop putting back."""
    return _not_out(state, f"not put back: {_terminated(event)}")


MACHINE = machine.seal(failed=(Failed,), leaves=(Done,))


def __dir__() -> list[str]:
    return listing(globals())
