"""Runs of ECS tasks: those that evaluate a database's pending changes, and those that migrate it."""

from typing import Generic

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check
from deployer_core.spec.errors import SpecError
from deployer_core.spec.text import Pairs, R, line_or_output


@tagged("spec.Task/1")
@frozen
class TaskSpec(Generic[R]):
    """One run of one ECS task. `container` is the one that is judged; by default the only essential one.

    `attempts` is how often a run may begin that ends before it did anything. Another essential container that fails
    makes the run fail too, unless it is one of `excused`.
    """

    cluster: R = field(validator=line_or_output)
    task_definition: R = field(validator=line_or_output)
    container: str | None = field(default=None, validator=check.maybe(check.container))
    command: tuple[str, ...] = field(
        default=(), converter=check.listed, validator=check.each(check.word, key=None)
    )
    environment: Pairs = field(
        default=(),
        converter=check.by_first,
        validator=check.each(check.pair(check.variable, check.variable_value), key=check.first),
    )
    subnets: tuple[R, ...] = field(
        default=(), converter=check.listed, validator=check.each(line_or_output, 16)
    )
    security_groups: tuple[R, ...] = field(
        default=(), converter=check.listed, validator=check.each(line_or_output, 5)
    )
    public_ip: bool = field(default=False, validator=check.flag)
    launch_type: str = field(default="", validator=check.launch_type)
    capacity_provider: str = field(default="", validator=check.capacity_provider)
    platform_version: str = field(default="", validator=check.platform_version)
    timeout: int = field(default=1800, validator=check.timeout)
    attempts: int = field(default=3, validator=check.whole(1, 10))
    excused: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.container)
    )

    def __attrs_post_init__(self) -> None:
        if (self.environment or self.command) and self.container is None:
            raise SpecError(
                "container", "needed where command or environment is given: they belong to one container"
            )
        if self.launch_type and self.capacity_provider:
            raise SpecError("capacity_provider", "not together with launch_type: ECS takes one of the two")


@tagged("spec.Migration/1")
@frozen
class Migration(Generic[R]):
    """The task that migrates a database, and the exit codes that mean success."""

    task: TaskSpec[R] = field(validator=check.kind(TaskSpec))
    success: tuple[int, ...] = field(default=(0,), converter=check.in_order, validator=check.exit_codes)


@tagged("spec.Evaluation/1")
@frozen
class Evaluation(Generic[R]):
    """The task that tells by its exit code whether a database has pending changes.

    By default 0 means no changes and 2 means changes, as with `terraform plan -detailed-exitcode`.
    """

    task: TaskSpec[R] = field(validator=check.kind(TaskSpec))
    no_changes: tuple[int, ...] = field(default=(0,), converter=check.in_order, validator=check.exit_codes)
    changes: tuple[int, ...] = field(default=(2,), converter=check.in_order, validator=check.exit_codes)

    def __attrs_post_init__(self) -> None:
        if both := sorted(set(self.no_changes) & set(self.changes)):
            raise SpecError("changes", f"{both[0]} already means 'no changes'")
