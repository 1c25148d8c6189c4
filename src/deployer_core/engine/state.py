"""The state of one stack's deployer: the machines' states, what is pending, and what the stack remembers."""

from typing import TypeAlias, TypeVar

from attrs import frozen

from deployer_core.engine.memory import EMPTY, Bound, Memory
from deployer_core.engine.messages import Notice, Pending
from deployer_core.kernel.machine import ABSENT, Absent
from deployer_core.kernel.tags import tagged
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import Purpose
from deployer_core.spec import Pairs


@tagged("Deployer.Task/1")
@frozen
class Task:
    """The task that a database's migration runs now, and why."""

    database: str
    purpose: Purpose
    state: ecs_task.Resting


StackState: TypeAlias = stack.Resting | Absent


@tagged("Deployer.State/1")
@frozen
class DeployerState:
    """All there is to know of one stack.

    `deployments` are the current one and the queued ones, as requested; `migrations` and `tasks` are the current
    one's. `bound` is what the stream is for, and `memory` what its stack remembers. `known` is every deployment ever
    requested, with a digest of the request.
    """

    stream: str = ""
    bound: Bound | None = None
    stack: StackState = ABSENT
    deployments: tuple[deployment.Resting, ...] = ()
    migrations: tuple[postgres_migration.Resting, ...] = ()
    tasks: tuple[Task, ...] = ()
    pending: tuple[Pending, ...] = ()
    next_command: int = 1
    memory: Memory = EMPTY
    known: Pairs = ()


INITIAL = DeployerState()
Commands: TypeAlias = tuple[Pending | Notice, ...]
"""What is meant for the world: commands with their ids, and notices."""
Reduction: TypeAlias = tuple[DeployerState, Commands]
"""What `reduce` gives: the new state, and what is meant for the world."""


K = TypeVar("K")


def swap(items: tuple[K, ...], old: K, *new: K) -> tuple[K, ...]:
    """Return the items with one replaced, or taken out."""
    for at, item in enumerate(items):
        if item is old:
            return (*items[:at], *new, *items[at + 1 :])
    raise LookupError(old)
