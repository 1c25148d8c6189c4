"""What a journal tells of earlier deployments: what was asked for then, and which values were sent for it."""

from attrs import evolve

from deployer_aws.ports import Journal, JournalError
from deployer_core.engine import reducer
from deployer_core.engine.memory import WasDone, rollback_target
from deployer_core.engine.messages import Attempted, Pending, Requested, Rollback
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.deployment import CreateStack, UpdateStack, UpsertStack
from deployer_core.machines.stack import Broken, Creating, Migrating
from deployer_core.spec import DeploymentSpec, Pairs


class NoSuchDeployment(Exception):
    """There is no such deployment to go back to, or to repeat; says what there is instead, and what to do."""


def requested(journal: Journal, key: str) -> dict[str, Requested]:
    """Return all that was ever requested of a stream, by the deployment's id, oldest first."""
    events = (row.event for row in journal.events(key))
    return {event.deployment: event for event in events if isinstance(event, Requested)}


def target_before(journal: Journal, key: str, deployment: str) -> str:
    """Return what a rollback of this id went back to when it was first asked for; empty where it was not."""
    before = requested(journal, key).get(deployment)
    return before.rollback.target if before is not None and before.rollback is not None else ""


def target_of(state: DeployerState, key: str, named: str = "") -> WasDone:
    """Return the deployment that a rollback repeats: the named one, or the one that follows from how the stack stands.

    Raises NoSuchDeployment.
    """
    sound = not isinstance(state.stack, Broken | Creating | Migrating)
    found = rollback_target(state.memory, named, sound=sound)
    if found is not None:
        return found
    done = [was.id for was in state.memory.done]
    if named and named in dict(state.known):
        raise NoSuchDeployment(
            f"deployment {named!r} of {key} is not one of the last {len(done)} that were DONE; "
            f"roll back to one of {', '.join(done[-3:]) or 'none'}, or deploy its spec anew"
        )
    if named:
        raise NoSuchDeployment(
            f"deployment {named!r} of {key} was never requested; 'deployer history {key}' lists all"
        )
    if done:
        raise NoSuchDeployment(
            f"no version of {key} was DONE before the one that is there; deploy another one instead"
        )
    raise NoSuchDeployment(
        f"no deployment of {key} was DONE yet, so there is nothing to go back to; deploy it instead"
    )


def rollback_to(
    journal: Journal, key: str, target: str, *, keep_queue: bool
) -> tuple[DeploymentSpec, Rollback]:
    """Return what a rollback to a deployment asks for: its spec in quick mode, with the values that were sent then.

    Raises NoSuchDeployment.
    """
    spec = evolve(_find(journal, key, target).spec, quick=True)
    return spec, Rollback(target, _sent(journal, key, target), keep_queue)


def _find(journal: Journal, key: str, deployment: str) -> Requested:
    found = requested(journal, key).get(deployment)
    if found is None:
        raise NoSuchDeployment(
            f"deployment {deployment!r} of {key} was never requested; 'deployer history {key}' lists all"
        )
    return found


def again(journal: Journal, key: str, named: str = "", *, deployment: str = "") -> tuple[str, DeploymentSpec]:
    """Return the deployment to repeat, and the spec to repeat it with: the named one, or the newest request.

    Where `deployment`, which is to repeat it, was asked for before, it is the same again. Of a rollback it is the mode
    of what it went back to: what is asked for again is a version, and not the way back. Raises NoSuchDeployment where
    there is none, and where the newest has not ended.
    """
    everything = requested(journal, key)
    if not everything:
        raise NoSuchDeployment(f"nothing was requested of {key} yet")
    if named:
        found = _find(journal, key, named)
    elif deployment in everything:
        return deployment, everything[deployment].spec
    else:
        found = list(everything.values())[-1]
        if any(d.info.id == found.deployment for d in journal.head(key).state.deployments):
            raise NoSuchDeployment(
                f"deployment {found.deployment} of {key} is not over; name the one to repeat, or wait for it"
            )
    first = found
    while first.rollback is not None and first.rollback.target in everything:
        first = everything[first.rollback.target]
    return found.deployment, evolve(found.spec, quick=first.spec.quick)


def _sent(journal: Journal, key: str, target: str) -> Pairs:
    """Return what was resolved for the first attempt at a deployment's change of the infrastructure.

    A value that is NoEcho is never among them: the adapter journals none. Raises JournalError where events are missing.
    """
    state, wanted = INITIAL, set[int]()
    for row in journal.events(key):
        if row.checkpoint is not None:
            state = row.checkpoint
            wanted |= {p.id for p in state.pending if _changes(p, target)}
        if row.event is None or row.logic != reducer.LOGIC:
            continue
        if isinstance(row.event, Attempted) and row.event.command in wanted:
            return row.event.resolved
        try:
            state, commands = reducer.reduce(state, row.event)
        except IllegalEvent as refusal:
            raise JournalError(
                f"the event of {key} at version {row.version} is refused: {refusal}. Restore a backup"
            ) from refusal
        wanted |= {c.id for c in commands if isinstance(c, Pending) and _changes(c, target)}
    return ()


def _changes(pending: Pending, target: str) -> bool:
    return pending.deployment == target and isinstance(
        pending.command, CreateStack | UpdateStack | UpsertStack
    )
