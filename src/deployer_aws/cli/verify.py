"""Replay the journal and check it."""

from pathlib import Path

from attrs import asdict, frozen

from deployer_aws.cli._exit import Exit
from deployer_aws.cli._journal import existing_journal, known_stack
from deployer_aws.cli._options import journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.journals.replay import verify as verify_stream
from deployer_aws.ports import Journal, JournalError


@frozen
class Result:
    """What a replay of one stream has shown; `problem` is empty where it agrees."""

    stack: str
    events: int
    agrees: bool
    problem: str


@command("deployer verify", "deployer verify staging/orders")
@stack_argument(required=False)
@journal_option
@json_option
def verify(stack: str | None, journal: Path, as_json: bool) -> Exit:
    """Replay the journal, of all stacks or of one STACK, and compare what comes of it with the states that it keeps."""
    screen = Screen()
    with existing_journal(journal) as opened:
        streams = opened.streams()
        keys = [known_stack(streams, stack, journal)] if stack else streams
        results = [_verify(opened, key) for key in keys]
    if as_json:
        screen.data({"stacks": [asdict(result) for result in results]})
    else:
        for result in results:
            agrees = f"{result.stack}: {result.events} events give the state that is kept"
            screen.say(agrees if result.agrees else result.problem)
    return Exit.DONE if all(result.agrees for result in results) else Exit.FAILED


def _verify(journal: Journal, key: str) -> Result:
    try:
        verify_stream(journal, key)
        return Result(key, journal.head(key).version, True, "")
    except JournalError as error:
        return Result(key, 0, False, str(error))
