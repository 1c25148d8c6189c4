"""What a stack remembers from one deployment to the next, and what follows from it.

Counts that 'as before' means, whether a deployment may be begun at all, and whether a failed one may be put back: each
is one function here. What changes the memory is said where it happens, in `routing`.
"""

from typing import Final

from attrs import evolve, frozen

from deployer_core.engine.messages import Answer, Failure, Infrastructure, Pending
from deployer_core.kernel.tags import tagged
from deployer_core.machines import deployment
from deployer_core.machines.deployment import (
    Back,
    CreateStack,
    DeploymentInfo,
    NoWayBack,
    Restoration,
    ScalableTarget,
    ScaleStack,
    StackChange,
    UpdateStack,
    UpsertStack,
    WayBack,
)
from deployer_core.machines.postgres_migration import Errored, UpsertDatabase, UpsertDone
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Counts, DeploymentSpec, FixedCount, OnFailure, Pairs, Previous, digest

TO_ZERO: Final = (deployment.Creating, deployment.ScalingDown, deployment.InfraMigrate)
"""The steps that end with no task running."""
REMEMBERED: Final = 100
"""How many of the deployments that were DONE a stack remembers."""


@tagged("Deployer.Bound/1")
@frozen
class Bound:
    """What a stream is bound to: the key of its application and environment, and the name of its stack."""

    key: str
    stack: str


@tagged("Deployer.LastDone/1")
@frozen
class LastDone:
    """The last deployment that was DONE, and the values that were sent for parameters taken from elsewhere."""

    id: str
    spec: DeploymentSpec
    sent: Pairs


@tagged("Deployer.WasDone/1")
@frozen
class WasDone:
    """A deployment that was DONE. `version` is the one that it repeats, itself where it is no rollback.

    `digest` stands for its spec in quick mode, and `moved` is the memory's of that time.
    """

    id: str
    version: str
    digest: str
    moved: int


@tagged("Deployer.Memory/1")
@frozen
class Memory:
    """What the stack remembers.

    `baseline` are the counts from before a change that moved them, None where none was sent since the last DONE
    deployment or good way back; those that have `joined` with an update since are in no earlier template. `unfinished`
    says that services went to zero since. `suspended` is what does not scale
    by itself now. `half_way` are databases whose migration began and did not come to its end. `infrastructure` is the
    deployment whose infrastructure is there: empty as it was found by the first, None where that is unsure; it was
    `infrastructure_before` when the latest change was sent. `moved` counts the databases that were unblocked, or
    something taken from. Since the last DONE deployment, changes `removed` what may hold data, sent values for the
    parameters `overwritten`, and `created` the stack. `sent` are the values of the latest change. `changed` says that
    anything was ever sent.
    """

    baseline: Counts | None = None
    joined: tuple[str, ...] = ()
    unfinished: bool = False
    suspended: tuple[ScalableTarget, ...] = ()
    half_way: tuple[str, ...] = ()
    infrastructure: str | None = ""
    infrastructure_before: str | None = ""
    moved: int = 0
    removed: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    created: bool = False
    sent: Pairs = ()
    changed: bool = False
    last: LastDone | None = None
    done: tuple[WasDone, ...] = ()

    @property
    def moved_since(self) -> bool:
        """Tell whether a database was unblocked, or something taken from it, since the last DONE deployment."""
        return self.moved != (self.done[-1].moved if self.done else 0)

    @property
    def sure(self) -> bool:
        """Tell whether the infrastructure is certainly what the last DONE deployment left, or the first one found."""
        return self.infrastructure == (self.last.id if self.last else "")


EMPTY: Final = Memory()


def as_before(memory: Memory, observed: Counts) -> Counts:
    """Return what 'as before' means for each count that the stack has now: as observed, unless that is zero.

    A count that we took to zero stands in the baseline; one at zero that we did not is meant to be there.
    """
    kept = dict(memory.baseline or ())
    return tuple((parameter, count or kept.get(parameter, 0)) for parameter, count in observed)


def wanted(memory: Memory, spec: DeploymentSpec, observed: Counts) -> Counts:
    """Return the counts to scale up to: fixed ones, as before, or the initial ones of what the stack has not yet."""
    before = dict(as_before(memory, observed))
    return tuple(
        (s.parameter, s.count if isinstance(s, FixedCount) else before.get(s.parameter, s.initial))
        for s in spec.stack.scaling
    )


def kept(memory: Memory, spec: DeploymentSpec, observed: Counts) -> Counts:
    """Return the baseline from here on: whatever a change may move, as it was before."""
    return as_before(memory, observed) if spec.stack.scaling else ()


def to_zero(spec: DeploymentSpec, observed: Counts) -> Counts:
    """Return zero for each count that the stack has now; nothing where the spec scales nothing."""
    return tuple((parameter, 0) for parameter, _ in observed) if spec.stack.scaling else ()


