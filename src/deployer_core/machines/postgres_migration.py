"""Postgres migration: one database of one deployment, from its roles to its cleanup.

    [*] --Prepare--> UPSERTING --UpsertDone--> (READY) --EvaluateRun--> EVALUATING --EvaluateOutcome--> (EVALUATED)
    (EVALUATED) --NoChanges--> NOP
    (READY), (EVALUATED) --NeedsMigrate--> BLOCKED or (TRIGGERED);  BLOCKED --Unblocked--> (TRIGGERED)
    (TRIGGERED) --MigrateRun--> RUNNING --MigrateDone--> (MIGRATED) --CleanupRun--> CLEANING_UP --CleanupDone--> DONE

The drawing with every edge is `diagrams/postgres-migration.mmd`. A migration is *blocked* until every database of its
deployment is known to be ready: nothing is changed before every plan is known good.
"""

from typing import TypeAlias, TypeVar

from attrs import frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop
from deployer_core.kernel.machine import Absent, Step, to
from deployer_core.kernel.tags import tagged
from deployer_core.spec import DatabaseSpec


@tagged("PostgresMigration.Database/1")
@frozen
class Database:
    """What all states know: the deployment, and the database as it is to become."""

    deployment: str
    spec: DatabaseSpec[str]


# States


@tagged("PostgresMigration.UPSERTING/1")
@frozen
class Upserting:
    """The database, its roles and extensions are being made sure of."""

    database: Database
    blocked: bool


@tagged("PostgresMigration.READY/1")
@frozen
class Ready:
    """Auto: the database is there; what comes next depends on the spec."""

    database: Database
    blocked: bool


@tagged("PostgresMigration.EVALUATING/1")
@frozen
class Evaluating:
    """The task `evaluate` runs, or there is nothing to evaluate."""

    database: Database
    blocked: bool


@tagged("PostgresMigration.EVALUATED/1")
@frozen
class Evaluated:
    """Auto: it is known whether there are changes to come."""

    database: Database
    blocked: bool
    changes: bool


@tagged("PostgresMigration.NOP/1")
@frozen
class Nop:
    """There was nothing to change."""

    database: Database


@tagged("PostgresMigration.BLOCKED/1")
@frozen
class Blocked:
    """Ready to migrate, and waiting for the siblings."""

    database: Database


@tagged("PostgresMigration.TRIGGERED/1")
@frozen
class Triggered:
    """Auto: the migration may start."""

    database: Database


@tagged("PostgresMigration.RUNNING/1")
@frozen
class Running:
    """The task `migrate` runs."""

    database: Database


@tagged("PostgresMigration.MIGRATED/1")
@frozen
class Migrated:
    """Auto: the task did its work."""

    database: Database


@tagged("PostgresMigration.CLEANING_UP/1")
@frozen
class CleaningUp:
    """Ownership and privileges of what the migration made are being set right."""

    database: Database


@tagged("PostgresMigration.DONE/1")
@frozen
class Done:
    """The database is migrated and clean."""

    database: Database


@tagged("PostgresMigration.FAILED/1")
@frozen
class Failed:
    """A step failed, or the migration was abandoned because a sibling did."""

    database: Database
    reason: str


State: TypeAlias = (
    Upserting
    | Ready
    | Evaluating
    | Evaluated
    | Nop
    | Blocked
    | Triggered
    | Running
    | Migrated
    | CleaningUp
    | Done
    | Failed
)
Preparing = TypeVar("Preparing", Upserting, Evaluating)


# Events


@frozen
class Prepare:
    """Take this database through; `blocked` holds it before its migration until Unblocked."""

    database: Database
    blocked: bool = True


@frozen
class Unblocked:
    """The migration may start when it is ready."""


@tagged("PostgresMigration.UpsertDone/1")
@frozen
class UpsertDone:
    """The database, its roles and extensions are there."""


@frozen
class EvaluateOutcome:
    """The task `evaluate` has said whether there are changes to come."""

    changes: bool


@frozen
class MigrateDone:
    """The task `migrate` did its work."""


@tagged("PostgresMigration.CleanupDone/1")
@frozen
class CleanupDone:
    """What the migration made is set right."""


@tagged("PostgresMigration.Errored/1")
@frozen
class Errored:
    """The step failed, or the migration is abandoned."""

    reason: str


Event: TypeAlias = Prepare | Unblocked | UpsertDone | EvaluateOutcome | MigrateDone | CleanupDone | Errored


# Commands


@tagged("PostgresMigration.UpsertDatabase/1")
@frozen
class UpsertDatabase:
    """Make sure of the database, its roles, extensions, grants and credentials, and of what a cleanup would do."""

    database: Database


@frozen
class RunEvaluate:
    """Run the task `evaluate`."""

    database: Database


@frozen
class RunMigrate:
    """Run the task `migrate`."""

    database: Database


@tagged("PostgresMigration.CleanupDatabase/1")
@frozen
class CleanupDatabase:
    """Set right the ownership and privileges of what the migration made."""

    database: Database


@frozen
class ReportBlocked:
    """Tell the deployment that this database is ready to migrate."""

    database: Database


