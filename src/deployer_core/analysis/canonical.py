"""When two states of a deployer are one: they can't be told apart by anything that will ever happen."""

from typing import Any, TypeAlias

from deployer_core.analysis.legal import current, extended, queue
from deployer_core.analysis.world import WITH_TEMPLATE, World
from deployer_core.engine.messages import Pending, StopTask
from deployer_core.engine.state import DeployerState
from deployer_core.machines import deployment, postgres_migration
from deployer_core.machines.deployment import CreateStack, UpsertStack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.spec import Counts, OnFailure, Previous

Key: TypeAlias = tuple[Any, ...]


def canonical(state: DeployerState, world: World, left: int) -> Key:
    """Return a flat value that is equal for states that behave alike, where `left` deployments may still begin.

    What no decision hangs on is left out or renamed:

    - ids of commands, times, texts, what was last seen: they are handed on, and compared for equality alone;
    - ids of deployments: what counts is who is open, who waits behind whom, and who has ended;
    - names of databases: they differ in their kind alone, so they are sorted by all that is known of each;
    - counts that somebody else set: they are told apart by equality alone;
    - attempts at a command, but whether anything may have come of them;
    - the ARN in a StopTask: it is for the adapter;
    - of what the stack remembers, and of the world, all that nothing can ask for any more.
    """
    names = _Names()
    open_now: deployment.Resting | None = None
    waiting: list[Any] = []
    for each in state.deployments:
        if isinstance(each, deployment.Queued):
            waiting.append(_rollback(state, each.info))
        else:
            open_now = each
    databases: dict[str, list[Any]] = {}
    open_key: Key = ()
    open_id = ""
    if open_now is not None:
        open_id = open_now.info.id
        open_key = _open(state, open_now, names)
        _databases(state, databases)
    rest: list[tuple[Any, ...]] = []
    for pending in state.pending:
        mine = databases.get(pending.database) if pending.deployment == open_id else None
        (rest if mine is None else mine).append(_pending(pending, ended=pending.deployment != open_id))
    return (
        left,
        type(state.stack).__name__,
        current(state) == [open_id],
        len(queue(state)),
        tuple(waiting),
        open_key,
        tuple(sorted(tuple(facts) for facts in databases.values())),
        tuple(sorted(rest)),
        *_memory(state, world, open_now, left, names),
    )


class _Names:
    """Counts in the order in which they are met; those that a spec asks for by number keep their own."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def __call__(self, counts: Counts | None) -> Any:
        if counts is None:
            return None
        return tuple(
            count if count in (0, 1, 4) else self.names.setdefault(count, f"n{len(self.names)}")
            for _, count in counts
        )


def _rollback(state: DeployerState, info: deployment.DeploymentInfo) -> Any:
    """Return what is known of a deployment that waits: nothing, but of a rollback, which nothing but one withdraws."""
    terms = info.terms
    if not terms.rollback:
        return info.spec.version
    moved = tuple(was.moved != state.memory.moved for was in state.memory.done if was.id == terms.rollback)
    return (info.spec.version, terms.force, moved)


def _open(state: DeployerState, each: deployment.Resting, names: _Names) -> Key:
    spec, name = each.info.spec, type(each).__name__
    if isinstance(each, deployment.Waiting):
        terms = each.info.terms
        return (name, spec.version, terms.force, terms.adopt != "", _rollback(state, each.info))
    if isinstance(each, deployment.Restoring):
        change = each.change
        return (name, each.sent, type(change).__name__, change and names(change.counts))
    return (name, spec.version, spec.quick, names(getattr(each, "counts", None)))


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
        begun = str(task.state.begun)
        databases.setdefault(task.database, []).append((task.purpose.name, type(task.state).__name__, begun))


def _pending(pending: Pending, *, ended: bool) -> tuple[Any, ...]:
    """Return a command, and what of its past may matter."""
    command = pending.command
    name = type(command).__name__
    attempt = pending.attempt
    attempted = attempt is not None
    if isinstance(command, StopTask):
        return (name, str(pending.unresolved), str(ended))
    if isinstance(command, RunTask):
        return (name, str(attempt is not None and not attempt.over), str(bool(pending.ref)))
    if isinstance(command, postgres_migration.CleanupDatabase):
        return (name, str(ended))
    if isinstance(command, postgres_migration.UpsertDatabase):
        return (name, str(ended), str(attempted))
    late = f"{extended(pending)} {getattr(pending.progress, 'rolling_back', False)}"
    sent = "" if isinstance(command, deployment.ScaleStack) else str(attempted)
    seen = str(bool(pending.ref)) if isinstance(command, CreateStack | UpsertStack) else ""
    return (name, sent, seen, late, str(ended))


def _memory(
    state: DeployerState, world: World, each: deployment.Resting | None, left: int, names: _Names
) -> Key:
    """Return what is remembered, as far as a deployment may still ask for it."""
    memory, more = state.memory, bool(left or queue(state))
    looks = more or isinstance(each, deployment.Waiting)
    key: Key = ()
    if looks:
        key += (memory.unfinished, bool(memory.half_way), bool(world.half_way), memory.changed)
        key += (memory.last is None, *_home(state))
    if isinstance(each, deployment.Upserting):
        key += (bool(world.half_way),)
    if looks or (each and not each.info.spec.quick):
        key += (names(memory.baseline), len(memory.joined), names(world.before))
    if left:
        key += (tuple(sorted({(w.version == w.id, w.digest, w.moved == memory.moved) for w in memory.done})),)
    if left or each:
        key += (bool(memory.suspended), world.suspended)
    restores = each and not each.info.spec.quick and each.info.spec.on_failure is OnFailure.RESTORE
    return key + _way_back(state, world) if more or restores else key


def _home(state: DeployerState) -> tuple[bool, ...]:
    return (
        state.bound is None or state.bound.key.endswith("/shop"),
        state.bound is not None and state.bound.stack == "shop",
    )


def _way_back(state: DeployerState, world: World) -> Key:
    """Return what decides about the way back: nothing more where there is none before the next DONE deployment."""
    memory = state.memory
    if memory.moved_since or memory.created or memory.removed:
        return ("never", world.touched)
    last = memory.last
    whose = last.id if last else ""
    moving = any(isinstance(p.command, WITH_TEMPLATE) for p in state.pending)
    key: Key = (memory.sure, moving and memory.infrastructure_before == whose, world.touched)
    if last is None:
        return key
    spec = last.spec.stack
    kept = [
        name for name, value in spec.parameters if isinstance(value, Previous) and name not in dict(last.sent)
    ]
    form = (
        tuple(type(s).__name__ for s in spec.scaling),
        tuple(type(v).__name__ for _, v in spec.parameters),
    )
    return (*key, form, bool(last.sent), bool(set(kept) & set(memory.overwritten)))
