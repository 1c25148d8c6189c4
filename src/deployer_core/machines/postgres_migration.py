"""Postgres migration: one database of one deployment, from its roles to its cleanup.

    [*] --Prepare--> UPSERTING --UpsertDone--> (READY) --EvaluateRun--> EVALUATING --EvaluateOutcome--> (EVALUATED)
    (EVALUATED) --NoChanges--> NOP
    (READY), (EVALUATED) --NeedsMigrate--> BLOCKED or (TRIGGERED);  BLOCKED --Unblocked--> (TRIGGERED)
    (TRIGGERED) --MigrateRun--> RUNNING --MigrateDone--> (MIGRATED) --CleanupRun--> CLEANING_UP --CleanupDone--> DONE

The drawing with every edge is `diagrams/postgres-migration.mmd`. A migration is *blocked* until every database of its
deployment is known to be ready: nothing is changed before every plan is known good.
"""

from enum import Enum
from typing import TypeAlias, TypeVar

from attrs import frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop, listing
from deployer_core.kernel.machine import Absent, Step, to
from deployer_core.kernel.tags import tagged
from deployer_core.spec import DatabaseSpec


@tagged("PostgresMigration.Database/1")
@frozen
class Database:
    """What all states know: the deployment, and the database as it is to become."""

    deployment: str
    spec: DatabaseSpec[str]


class Phase(Enum):
    """How far one database has come, as its deployment needs to know it."""

    PREPARING = "PREPARING"
    BLOCKED = "BLOCKED"
    MIGRATING = "MIGRATING"
    NOP = "NOP"
    DONE = "DONE"
    FAILED = "FAILED"


@frozen
class _OfDatabase:
    database: Database


@frozen
class _Unplanned(_OfDatabase):
    blocked: bool


# States


@tagged("PostgresMigration.UPSERTING/1")
@frozen
class Upserting(_Unplanned):
    """The database, its roles and extensions are being made sure of."""


@frozen
class Ready(_Unplanned):
    """Auto: the database is there; what comes next depends on the spec."""


@tagged("PostgresMigration.EVALUATING/1")
@frozen
class Evaluating(_Unplanned):
    """The task `evaluate` runs, or there is nothing to evaluate."""


@frozen
class Evaluated(_Unplanned):
    """Auto: it is known whether there are changes to come."""

    changes: bool


@tagged("PostgresMigration.NOP/1")
@frozen
class Nop(_OfDatabase):
    """There was nothing to change."""


@tagged("PostgresMigration.BLOCKED/1")
@frozen
class Blocked(_OfDatabase):
    """Ready to migrate, and waiting for the siblings."""


@frozen
class Triggered(_OfDatabase):
    """Auto: the migration may start."""


@tagged("PostgresMigration.RUNNING/1")
@frozen
class Running(_OfDatabase):
    """The task `migrate` runs."""


@frozen
class Migrated(_OfDatabase):
    """Auto: the task did its work."""


@tagged("PostgresMigration.CLEANING_UP/1")
@frozen
class CleaningUp(_OfDatabase):
    """Ownership and privileges of what the migration made are being set right."""


@tagged("PostgresMigration.DONE/1")
@frozen
class Done(_OfDatabase):
    """The database is migrated and clean."""


@tagged("PostgresMigration.FAILED/1")
@frozen
class Failed(_OfDatabase):
    """A step failed, or the migration was abandoned because a sibling did."""

    reason: str


Resting: TypeAlias = Upserting | Evaluating | Nop | Blocked | Running | CleaningUp | Done | Failed
"""The states that a reduction may end in: those that are stored."""
State: TypeAlias = Resting | Ready | Evaluated | Triggered | Migrated
Preparing = TypeVar("Preparing", Upserting, Evaluating)


# Events


@frozen
class Prepare(_OfDatabase):
    """Take this database through; `blocked` holds it before its migration until Unblocked."""

    blocked: bool = True


@frozen
class Unblocked:
    """The migration may start when it is ready."""


@tagged("PostgresMigration.UpsertDone/1")
@frozen
class UpsertDone:
    """The database, its roles and extensions are there.

    `took` says that something was taken for it from who was there: an owner, a password, a right.
    """

    took: bool = False


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
    """The step failed, or the migration is abandoned; `took` as in UpsertDone."""

    reason: str
    took: bool = False


Event: TypeAlias = Prepare | Unblocked | UpsertDone | EvaluateOutcome | MigrateDone | CleanupDone | Errored


# Commands


@tagged("PostgresMigration.UpsertDatabase/1")
@frozen
class UpsertDatabase(_OfDatabase):
    """Make sure of the database, its roles, extensions, grants and credentials, and of what a cleanup would do."""


@frozen
class RunEvaluate(_OfDatabase):
    """Run the task `evaluate`."""


@frozen
class RunMigrate(_OfDatabase):
    """Run the task `migrate`."""


@tagged("PostgresMigration.CleanupDatabase/1")
@frozen
class CleanupDatabase(_OfDatabase):
    """Set right the ownership and privileges of what the migration made."""


@frozen
class Report(_OfDatabase):
    """Tell the deployment how far this database has come; `reason` where it failed."""

    phase: Phase
    reason: str = ""


Command: TypeAlias = UpsertDatabase | RunEvaluate | RunMigrate | CleanupDatabase | Report


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
    return to(Failed(database, event.reason), Report(database, Phase.FAILED, event.reason))


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
        return to(Blocked(state.database), Report(state.database, Phase.BLOCKED))
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
    return _migrate(state) if state.changes else to(Nop(state.database), Report(state.database, Phase.NOP))


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
    return to(Done(state.database), Report(state.database, Phase.DONE))


MACHINE = machine.seal(failed=(Failed,), ends=(Nop, Done))


def __dir__() -> list[str]:
    return listing(globals())
