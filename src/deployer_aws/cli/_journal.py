"""Reading a journal from the command line."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployer_aws.cli._exit import BadInput
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Journal


@contextmanager
def existing_journal(path: Path) -> Generator[Journal]:
    """Open a journal for reading, and close it. Raises JournalError where there is none."""
    journal = SqliteJournal(path, create=False)
    try:
        yield journal
    finally:
        journal.close()


def known_stack(streams: Sequence[str], stack: str, journal: Path) -> str:
    """Return the stack's name if it is one of the journal's streams. Raises BadInput."""
    if stack not in streams:
        knows = f"it knows {', '.join(streams)}" if streams else "nothing was deployed yet"
        raise BadInput(
            f"the journal {journal} has no stack {stack!r:.80}: {knows}. A stack is named environment/application"
        )
    return stack
