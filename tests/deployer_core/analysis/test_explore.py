"""The composed deployer, explored: every reachable state of small worlds."""

from typing import Any

import pytest

from deployer_core.analysis import choices, explore
from deployer_core.engine import reducer
from deployer_core.engine.routing import DeployerState
from deployer_core.kernel.machine import Edge

NEVER = (
    ("PostgresMigration", "EVALUATED", "(NeedsMigrate)", "TRIGGERED"),
    ("PostgresMigration", "EVALUATING", "Unblocked", "EVALUATING"),
    ("PostgresMigration", "READY", "(NeedsMigrate)", "TRIGGERED"),
    ("PostgresMigration", "UPSERTING", "Unblocked", "UPSERTING"),
)
"""The composition unblocks only what is BLOCKED, so these can't be taken in it."""


@pytest.mark.thorough
def test_all_of_two_deployments_on_two_databases() -> None:
    """Every invariant holds in every state and step, every deployment ends, and all edges are taken but four.

    One test, since the walk takes seconds, and each worker of a parallel run would walk again.
    """
    report = explore.explore(deployments=2, databases=2)
    assert report.complete
    assert not report.violations, report.trace(report.violations[0])
    assert report.missing == NEVER
    assert len(report.edges) + len(NEVER) == sum(
        len({edge_ends(e) for e in m.edges}) for m in explore.MACHINES
    )
    first, covered, *missing = str(report).splitlines()
    assert first.startswith(f"2 deployments and 2 databases: {report.states} states, ")
    assert covered == f"{len(report.edges)} edges covered, 4 not:"
    assert missing[0] == "  PostgresMigration: EVALUATED --(NeedsMigrate)--> TRIGGERED"


def edge_ends(edge: Edge) -> tuple[str, str, str]:
    """Return an edge without its drawing."""
    return edge.source, edge.event or f"({edge.name})", edge.target


@pytest.mark.parametrize(("deployments", "databases"), [(0, 0), (1, 0), (1, 1), (2, 1), (3, 0)])
def test_nothing_is_violated_in_smaller_worlds(deployments: int, databases: int) -> None:
    """What holds for two and two holds where there is less of one and more of the other."""
    report = explore.explore(deployments, databases)
    assert report.complete
    assert not report.violations, report.trace(report.violations[0])


def test_a_limit_cuts_the_walk_short() -> None:
    """A walk that was cut short says so, and takes what it has not walked for no dead end."""
    report = explore.explore(1, 1, limit=20)
    assert (report.complete, report.violations) == (False, ())
    assert report.states >= 20
    assert ", cut short" in str(report)


def test_choosing_a_spec_late_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk that asks for waiting deployments in one way alone meets the same states as the one that asks in all."""

    def met(walk: Any) -> set[Any]:
        walk.run(None)
        return {(*key[:4], len(key[4]), *key[5:]) for key in walk.numbers}

    pruned = met(explore._Walk(3, choices.specs(0), reducer.reduce))
    monkeypatch.setattr(choices, "will_wait", _never)
    monkeypatch.setattr(explore, "in_turn", _nobody)
    assert met(explore._Walk(3, choices.specs(0), reducer.reduce)) == pruned


def _never(_: DeployerState) -> bool:
    return False


def _nobody(_: DeployerState, __: DeployerState) -> str:
    return ""
