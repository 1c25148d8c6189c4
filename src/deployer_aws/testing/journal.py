"""What every journal must do. `ports.Journal` says what each method is for; here is what a runner relies on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeAlias

import pytest
from attrs import evolve
from hypothesis import HealthCheck, example, given, settings

from deployer_aws.journals.replay import replay, verify
from deployer_aws.ports import (
    Account,
    Binding,
    Conflict,
    Entry,
    Head,
    Journal,
    JournalError,
    LeaseRow,
    Properties,
)
from deployer_aws.testing import streams
from deployer_aws.testing.streams import KEY, OTHER, append, entry, fold, good_path, request
from deployer_core.engine import reducer
from deployer_core.engine.messages import Attempted, Event, Notice, Terminated
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.testing import values

Opener: TypeAlias = Callable[[], Journal]
"""Opens the same journal each time."""
THREADS, APPENDS = 3, 12
_SUPPRESSED = (
    HealthCheck.function_scoped_fixture,
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.differing_executors,  # each journal has a test class of its own, which inherits the law
)


class JournalContract:
    """The laws of journals. `opener` opens one and the same journal each time, an empty one for each test."""

    @pytest.fixture
    def opener(self) -> Opener:
        """Override it."""
        raise NotImplementedError

    @pytest.fixture
    def journal(self, opener: Opener) -> Iterator[Journal]:
        """Open the journal."""
        with closing(opener()) as journal:
            yield journal

    # Streams

    def test_an_empty_journal_has_nothing(self, journal: Journal) -> None:
        """A stream that nobody wrote to has the head of version 0, no event and no lease."""
        assert streams.everything(journal, KEY) == [[], [], [(Head(), [], None)]]
        assert replay(journal, KEY) == INITIAL
        verify(journal, KEY)

    def test_events_come_back_in_order(self, journal: Journal) -> None:
        """What was appended after a version is read as it was, oldest first, with dense versions and their logic."""
        events = good_path()
        append(journal, KEY, *events)
        for known in (0, 1, len(events) - 1, len(events), len(events) + 1):
            rows = list(journal.events(KEY, after=known))
            assert [row.event for row in rows] == events[known:]
            assert [row.version for row in rows] == list(range(known + 1, len(events) + 1))
            assert all((row.logic, row.checkpoint) == (reducer.LOGIC, None) for row in rows)
        assert list(journal.events(KEY, from_checkpoint=True)) == list(journal.events(KEY))

    def test_a_long_stream_is_read_whole(self, journal: Journal) -> None:
        """Reading does not end at whatever a backend reads at a time, and an early end of the reader harms nothing."""
        head = append(journal, KEY, request())
        done: list[Entry] = []
        for number in range(1, 700):
            done.append(entry(KEY, head, Attempted(1, number, 2.0)))
            head = streams.after(done[-1])
            journal.append(done[-1:])
        assert [row.version for row in journal.events(KEY)] == list(range(1, 701))
        assert next(journal.events(KEY)).version == 1
        verify(journal, KEY)

    @settings(max_examples=15, deadline=None, suppress_health_check=_SUPPRESSED)
    @example(Terminated("d-1", "'\"; DROP TABLE events --\x00\x1f\U0001f512\u2028é", 2.0), INITIAL)
    @given(event=values(Event), state=values(DeployerState))
    def test_any_event_and_state_are_kept(self, journal: Journal, event: Event, state: DeployerState) -> None:
        """Whatever they hold, they come back equal, and with the hash that they had."""
        key = f"a'b/\U0001f512{len(journal.streams())}"
        journal.append([Entry(key, Head(), event, state)])
        (row,) = journal.events(key)
        assert (row.event, hash(row.event)) == (event, hash(event))
        assert journal.head(key) == Head(state, 1)
        assert (key in journal.streams(pending_only=True)) == bool(state.pending)

    def test_all_survives_closing_and_opening(self, opener: Opener) -> None:
        """Nothing that was told to a journal is in the memory of a process alone."""
        with closing(opener()) as journal:
            append(journal, KEY, *good_path(), request("d-2"))
            append(journal, OTHER, request())
            journal.compare_and_set_lease(KEY, "me", None)
            before = streams.everything(journal, KEY, OTHER)
        with closing(opener()) as journal:
            assert streams.everything(journal, KEY, OTHER) == before
            assert journal.blob(streams.sha256(streams.TEMPLATE)) == streams.TEMPLATE

    def test_streams_keep_apart(self, journal: Journal) -> None:
        """Each stream has versions and a head of its own, and names are told apart exactly."""
        for key in (KEY, OTHER, "prod/orders2", "PROD/orders"):
            append(journal, key, request(f"of-{len(key)}"))
        assert [journal.head(key).version for key in journal.streams()] == [1, 1, 1, 1]
        assert journal.streams() == ["PROD/orders", "prod/orders", "prod/orders2", OTHER]
        assert [row.event for row in journal.events(KEY)] == [request("of-11")]

    def test_what_is_pending_is_found(self, journal: Journal) -> None:
        """A runner finds the streams that have something to do, and only those."""
        append(journal, "prod/done", *good_path())
        append(journal, "prod/open", *good_path()[:5])
        assert journal.streams() == ["prod/done", "prod/open"]
        assert journal.streams(pending_only=True) == ["prod/open"]
        append(journal, "prod/open", *good_path()[5:])
        append(journal, "prod/done", request("d-2"))
        assert journal.streams(pending_only=True) == ["prod/done"]

    def test_a_head_seen_by_another_is_the_newest(self, opener: Opener) -> None:
        """What a journal remembers of a head does not hide what somebody else appended."""
        with closing(opener()) as one, closing(opener()) as two:
            for event in good_path():
                append(one, KEY, event)
                assert two.head(KEY) == one.head(KEY)
                assert two.head(KEY) == one.head(KEY)

    def test_a_large_state_is_kept(self, opener: Opener) -> None:
        """A head of two megabytes comes back equal."""
        known = tuple((f"deployment-{number:06}", "0123456789abcdef") for number in range(50_000))
        state = evolve(fold([request()]), known=known)
        with closing(opener()) as journal:
            journal.append([Entry(KEY, Head(), request(), state)])
        with closing(opener()) as journal:
            assert journal.head(KEY) == Head(state, 1)

    # All or nothing

    @pytest.mark.parametrize(("versions", "version"), [(0, 1), (3, 0), (3, 2), (3, 4), (3, 5)])
    def test_a_wrong_version_writes_nothing(self, journal: Journal, versions: int, version: int) -> None:
        """An entry reduced from another head than the newest is a conflict: no event, head, notice, text is written."""
        append(journal, KEY, *good_path()[:versions])
        before = streams.everything(journal, KEY)
        stale = Head(fold(good_path()[:3]), version)
        text = "a text"
        wrong = evolve(entry(KEY, stale, Terminated("d-1", "me", 9.0)), blobs={streams.sha256(text): text})
        assert wrong.notices
        with pytest.raises(Conflict, match=KEY):
            journal.append([wrong])
        assert streams.everything(journal, KEY) == before
        with pytest.raises(JournalError):
            journal.blob(streams.sha256(text))

    def test_an_append_of_many_is_all_or_nothing(self, journal: Journal) -> None:
        """One conflict among entries of many streams takes all of them back, those before it too."""
        append(journal, KEY, request())
        keys = ["a/first", KEY, "z/last"]
        with pytest.raises(Conflict, match=KEY):
            journal.append([entry(key, Head(), request()) for key in keys])
        assert journal.streams() == [KEY]
        journal.append([entry(key, journal.head(key), request("d-2")) for key in keys])
        assert [journal.head(key).version for key in keys] == [1, 2, 1]
        for key in keys:
            verify(journal, key)

    def test_one_append_takes_one_entry_a_stream(self, journal: Journal) -> None:
        """Two entries of one stream are refused, whatever their versions are, and nothing is written."""
        first = entry(KEY, Head(), request())
        with pytest.raises(ValueError, match="one entry a stream"):
            journal.append([first, entry(KEY, streams.after(first), Terminated("d-1", "me", 2.0))])
        assert journal.streams() == []

    def test_an_append_of_nothing_is_nothing(self, journal: Journal) -> None:
        """No entries, no change."""
        journal.append([])
        assert journal.streams() == []

    def test_what_cannot_be_written_is_not(self, journal: Journal) -> None:
        """An event that has no form on the wire leaves the journal as it was, other entries included."""
        bad = entry(KEY, streams.after(entry(KEY, Head(), request())), Terminated("d-1", "me", float("nan")))
        with pytest.raises(ValueError, match="finite"):
            journal.append([entry(OTHER, Head(), request()), bad])
        assert journal.streams() == []

    # Texts

    def test_a_text_is_found_by_its_digest(self, journal: Journal) -> None:
        """A text is kept with the event that needs it, once, and read as it was, line ends and NUL included."""
        text = "a: 1\r\nb: ü\x00\n"
        blobs = {streams.sha256(text): text, streams.sha256(""): ""}
        for key in (KEY, OTHER):
            journal.append([evolve(entry(key, Head(), request()), blobs=blobs)])
        assert {digest: journal.blob(digest) for digest in blobs} == blobs

    def test_a_text_under_a_wrong_digest_is_refused(self, journal: Journal) -> None:
        """The journal looks for itself: a name that is not the text's SHA-256 writes nothing."""
        with pytest.raises(ValueError, match="SHA-256"):
            journal.append([evolve(entry(KEY, Head(), request()), blobs={"0" * 64: "a text"})])
        assert journal.streams() == []

    def test_a_text_that_is_not_there_is_an_error(self, journal: Journal) -> None:
        """A digest that nobody wrote is no empty text."""
        with pytest.raises(JournalError, match="0" * 64):
            journal.blob("0" * 64)

    # Properties

    def test_bindings_are_kept_with_the_request(self, opener: Opener) -> None:
        """A stream is bound for good to each stack's name that it was deployed by: once each, oldest first."""
        here, there = (Account("111111111111", "eu-west-1", url) for url in ("", "http://localhost:4566"))
        bindings = [Binding(here, name) for name in ("z", "a", "z")]
        with closing(opener()) as journal:
            assert journal.bindings(KEY) == ()
            for number, binding in enumerate(bindings):
                one = entry(KEY, journal.head(KEY), request(f"d-{number}"))
                journal.append([evolve(one, properties=Properties(binding=binding))])
            other = evolve(
                entry(OTHER, Head(), request()), properties=Properties(binding=Binding(there, "z"))
            )
            journal.append([other])
        with closing(opener()) as journal:
            assert journal.bindings(KEY) == tuple(bindings[:2])
            assert journal.bindings(OTHER) == (Binding(there, "z"),)
            assert journal.bound_streams(bindings[0]) == journal.bound_streams(bindings[1]) == [KEY]
            assert journal.bound_streams(Binding(there, "z")) == [OTHER]
            assert journal.bound_streams(Binding(here, "another")) == []
            assert not journal.is_simulated()

    def test_properties_of_a_conflict_are_not_written(self, journal: Journal) -> None:
        """They are of the same transaction as the event."""
        append(journal, KEY, request())
        binding = Binding(Account("111111111111", "eu-west-1"), "prod-orders")
        stale = evolve(entry(KEY, Head(), request("d-2")), properties=Properties(True, binding))
        with pytest.raises(Conflict):
            journal.append([stale])
        assert (journal.bindings(KEY), journal.bound_streams(binding)) == ((), [])
        assert not journal.is_simulated()

    def test_a_simulated_journal_is_so_as_a_whole(self, opener: Opener) -> None:
        """One request says it, for every process and for good."""
        with closing(opener()) as journal:
            assert not journal.is_simulated()
            journal.append([evolve(entry(KEY, Head(), request()), properties=Properties(simulated=True))])
            append(journal, OTHER, request())
        with closing(opener()) as journal:
            assert journal.is_simulated()
            assert journal.bindings(KEY) == journal.bindings(OTHER) == ()

    # Notices

    def test_notices_are_due_until_they_are_delivered(self, opener: Opener) -> None:
        """Each notice is given, oldest first, until it is marked; a mark is for good, and twice is as once."""
        with closing(opener()) as journal:
            append(journal, KEY, *good_path())
            append(journal, OTHER, request(), Terminated("d-1", "me", 3.0))
            due = journal.notices()
            assert [(key, n.outcome) for _, key, n in due] == [(KEY, "DONE"), (OTHER, "FAILED")]
            assert all(isinstance(notice, Notice) for _, _, notice in due)
            journal.delivered(due[0][0])
            journal.delivered(due[0][0])
            assert journal.notices() == due[1:]
        with closing(opener()) as journal:
            assert journal.notices() == due[1:]
            journal.delivered(due[1][0])
            assert journal.notices() == []

    def test_a_mark_is_for_one_notice_alone(self, journal: Journal) -> None:
        """The number of a delivered notice is never that of a later one."""
        append(journal, KEY, request(), Terminated("d-1", "me", 2.0))
        (old,) = journal.notices()
        journal.delivered(old[0])
        append(journal, OTHER, request(), Terminated("d-1", "me", 2.0))
        journal.delivered(old[0])
        assert [key for _, key, _ in journal.notices()] == [OTHER]

    # Leases

    def test_a_lease_is_taken_renewed_and_given_back(self, journal: Journal) -> None:
        """Its generation rises with each; a stream may have a lease before it has an event."""
        taken = journal.compare_and_set_lease(KEY, "one", None)
        assert taken is not None
        assert taken == journal.lease(KEY) == LeaseRow("one", taken.generation)
        renewed = journal.compare_and_set_lease(KEY, "one", taken)
        assert renewed is not None
        assert renewed.generation > taken.generation
        free = journal.compare_and_set_lease(KEY, "", renewed)
        assert free is not None
        assert free == journal.lease(KEY) == LeaseRow("", free.generation)
        assert journal.compare_and_set_lease(KEY, "two", free) == journal.lease(KEY)
        assert journal.lease(OTHER) is None

    def test_a_lease_that_is_not_as_expected_stays_as_it_is(self, journal: Journal) -> None:
        """A lease that has moved on, or was taken meanwhile, is not taken, and stays as it is."""
        seen = journal.compare_and_set_lease(KEY, "one", None)
        now = journal.compare_and_set_lease(KEY, "one", seen)
        assert now is not None
        for stale in (None, seen, LeaseRow("two", now.generation), LeaseRow("one", now.generation + 1)):
            assert journal.compare_and_set_lease(KEY, "two", stale) is None
        assert journal.compare_and_set_lease(OTHER, "two", seen) is None
        assert journal.lease(KEY) == now

    def test_many_leases_are_renewed_at_once(self, journal: Journal) -> None:
        """Those that still stand as seen rise; what has moved on, or never was, is left out and stays as it is."""
        mine, moved = (journal.compare_and_set_lease(key, "one", None) for key in (KEY, OTHER))
        assert mine is not None
        assert moved is not None
        theirs = journal.compare_and_set_lease(OTHER, "two", moved)
        renewed = journal.renew("one", {KEY: mine, OTHER: moved, "prod/none": mine})
        assert renewed == {KEY: journal.lease(KEY)}
        assert renewed[KEY].owner == "one"
        assert renewed[KEY].generation > mine.generation
        assert journal.lease(OTHER) == theirs
        assert journal.lease("prod/none") is None
        assert journal.renew("one", {}) == {}

    def test_one_of_many_gets_the_lease(self, opener: Opener) -> None:
        """Of runners that acquire a free lease at the same moment one has it."""
        start, won = threading.Barrier(4), list[LeaseRow | None]()

        def acquire(owner: str) -> None:
            with closing(opener()) as journal:
                start.wait()
                won.append(journal.compare_and_set_lease(KEY, owner, None))

        with closing(opener()) as journal:
            _together(*[lambda owner=owner: acquire(owner) for owner in "abcd"])
            assert [row for row in won if row] == [journal.lease(KEY)]

    # Many at once

    @pytest.mark.parametrize("shared", [False, True])
    def test_threads_lose_no_update(self, opener: Opener, shared: bool) -> None:
        """Several threads append to a stream, by an object of their own or a shared one: each append stands once."""
        with closing(opener()) as journal:
            append(journal, KEY, request())

            def attempt_often() -> None:
                own = journal if shared else opener()
                for _ in range(APPENDS):
                    streams.attempt(own, KEY)
                if not shared:
                    own.close()

            _together(*[attempt_often] * THREADS)
            streams.check_attempts(journal, THREADS * APPENDS)

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


def _together(*jobs: Callable[[], None]) -> None:
    """Do all at the same time; raise what one of them raises."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()
