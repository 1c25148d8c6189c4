"""`deployer terminate`: an operator ends a deployment."""

import getpass

import pytest

from deployer_aws.cli import _operator
from tests.support.command import KEY, Deployer, invoke


def test_terminate_ends_what_runs_and_what_waits(deployer: Deployer) -> None:
    """What runs breaks the stack; what waits leaves the queue; the name of who said so is kept."""
    deployer.half_way(events=17, name="one")
    deployer.half_way("v2", events=1, name="two")
    waiting = deployer("terminate", KEY, "two", "--by", "ann")
    assert (waiting.code, waiting.out.splitlines()[0]) == (0, "staging/orders  CREATING")
    running = deployer("terminate", KEY, "one", "--by", "ann")
    assert running.out.splitlines()[0] == "staging/orders  BROKEN"
    assert "Tasks to be stopped: 1." in running.out
    assert f"deployer resume staging/orders --journal {deployer.journal}" in running.out
    history = deployer("history", KEY).out
    assert "FAILED (TERMINATED)  QUEUED: terminated by ann, while it waited for its turn" in history
    assert "DB_MIGRATING: terminated by ann" in history
    assert deployer("resume").code == 0
    assert deployer("repair", KEY, "--json").data["stack_state"] == "AVAILABLE"


def test_terminate_needs_a_deployment() -> None:
    """Usage: one line, with where to look."""
    said = invoke("terminate", KEY)
    assert said.code == 2
    assert said.err == "deployer: Missing argument 'DEPLOYMENT'. Try 'deployer terminate --help'.\n"


def test_who_asks_is_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nobody in particular, where the machine does not know."""
    monkeypatch.setenv("LOGNAME", "ann")
    assert _operator.operator() == "ann"

    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert _operator.operator() == "an operator"
