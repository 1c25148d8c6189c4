"""Which cases of an exhaustive test `make test` runs, and which wait for `make thorough`."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings

moments = pytest.mark.parametrize(
    "residues",
    [
        "3",
        pytest.param("0,1,2", marks=pytest.mark.thorough),
        pytest.param("4,5,6", marks=pytest.mark.thorough),
    ],
)
"""Give `make test` every seventh moment (see moments.py), and `make thorough` the others in two halves."""


def sampled(cases: Sequence[Any], every: int) -> list[Any]:
    """Mark all cases but every n-th as thorough."""
    return [
        case if number % every == 0 else pytest.param(case, marks=pytest.mark.thorough)
        for number, case in enumerate(cases)
    ]


def fewer(divisor: int) -> settings:
    """Generate only a part of the profile's examples: where a test is repeated for many cases, they add up."""
    return settings(max_examples=max(5, settings().max_examples // divisor))