def refusal(memory: Memory, info: DeploymentInfo, exists: bool, observed: Counts) -> str:
    """Say why a deployment cannot be carried out on the stack as it was found; empty where it can."""
    spec, terms = info.spec, info.terms
    if terms.rollback and not exists:
        return "there is no stack to roll back; deploy the version anew"
    if not terms.force:
        if spec.quick and memory.half_way:
            names = ", ".join(memory.half_way)
            return f"{names} is half-way through a migration; deploy in full mode first, or force it"
        if terms.rollback and moved_past(memory, terms.rollback):
            return f"databases were migrated since {terms.rollback}; its code may not run on them, unless it is forced"
    counted = {s.parameter for s in spec.stack.scaling}
    there = dict(observed)
    if lost := [p for p, _ in _of_before(memory) if p in there and p not in counted]:
        return f"scaling has to name {', '.join(lost)}: an earlier deployment took it to zero, and it is to come back"
    asks = any(
        p in there for p in counted - {s.parameter for s in spec.stack.scaling if isinstance(s, FixedCount)}
    )
    ours = memory.baseline or (memory.last and not terms.adopt)
    if exists and asks and not any(there.values()) and not ours:
        return "the stack was found at zero, and nobody knows what it ran before; give the count that it shall have"
    return ""


def moved_past(memory: Memory, target: str) -> bool:
    """Tell whether a database may have changed since a deployment was DONE; so it is where that is not remembered."""
    return all(was.moved != memory.moved for was in memory.done if was.id == target)


def way_back(memory: Memory, info: DeploymentInfo) -> Back:
    """Return how a deployment that fails now may be put back."""
    spec = info.spec
    if spec.quick or spec.on_failure is OnFailure.LEAVE:
        return None
    if memory.moved_since:
        return NoWayBack("a database was migrated, or given to another owner")
    if memory.created:
        return NoWayBack("the stack was created, so nothing was there before")
    if memory.removed:
        return NoWayBack(took_data(memory.removed))
    if memory.sure:
        return WayBack(ScaleStack(info.id, spec.stack, _of_before(memory), adopt=info.terms.adopt))
    if memory.last is None:
        return WayBack(None)
    if secret := _overwritten(memory, memory.last):
        return NoWayBack(f"the value that {', '.join(secret)} had cannot be read, and another was sent since")
    return WayBack(_update(memory, memory.last, info))


def _of_before(memory: Memory) -> Counts:
    """Return the counts to put back: what has joined since leaves with the infrastructure that it came with."""
    return tuple((name, count) for name, count in memory.baseline or () if name not in memory.joined)


def took_data(removed: tuple[str, ...]) -> str:
    """Say why nothing is put back after an update that removed or replaced something."""
    return f"the update removed or replaced {', '.join(removed)}, which may hold data"


def _overwritten(memory: Memory, last: LastDone) -> list[str]:
    """Return the parameters whose previous value nobody can read (NoEcho) and that were sent since."""
    kept = [name for name, value in last.spec.stack.parameters if isinstance(value, Previous)]
    return [name for name in kept if name not in dict(last.sent) and name in memory.overwritten]


def _update(memory: Memory, last: LastDone, info: DeploymentInfo) -> Restoration:
    """Return the change back to the last DONE deployment's infrastructure, at the counts from before."""
    return UpdateStack(info.id, last.spec.stack, _of_before(memory), adopt=info.terms.adopt, sent=last.sent)


def rollback_target(memory: Memory, named: str = "", *, sound: bool = True) -> WasDone | None:
    """Return the deployment that a rollback repeats; None where there is none to go back to.

    That is the named one; else the last DONE one of a stack that is not `sound` (BROKEN, or behind one that runs); else
    the newest version that was first DONE before the one that is there.
    """
    done = {was.id: was for was in memory.done}
    if named or not done:
        return done.get(named)
    latest = memory.done[-1]
    if not sound:
        return latest
    versions = list(dict.fromkeys(was.version for was in memory.done))
    earlier = versions[: versions.index(latest.version)]
    return (
        next((was for was in reversed(memory.done) if was.version == earlier[-1]), None) if earlier else None
    )


# What happens to it


def about_to(memory: Memory, command: StackChange, asker: deployment.State, observed: Counts) -> Memory:
    """Remember what a change that is given out puts at risk: the counts, and whose infrastructure is there."""
    memory = evolve(memory, changed=True)
    if isinstance(asker, deployment.Creating):
        memory = evolve(memory, baseline=asker.counts, unfinished=True, created=True)
    elif isinstance(asker, deployment.ScalingDown):
        memory = evolve(memory, baseline=kept(memory, asker.info.spec, observed), unfinished=True)
    elif isinstance(asker, deployment.InfraMigrate):
        memory = _joined(memory, asker.counts)
    elif isinstance(asker, deployment.Upserting):
        memory = evolve(memory, baseline=kept(memory, asker.info.spec, observed))
    if isinstance(command, ScaleStack):
        return memory
    given = {name for name, value in command.stack.parameters if not isinstance(value, Previous)}
    return evolve(
        memory,
        infrastructure=None,
        infrastructure_before=memory.infrastructure,
        overwritten=tuple(sorted({*memory.overwritten, *given})),
    )


