"""When two states of a deployer are one: they can't be told apart by anything that will ever happen."""

from typing import Any, TypeAlias

from deployer_core.analysis.invariants import current, extended, queue
from deployer_core.engine.messages import Pending, StopTask
from deployer_core.engine.routing import DeployerState
from deployer_core.machines import deployment, postgres_migration
from deployer_core.machines.ecs_task import RunTask

Key: TypeAlias = tuple[Any, ...]


def canonical(state: DeployerState) -> Key:
    """Return a flat value that is equal for states that behave alike. What no decision hangs on is left out or renamed:

    - ids of commands, times, texts, what was last seen: they are handed on, and compared for equality alone;
    - ids of deployments: what counts is who is open, who waits behind whom, and who has ended;
    - names of databases: they differ in their kind alone, so they are sorted by all that is known of each;
    - attempts at a command, but whether a task may have begun (sent and not refused, or known to the world) and whether
      a stack was seen;
    - the ARN in a StopTask: it is for the adapter.
    """
    open_id, waiting = "", list[tuple[str, str]]()
    open_key: tuple[Any, ...] = ()
    for each in state.deployments:
        if isinstance(each, deployment.Queued):
            waiting.append((each.info.id, each.info.spec.version))
        else:
            open_id = each.info.id
            open_key += (type(each).__name__, each.info.spec.version, getattr(each, "counts", None))
    databases: dict[str, list[Any]] = {}
    if open_id:
        _databases(state, databases)
    rest: list[tuple[str, ...]] = []
    for pending in state.pending:
        mine = databases.get(pending.database) if pending.deployment == open_id else None
        (rest if mine is None else mine).append(_pending(pending, ended=pending.deployment != open_id))
    return (
        type(state.stack),
        current(state) == [open_id],
        queue(state) == tuple(name for name, _ in waiting),
        tuple(version for _, version in waiting),
        open_key,
        tuple(sorted(tuple(facts) for facts in databases.values())),
        tuple(sorted(rest)),
        state.memory,
    )


def _databases(state: DeployerState, databases: dict[str, list[Any]]) -> None:
    """Return what is known of each database: its kind, migration and task, and how far the deployment thinks it is."""
    for each in state.deployments:
        if isinstance(each, deployment.DbMigrating):
            for progress in each.progress:
                databases[progress.database] = [(str(each.passed), progress.phase.name)]
    for migration in state.migrations:
        spec, blocked = migration.database.spec, getattr(migration, "blocked", "")
        kind = f"{spec.migrate is not None} {spec.evaluate is not None} {blocked}"
        databases.setdefault(spec.name, []).append((type(migration).__name__, kind))
    for task in state.tasks:
        databases.setdefault(task.database, []).append((task.purpose, type(task.state).__name__))


def _pending(pending: Pending, *, ended: bool) -> tuple[str, ...]:
    """Return a command, and what of its past may matter."""
    command = pending.command
    name = type(command).__name__
    if isinstance(command, StopTask):
        return (name, str(pending.unresolved), str(ended))
    if isinstance(command, RunTask):
        return (name, str(pending.may_have_begun), str(bool(pending.ref)))
    if isinstance(command, postgres_migration.UpsertDatabase | postgres_migration.CleanupDatabase):
        return (name, str(ended))
    late = f"{extended(pending)} {getattr(pending.progress, 'rolling_back', False)}"
    return (name, str(pending.attempt is not None), str(bool(pending.ref)), late, str(ended))