@frozen
class ReportNop:
    """Tell the deployment that this database has nothing to change."""

    database: Database


@frozen
class ReportDone:
    """Tell the deployment that this database is migrated."""

    database: Database


@frozen
class ReportFailed:
    """Tell the deployment that this database failed."""

    database: Database
    reason: str


Command: TypeAlias = (
    UpsertDatabase
    | RunEvaluate
    | RunMigrate
    | CleanupDatabase
    | ReportBlocked
    | ReportNop
    | ReportDone
    | ReportFailed
)


# Edges

machine: Builder[State, Event, Command] = Builder("PostgresMigration", State, Event)


@machine.on
def prepare(_: Absent, event: Prepare) -> Step[Upserting]:
    """Ensure the database first."""
    return to(Upserting(event.database, event.blocked), UpsertDatabase(event.database))


@machine.on(SelfLoop("Unblocked"))
def unblock_early(state: Preparing, _: Unblocked) -> Step[Preparing]:
    """Clear the flag, and remember that."""
    return to(type(state)(state.database, blocked=False))


def _failed(database: Database, event: Errored) -> Step[Failed]:
    return to(Failed(database, event.reason), ReportFailed(database, event.reason))


@machine.on(
    Arrow(
        Failed,
        "Error",
        nodes={Upserting: "FAILED_1", Evaluating: "FAILED_0", Running: "FAILED_2", CleaningUp: "FAILED_3"},
    )
)
def fail(state: Upserting | Evaluating | Running | CleaningUp, event: Errored) -> Step[Failed]:
    """Fail with the step that was under way."""
    return _failed(state.database, event)


@machine.on
def upsert(state: Upserting, _: UpsertDone) -> Step[Ready]:
    """Go on: the database is there."""
    return to(Ready(state.database, state.blocked))


_BLOCKED = Arrow(Blocked, "NeedsMigrate", choice="needsMigrate", guard="<code>blocked</code>")
_TRIGGERED = Arrow(Triggered, "NeedsMigrate", choice="needsMigrate", guard="<code>unblocked</code>")


def _migrate(state: Ready | Evaluated) -> Step[Blocked] | Step[Triggered]:
    """Go on to the migration, which only an unblocked one may begin."""
    if state.blocked:
        return to(Blocked(state.database), ReportBlocked(state.database))
    return to(Triggered(state.database))


@machine.always(Arrow(Evaluating, "EvaluateRun"), _BLOCKED, _TRIGGERED)
def plan(state: Ready) -> Step[Evaluating] | Step[Blocked] | Step[Triggered]:
    """Evaluate where the spec says how, or where there is nothing to migrate; else the migration has to run."""
    spec = state.database.spec
    if spec.migrate is not None and spec.evaluate is None:
        return _migrate(state)
    evaluating = Evaluating(state.database, state.blocked)
    return to(evaluating) if spec.evaluate is None else to(evaluating, RunEvaluate(state.database))


@machine.always(Arrow(Evaluated, "EvaluateOutcome"))
def skip(state: Evaluating) -> Step[Evaluated] | None:
    """Conclude at once where there is no migration: nothing can change."""
    if state.database.spec.migrate is not None:
        return None
    return to(Evaluated(state.database, state.blocked, changes=False))


@machine.on
def learn(state: Evaluating, event: EvaluateOutcome) -> Step[Evaluated]:
    """Take the word of the task."""
    return to(Evaluated(state.database, state.blocked, event.changes))


@machine.always(Arrow(Nop, "NoChanges"), _BLOCKED, _TRIGGERED)
def decide(state: Evaluated) -> Step[Nop] | Step[Blocked] | Step[Triggered]:
    """Migrate only what has changes."""
    return _migrate(state) if state.changes else to(Nop(state.database), ReportNop(state.database))


@machine.on
def unblock(state: Blocked, _: Unblocked) -> Step[Triggered]:
    """Start: every plan is known good."""
    return to(Triggered(state.database))


@machine.on(Arrow(Failed, "Error", extension=True))
def abandon(state: Blocked, event: Errored) -> Step[Failed]:
    """Leave this database as it is, since a sibling failed before the barrier."""
    return _failed(state.database, event)


@machine.always(Arrow(Running, "MigrateRun"))
def run(state: Triggered) -> Step[Running]:
    """Change the database, from here on."""
    return to(Running(state.database), RunMigrate(state.database))


@machine.on
def migrate(state: Running, _: MigrateDone) -> Step[Migrated]:
    """Go on: the task did its work."""
    return to(Migrated(state.database))


@machine.always(Arrow(CleaningUp, "CleanupRun"))
def clean_up(state: Migrated) -> Step[CleaningUp]:
    """Tidy what the migration made, which may belong to the wrong role."""
    return to(CleaningUp(state.database), CleanupDatabase(state.database))


@machine.on
def end_migrated(state: CleaningUp, _: CleanupDone) -> Step[Done]:
    """Tell the deployment."""
    return to(Done(state.database), ReportDone(state.database))


MACHINE = machine.seal(failed=(Failed,), ends=(Nop, Done))