def _joined(memory: Memory, counts: Counts) -> Memory:
    """Remember what counts shall be that an update brings, at zero: a later look would take that zero for meant."""
    baseline = memory.baseline or ()
    new = tuple((name, count) for name, count in counts if name not in dict(baseline))
    joined = tuple(dict.fromkeys((*memory.joined, *dict(new))))
    return evolve(memory, baseline=(*baseline, *new), joined=joined) if new else memory


def ended(memory: Memory, pending: Pending, asker: deployment.State, answer: Answer, *, good: bool) -> Memory:
    """Remember how a change of the stack ended: whose infrastructure is there, and that what is back is as before."""
    command = pending.command
    restored = good and isinstance(asker, deployment.Restoring)
    if isinstance(command, CreateStack | UpdateStack | UpsertStack):
        left = Infrastructure.NEW if good else _left(answer)
        if left is Infrastructure.AS_BEFORE:
            memory = evolve(memory, infrastructure=memory.infrastructure_before)
        elif left is Infrastructure.NEW:
            again = command.sent if isinstance(command, UpdateStack | UpsertStack) else ()
            resolved = pending.attempt.resolved if pending.attempt else ()
            back = isinstance(asker, deployment.Restoring) and memory.last
            memory = evolve(
                memory, infrastructure=back.id if back else asker.info.id, sent=_merged(again, resolved)
            )
        removed = answer.removed if isinstance(answer, StackStatus | Failure) else ()
        memory = with_removed(memory, removed)
    if good and isinstance(command, UpdateStack | UpsertStack | ScaleStack):
        kept = tuple(target for target in memory.suspended if target not in command.resume)
        memory = evolve(memory, suspended=kept)
    if restored:
        memory = evolve(memory, baseline=None, joined=(), unfinished=False, removed=(), overwritten=())
    return memory


def _merged(first: Pairs, then: Pairs) -> Pairs:
    return tuple(sorted({**dict(first), **dict(then)}.items()))


def with_removed(memory: Memory, removed: tuple[str, ...]) -> Memory:
    """Remember what an update removed or replaced that may hold data."""
    return evolve(memory, removed=tuple(dict.fromkeys((*memory.removed, *removed)))) if removed else memory


def _left(answer: Answer) -> Infrastructure:
    """Return what a change that failed left."""
    if isinstance(answer, Failure):
        return answer.left
    rolled_back = isinstance(answer, StackStatus) and answer.lifecycle is Lifecycle.ROLLED_BACK
    return Infrastructure.AS_BEFORE if rolled_back else Infrastructure.UNSURE


def upserted(memory: Memory, pending: Pending, answer: Answer) -> Memory:
    """Remember of a database's first step whether something was taken from who was there."""
    if isinstance(answer, UpsertDone | Errored):
        return evolve(memory, moved=memory.moved + 1) if answer.took else memory
    return given_up(memory, pending)


def suspending(memory: Memory, targets: tuple[ScalableTarget, ...]) -> Memory:
    """Remember scalable targets as they were before they are suspended: a later look sees them suspended."""
    known = {target.resource for target in memory.suspended}
    new = tuple(target for target in targets if target.resource not in known)
    return evolve(memory, suspended=(*memory.suspended, *new)) if new else memory


def given_up(memory: Memory, pending: Pending) -> Memory:
    """Remember of a command that has no last answer what may have come of it."""
    if pending.attempt is None:
        never_sent = isinstance(pending.command, CreateStack | UpdateStack | UpsertStack)
        return evolve(memory, infrastructure=memory.infrastructure_before) if never_sent else memory
    if isinstance(pending.command, UpsertDatabase):
        return evolve(memory, moved=memory.moved + 1)
    return memory


def unblocked(memory: Memory, database: str) -> Memory:
    """Remember that a database is changed from here on, and half-way until it is migrated."""
    half_way = memory.half_way if database in memory.half_way else (*memory.half_way, database)
    return evolve(memory, half_way=half_way, moved=memory.moved + 1)


def completed(memory: Memory, info: DeploymentInfo) -> Memory:
    """Remember a deployment that is DONE: what was unfinished is finished, and this is what 'as before' means now."""
    spec, repeated = info.spec, info.terms.rollback
    version = next((was.version for was in memory.done if was.id == repeated), repeated or info.id)
    was = WasDone(info.id, version, digest(evolve(spec, quick=True)), memory.moved)
    finished = () if spec.quick else tuple(d.name for d in spec.databases)
    return Memory(
        suspended=memory.suspended,
        half_way=tuple(name for name in memory.half_way if name not in finished),
        infrastructure=info.id,
        moved=memory.moved,
        changed=True,
        last=LastDone(info.id, spec, memory.sent),
        done=(*memory.done, was)[-REMEMBERED:],
    )
