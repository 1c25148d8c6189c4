"""What was seen of a CloudFormation stack, and what it means to a deployment.

An adapter reports what it saw and decides nothing; what that means depends on what the deployment is doing.
"""

from enum import Enum

from attrs import frozen

from deployer_core.kernel.builder import listing
from deployer_core.kernel.tags import tagged
from deployer_core.machines.deployment import Failure, Progress, Stable
from deployer_core.spec import Counts, Pairs


class Lifecycle(Enum):
    """Where a stack is in its life, whatever its status is called."""

    DELETING = "DELETING"
    PROGRESS = "PROGRESS"
    ROLLING_BACK = "ROLLING_BACK"
    COMPLETE = "COMPLETE"
    ROLLED_BACK = "ROLLED_BACK"
    MISSING = "MISSING"
    EMPTY_SHELL = "EMPTY_SHELL"
    TERMINAL = "TERMINAL"


@tagged("Stack.Seen/1")
@frozen
class StackStatus:
    """What was seen of the stack. `status` is CloudFormation's own word, `reason` why it is so, if it says.

    With a final status come `outputs` and `counts`, sorted: by the parameter that carries it, the desired count that
    ECS shows, for each that the stack has. `removed` is what a change of ours removed or replaced that may hold data.
    """

    lifecycle: Lifecycle
    status: str
    reason: str = ""
    outputs: Pairs = ()
    counts: Counts = ()
    removed: tuple[str, ...] = ()


# Tuples: an Enum member's hash is computed in Python, and a look-up by identity is much faster than that.
_COMPLETE, _MISSING, _DELETING = Lifecycle.COMPLETE, Lifecycle.MISSING, Lifecycle.DELETING
_MOVING = (Lifecycle.PROGRESS, Lifecycle.ROLLING_BACK)
_AT_REST = (_COMPLETE, Lifecycle.ROLLED_BACK, _MISSING)


def read(seen: StackStatus, *, waiting: bool, known: bool) -> Progress | Stable | Failure:
    """Return what a status means: to a deployment that waits for the stack, or to one whose own change runs.

    `known` says that the stack was seen before: one that is missing then is gone, else it is yet to appear. While a
    change of ours rolls back, the lock is kept until it has settled.
    """
    lifecycle = seen.lifecycle
    missing = lifecycle is _MISSING
    if lifecycle in _MOVING or (waiting and lifecycle is _DELETING):
        return Progress()
    if missing and not waiting and not known:
        return Progress()
    if lifecycle is _COMPLETE or (waiting and lifecycle in _AT_REST):
        return Stable(not missing, seen.outputs, seen.counts)
    return Failure(f"the stack is {seen.status}" + (f": {seen.reason}" if seen.reason else ""))


def __dir__() -> list[str]:
    return listing(globals())
