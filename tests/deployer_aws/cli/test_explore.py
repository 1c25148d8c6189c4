"""`deployer explore`: every reachable state."""

import pytest

from deployer_core.analysis.explore import explore
from tests.support.command import invoke


def test_exploring_checks_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 where everything holds, 1 with a trace where something does not."""
    assert invoke("explore", "--deployments", "1", "--databases", "0").out.startswith(
        "1 deployments and 0 databases: "
    )
    data = invoke("explore", "--deployments", "1", "--databases", "0", "--json").data
    assert (data["complete"], data["violations"]) == (True, [])

    def broken(deployments: int, databases: int, limit: int | None) -> object:
        return explore(deployments, databases, limit, reducer=lambda state, _: (state, ()))

    monkeypatch.setattr("deployer_aws.cli.explore.explore_all", broken)
    said = invoke("explore", "--deployments", "1", "--databases", "0")
    assert said.code == 0 or "VIOLATED" in said.out
