"""Texts in a spec, which may be outputs of the stack, and the types of small tuples that hold them."""

from typing import TypeAlias, TypeVar

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check

Counts: TypeAlias = tuple[tuple[str, int], ...]
"""Desired counts by the stack parameter that carries them, sorted."""
Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Names with their values."""


@tagged("spec.Output/1")
@frozen(order=True)
class Output:
    """An output of the stack that is being deployed, known once its infrastructure is there."""

    name: str = field(validator=check.logical_id)


Text: TypeAlias = str | Output
"""A text as a spec has it."""
R = TypeVar("R", bound=Text)
"""A text as the spec has it (`Text`), or as it is once outputs are resolved (`str`)."""
line_or_output: check.Check = check.either(check.line, Output)
secret_or_output: check.Check = check.either(check.secret, Output)
