"""The world beside the deployer, as the explorer keeps it: what became of the commands, by the answers that were given.

It knows what the deployer's own memory should know, from the outside alone: what ECS runs, whether it scales by itself,
whose infrastructure is there, and what was done to the schemas. `world_invariants` says what must be true of both.
"""

from typing import Any

from attrs import evolve, frozen

from deployer_core.analysis.checks import Taken
from deployer_core.analysis.legal import current
from deployer_core.engine import messages
from deployer_core.engine.messages import DeploymentOutcome, Infrastructure, Pending
from deployer_core.machines import deployment, ecs_task, postgres_migration
from deployer_core.machines.deployment import DeploymentInfo
from deployer_core.machines.ecs_task import Purpose, RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Counts, FixedCount, Pairs, Previous

WITH_TEMPLATE = (deployment.CreateStack, deployment.UpdateStack, deployment.UpsertStack)
CHANGES = (*WITH_TEMPLATE, deployment.ScaleStack)


@frozen
class World:
    """What is there.

    `begun` deployments had their turn. `running` is what ECS runs, None where that is unsure; `before` what it ran
    before a change moved it, None where none did since all was whole; `unfinished`: it went to zero since;
    `joined` are the counts of it that came with an update.
    `suspended`: it does not scale by itself.
    `infrastructure` is the deployment's whose it is, empty as it was found, None where that is unsure, and it was
    `infrastructure_before` when the latest change was sent. `touched`: since the last DONE deployment a schema was
    migrated, or something taken from it; `half_way` are schemas whose migration was not followed by a full deployment
    that was DONE; `fits` those that are as the open deployment needs them. `done` are the deployments that were DONE,
    each with whether a schema was touched since; `last` is the last one, sent with the values `last_sent`. `given` are
    parameters that were sent by value since then, `sent` the values of the latest attempt. `tokens` are all of them.
    """

    begun: int = 0
    running: Counts | None = None
    before: Counts | None = None
    joined: frozenset[str] = frozenset()
    unfinished: bool = False
    suspended: bool = False
    infrastructure: str | None = ""
    infrastructure_before: str | None = ""
    touched: bool = False
    half_way: frozenset[str] = frozenset()
    fits: frozenset[str] = frozenset()
    done: tuple[tuple[str, bool], ...] = ()
    last: DeploymentInfo | None = None
    last_sent: Pairs = ()
    sent: Pairs = ()
    given: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()


NOTHING = World()


@frozen
class Move:
    """A step of the deployer, with the world before it and after it."""

    world: World
    step: Taken
    after: World

    @property
    def event(self) -> object:
        """Return the event that was taken."""
        return self.step.event


def answered(step: Taken) -> Pending | None:
    """Return the command that had its last answer in this step, if one had."""
    event, after = step.event, step.after
    if not isinstance(event, messages.Replied) or after.pending is step.before.pending:
        return None
    for pending in step.before.pending:
        if pending.id == event.command:
            return None if any(p.id == pending.id for p in after.pending) else pending
    return None


def asker(step: Taken) -> deployment.Resting | None:
    """Return the deployment that was open before the step, as it was."""
    return next((d for d in step.before.deployments if not isinstance(d, deployment.Queued)), None)


def went_well(pending: Pending, answer: Any) -> bool:
    """Tell whether a change of ours is done: the stack is whole after it."""
    whole = isinstance(answer, StackStatus) and answer.lifecycle is Lifecycle.COMPLETE
    return whole and isinstance(pending.command, CHANGES)


def put_back(step: Taken) -> Pending | None:
    """Return the change that has put the stack back, if this step was its good end."""
    was, pending = asker(step), answered(step)
    if not isinstance(was, deployment.Restoring) or pending is None:
        return None
    return pending if went_well(pending, step.event.answer) else None


def advance(world: World, step: Taken) -> World:
    """Return the world after a step that was taken."""
    before, event, after = step.before, step.event, step.after
    if after.stack is not before.stack and (turn := current(after)) and turn != current(before):
        world = evolve(world, begun=world.begun + (turn != ["d0"]), running=None, fits=frozenset())
    if isinstance(event, messages.Attempted):
        world = _attempted(world, step)
    elif pending := answered(step):
        world = _answered(world, step, pending)
    elif isinstance(event, messages.Replied):
        value = getattr(event.answer, "value", None)
        if isinstance(value, messages.StackProgress) and value.suspending:
            world = evolve(world, suspended=True)
    if after.pending is not before.pending:
        world = _dropped(world, step)
    for command in step.commands:
        world = (
            _given_out(world, step, command) if isinstance(command, Pending) else _ended(world, step, command)
        )
    return world


def _attempted(world: World, step: Taken) -> World:
    event = step.event
    suspended = world.suspended or bool(event.suspending)
    sent = tuple(sorted({**dict(world.sent), **dict(event.resolved)}.items()))
    return evolve(world, tokens=world.tokens | {event.token}, suspended=suspended, sent=sent)


def _answered(world: World, step: Taken, pending: Pending) -> World:
    """Learn from a last answer."""
    command, answer = pending.command, step.event.answer
    if isinstance(command, CHANGES):
        return _changed(world, step, pending)
    if isinstance(command, postgres_migration.UpsertDatabase):
        says = isinstance(answer, postgres_migration.UpsertDone | postgres_migration.Errored)
        return touch(world) if (answer.took if says else pending.attempt) else world
    if isinstance(command, RunTask) and isinstance(answer, ecs_task.StatusStopped):
        return evolve(world, fits=world.fits | {pending.database}) if _fits(step, pending) else world
    return world


