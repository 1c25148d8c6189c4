"""The part of the journals' contract that is about logic versions, replaying and verifying."""

import threading
from contextlib import closing

import pytest
from attrs import evolve

from deployer_aws.journals.replay import replay, verify
from deployer_aws.ports import Entry, Head, Journal, JournalError
from deployer_aws.testing.streams import append, entry, fold, good_path, request
from deployer_core.engine import reducer, routing
from deployer_core.engine.messages import Attempted, Event, Terminated
from tests.support.contention import KEY, OTHER, Opener, attempt


class LogicContract:
    """The laws of replaying."""

    # Logic versions

    def test_newer_logic_leaves_a_checkpoint(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first append of a newer logic to a stream writes down the state that it found; the next ones don't."""
        events = good_path()
        found = append(journal, KEY, *events[:4])
        monkeypatch.setattr(reducer, "LOGIC", reducer.LOGIC + 1)
        append(journal, KEY, *events[4:6])
        rows = [(row.version, row.logic, row.event, row.checkpoint) for row in journal.events(KEY)]
        old, new = reducer.LOGIC - 1, reducer.LOGIC
        assert rows == [
            *((number, old, event, None) for number, event in enumerate(events[:4], 1)),
            (4, new, None, found.state),
            (5, new, events[4], None),
            (6, new, events[5], None),
        ]
        assert [row.version for row in journal.events(KEY, from_checkpoint=True)] == [4, 5, 6]
        later = [(row.version, row.checkpoint is not None) for row in journal.events(KEY, after=4)]
        assert later == [(4, True), (5, False), (6, False)]
        assert [row.version for row in journal.events(KEY, after=5, from_checkpoint=True)] == [6]
        assert replay(journal, KEY) == fold(events[:6])
        verify(journal, KEY)

    def test_a_new_stream_has_no_checkpoint(self, journal: Journal) -> None:
        """Where no older logic wrote there is nothing to hold on to, and a replay starts with the first event."""
        append(journal, KEY, *good_path()[:3])
        rows = list(journal.events(KEY, from_checkpoint=True))
        assert [row.version for row in rows] == [1, 2, 3]
        assert all(row.checkpoint is None for row in rows)

    def test_a_state_that_newer_logic_would_not_reach_is_kept(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
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

    def test_what_newer_logic_wrote_is_left_alone(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A head of newer logic is neither read nor replaced, and the error says to upgrade; other streams go on."""
        monkeypatch.setattr(reducer, "LOGIC", reducer.LOGIC + 1)
        head = append(journal, KEY, request())
        monkeypatch.undo()
        for use in (
            lambda: journal.head(KEY),
            lambda: journal.append([entry(KEY, head, Attempted(1, 1, 2.0))]),
            lambda: verify(journal, KEY),
        ):
            with pytest.raises(JournalError, match=r"Upgrade the deployer"):
                use()
        with pytest.raises(JournalError, match="written by logic"):
            replay(journal, KEY)
        assert [row.event for row in journal.events(KEY)] == [request()]
        append(journal, OTHER, request())

    # Verifying

    @pytest.mark.parametrize(
        ("head", "named"),
        [
            (evolve(fold([request()]), next_command=9), "next_command differs"),
            (evolve(fold([request()]), next_command=9, known=()), "next_command, known differ"),
        ],
    )
    def test_a_head_that_its_events_do_not_give_is_found(
        self, journal: Journal, head: routing.DeployerState, named: str
    ) -> None:
        """The error names the stream, the version, and what is different."""
        journal.append([Entry(KEY, Head(), request(), head)])
        with pytest.raises(JournalError, match=rf"head of {KEY} at version 1 .*{named}"):
            verify(journal, KEY)

    def test_an_event_that_is_refused_is_found(self, journal: Journal) -> None:
        """A replay that meets an event which no state of ours takes names its version."""
        events: list[Event] = [request(), Terminated("nobody", "me", 2.0)]
        state = fold([request()])
        for version, event in enumerate(events):
            journal.append([Entry(KEY, Head(state if version else routing.INITIAL, version), event, state)])
        with pytest.raises(JournalError, match=r"at version 2 is refused.*never requested"):
            replay(journal, KEY)

    def test_verifying_waits_for_nobody(self, opener: Opener) -> None:
        """While somebody else appends, a whole stream is never taken for a broken one."""
        with closing(opener()) as journal:
            append(journal, KEY, request())
            stop = threading.Event()

            def appending() -> None:
                with closing(opener()) as other:
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
