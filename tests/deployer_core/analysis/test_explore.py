"""The composed deployer, explored: every reachable state of small worlds."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from deployer_core.analysis import choices, expand, explore
from deployer_core.analysis.expand import Expander
from deployer_core.analysis.menu import QUICK, Ask, menu
from deployer_core.engine.state import DeployerState

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


BLOCKED = ("PostgresMigration", "BLOCKED", "Errored", "FAILED")
"""A database is given up when a sibling failed: it takes two."""
SHARE = 60.0
"""Seconds of `make thorough` for the world that is too large for it."""


def test_all_of_two_deployments_on_one_database() -> None:
    """Every invariant holds in every state and step, every deployment ends, and all edges are taken but those."""
    report = explore.explore(deployments=2, databases=1)
    assert report.complete
    assert not report.violations, report.trace(report.violations[0])
    assert report.missing == tuple(sorted((*NEVER, BLOCKED)))
    first, covered, *missing = str(report).splitlines()
    assert first.startswith(f"2 deployments and 1 databases: {report.states} states, ")
    assert covered == f"{len(report.edges)} edges covered, {len(report.missing)} not:"
    assert missing[0] == "  Deployment: QUEUED --Started--> FAILED"


@pytest.mark.thorough
def test_much_of_two_deployments_on_two_databases() -> None:
    """As far as a minute goes, nothing is violated; `make explore` walks it whole."""
    began = time.monotonic()
    report = explore.explore(2, 2, tell=lambda _: time.monotonic() - began < SHARE)
    assert not report.violations, report.trace(report.violations[0])
    assert report.states > 1_000


@pytest.mark.parametrize(("deployments", "databases"), [(0, 0), (1, 0), (3, 0)])
def test_nothing_is_violated_in_smaller_worlds(deployments: int, databases: int) -> None:
    """What holds for two holds where there is less, and as far as it was walked where there is more of one."""
    report = explore.explore(deployments, databases, limit=2000)
    assert report.complete == (deployments < 2)
    assert not report.violations, report.trace(report.violations[0])


@pytest.mark.thorough
def test_all_edges_are_taken_but_those_that_cannot_be() -> None:
    """One deployment on two databases takes the one edge that two on one do not."""
    report = explore.explore(1, 2)
    assert report.complete
    assert not report.violations, report.trace(report.violations[0])
    assert BLOCKED in report.edges
    assert not {*NEVER} & {*report.edges}


def test_a_limit_cuts_the_walk_short() -> None:
    """A walk that was cut short says so, and takes what it has not walked for no dead end."""
    report = explore.explore(1, 1, limit=20)
    assert (report.complete, report.violations) == (False, ())
    assert report.states >= 20
    assert ", cut short" in str(report)


def test_choosing_a_spec_late_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk that asks for waiting deployments in one way alone meets the same states as the one that asks in all."""

    def met(asks: Callable[[int], tuple[Ask, ...]]) -> set[Any]:
        monkeypatch.setattr(expand, "menu", asks)
        walk = explore._Walk(explore.Alone(Expander(2, 0, identify=lambda key: key)))
        walk.run(None, lambda _: True)
        return {(key[:4], len(key[4]), key[5:]) for key in walk.numbers if isinstance(key, tuple)}

    quick, plain = Ask(QUICK), menu(0)[3]
    pruned = met(lambda _: (quick, plain))
    monkeypatch.setattr(choices, "will_wait", _never)
    monkeypatch.setattr(expand, "in_turn", _nobody)
    assert met(lambda _: (quick, plain)) == pruned


def _never(_: DeployerState) -> bool:
    return False


def _nobody(_: DeployerState, __: DeployerState) -> str:
    return ""
