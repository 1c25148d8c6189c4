"""Foresee what a rollback will do, and what it cannot undo, from the journal alone and before it is requested."""

from attrs import frozen

from deployer_aws.views.history import DeploymentHistory, StreamHistory
from deployer_core.engine.memory import moved_past
from deployer_core.kernel.machine import name_of
from deployer_core.machines import postgres_migration
from deployer_core.machines.stack import Broken

_MIGRATED = name_of(postgres_migration.Running)


@frozen
class Migrated:
    """A database that was migrated, or was to be, by a later deployment; how far it came is `state`."""

    database: str
    deployment: str
    version: str
    state: str


@frozen
class RollbackOutlook:
    """What a rollback to `target` means as the stack stands. `there` is the deployment that was DONE last.

    `repairs` says that it repairs a BROKEN stack, `behind` which deployment it waits for, `superseded` which ones that
    wait are ended by it. `migrated` is what it cannot undo: databases that changed since. `moved` says that any did, or
    was given to another owner: then it is refused, unless it is forced.
    """

    target: DeploymentHistory
    there: DeploymentHistory | None
    repairs: bool
    behind: DeploymentHistory | None
    superseded: tuple[DeploymentHistory, ...]
    migrated: tuple[Migrated, ...]
    moved: bool


def foresee_rollback(known: StreamHistory, target: str, *, keep_queue: bool) -> RollbackOutlook | None:
    """Return what a rollback to a deployment would do; None where that was never requested."""
    state, found = known.state, known.find(target)
    if found is None:
        return None
    waiting = [known.find(name) for name in getattr(state.stack, "queue", ())]
    last = state.memory.last
    return RollbackOutlook(
        found,
        known.find(last.id) if last else None,
        isinstance(state.stack, Broken),
        known.find(getattr(state.stack, "current", "")),
        () if keep_queue else tuple(one for one in waiting if one is not None),
        _migrated_since(known, found),
        moved_past(state.memory, target),
    )


def _migrated_since(known: StreamHistory, target: DeploymentHistory) -> tuple[Migrated, ...]:
    """Return each database that passed the barrier in a deployment that began after the target was DONE."""
    since = target.ended or target.requested
    return tuple(
        Migrated(database.name, one.id, one.version, database.state)
        for one in known.deployments
        if one.id != target.id and one.started is not None and one.started >= since
        for database in one.databases
        if any(interval.state == _MIGRATED for interval in database.intervals)
    )
