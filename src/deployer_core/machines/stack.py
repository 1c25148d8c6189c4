"""Stack: one per environment and application; it holds the lock and the queue.

    [*] --Triggered--> CREATING --DeploymentCompleted--> (STABLE) --Nothing Queued--> AVAILABLE
                                                         (STABLE) --Pops from queue--> MIGRATING
    AVAILABLE --Triggered--> MIGRATING --DeploymentCompleted--> (STABLE)
    CREATING, MIGRATING --Triggered--> the same, one more in the queue
    CREATING, MIGRATING --DeploymentFailed--> BROKEN --Repaired--> (STABLE)
    CREATING, MIGRATING --Released--> (STABLE), since the deployment has changed nothing

The drawing with every edge is `diagrams/stack.mmd`. Deployments are named by their ids.
"""

from typing import Final, TypeAlias, TypeVar

from attrs import evolve, frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop, listing
from deployer_core.kernel.machine import Absent, Step, refuse, to
from deployer_core.kernel.tags import tagged

QUEUE_LIMIT: Final = 100
"""How many deployments may wait behind the current one, unless the request says otherwise."""

Queue: TypeAlias = tuple[str, ...]


@frozen
class _OfDeployment:
    deployment: str


@frozen
class _Held:
    current: str
    queue: Queue = ()


# States


@tagged("Stack.CREATING/1")
@frozen
class Creating(_Held):
    """The first deployment of the stack runs; others wait, first in, first out."""


@tagged("Stack.MIGRATING/1")
@frozen
class Migrating(_Held):
    """A later deployment runs; others wait, first in, first out."""


@frozen
class Stable:
    """Auto: the lock is free, and the queue decides what is next."""

    queue: Queue = ()


@tagged("Stack.AVAILABLE/1")
@frozen
class Available:
    """Nothing runs and nothing waits."""


@tagged("Stack.BROKEN/1")
@frozen
class Broken:
    """A deployment failed; nothing runs until an operator says that the stack is sound again. The queue stays."""

    queue: Queue = ()


Resting: TypeAlias = Creating | Migrating | Available | Broken
"""The states that a reduction may end in: those that are stored."""
State: TypeAlias = Resting | Stable
Held = TypeVar("Held", Creating, Migrating)
Queueing = TypeVar("Queueing", Creating, Migrating, Broken)


# Events


@frozen
class Triggered(_OfDeployment):
    """Somebody asked for a deployment. `queue_limit` is how many may wait at the most."""

    queue_limit: int = QUEUE_LIMIT


@frozen
class DeploymentCompleted(_OfDeployment):
    """A deployment is DONE."""


@frozen
class DeploymentFailed(_OfDeployment):
    """A deployment FAILED after it was triggered."""


@frozen
class Released(_OfDeployment):
    """A deployment ended before it changed anything; `unfinished` where an earlier one left something half done."""

    unfinished: bool = False


@frozen
class Repaired:
    """An operator says that the stack is sound again."""

    by: str


@frozen
class Withdrawn(_OfDeployment):
    """A deployment ended while it waited for its turn."""


Event: TypeAlias = Triggered | DeploymentCompleted | DeploymentFailed | Released | Repaired | Withdrawn


# Commands


@frozen
class TriggerDeployment(_OfDeployment):
    """It is this deployment's turn."""


Command: TypeAlias = TriggerDeployment


# Edges

machine: Builder[State, Event, Command] = Builder("Stack", State, Event)


@machine.on
def create(_: Absent, event: Triggered) -> Step[Creating]:
    """Start the first deployment of the stack."""
    return to(Creating(event.deployment), TriggerDeployment(event.deployment))


def _queued(state: Creating | Migrating | Broken, event: Triggered) -> Queue:
    """Return the queue with one more, which is neither in it nor running."""
    if event.deployment in state.queue or (
        not isinstance(state, Broken) and event.deployment == state.current
    ):
        refuse(f"deployment {event.deployment!r} is already running or waiting")
    if len(state.queue) >= event.queue_limit:
        refuse(
            f"{len(state.queue)} deployments are waiting, and {event.queue_limit} may; try again when one has ended"
        )
    return (*state.queue, event.deployment)


@machine.on(SelfLoop("Triggered<br>(Adds to the queue)"))
def enqueue(state: Held, event: Triggered) -> Step[Held]:
    """Queue behind what runs."""
    return to(evolve(state, queue=_queued(state, event)))


@machine.on
def complete(state: Creating | Migrating, event: DeploymentCompleted) -> Step[Stable]:
    """Free the lock, which only the current deployment may."""
    _is_current(state, event.deployment)
    return to(Stable(state.queue))


@machine.always(
    Arrow(Available, choice="stable", guard="Nothing Queued"),
    Arrow(Migrating, choice="stable", guard="Pops from queue"),
)
def settle(state: Stable) -> Step[Available] | Step[Migrating]:
    """Give the lock to the head of the queue, if there is one."""
    if not state.queue:
        return to(Available())
    head, *waiting = state.queue
    return to(Migrating(head, tuple(waiting)), TriggerDeployment(head))


@machine.on(Arrow(Migrating, "Triggered<br>(External)"))
def migrate(_: Available, event: Triggered) -> Step[Migrating]:
    """Start at once, since nothing runs."""
    return to(Migrating(event.deployment), TriggerDeployment(event.deployment))


@machine.on
def fail(state: Creating | Migrating, event: DeploymentFailed) -> Step[Broken]:
    """Break the stack, which may be half-way: what waits goes on waiting."""
    _is_current(state, event.deployment)
    return to(Broken(state.queue))


@machine.on(
    Arrow(Stable, each=True, extension=True),
    Arrow(Broken, "Released<br>(unfinished)", each=True, extension=True),
)
def release(state: Creating | Migrating, event: Released) -> Step[Stable] | Step[Broken]:
    """Let the next go on: nobody has to look at the stack, unless it was BROKEN before, and nobody waits."""
    _is_current(state, event.deployment)
    if event.unfinished and not state.queue:
        return to(Broken())
    return to(Stable(state.queue))


def _is_current(state: Creating | Migrating, deployment: str) -> None:
    if deployment != state.current:
        refuse(f"the current deployment is {state.current!r}, not {deployment!r}")


@machine.on(SelfLoop("Triggered<br>(Adds to the queue)", extension=True))
def enqueue_broken(state: Broken, event: Triggered) -> Step[Broken]:
    """Queue while the stack is broken, so that nothing is lost."""
    return to(Broken(_queued(state, event)))


@machine.on(Arrow(Stable, extension=True))
def repair(state: Broken, _: Repaired) -> Step[Stable]:
    """Let the queue go on: BROKEN has a way out."""
    return to(Stable(state.queue))


@machine.on(SelfLoop(extension=True))
def withdraw(state: Queueing, event: Withdrawn) -> Step[Queueing]:
    """Take a deployment out of the queue, so that it is never popped."""
    if event.deployment not in state.queue:
        refuse(f"deployment {event.deployment!r} is not waiting")
    return to(evolve(state, queue=tuple(d for d in state.queue if d != event.deployment)))


MACHINE = machine.seal(failed=(Broken,))


def __dir__() -> list[str]:
    return listing(globals())
