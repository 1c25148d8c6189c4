"""`deployer explore`: every reachable state."""

import signal
from typing import Any

import pytest

from deployer_aws.cli import explore as command
from deployer_core.analysis.explore import explore
from tests.support.command import invoke

SMALL = ("explore", "--deployments", "1", "--databases", "0")


def test_exploring_checks_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 where everything holds, 1 with a trace where something does not."""
    assert invoke(*SMALL, "--workers", "1").out.startswith("1 deployments and 0 databases: ")
    data = invoke(*SMALL, "--workers", "1", "--json").data
    assert (data["complete"], data["violations"]) == (True, [])

    def broken(deployments: int, databases: int, limit: int | None, **_: Any) -> object:
        return explore(deployments, databases, limit, reducer=lambda state, _: (state, ()))

    monkeypatch.setattr("deployer_aws.cli.explore.explore_all", broken)
    said = invoke(*SMALL, "--workers", "1")
    assert said.code == 0 or "VIOLATED" in said.out


def test_two_processes_report_what_one_does() -> None:
    """The report is the same for any number of workers, however far the walk goes."""
    for cut in ((), ("--limit", "500")):
        alone, together = (invoke(*SMALL, *cut, "--workers", many) for many in "12")
        assert (alone.code, alone.out) == (together.code, together.out)


def test_out_of_time_it_reports_what_it_has() -> None:
    """No seconds are no states, and the report says that it was cut short."""
    said = invoke(*SMALL, "--seconds", "0", "--workers", "1")
    assert said.code == 0
    assert said.out.startswith("1 deployments and 0 databases, cut short: 1 states, ")


def test_it_says_how_far_it_is_and_ends_when_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told on stderr; after Ctrl-C comes the report of what was found so far."""
    monkeypatch.setattr(command, "EVERY", 0.0)
    monkeypatch.setattr("deployer_aws.cli._screen.Screen.note", _interrupt)
    said = invoke(*SMALL, "--workers", "1")
    assert "states met so far expanded" in TOLD[0]
    assert said.out.startswith("1 deployments and 0 databases, cut short: ")


TOLD: list[str] = []


def _interrupt(_: Any, text: str) -> None:
    TOLD.append(text)
    signal.raise_signal(signal.SIGINT)
