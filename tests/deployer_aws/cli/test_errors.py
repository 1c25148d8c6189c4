"""What a person sees of an error, and of no command."""

import pytest

from tests.support.command import EXAMPLE, SCRIPT, Deployer, invoke


def test_an_internal_error_is_no_traceback(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, and a code of its own, so that nobody tries for ever. A variable shows the traceback."""

    def fail(*_: object) -> None:
        raise RuntimeError("a slip")

    monkeypatch.setattr("deployer_aws.cli._interactive.summarise_stack", fail)
    said = deployer.run()
    assert said.code == 70
    assert "internal error, please report it: RuntimeError: a slip" in said.err
    assert "Traceback" not in said.err
    assert (
        "Traceback"
        in deployer("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, env={"DEPLOYER_TRACEBACK": "1"}).err
    )


def test_no_command_shows_what_there_is() -> None:
    """On stderr, with exit code 2."""
    said = invoke()
    assert said.code == 2
    assert "Commands:" in said.err
    assert invoke("--version").out.startswith("deployer, version")
