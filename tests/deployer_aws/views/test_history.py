"""What the events of a stream tell of its deployments."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from deployer_aws.environment import SystemClock
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Recorded
from deployer_aws.runner import Requests, Runner
from deployer_aws.runner.requests import deployment_id
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import HistoryOutcome, StreamChange, StreamHistory, read_history
from deployer_aws.views.status import summarise_stack
from deployer_core.engine import reducer
from deployer_core.engine.messages import Accepted, Attempted, Event, Failure, Replied, Requested, Terminated
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from tests.support.command import KEY
from tests.support.engine_player import played
from tests.support.orders import TEMPLATES, orders

pytestmark = pytest.mark.quick

QUICK = orders("1.0", quick=True)


def _requested(name: str, at: float = 0) -> Requested:
    return Requested(name, QUICK, at, 32 * "5")


STORY: tuple[Event, ...] = (
    _requested("one"),
    _requested("two", 5),
    _requested("three", 6),
    Terminated("three", "ann", 7),
    Replied(1, StackStatus(Lifecycle.MISSING, "MISSING"), 10),
    Attempted(2, 1, 11),
    Attempted(2, 2, 12),
    Accepted(2, "arn", 13),
    Replied(2, StackStatus(Lifecycle.PROGRESS, "CREATE_IN_PROGRESS"), 15),
    Replied(2, StackStatus(Lifecycle.COMPLETE, "CREATE_COMPLETE"), 20),
    Replied(3, Failure("no such role"), 30),
)


def _told(events: tuple[Event, ...] = STORY) -> tuple[StreamHistory, list[StreamChange]]:
    known = StreamHistory()
    return known, [known.take(event) for event in events]


def test_each_deployment_has_its_times_and_its_outcome() -> None:
    """Requested, its turn, its end; one that never had a turn took no time."""
    known, _ = _told()
    found = {
        d.id: (d.requested, d.started, d.ended, d.duration, d.outcome, d.step) for d in known.deployments
    }
    assert found == {
        "one": (0, 0, 20, 20, "DONE", "UPSERTING"),
        "two": (5, 20, 30, 10, "FAILED", "WAITING"),
        "three": (6, None, 7, None, "FAILED", "QUEUED"),
    }


def test_states_are_told_with_their_times_and_without_those_that_never_rest() -> None:
    """Auto states are passed through."""
    known, _ = _told()
    two = known.find("two")
    assert two is not None
    assert [(s.state, s.since, s.until) for s in two.intervals] == [
        ("QUEUED", 5, 20),
        ("WAITING", 20, 30),
        ("FAILED", 30, None),
    ]


def test_each_command_has_its_attempts_and_its_end() -> None:
    """What it was, what AWS called it, how it ended, and whether that was good."""
    known, _ = _told()
    commands = [c for d in known.deployments for c in d.commands]
    assert [(c.id, c.text, c.attempts, c.ended, c.end, c.good) for c in commands] == [
        (1, "StabiliseStack", 0, 10, "MISSING", True),
        (2, "UpsertStack DesiredCount=2", 2, 20, "CREATE_COMPLETE", True),
        (3, "StabiliseStack", 0, 30, "no such role", False),
    ]


def test_every_change_is_told_in_words() -> None:
    """Who asked for what, where the machines are, and what became of commands."""
    _, changes = _told()
    told = [f"{t.kind} {t.name} {t.text} {t.note}".strip() for change in changes for t in change.descriptions]
    for words in (
        "operator  requests one, version 1.0, quick",
        "deployment two QUEUED",
        "operator ann terminates three",
        "command UpsertStack DesiredCount=2 CREATE_IN_PROGRESS",
        "command UpsertStack DesiredCount=2 attempt 2",
        "command StabiliseStack failed no such role",
        "stack  BROKEN",
    ):
        assert words in told


def test_a_task_that_ended_well_did_not_fail_with_its_sibling() -> None:
    """The last plan is good, and the deployment fails by it for the first one's sake: that is not the task's failure."""
    engine = played(
        "request one evaluated evaluated",
        "reply complete",
        "reply complete Count=0",
        "reply complete Count=0",
        "reply db0 upserted",
        "reply db1 upserted",
        "run db0 1",
        "run db1 2",
    )
    known, changes = _told(tuple(engine.events))
    (ended,) = [t for t in changes[-1].descriptions if t.kind == "command"]
    assert (ended.name, ended.text, ended.bad) == ("RunTask db1/evaluate", "done", False)
    assert {c.what: c.good for c in known.deployments[0].commands if c.name == "RunTask"} == {
        "db0/evaluate": False,
        "db1/evaluate": True,
    }


def test_the_status_follows_the_story() -> None:
    """Which deployment runs, which was the last, and what is broken."""
    before, _ = _told(STORY[:4])
    status = summarise_stack("e/a", before)
    assert (status.state, status.current and status.current.id, [d.id for d in status.queue]) == (
        "CREATING",
        "one",
        ["two"],
    )
    assert status.last is not None
    assert status.last.id == "three"
    after = summarise_stack("e/a", _told()[0])
    assert (after.state, after.broken, after.current, after.last and after.last.id) == (
        "BROKEN",
        True,
        None,
        "two",
    )


def _rows(logic: int, events: tuple[Event, ...], first: int = 1) -> Iterator[Recorded]:
    for number, event in enumerate(events, first):
        yield Recorded(number, logic, event)


def test_what_an_older_version_carried_out_is_known_by_its_requests() -> None:
    """Its events are not replayed; from the checkpoint on everything is told."""
    state: DeployerState = INITIAL
    for event in STORY[:8]:
        state, _ = reducer.reduce(state, event)
    old = [*_rows(reducer.LOGIC - 1, STORY[:8]), Recorded(8, reducer.LOGIC, None, state)]
    known = StreamHistory()
    known.read([*old, *_rows(reducer.LOGIC, STORY[8:], 9)])
    assert known.version == len(STORY)
    assert {d.id: d.outcome for d in known.deployments} == {
        "one": "DONE",
        "two": "FAILED",
        "three": "UNKNOWN",
    }
    only_old = StreamHistory()
    only_old.read(_rows(reducer.LOGIC - 1, STORY[:4]))
    assert {d.outcome for d in only_old.deployments} == {HistoryOutcome.UNKNOWN}


def test_reading_on_takes_only_what_is_new() -> None:
    """Rows that are known already change nothing."""
    known, _ = _told(STORY[:4])
    changes = known.read(_rows(reducer.LOGIC, STORY))
    assert [change.version for change in changes] == list(range(5, len(STORY) + 1))


def test_a_follower_tells_what_others_append_too(tmp_path: Path) -> None:
    """Events are given in order, each once, from every process that appends."""
    journal = SqliteJournal(tmp_path / "journal")
    seen: list[int] = []
    follower = Follower(journal, KEY, lambda _, change: seen.append(change.version))
    Requests(journal, SystemClock()).request("one", orders("1.0"), TEMPLATES)
    ours = Runner(journal, (), SystemClock(), watch=follower.see)
    ours.request("two", orders("1.1"), TEMPLATES)
    ours.terminate(KEY, "two", "ann")
    follower.catch_up()
    assert seen == [1, 2, 3]
    assert evolve(journal.head(KEY), version=0).state == follower.history.state
    assert [d.outcome for d in read_history(journal, KEY).deployments] == [
        HistoryOutcome.OPEN,
        HistoryOutcome.FAILED,
    ]
    journal.close()


class Counting(SqliteJournal):
    """A journal that counts the events that are read."""

    read = 0

    def events(self, key: str, *, after: int = 0, from_checkpoint: bool = False) -> Iterator[Recorded]:
        """See `Journal`."""
        for row in super().events(key, after=after, from_checkpoint=from_checkpoint):
            self.read += 1
            yield row


def test_a_follower_reads_each_event_once() -> None:
    """However often it catches up, and however long the stream has become."""
    journal = Counting(":memory:")
    requests, follower = Requests(journal, SystemClock()), Follower(journal, KEY)
    for number in range(1, 6):
        requests.request(str(number), orders(str(number)), TEMPLATES)
        follower.catch_up()
        assert (journal.read, follower.history.version) == (number, number)
    journal.close()


def test_ids_sort_as_deployments_began() -> None:
    """The second in UTC, and four signs that two of one second hardly share."""
    assert deployment_id(0).startswith("19700101-000000-")
    assert deployment_id(1_000_000) < deployment_id(2_000_000)
    assert deployment_id(0) != deployment_id(0)
