"""Replay the journal and check it."""

from contextlib import closing
from pathlib import Path
from typing import Any

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._options import journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.journals.replay import verify as verify_stream
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Journal, JournalError


@command("deployer verify", "deployer verify staging/orders")
@stack_argument(required=False)
@journal_option
@json_option
def verify(stack: str | None, journal: Path, as_json: bool) -> ExitCode:
    """Replay the journal, of all stacks or of one STACK, and compare what comes of it with the states that it keeps."""
    screen = Screen()
    with closing(SqliteJournal(journal, create=False)) as opened:
        results = [_verify(opened, key) for key in known_stacks(opened, stack, journal)]
    if as_json:
        screen.data({"stacks": results})
    else:
        for result in results:
            agrees = f"{result['stack']}: {result['events']} events give the state that is kept"
            screen.say(result["problem"] or agrees)
    return ExitCode.DONE if all(result["agrees"] for result in results) else ExitCode.FAILED


def _verify(journal: Journal, key: str) -> dict[str, Any]:
    """Return what a replay of one stream shows; `problem` is empty where it agrees."""
    try:
        verify_stream(journal, key)
        return {"stack": key, "events": journal.head(key).version, "agrees": True, "problem": ""}
    except JournalError as error:
        return {"stack": key, "events": 0, "agrees": False, "problem": str(error)}
