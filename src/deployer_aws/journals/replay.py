"""Replay a stream's events, and verify that its head, which is a cache of them, agrees.

A segment is what one logic version has written. Only a segment of our own logic can be replayed; what an older logic
left is taken as it was found, which is what the checkpoint does that our logic's first append writes.
"""

from collections.abc import Iterable

from attrs import fields

from deployer_aws.ports import Head, Journal, JournalError, Recorded
from deployer_core.engine import messages, reducer
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent


def replay(journal: Journal, key: str) -> DeployerState:
    """Return the state that a stream's events give, from the last checkpoint on.

    The head is read only where older logic wrote last: then it is the answer. Raises JournalError where an event is
    missing, is refused, or was written by newer logic.
    """
    return _replayed(journal, key).state


def verify(journal: Journal, key: str) -> None:
    """Raise JournalError, with the version, where a stream's head is not what its events give."""
    while True:
        head = journal.head(key)
        replayed = _replayed(journal, key)
        if replayed == head:
            return
        if journal.head(key).version == head.version:
            break  # it did not move on while we looked
    advice = "The events are the truth: restore a backup, or ask for help with a copy of the journal"
    if replayed.version != head.version:
        raise JournalError(
            f"the head of {key} is at version {head.version}, its events end at {replayed.version}. {advice}"
        )
    names = [field.name for field in fields(DeployerState)]
    different = [n for n in names if getattr(head.state, n) != getattr(replayed.state, n)]
    raise JournalError(
        f"the head of {key} at version {head.version} is not what its events give: {', '.join(different)} "
        f"{'differs' if len(different) == 1 else 'differ'}. {advice}"
    )


def _replayed(journal: Journal, key: str) -> Head:
    rows = list(journal.events(key, from_checkpoint=True))
    if rows and rows[-1].logic < reducer.LOGIC:
        return Head(journal.head(key).state, rows[-1].version)
    return _folded(rows, key)


def _folded(rows: Iterable[Recorded], key: str) -> Head:
    state, version = INITIAL, 0
    for row in rows:
        if row.logic != reducer.LOGIC:
            raise JournalError(
                f"version {row.version} of {key} was written by logic {row.logic}, and this version of the deployer "
                f"has logic {reducer.LOGIC}. Replay it with the version that wrote it"
            )
        if row.checkpoint is not None:
            state, version = row.checkpoint, row.version
            continue
        if row.version != version + 1:
            raise JournalError(f"version {version + 1} of {key} is missing. Restore a backup")
        assert row.event is not None
        state, version = (
            _reduced(state, row.event, f"the event of {key} at version {row.version}"),
            row.version,
        )
    return Head(state, version)


def _reduced(state: DeployerState, event: messages.Event, what: str) -> DeployerState:
    try:
        return reducer.reduce(state, event)[0]
    except IllegalEvent as refusal:
        raise JournalError(f"{what} is refused: {refusal}. Restore a backup") from refusal
