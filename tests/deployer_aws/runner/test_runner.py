"""The runner: append, then act; what is no news; notices."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Entry, LeaseRow, Work
from deployer_aws.runner import Runner
from deployer_core.engine.messages import Accepted, Attempted, Notice
from tests.deployer_aws.runner.scripted import (
    COMPLETE,
    CREATING,
    KEY,
    Clock,
    Script,
    complete,
    moving,
    scripted,
)
from tests.deployer_aws.scenarios.simulated import SimulatedEnvironment
from tests.deployer_aws.scenarios.specs import asked, database, template

pytestmark = pytest.mark.quick

# Append, then act


@pytest.mark.parametrize("quick", [False, True])
def test_nothing_is_sent_before_it_is_journaled(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever AWS is asked for a change, the journal already holds that it was about to be, under that very token."""
    env = SimulatedEnvironment("shop")
    env.task_definition("orders-migrate")
    changes = ("create_stack", "update_stack", "delete_stack", "run_task", "put_object")
    sent: list[str] = []

    class Spy:
        """A client that looks into the journal before each change."""

        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            if name in changes:
                state = env.journal.head(env.key).state
                assert any(p.attempt is not None and not p.ref for p in state.pending), (
                    f"{name} before its Attempted"
                )
                sent.append(name)
            return getattr(self._client, name)

    plain = SimulatedEnvironment.client

    def spying(self: SimulatedEnvironment, service: str) -> Any:
        return Spy(plain(self, service))

    monkeypatch.setattr(SimulatedEnvironment, "client", spying)
    env.deploy(
        "d1",
        template(Metadata={"Padding": "x" * 60_000}),
        quick=quick,
        databases=() if quick else (database(),),
    )
    assert sent == ["put_object", "create_stack"] if quick else [
        "put_object", "create_stack", "run_task", "update_stack",
    ]  # fmt: skip


def test_each_event_is_journaled_before_the_executor_goes_on() -> None:
    """What stands behind a `yield` of an executor happens after the event was written down."""
    versions: list[int] = []

    def look(work: Work) -> Act:
        for event in (work.attempt(1), work.accept("arn"), work.reply(CREATING)):
            before = w.journal.head(KEY).version
            yield event
            versions.append(w.journal.head(KEY).version - before)

    w = scripted(complete, look)
    w.request()
    w.runner.run([KEY])
    assert versions == [1, 1, 1]


def test_stale_attempt_is_not_acted_on() -> None:
    """Where the attempt turns out stale, since somebody else has sent it meanwhile, nothing is sent."""
    went_on: list[int] = []

    def other_is_faster(work: Work) -> Act:
        w.runner.writer.commit(KEY, Attempted(work.pending.id, 1, work.now))
        yield work.attempt(1)
        went_on.append(1)

    w = scripted(complete, other_is_faster)
    w.request()
    w.runner.run([KEY])
    assert went_on == []


def test_resend_is_acted_on_only_while_it_is_pending() -> None:
    """The same attempt again is no event; it is sent if it is still pending, and not if it was accepted or answered."""
    went_on: list[str] = []

    def first(work: Work) -> Act:
        yield work.attempt(1)
        went_on.append("first")

    def again(work: Work) -> Act:
        yield work.attempt(1)
        went_on.append("again")

    def accepted_meanwhile(work: Work) -> Act:
        w.runner.writer.commit(KEY, work.accept("arn"))
        yield work.attempt(1)
        went_on.append("accepted")

    def answered_meanwhile(work: Work) -> Act:
        w.runner.writer.commit(KEY, work.reply(COMPLETE))
        yield work.attempt(1)
        went_on.append("late")

    w = scripted(complete, first, again, accepted_meanwhile, answered_meanwhile)
    w.request()
    w.runner.run([KEY])
    assert went_on == ["first", "again"]


