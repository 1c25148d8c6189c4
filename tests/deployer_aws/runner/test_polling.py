"""How often AWS is looked at: the policy, the schedule, and what is usual."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Entry, Head
from deployer_aws.runner import PollingPolicy, durations
from deployer_aws.runner.durations import KEPT, Durations
from deployer_aws.runner.schedule import Schedule
from deployer_core.engine import messages, reducer
from deployer_core.engine.messages import Event
from deployer_core.engine.state import INITIAL
from tests.support.engine_player import Engine

SECONDS = st.floats(0, 1e6)


def _policy(quick: float, more: float) -> PollingPolicy:
    return PollingPolicy(quick, quick + more)


POLICIES = st.builds(_policy, st.floats(0.01, 60), st.floats(0, 600))

# The policy


@given(POLICIES, SECONDS, st.none() | SECONDS)
def test_waits_keep_to_their_bounds(policy: PollingPolicy, age: float, usual: float | None) -> None:
    """However old a command is, and whatever is usual, the longest wait lies between `quick` and `slow`."""
    assert policy.quick <= policy.look(age, usual) <= policy.slow


@given(POLICIES, SECONDS, SECONDS)
def test_unknown_commands_are_looked_at_less_and_less_often(
    policy: PollingPolicy, age: float, more: float
) -> None:
    """It begins quick and never gets quicker; the wait is a tenth of the age at the most, beside `quick`."""
    assert policy.look(0) == policy.quick
    assert policy.look(age) <= policy.look(age + more)
    assert policy.look(age) <= policy.quick + age / 10


@given(POLICIES, SECONDS, SECONDS)
def test_the_usual_end_is_not_slept_through(policy: PollingPolicy, age: float, usual: float) -> None:
    """Quick at the beginning and at the usual end; no wait goes past that end by more than `quick`."""
    assert policy.look(0, usual) == policy.look(usual, usual) == policy.quick
    if age <= usual:
        assert age + policy.look(age, usual) <= usual + policy.quick + 1e-6


@given(POLICIES, st.floats(1, 1e6))
def test_known_commands_are_left_alone_in_the_middle(policy: PollingPolicy, usual: float) -> None:
    """Half way to the usual end the wait is the longest, and longer than where nothing is known."""
    middle = policy.look(usual / 2, usual)
    assert all(policy.look(usual * part / 10, usual) <= middle for part in range(11))
    assert middle >= policy.look(usual / 2)


@given(POLICIES, SECONDS, SECONDS)
def test_overdue_commands_are_looked_at_as_if_nothing_were_known(
    policy: PollingPolicy, usual: float, over: float
) -> None:
    """Past the usual end it is looked at as often at least as an unknown command of that age."""
    assert policy.look(usual + over, usual) <= policy.look(usual + over)


@given(POLICIES, st.integers(1, 10))
def test_retries_double_up_to_the_longest_wait(policy: PollingPolicy, tries: int) -> None:
    """Each try waits twice as long as the one before it at the most, until `slow`, and for ever after the tenth."""
    assert policy.retry(tries) == min(policy.slow, 2 * policy.retry(tries - 1))
    assert policy.retry(10 * tries + 10_000) == policy.retry(10)


# The schedule

ONE, TWO = ("prod/shop", 1), ("prod/shop", 2)


@given(SECONDS, SECONDS)
def test_what_is_new_is_due_and_looked_at_by_itself(now: float, wait: float) -> None:
    """A command without a turn is due at any time and is batchable with nothing; after a look it waits."""
    schedule = Schedule()
    assert schedule.is_due(ONE, -math.inf)
    assert not schedule.is_batchable(ONE, math.inf)
    schedule.set(ONE, now, wait)
    assert schedule.at(ONE) == now + wait
    assert schedule.is_due(ONE, now + wait)
    assert schedule.is_due(TWO, now)


@given(st.floats(1, 1e6))
def test_what_is_due_soon_is_batchable(wait: float) -> None:
    """A command is batchable once a third of its wait is over, and not before that; then it is due."""
    schedule = Schedule()
    schedule.set(ONE, 0, wait)
    assert not schedule.is_batchable(ONE, wait * 0.32)
    assert schedule.is_batchable(ONE, wait * 0.34)
    assert not schedule.is_due(ONE, wait * 0.34)
    schedule.bring_forward(ONE, wait * 0.34)
    assert schedule.is_due(ONE, wait * 0.34)
    assert schedule.is_batchable(ONE, wait * 0.34)


def test_only_what_has_not_failed_is_expedited() -> None:
    """A hint makes a command new again, so that it is looked at by itself; one that failed waits for its turn."""
    schedule = Schedule()
    schedule.set(ONE, 0, 10)
    schedule.set(TWO, 0, 10, tries=1)
    schedule.expedite(ONE)
    schedule.expedite(TWO)
    assert schedule.is_due(ONE, 0)
    assert not schedule.is_batchable(ONE, 100)
    assert not schedule.is_due(TWO, 0)
    assert (schedule.tries(ONE), schedule.tries(TWO)) == (0, 1)


def test_what_is_no_longer_pending_is_forgotten() -> None:
    """Turns of commands that have ended are dropped, and those of other streams kept."""
    schedule, other = Schedule(), ("prod/other", 1)
    for command in (ONE, TWO, other):
        schedule.set(command, 0, 10)
    schedule.retain("prod/shop", [2, 3])
    assert [schedule.is_due(command, 0) for command in (ONE, TWO, other)] == [True, False, False]
    schedule.retain("prod/shop", [])
    assert schedule.is_due(TWO, 0)


# What is usual


class Told(Engine):
    """A deployer whose events go into a journal as well."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = SqliteJournal(":memory:")
        self.durations = Durations(self.journal)

    def reduce(self, event: Event) -> None:
        """Take an event and append it."""
        before = self.state
        super().reduce(event)
        head = self.journal.head("prod/shop")
        self.journal.append([Entry("prod/shop", head, event, self.state)])
        self.durations.take("prod/shop", before, event)

    def upsert(self, name: str, takes: float, answer: str = "complete") -> None:
        """Carry out a quick deployment whose change is sent ten seconds after it was issued, and takes so long."""
        lines = (
            f"request {name} quick",
            "reply complete",
            "wait 10",
            "attempt 1",
            f"wait {takes}",
            f"reply {answer}",
        )
        for line in lines:
            self.take(line)

    def usual(self, known: Durations) -> float | None:
        """Return what is usual for the change of a deployment that is under way."""
        if not self.state.pending:
            self.take("request asking quick")
            self.take("reply complete")
        return known.usual("prod/shop", self.pending("UpsertStack"))


