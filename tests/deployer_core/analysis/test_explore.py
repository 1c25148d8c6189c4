"""The composed deployer, explored: every reachable state of small worlds."""

from collections.abc import Callable
from typing import Any

import pytest

from deployer_core.analysis import choices, expand, explore
from deployer_core.analysis.expand import Expander
from deployer_core.engine.routing import DeployerState

NEVER = (
    ("Deployment", "QUEUED", "Started", "FAILED"),
    ("PostgresMigration", "EVALUATED", "(NeedsMigrate)", "TRIGGERED"),
    ("PostgresMigration", "EVALUATING", "Unblocked", "EVALUATING"),
    ("PostgresMigration", "READY", "(NeedsMigrate)", "TRIGGERED"),
    ("PostgresMigration", "UPSERTING", "Unblocked", "UPSERTING"),
    ("Stack", "CREATING", "Released", "BROKEN"),
)
"""The composition unblocks only what is BLOCKED, withdraws all that have expired before anybody has a turn, and has left
nothing unfinished before the first deployment: these can't be taken in it."""


def test_a_limit_cuts_the_walk_short() -> None:
    """A walk that was cut short says so, and takes what it has not walked for no dead end."""
    report = explore.explore(1, 1, limit=20)
    assert (report.complete, report.violations) == (False, ())
    assert report.states >= 20
    assert ", cut short" in str(report)


def test_choosing_a_spec_late_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk that asks for waiting deployments in one way alone meets the same states as the one that asks in all."""

    def met(asks: Callable[[int], tuple[choices.Ask, ...]]) -> set[Any]:
        monkeypatch.setattr(expand, "menu", asks)
        walk = explore._Walk(explore.Alone(Expander(2, 0, identify=lambda key: key)))
        walk.run(None, lambda _: True)
        return {(key[:4], len(key[4]), key[5:]) for key in walk.numbers if isinstance(key, tuple)}

    quick, plain = choices.Ask(choices.QUICK), choices.menu(0)[3]
    pruned = met(lambda _: (quick, plain))
    monkeypatch.setattr(choices, "will_wait", _never)
    monkeypatch.setattr(expand, "in_turn", _nobody)
    assert met(lambda _: (quick, plain)) == pruned


def _never(_: DeployerState) -> bool:
    return False


def _nobody(_: DeployerState, __: DeployerState) -> str:
    return ""