def test_what_the_last_holder_of_a_lease_did_is_seen() -> None:
    """Where another runner sends and then gives its lease back, the next one acts on what that has journaled."""

    class Handed(SqliteJournal):
        """A journal in which somebody sends a command while its lease is waited for."""

        waiting = False

        def compare_and_set_lease(self, key: str, owner: str, expected: LeaseRow | None) -> LeaseRow | None:
            if self.waiting and owner:
                self.waiting = False
                pending = self.head(key).state.pending[0]
                other = Runner(self, [], Clock())
                other.writer.commit(key, Attempted(pending.id, 1, 0.0))
                other.writer.commit(key, Accepted(pending.id, "arn", 0.0))
            return super().compare_and_set_lease(key, owner, expected)

    journal = Handed(":memory:")
    w = scripted(complete, moving, journal=journal)
    w.request()
    w.runner.step([KEY])
    taker = scripted(moving, journal=journal)
    w.journal.compare_and_set_lease(KEY, "", w.journal.lease(KEY))
    journal.waiting = True
    taker.runner.step([KEY])
    assert [work.pending.ref for work in taker.script.seen] == ["arn"]


def test_nothing_is_sent_without_time_left_on_the_lease() -> None:
    """A send needs the lease for three times the client's timeout: where it is lost, nothing is sent."""
    went_on: list[int] = []

    def robbed(work: Work) -> Act:
        row = w.journal.lease(KEY)
        assert w.journal.compare_and_set_lease(KEY, "robber", row) is not None
        w.clock.time += 40  # the lease has to be renewed, and cannot be
        yield work.attempt(1)
        went_on.append(1)

    w = scripted(complete, robbed)
    w.request()
    assert w.runner.step([KEY]) is not None
    assert went_on == []
    assert w.state.pending[0].attempt is None


# What is no news


def test_late_answers_are_counted() -> None:
    """An answer to a command that is no longer pending changes nothing, and is counted."""
    works: list[Work] = []

    def keep(work: Work) -> Act:
        works.append(work)
        yield work.reply(COMPLETE)
        raise AssertionError("a command that was answered is not acted on")

    w = scripted(complete, keep)
    w.request()
    w.runner.run([KEY])
    before = w.journal.head(KEY)
    assert w.runner.writer.commit(KEY, works[0].reply(CREATING)) is None
    assert w.runner.stale == 1
    assert w.journal.head(KEY) == before


def test_somebody_appended_first() -> None:
    """An append that comes second is reduced again from the newest head."""

    class Crowded(SqliteJournal):
        """A journal in which somebody else is faster, once."""

        rival: Runner | None = None

        def append(self, entries: Sequence[Entry]) -> None:
            if self.rival is not None:
                rival, self.rival = self.rival, None
                wanted = asked("shop", template(), quick=True)
                rival.request("rival", wanted.spec, wanted.templates)
            super().append(entries)

    journal = Crowded(":memory:")
    w = scripted(journal=journal)
    journal.rival = Runner(journal, [], Clock())
    w.request()
    assert [name for name, _ in w.state.known] == ["d1", "rival"] or [name for name, _ in w.state.known] == [
        "rival",
        "d1",
    ]
    assert w.journal.head(KEY).version == 2


# Notices


def test_without_anybody_to_notify_the_notices_of_others_are_left_alone() -> None:
    """A runner counts as told what itself has ended, and not what another could not deliver."""

    def unheard(_: str, notice: Notice) -> None:
        raise OSError(notice.deployment)

    w = scripted(notify=unheard)
    w.request()
    w.runner.run([KEY])
    silent = Runner(w.journal, [w.script], w.clock)
    wanted = asked("shop", template(), version="2", quick=True)
    silent.request("d2", wanted.spec, wanted.templates)
    silent.run()
    assert [notice.deployment for _, _, notice in w.journal.notices()] == ["d1"]


def test_default_notice_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Without anybody to notify, the notice is logged."""
    journal = SqliteJournal(":memory:")
    runner = Runner(journal, [Script([])], Clock())
    wanted = asked("shop", template(), quick=True)
    runner.request("d1", wanted.spec, wanted.templates)
    with caplog.at_level(logging.INFO, "deployer"):
        runner.run()
    assert any("deployment d1 of version 1 is DONE" in record.message for record in caplog.records)
