"""What a deployment asks of CloudFormation, and the way back that one which fails may have.

These are commands of the machine in `deployment`, which offers them under the same names.
"""

from typing import Final, TypeAlias, get_args

from attrs import field, frozen

from deployer_core.kernel.builder import listing
from deployer_core.kernel.tags import tagged
from deployer_core.spec import Counts, Pairs, StackSpec, Text


@frozen
class _Named:
    deployment: str


@tagged("Deployment.StabiliseStack/1")
@frozen
class StabiliseStack(_Named):
    """Wait until the stack is at rest; its last answer says how the stack was found.

    `cancel_updates` cancels the update that was first seen in progress; `discard` deletes a stack that holds nothing,
    where the spec allows it. `check` refuses what the spec could not be carried out with. `counted` are parameters
    whose counts the stack's memory needs, whatever the spec names. `adopt`, `force` and `sent` are the request's;
    `clusters` are those in which its tasks would run.
    """

    stack: StackSpec
    timeout: int
    cancel_updates: bool = False
    discard: bool = False
    counted: tuple[str, ...] = ()
    adopt: str = ""
    force: bool = False
    check: bool = False
    clusters: tuple[Text, ...] = ()
    sent: Pairs = ()


@tagged("Deployment.ScalableTarget/1")
@frozen
class ScalableTarget:
    """A service whose scaling was suspended, and which of its three activities had been so before.

    `resource` is Application Auto Scaling's id of it, `service/CLUSTER/SERVICE`.
    """

    resource: str
    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False


@frozen
class _Change(_Named):
    stack: StackSpec
    counts: Counts
    adopt: str = field(default="", kw_only=True)


@frozen
class _ToCounts(_Change):
    """`resume` are the targets whose scaling is resumed after the change, as it was."""

    resume: tuple[ScalableTarget, ...] = field(default=(), kw_only=True)


@frozen
class _WithValues(_ToCounts):
    """`sent` are values that were sent before for parameters that the spec takes from elsewhere, to be sent again."""

    sent: Pairs = field(default=(), kw_only=True)


@tagged("Deployment.CreateStack/1")
@frozen
class CreateStack(_Change):
    """Create the stack with these counts; it ends with no task running."""


@tagged("Deployment.UpdateStack/1")
@frozen
class UpdateStack(_WithValues):
    """Update the stack with these counts; where they are zero, it ends with no task running."""


@tagged("Deployment.UpsertStack/1")
@frozen
class UpsertStack(_WithValues):
    """Create the stack, or update it where it exists, with these counts."""


@tagged("Deployment.ScaleStack/1")
@frozen
class ScaleStack(_ToCounts):
    """Set the counts and nothing else; where they are zero, it ends with no task running."""


Restoration: TypeAlias = ScaleStack | UpdateStack
StackChange: TypeAlias = CreateStack | UpdateStack | UpsertStack | ScaleStack
StackCommand: TypeAlias = StabiliseStack | StackChange
STACK_COMMANDS: Final = get_args(StackCommand)


# The way back


@tagged("Deployment.WayBack/1")
@frozen
class WayBack:
    """The deployment may be put back: by this change; None where there is nothing to send."""

    change: Restoration | None


@tagged("Deployment.NoWayBack/1")
@frozen
class NoWayBack:
    """The deployment was to be put back, and cannot be: `why`."""

    why: str


Back: TypeAlias = WayBack | NoWayBack | None
"""What a failure leads to; None where the spec asks for no way back."""


def __dir__() -> list[str]:
    return listing(globals())
