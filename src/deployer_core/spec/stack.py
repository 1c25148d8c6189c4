"""The stack of a deployment: its template, its parameters, and the counts that its services are scaled to."""

from operator import attrgetter
from typing import TypeAlias

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check
from deployer_core.spec.errors import SpecError
from deployer_core.spec.text import Pairs


@tagged("spec.Previous/1")
@frozen
class Previous:
    """A parameter that keeps the value that the stack has."""


@tagged("spec.StackOutput/1")
@frozen
class StackOutput:
    """A parameter that takes another stack's output, read when the command is first sent."""

    stack: str = field(validator=check.stack_name)
    name: str = field(validator=check.logical_id)


@tagged("spec.ListenerPriority/1")
@frozen
class ListenerPriority:
    """A parameter that is a listener rule's priority: the one the stack has where it lies in the range, else the
    lowest free one.
    """

    listener: str = field(validator=check.line)
    lowest: int = field(validator=check.whole(1, 50_000))
    highest: int = field(validator=check.whole(1, 50_000))

    def __attrs_post_init__(self) -> None:
        if self.lowest > self.highest:
            raise SpecError("lowest", f"not above highest, which is {self.highest}")


ParameterValue: TypeAlias = str | Previous | StackOutput | ListenerPriority


@tagged("spec.TemplateBody/1")
@frozen
class TemplateBody:
    """A template whose text was read when the deployment was requested; the text is kept under its SHA-256."""

    sha256: str = field(validator=check.digest)
    source: str = field(validator=check.line)


@tagged("spec.TemplateUrl/1")
@frozen
class TemplateUrl:
    """A template that CloudFormation reads by itself."""

    url: str = field(validator=check.template_url)


Template: TypeAlias = TemplateBody | TemplateUrl


@tagged("spec.FixedCount/1")
@frozen
class FixedCount:
    """The desired count that this version shall have, in the parameter that carries it."""

    parameter: str = field(validator=check.logical_id)
    count: int = field(validator=check.whole(0, 10_000))


@tagged("spec.PreviousCount/1")
@frozen
class PreviousCount:
    """The desired count that the stack had before, or `initial` where it had none."""

    parameter: str = field(validator=check.logical_id)
    initial: int = field(validator=check.whole(0, 10_000))


Scale: TypeAlias = FixedCount | PreviousCount


@tagged("spec.Stack/1")
@frozen
class StackSpec:
    """One CloudFormation stack. `scaling` names the parameters that carry counts; empty is 'scaling: none'.

    `discard_rolled_back_creation` lets a stack be deleted that holds nothing, such as one whose creation was rolled
    back: it has the name, and cannot be changed.
    """

    name: str = field(validator=check.stack_name)
    template: Template = field(validator=check.kind(TemplateBody, TemplateUrl))
    parameters: tuple[tuple[str, ParameterValue], ...] = field(
        default=(),
        converter=check.by_first,
        validator=check.each(
            check.pair(
                check.logical_id, check.either(check.parameter, Previous, StackOutput, ListenerPriority)
            ),
            200,
            key=check.first,
        ),
    )
    scaling: tuple[Scale, ...] = field(
        default=(),
        converter=check.by_parameter,
        validator=check.each(check.kind(FixedCount, PreviousCount), key=attrgetter("parameter")),
    )
    capabilities: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.capability)
    )
    tags: Pairs = field(
        default=(),
        converter=check.by_first,
        validator=check.each(check.pair(check.tag_key, check.tag_value), 50, key=check.first),
    )
    role: str | None = field(default=None, validator=check.maybe(check.role))
    notifications: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.topic, 5)
    )
    timeout: int = field(default=3600, validator=check.timeout)
    discard_rolled_back_creation: bool = field(default=True, validator=check.flag)

    def __attrs_post_init__(self) -> None:
        counted = {scale.parameter for scale in self.scaling}
        if both := sorted(counted & {name for name, _ in self.parameters}):
            raise SpecError("parameters", f"{', '.join(both)} carries a count: set it under scaling alone")