def _changed(world: World, step: Taken, pending: Pending) -> World:
    """Learn how a change of the stack ended."""
    command, answer, was = pending.command, step.event.answer, asker(step)
    assert isinstance(command, CHANGES)
    assert was is not None
    good, left = went_well(pending, answer), getattr(answer, "left", None)
    if good:
        resumed = bool(getattr(command, "resume", ()))
        world = evolve(world, running=command.counts, suspended=world.suspended and not resumed)
    if isinstance(command, WITH_TEMPLATE):
        back = world.last if isinstance(was, deployment.Restoring) else None
        if good or left is Infrastructure.NEW:
            world = evolve(world, infrastructure=back.id if back else was.info.id)
        elif left is Infrastructure.AS_BEFORE or getattr(answer, "lifecycle", None) is Lifecycle.ROLLED_BACK:
            world = evolve(world, infrastructure=world.infrastructure_before)
    return (
        evolve(world, before=None, joined=frozenset(), unfinished=False, given=frozenset())
        if put_back(step)
        else world
    )


def judged_well(run: ecs_task.Run, answer: ecs_task.StatusStopped, good: tuple[int, ...]) -> bool:
    """Tell whether a task did its work: by its own word, and with nothing beside it that failed."""
    (code,) = [e.code for e in answer.exits if e.judged] or [None]
    beside = [e for e in answer.exits if e.essential and not e.judged and e.container not in run.task.excused]
    sound = all(e.code in (None, 0, 137, 143) for e in beside)
    return code in good and answer.stop_code in ("", "EssentialContainerExited") and sound


def _fits(step: Taken, pending: Pending) -> bool:
    """Tell whether a schema is as the open deployment needs it, by the end of a task."""
    command, was = pending.command, asker(step)
    assert isinstance(command, RunTask)
    assert was is not None
    (spec,) = [d for d in was.info.spec.databases if d.name == pending.database]
    if command.run.purpose is Purpose.EVALUATE:
        good = spec.evaluate.no_changes if spec.evaluate else ()
    else:
        good = spec.migrate.success if spec.migrate else ()
    return judged_well(command.run, step.event.answer, good)


def touch(world: World) -> World:
    """Remember that a schema is no longer as the last DONE deployment left it."""
    if world.touched:
        return world
    return evolve(world, touched=True, done=tuple((name, True) for name, _ in world.done))


def _dropped(world: World, step: Taken) -> World:
    """Take what was given up for what it may have done."""
    ended, kept = answered(step), {p.id for p in step.after.pending}
    for pending in step.before.pending:
        if pending.id in kept or pending is ended:
            continue
        if isinstance(pending.command, postgres_migration.UpsertDatabase) and pending.attempt:
            world = touch(world)
        elif isinstance(pending.command, WITH_TEMPLATE) and not pending.attempt:
            world = evolve(world, infrastructure=world.infrastructure_before)
    return world


def _given_out(world: World, step: Taken, pending: Pending) -> World:
    """Learn from a command what is at risk from here on."""
    command = pending.command
    if isinstance(command, RunTask) and command.run.purpose is Purpose.MIGRATE:
        return evolve(touch(world), half_way=world.half_way | {pending.database})
    if not isinstance(command, CHANGES):
        return world
    asks = next((d for d in step.after.deployments if d.info.id == pending.deployment), None)
    if isinstance(asks, deployment.Creating):
        world = evolve(world, before=wanted(world, step, asks.info), unfinished=True)
    elif isinstance(asks, deployment.ScalingDown | deployment.Upserting):
        moves = bool(asks.info.spec.stack.scaling)
        unfinished = world.unfinished or isinstance(asks, deployment.ScalingDown)
        world = evolve(world, before=as_before(world, step) if moves else (), unfinished=unfinished)
    elif isinstance(asks, deployment.InfraMigrate):
        new = tuple((name, count) for name, count in asks.counts if name not in dict(world.before or ()))
        world = evolve(world, before=(*(world.before or ()), *new), joined=world.joined | set(dict(new)))
    world = evolve(world, running=None)
    if not isinstance(command, WITH_TEMPLATE):
        return world
    given = {name for name, value in command.stack.parameters if not isinstance(value, Previous)}
    return evolve(
        world,
        infrastructure=None,
        infrastructure_before=world.infrastructure,
        sent=getattr(command, "sent", ()),
        given=world.given | given,
    )


def as_before(world: World, step: Taken) -> Counts:
    """Return what the first look makes of 'as before': what runs; where nothing does, what ran before we came."""
    seen = getattr(step.event.answer, "counts", ())
    return tuple((name, count or dict(world.before or ()).get(name, 0)) for name, count in seen)


def wanted(world: World, step: Taken, info: DeploymentInfo) -> Counts:
    """Return the counts that a deployment is to end with, by the first look at the stack."""
    before = dict(as_before(world, step))
    scaling = info.spec.stack.scaling
    return tuple(
        (s.parameter, s.count if isinstance(s, FixedCount) else before.get(s.parameter, s.initial))
        for s in scaling
    )


def _ended(world: World, step: Taken, notice: messages.Notice) -> World:
    """Learn what a deployment that is DONE has left."""
    if notice.outcome is not DeploymentOutcome.DONE:
        return world
    info = next(d.info for d in step.before.deployments if d.info.id == notice.deployment)
    finished = frozenset() if info.spec.quick else {d.name for d in info.spec.databases}
    return evolve(
        world,
        before=None,
        joined=frozenset(),
        unfinished=False,
        infrastructure=info.id,
        touched=False,
        half_way=world.half_way - finished,
        done=(*world.done, (info.id, False)),
        last=info,
        last_sent=world.sent,
        given=frozenset(),
    )
