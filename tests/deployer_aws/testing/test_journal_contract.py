"""The contract of journals finds what a journal does wrong. That a journal in order passes it: ../journals."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve

from deployer_aws.journals import SqliteJournal
from deployer_aws.ports import Binding, Entry, LeaseRow, Recorded
from deployer_aws.testing import JournalContract
from deployer_core.engine import reducer
from deployer_core.engine.messages import Notice


class LastWins(SqliteJournal):
    """Appends whatever the head is by now."""

    def append(self, entries: Sequence[Entry]) -> None:
        super().append([evolve(entry, before=self.head(entry.key)) for entry in entries])


class OneByOne(SqliteJournal):
    """Appends each entry in a transaction of its own."""

    def append(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            super().append([entry])


class Unversioned(SqliteJournal):
    """Writes no checkpoint, as if there were no other logic."""

    def append(self, entries: Sequence[Entry]) -> None:
        now, reducer.LOGIC = reducer.LOGIC, 1
        try:
            super().append(entries)
        finally:
            reducer.LOGIC = now


class AllEvents(SqliteJournal):
    """Gives all events, however many are known already."""

    def events(self, key: str, *, after: int = 0, from_checkpoint: bool = False) -> Iterator[Recorded]:
        return super().events(key, from_checkpoint=from_checkpoint)


class AllStreams(SqliteJournal):
    """Gives the streams in which nothing is pending too."""

    def streams(self, *, pending_only: bool = False) -> list[str]:
        return super().streams()


class PlainTexts(SqliteJournal):
    """Gives texts with the line ends of this machine."""

    def blob(self, sha256: str) -> str:
        return super().blob(sha256).replace("\r\n", "\n")


class Unbound(SqliteJournal):
    """Keeps the latest binding alone."""

    def bindings(self, key: str) -> tuple[Binding, ...]:
        return super().bindings(key)[-1:]


class Redelivering(SqliteJournal):
    """Gives notices again that were delivered."""

    def delivered(self, number: int) -> None:
        """Do nothing."""


class Latest(SqliteJournal):
    """Gives the newest notice first."""

    def notices(self) -> list[tuple[int, str, Notice]]:
        return super().notices()[::-1]


class Generous(SqliteJournal):
    """Gives a lease to whoever wants it."""

    def compare_and_set_lease(self, key: str, owner: str, expected: LeaseRow | None) -> LeaseRow | None:
        return super().compare_and_set_lease(key, owner, self.lease(key))


class Hopeful(SqliteJournal):
    """Says that all leases were renewed."""

    def renew(self, owner: str, expected: Mapping[str, LeaseRow]) -> Mapping[str, LeaseRow]:
        return {key: LeaseRow(owner, row.generation + 1) for key, row in expected.items()}


CONTRACT = JournalContract()


@pytest.mark.parametrize(
    ("kind", "law", "values"),
    [
        (LastWins, CONTRACT.test_a_wrong_version_writes_nothing, {"versions": 3, "version": 2}),
        (OneByOne, CONTRACT.test_an_append_of_many_is_all_or_nothing, {}),
        (OneByOne, CONTRACT.test_one_append_takes_one_entry_a_stream, {}),
        (Unversioned, CONTRACT.test_newer_logic_leaves_a_checkpoint, {}),
        (AllEvents, CONTRACT.test_events_come_back_in_order, {}),
        (AllStreams, CONTRACT.test_what_is_pending_is_found, {}),
        (AllStreams, CONTRACT.test_any_event_and_state_are_kept, {}),
        (PlainTexts, CONTRACT.test_a_text_is_found_by_its_digest, {}),
        (Unbound, CONTRACT.test_bindings_are_kept_with_the_request, {}),
        (Redelivering, CONTRACT.test_notices_are_due_until_they_are_delivered, {}),
        (Redelivering, CONTRACT.test_a_mark_is_for_one_notice_alone, {}),
        (Latest, CONTRACT.test_notices_are_due_until_they_are_delivered, {}),
        (Generous, CONTRACT.test_a_lease_that_is_not_as_expected_stays_as_it_is, {}),
        (Hopeful, CONTRACT.test_many_leases_are_renewed_at_once, {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(
    kind: type[SqliteJournal],
    law: Callable[..., None],
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """Each law that a journal breaks says so."""

    def opener() -> SqliteJournal:
        return kind(tmp_path / "journal")

    names = inspect.signature(law).parameters
    with closing(opener()) as journal:
        given = {"journal": journal, "opener": opener, "monkeypatch": monkeypatch} | values
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            law(**{name: given[name] for name in names if name in given})