def test_usual_is_the_median_of_the_latest() -> None:
    """The time from the send to the good end, of the latest few; seen by the runner or read from the journal alike."""
    told = Told()
    for n, takes in enumerate([900.0, 900.0, 900.0, 100.0, 110.0, 120.0, 130.0, 900.0]):
        told.upsert(f"d{n}", takes)
        if n == 0:
            assert told.durations.usual("prod/shop", _some(told)) is not None
    assert KEPT == 5
    assert told.usual(Durations(told.journal)) == 120.0
    assert told.usual(told.durations) == 120.0


def _some(told: Told) -> messages.Pending:
    """Return a pending command like those that have ended."""
    before = INITIAL
    for row in told.journal.events("prod/shop"):
        assert row.event is not None
        before, _ = reducer.reduce(before, row.event)
        if before.pending and before.pending[0].attempt is not None:
            return before.pending[0]
    raise AssertionError


def test_bad_ends_are_not_usual() -> None:
    """A change that failed says nothing of how long a good one takes."""
    told = Told()
    told.upsert("d1", 5.0, "failure no capacity")
    told.take("repair")
    assert told.usual(Durations(told.journal)) is None


def test_few_events_are_read_in_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner of many streams learns from some of them in each step; of the others nothing is known until then."""
    told = Told()
    told.upsert("d1", 40.0)
    pending = _some(told)
    state = INITIAL
    for event in told.events:
        after, _ = reducer.reduce(state, event)
        told.journal.append([Entry("prod/copy", told.journal.head("prod/copy"), event, after)])
        state = after
    monkeypatch.setattr(durations, "READ", len(told.events))
    known = Durations(told.journal)
    assert known.usual("prod/shop", pending) == 40.0
    assert known.usual("prod/copy", pending) is None
    known.step()
    assert known.usual("prod/copy", pending) == 40.0
    assert known.usual("prod/shop", pending) == 40.0


def test_what_older_logic_has_written_is_not_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events mean what the logic that wrote them made of them, so a newer one learns nothing from them."""
    told = Told()
    told.upsert("d1", 40.0)
    pending = _some(told)
    monkeypatch.setattr(reducer, "LOGIC", reducer.LOGIC + 1)
    assert Durations(told.journal).usual("prod/shop", pending) is None


def test_a_stream_that_cannot_be_replayed_is_a_guess_less() -> None:
    """What is usual is learnt as far as the events can be replayed; a damaged stream is for `verify` to tell of."""
    told = Told()
    told.upsert("d1", 40.0)
    pending, head = _some(told), told.journal.head("prod/shop")
    nonsense = messages.Terminated("nobody", "ann", 0)
    told.journal.append([Entry("prod/shop", Head(head.state, head.version), nonsense, head.state)])
    assert Durations(told.journal).usual("prod/shop", pending) == 40.0
