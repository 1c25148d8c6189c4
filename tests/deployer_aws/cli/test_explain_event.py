"""`deployer explain-event`: any event, from a file or from standard input."""

import json
from pathlib import Path

import pytest

from tests.deployer_aws.events import (
    container,
    lambda_batch,
    sns_notification,
    sqs_message,
    stack_event,
    stopped,
)
from tests.support.command import invoke


def test_an_event_in_a_file_is_explained(tmp_path: Path) -> None:
    """The answer is one JSON document, and nothing is said besides."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(stopped(container("migrate", "STOPPED", 2))))
    said = invoke("explain-event", path)
    assert (said.code, said.err) == (0, "")
    assert said.data["kind"] == "task-state"
    assert said.data["exit_codes"] == {"migrate": 2}
    assert said.data["final"] is True


@pytest.mark.parametrize("wrap", [sqs_message, lambda_batch, sns_notification])
def test_an_event_in_an_envelope_is_explained(wrap: object, tmp_path: Path) -> None:
    """What `aws sqs receive-message` prints, or Lambda and SNS deliver, may be given as it is."""
    path = tmp_path / "event.json"
    assert callable(wrap)
    path.write_text(json.dumps(wrap(stack_event("ROLLBACK_COMPLETE"))))
    said = invoke("explain-event", path)
    assert (said.data["kind"], said.data["lifecycle"]) == ("stack-status", "EMPTY_SHELL")


def test_an_ignored_event_is_no_error(tmp_path: Path) -> None:
    """Whatever is JSON is explained."""
    path = tmp_path / "event.json"
    path.write_text("[1, 2]")
    said = invoke("explain-event", path)
    assert said.code == 0
    assert said.data["kind"] == "ignored"
    assert said.data["why"] == "it is no JSON object"


def test_what_is_no_json_is_bad_input(tmp_path: Path) -> None:
    """The message names the file and the fault."""
    path = tmp_path / "event.json"
    path.write_text("hello")
    said = invoke("explain-event", path)
    assert (said.code, said.out) == (2, "")
    assert "event.json: this is no JSON" in said.err


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    """As for every command."""
    said = invoke("explain-event", tmp_path / "none.json")
    assert said.code == 2
    assert "No such file" in said.err
