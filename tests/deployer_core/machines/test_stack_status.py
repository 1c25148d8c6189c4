"""What a stack's status means: every lifecycle, to who waits and to who changes, seen before or not."""

import itertools

import pytest

from deployer_core.machines.deployment import Failure, Progress, Stable
from deployer_core.machines.stack_status import Lifecycle, StackStatus, read

OUTPUTS = (("Secret", "rds/shop"),)
COUNTS = (("Count", 2),)
MOVES = Progress()
THERE = Stable(True, OUTPUTS, COUNTS)
NOT_THERE = Stable(False, OUTPUTS, COUNTS)
FAILS = Failure("the stack is STATUS: it broke")

WAITING = {
    Lifecycle.DELETING: MOVES,
    Lifecycle.PROGRESS: MOVES,
    Lifecycle.ROLLING_BACK: MOVES,
    Lifecycle.COMPLETE: THERE,
    Lifecycle.ROLLED_BACK: THERE,
    Lifecycle.MISSING: NOT_THERE,
    Lifecycle.EMPTY_SHELL: FAILS,
    Lifecycle.TERMINAL: FAILS,
}
OWN_CHANGE = {
    Lifecycle.DELETING: FAILS,
    Lifecycle.PROGRESS: MOVES,
    Lifecycle.ROLLING_BACK: MOVES,
    Lifecycle.COMPLETE: THERE,
    Lifecycle.ROLLED_BACK: FAILS,
    Lifecycle.MISSING: FAILS,
    Lifecycle.EMPTY_SHELL: FAILS,
    Lifecycle.TERMINAL: FAILS,
}


@pytest.mark.parametrize(
    ("lifecycle", "waiting", "known"), [*itertools.product(Lifecycle, [True, False], [True, False])]
)
def test_a_status_means_what_the_table_says(lifecycle: Lifecycle, waiting: bool, known: bool) -> None:
    """Each lifecycle has one meaning in WAITING and one while an own change runs; only MISSING asks what was seen."""
    meaning = (WAITING if waiting else OWN_CHANGE)[lifecycle]
    if lifecycle is Lifecycle.MISSING and not waiting and not known:
        meaning = MOVES
    seen = StackStatus(lifecycle, "STATUS", "it broke", OUTPUTS, COUNTS)
    assert read(seen, waiting=waiting, known=known) == meaning


def test_a_failure_without_a_reason_is_the_status_alone() -> None:
    """A reason is added where CloudFormation gives one."""
    seen = StackStatus(Lifecycle.TERMINAL, "UPDATE_FAILED")
    assert read(seen, waiting=True, known=True) == Failure("the stack is UPDATE_FAILED")
