"""Replaying and verifying: what they find, in streams that went anywhere, and while others append."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer_aws.journals import SqliteJournal
from deployer_aws.journals.replay import replay, verify
from deployer_aws.ports import Entry, Head, JournalError
from deployer_aws.testing.streams import KEY, append, attempt, fold, request
from deployer_core.engine import reducer
from deployer_core.engine.messages import Attempted, Event, Terminated
from deployer_core.engine.state import INITIAL, DeployerState
from tests.support.streams import walk


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(choices=st.lists(st.integers(0, 50), max_size=20))
def test_any_stream_folds_to_its_head(journal: SqliteJournal, choices: list[int]) -> None:
    """Whatever the world answered: events come back equal, and the head is what they give."""
    events = walk(choices)
    key = f"any/{len(journal.streams())}"
    append(journal, key, *events)
    assert [row.event for row in journal.events(key)] == events
    assert journal.head(key) == Head(fold(events), len(events))
    assert replay(journal, key) == fold(events)
    verify(journal, key)


def test_a_state_that_newer_logic_would_not_reach_is_kept(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What older logic came to stands, though the newer would come to something else: in the head, in a replay."""
    strange = evolve(fold([request()]), next_command=77)
    journal.append([Entry(KEY, Head(), request(), strange)])
    monkeypatch.setattr(reducer, "LOGIC", reducer.LOGIC + 1)
    assert replay(journal, KEY) == strange
    verify(journal, KEY)
    append(journal, KEY, Attempted(1, 1, 2.0))
    assert replay(journal, KEY).next_command == 77
    verify(journal, KEY)
    monkeypatch.setattr(reducer, "LOGIC", reducer.LOGIC + 1)
    append(journal, KEY, Attempted(1, 2, 3.0))
    assert [row.version for row in journal.events(KEY, from_checkpoint=True)] == [2, 3]
    verify(journal, KEY)


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (evolve(fold([request()]), next_command=9), "next_command differs"),
        (evolve(fold([request()]), next_command=9, known=()), "next_command, known differ"),
    ],
)
def test_a_head_that_its_events_do_not_give_is_found(
    journal: SqliteJournal, head: DeployerState, named: str
) -> None:
    """The error names the stream, the version, and what is different."""
    journal.append([Entry(KEY, Head(), request(), head)])
    with pytest.raises(JournalError, match=rf"head of {KEY} at version 1 .*{named}"):
        verify(journal, KEY)


def test_an_event_that_is_refused_is_found(journal: SqliteJournal) -> None:
    """A replay that meets an event which no state of ours takes names its version."""
    events: list[Event] = [request(), Terminated("nobody", "me", 2.0)]
    state = fold([request()])
    for version, event in enumerate(events):
        journal.append([Entry(KEY, Head(state if version else INITIAL, version), event, state)])
    with pytest.raises(JournalError, match=r"at version 2 is refused.*never requested"):
        replay(journal, KEY)


def test_verifying_waits_for_nobody(path: Path) -> None:
    """While somebody else appends, a whole stream is never taken for a broken one."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())
        stop = threading.Event()

        def appending() -> None:
            with closing(SqliteJournal(path)) as other:
                while not stop.is_set():
                    attempt(other, KEY)

        thread = threading.Thread(target=appending)
        thread.start()
        try:
            for _ in range(10):
                verify(journal, KEY)
        finally:
            stop.set()
            thread.join()
