"""What a person sees of an error, and of no command."""

import logging

import click
import pytest

from deployer_aws.cli._errors import report_error
from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._logging import logged_on
from deployer_aws.cli._screen import Screen
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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (click.ClickException("no such thing"), "deployer: no such thing"),
        (
            OSError(28, "No space left on device"),
            "No space left on device. What was journaled stays: 'deployer",
        ),
    ],
    ids=["of-click", "of-the-machine"],
)
def test_what_a_person_can_put_right_is_no_internal_error(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of bad input, and what was journaled is not lost."""
    assert report_error(error) is ExitCode.BAD
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("wanted", [True, False])
def test_the_traceback_of_what_is_logged_is_for_those_who_ask(
    wanted: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others see one line; what is of no interest is not shown at all."""
    monkeypatch.setenv("DEPLOYER_TRACEBACK", "1" if wanted else "")
    log = logging.getLogger("deployer.runner")
    with logged_on(Screen()):
        log.info("all is well")
        try:
            raise RuntimeError("a slip")
        except RuntimeError:
            log.exception("one look failed")
    said = capsys.readouterr().err
    assert said.startswith("warning: one look failed\n")
    assert ("RuntimeError: a slip" in said) is wanted
    assert "all is well" not in said
