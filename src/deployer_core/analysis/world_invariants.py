"""What must hold of the deployer and of the world beside it: each invariant with its sentence."""

from deployer_core.analysis.checks import Invariant, into
from deployer_core.analysis.legal import current
from deployer_core.analysis.world import CHANGES, Move, asker, put_back, wanted
from deployer_core.engine import messages
from deployer_core.engine.messages import DeploymentOutcome, Pending
from deployer_core.engine.state import DeployerState
from deployer_core.machines import deployment, stack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Previous

MOVE_INVARIANTS: list[Invariant[Move]] = []
_of_move = into(MOVE_INVARIANTS)
_of_reply = into(MOVE_INVARIANTS, events=(messages.Replied,))
_of_attempt = into(MOVE_INVARIANTS, events=(messages.Attempted,))


def _given(move: Move, *kinds: type) -> list[tuple[Pending, deployment.Resting]]:
    """Return the commands of some kinds that were given out, each with the deployment that asked."""
    return [
        (c, d)
        for c in move.step.commands
        if isinstance(c, Pending) and isinstance(c.command, kinds)
        for d in move.step.after.deployments
        if d.info.id == c.deployment
    ]


@_of_reply
def back_as_before(move: Move) -> bool:
    """After a good way back the counts and the auto scaling are as before, code and schema the last DONE one's."""
    if (change := put_back(move.step)) is None:
        return True
    before, world = move.world, move.after
    was = tuple((name, count) for name, count in before.before or () if name not in before.joined)
    counts = isinstance(change.command, CHANGES) and change.command.counts == was
    whose = before.last.id if before.last else ""
    return counts and not world.suspended and world.infrastructure == whose and not world.touched


@_of_reply
def back_with_its_values(move: Move) -> bool:
    """What is put back is the last DONE deployment's stack, with the values that were sent then, as far as any were."""
    last = move.world.last
    for pending, asks in _given(move, deployment.UpdateStack):
        command = pending.command
        if isinstance(asks, deployment.Restoring) and isinstance(command, deployment.UpdateStack):
            if last is None or command.stack != last.spec.stack or command.sent != move.world.last_sent:
                return False
            kept = {name for name, value in last.spec.stack.parameters if isinstance(value, Previous)}
            if (kept & move.world.given) - set(dict(move.world.last_sent)):
                return False
    return True


@_of_move
def way_back_is_there(move: Move) -> bool:
    """The way back never begins once a schema was touched since the last DONE deployment."""
    was, now = (any(isinstance(d, deployment.Restoring) for d in s.deployments) for s in _ends(move))
    return was or not now or not move.after.touched


def _ends(move: Move) -> tuple[DeployerState, DeployerState]:
    return move.step.before, move.step.after


@_of_reply
def done_on_its_own_schema(move: Move) -> bool:
    """A full deployment is DONE on its own schema: each database was migrated for it, or found to need nothing."""
    for name in move.step.ended(DeploymentOutcome.DONE):
        (info,) = [d.info for d in move.step.before.deployments if d.info.id == name]
        migrated = {d.name for d in info.spec.databases if d.migrate is not None}
        if not info.spec.quick and migrated - move.world.fits:
            return False
    return True


@_of_reply
def quick_on_a_whole_schema(move: Move) -> bool:
    """Quick never goes over a schema that is half-way, nor a rollback over one that moved, unless it is forced."""
    for _, asks in _given(move, deployment.UpsertStack):
        terms, world = asks.info.terms, move.world
        if not terms.force and (world.half_way or dict(world.done).get(terms.rollback, False)):
            return False
    return True


@_of_move
def suspended_stands_in_the_state(move: Move) -> bool:
    """What is suspended stands in the state."""
    return bool(move.step.after.memory.suspended) or not move.after.suspended


@_of_move
def half_way_stands_in_the_state(move: Move) -> bool:
    """A schema that is half-way stands in the state."""
    return move.after.half_way.issubset(move.step.after.memory.half_way)


@_of_move
def infrastructure_is_known(move: Move) -> bool:
    """Whose infrastructure the state says is there, is there."""
    said = move.step.after.memory.infrastructure
    return said is None or said == move.after.infrastructure


@_of_attempt
def tokens_are_used_once(move: Move) -> bool:
    """A token is used once, for one attempt at one command, and bears the stream's id."""
    event = move.step.event
    if not isinstance(event, messages.Attempted):
        return True
    return event.token not in move.world.tokens and messages.stream_of(event.token) == move.step.before.stream


@_of_reply
def scaled_to_what_ran(move: Move) -> bool:
    """A deployment ends with the counts that its spec wants: as before is what ran before, whoever failed since."""
    if not isinstance(getattr(move.step.event, "answer", None), StackStatus):
        return True
    for pending, asks in _given(move, deployment.CreateStack, deployment.ScaleStack, deployment.UpsertStack):
        if isinstance(asks, deployment.Creating | deployment.ScalingDown):
            counts = asks.counts
        elif isinstance(asks, deployment.Upserting) and isinstance(pending.command, deployment.UpsertStack):
            counts = pending.command.counts
        else:
            continue
        if counts != wanted(move.world, move.step, asks.info):
            return False
    return True


@_of_reply
def nothing_runs_beside_a_task(move: Move) -> bool:
    """A database's task begins only while nothing else runs: what ECS was told to run is zero."""
    running = move.after.running
    return not _given(move, RunTask) or (running is not None and not any(count for _, count in running))


@_of_move
def broken_by_a_change(move: Move) -> bool:
    """The stack is BROKEN only if something was sent, it was in trouble, or repaired with work unfinished."""
    step = move.step
    was, now = (isinstance(state.stack, stack.Broken) for state in _ends(move))
    if was == now:
        return True
    if was:
        rollback = isinstance(step.event, messages.Requested) and step.event.rollback
        return bool(rollback) or isinstance(step.event, messages.Repaired)
    ended = asker(step)
    if ended is None or ended.info.id not in step.ended(DeploymentOutcome.FAILED):
        return False
    if not isinstance(ended, deployment.Waiting):
        return True
    attempted = any(p.attempt for p in step.before.pending if p.deployment == ended.info.id)
    waits = isinstance(step.after.stack, stack.Broken) and step.after.stack.queue
    world = move.world
    return attempted or _in_trouble(move) or bool((world.unfinished or world.half_way) and not waits)


def _in_trouble(move: Move) -> bool:
    """Tell whether the first look at a stack saw it in trouble of its own."""
    answer = getattr(move.step.event, "answer", None)
    sound = (Lifecycle.COMPLETE, Lifecycle.ROLLED_BACK, Lifecycle.MISSING)
    if isinstance(answer, StackStatus):
        return answer.lifecycle not in sound
    return isinstance(answer, messages.Failure)


@_of_move
def free_when_nothing_was_sent(move: Move) -> bool:
    """Who ended before anything was sent has broken nothing: the next has its turn."""
    was, step = asker(move.step), move.step
    if not isinstance(was, deployment.Waiting) or was.info.id not in step.ended(DeploymentOutcome.FAILED):
        return True
    attempted = any(p.attempt for p in step.before.pending if p.deployment == was.info.id)
    if attempted or _in_trouble(move) or move.world.unfinished or move.world.half_way:
        return True
    return isinstance(step.after.stack, stack.Available) or bool(current(step.after))
