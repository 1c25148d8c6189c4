"""The runner: append, then act."""

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from attrs import define, frozen

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Entry, Journal, LeaseRow, Work
from deployer_aws.runner import LAST_TRIES, LoginNeeded, Pace, Runner, Step
from deployer_core.deployer import Attempted, DeployerState, Notice, StopTask
from deployer_core.deployment import CreateStack, ScaleStack, StabiliseStack, UpdateStack, UpsertStack
from deployer_core.ecs_task import RunTask, Started, Status, StatusStopped
from deployer_core.machine import IllegalEvent
from deployer_core.postgres_migration import UpsertDatabase
from deployer_core.stack_status import Lifecycle, StackStatus
from tests.aws.scenarios.bed import InstantPostgres, SimulatedBed
from tests.aws.scenarios.specs import Asked, asked, database, template

KEY = "test/shop"
STACKS = (StabiliseStack, CreateStack, UpdateStack, UpsertStack, ScaleStack)
COMPLETE = StackStatus(Lifecycle.COMPLETE, "CREATE_COMPLETE", "", (("Cluster", "main"),))
CREATING = StackStatus(Lifecycle.PROGRESS, "CREATE_IN_PROGRESS")


class Clock:
    """Time that passes in sleep alone."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Refused(Exception):
    """An error in the shape of boto3's."""

    def __init__(self, code: str, message: str = "in AWS's words") -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


@define
class Script:
    """An executor that does what it is told, look by look; after that it says that all is complete."""

    looks: list[Callable[[Work], Act]]
    commands: tuple[type, ...] = STACKS
    seen: list[Work] = []

    def act(self, work: Work) -> Act:
        self.seen.append(work)
        yield from (self.looks.pop(0) if self.looks else complete)(work)


def complete(work: Work) -> Act:
    """The stack is as it should be."""
    yield work.reply(COMPLETE)


def moving(work: Work) -> Act:
    """The stack moves."""
    yield work.reply(CREATING)


def raising(error: Exception) -> Callable[[Work], Act]:
    """AWS says no."""

    def look(work: Work) -> Act:
        yield from ()
        raise error

    return look


@frozen
class World:
    """A runner with everything that it needs."""

    journal: Journal
    clock: Clock
    runner: Runner
    script: Script
    steps: list[Step]
    notices: list[Notice]

    @property
    def state(self) -> DeployerState:
        return self.journal.head(KEY).state

    def request(self, name: str = "d1", *, quick: bool = True, **settings: Any) -> Asked:
        """Ask for a deployment."""
        wanted = asked("shop", template(), quick=quick, **settings)
        self.runner.request(name, wanted.spec, wanted.templates)
        return wanted


def world(*looks: Callable[[Work], Act], others: Sequence[Any] = (), **settings: Any) -> World:
    """A world in which an executor does as told."""
    clock, script = Clock(), Script(list(looks), seen=[])
    steps: list[Step] = []
    notices: list[Notice] = []
    journal = settings.pop("journal", None) or SqliteJournal(":memory:")
    settings = {"notify": lambda _, n: notices.append(n), "watch": steps.append, "jitter": lambda: 0.5, **settings}
    runner = Runner(journal, [script, *others], clock, **settings)
    return World(journal, clock, runner, script, steps, notices)


# Append, then act


@pytest.mark.parametrize("quick", [False, True])
def test_nothing_is_sent_before_it_is_journaled(quick: bool) -> None:
    """Whenever AWS is asked for a change, the journal already holds that it was about to be, under that very token."""
    bed = SimulatedBed("shop")
    bed.task_definition("orders-migrate")
    changes = ("create_stack", "update_stack", "delete_stack", "run_task", "put_object")
    sent: list[str] = []
    clients = {name: bed.client(name) for name in ("cloudformation", "ecs", "s3", "elbv2", "logs")}

    class Spy:
        """A client that looks into the journal before each change."""

        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            if name in changes:
                state = bed.journal.head(bed.key).state
                assert any(p.sent is not None and not p.ref for p in state.pending), f"{name} before its Attempted"
                sent.append(name)
            return getattr(self._client, name)

    bed.client = lambda service: Spy(clients[service])  # type: ignore[method-assign]
    bed.deploy("d1", template(Metadata={"Padding": "x" * 60_000}), quick=quick, databases=() if quick else (database(),))
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

    w = world(complete, look)
    w.request()
    w.runner.run([KEY])
    assert versions == [1, 1, 1]


def test_stale_attempt_is_not_acted_on() -> None:
    """Where the attempt turns out stale, since somebody else has sent it meanwhile, nothing is sent."""
    went_on: list[int] = []

    def other_is_faster(work: Work) -> Act:
        w.runner.commit(KEY, Attempted(work.pending.id, 1, work.now))
        yield work.attempt(1)
        went_on.append(1)

    w = world(complete, other_is_faster)
    w.request()
    w.runner.run([KEY])
    assert went_on == []


def test_resend_is_acted_on_only_while_it_is_pending() -> None:
    """The same attempt again is no event; it is sent if it is still pending, and not if that was answered."""
    went_on: list[str] = []

    def first(work: Work) -> Act:
        yield work.attempt(1)
        went_on.append("first")

    def again(work: Work) -> Act:
        yield work.attempt(1)
        went_on.append("again")

    def answered_meanwhile(work: Work) -> Act:
        w.runner.commit(KEY, work.reply(COMPLETE))
        yield work.attempt(1)
        went_on.append("late")

    w = world(complete, first, again, answered_meanwhile)
    w.request()
    w.runner.run([KEY])
    assert went_on == ["first", "again"]


def test_nothing_is_sent_without_time_left_on_the_lease() -> None:
    """A send needs the lease for three times the client's timeout: where it is lost, nothing is sent."""
    went_on: list[int] = []

    def robbed(work: Work) -> Act:
        row = w.journal.lease(KEY)
        assert w.journal.claim(KEY, "robber", row) is not None
        w.clock.time += 40  # the lease has to be renewed, and cannot be
        yield work.attempt(1)
        went_on.append(1)

    w = world(complete, robbed)
    w.request()
    assert w.runner.step([KEY]) is not None
    assert went_on == []
    assert w.state.pending[0].sent is None


def test_past_its_deadline_a_command_is_only_looked_at() -> None:
    """After the deadline nothing is sent any more; one more look, and the command has failed."""
    went_on: list[int] = []

    def late(work: Work) -> Act:
        yield work.attempt(1)
        went_on.append(1)

    w = world(complete, moving, late, complete)
    w.request(timeout=100)
    w.runner.step([KEY])
    w.clock.time += 500
    w.runner.run([KEY])
    assert went_on == []
    assert "no end within 100 s; last seen: CREATE_IN_PROGRESS" in w.notices[0].reason


def test_success_that_is_seen_after_the_deadline_is_a_success() -> None:
    """The look after the deadline counts."""
    w = world(complete, moving, complete)
    w.request(timeout=100)
    w.runner.step([KEY])
    w.clock.time += 500
    w.runner.run([KEY])
    assert w.notices[0].outcome == "DONE"


# Errors


def test_permanent_error_is_an_answer() -> None:
    """It fails the command with AWS's words, the command, the stack, and what to do next."""
    w = world(complete, raising(Refused("AccessDenied", "not authorized to perform: cloudformation:CreateStack")))
    w.request()
    w.runner.run([KEY])
    assert w.notices[0].reason == (
        "UpsertStack of stack shop: not authorized to perform: cloudformation:CreateStack (AccessDenied); "
        "allow the call in the policy of the deployer's role, repair the stack and deploy again"
    )


@pytest.mark.parametrize("code", ["Throttling", "ServerException", "OperationInProgressException"])
def test_transient_errors_are_tried_again(code: str) -> None:
    """A transient error, and one of a change accepted before, is no event: it is looked again."""
    w = world(complete, *[raising(Refused(code))] * 5)
    w.request()
    w.runner.run([KEY])
    assert w.notices[0].outcome == "DONE"
    assert len(w.script.seen) == 2 + 5
    assert len(w.steps) == 3, "requested, found, done"


def test_retries_back_off_with_full_jitter() -> None:
    """The longest wait doubles up to a limit, and the wait is a random part of it; a success starts anew."""
    parts = iter([0.5, *[1.0, 0.25, 1.0, 0.0, 1.0], *[0.5] * 9])
    trouble = raising(Refused("Throttling"))
    w = world(complete, *[trouble] * 5, moving, trouble, jitter=lambda: next(parts), pace=Pace(quick=1.0, slow=20.0))
    w.request()
    w.runner.run([KEY])
    assert w.clock.slept[:5] == [2.0, 1.0, 8.0, 0.001, 20.0]
    assert w.clock.slept[6] == 1.0, "after a look that went well it is the first try again"
    assert Pace().retry(1_000) == Pace().slow


def test_looks_become_rarer() -> None:
    """A command is looked at often at first, and less and less often as it grows old, within limits."""
    w = world(complete, *[moving] * 90, jitter=lambda: 1.0, pace=Pace(quick=2.0, slow=20.0))
    w.request()
    w.runner.run([KEY])
    assert w.clock.slept[0] == 2.0
    assert all(a <= b for a, b in pairwise(w.clock.slept))
    assert w.clock.slept[-1] == 20.0


def test_credentials_fail_nothing() -> None:
    """Refused credentials end the run, journal nothing, and give the lease back; the next run carries on."""
    w = world(complete, raising(Refused("ExpiredToken", "The security token included in the request is expired")))
    w.request()
    with pytest.raises(LoginNeeded, match="test/shop waits for credentials: The security token .* is expired") as raised:
        w.runner.run([KEY])
    assert "run 'deployer resume'" in str(raised.value)
    assert raised.value.key == KEY
    assert w.notices == []
    assert w.journal.lease(KEY) == LeaseRow("", 2)
    w.runner.run([KEY])
    assert w.notices[0].outcome == "DONE"


def test_mistakes_of_our_own_are_not_hidden() -> None:
    """An error that is no answer of AWS ends the run; nothing has failed."""
    w = world(raising(KeyError("oops")))
    w.request()
    with pytest.raises(KeyError):
        w.runner.run([KEY])
    assert w.notices == []


def test_throttled_past_the_deadline() -> None:
    """Where no look succeeds any more after the deadline, the command is given up after some tries."""
    w = world(*[raising(Refused("Throttling"))] * 500)
    w.request(timeout=10)
    w.runner.run([KEY])
    assert "no end within 10 s" in w.notices[0].reason
    assert len(w.script.seen) >= LAST_TRIES


# What is no news


def test_progress_is_no_news_twice() -> None:
    """The same progress again is not journaled, and counted as stale."""
    w = world(complete, moving, moving, moving)
    w.request()
    w.runner.run([KEY])
    assert len(w.steps) == 4, "requested, found, progress once, done"
    assert w.runner.stale == 2


def test_late_answers_are_counted() -> None:
    """An answer to a command that is no longer pending changes nothing, and is counted."""
    works: list[Work] = []

    def keep(work: Work) -> Act:
        works.append(work)
        yield work.reply(COMPLETE)
        raise AssertionError("a command that was answered is not acted on")

    w = world(complete, keep)
    w.request()
    w.runner.run([KEY])
    before = w.journal.head(KEY)
    assert w.runner.commit(KEY, works[0].reply(CREATING)) is None
    assert w.runner.stale == 1
    assert w.journal.head(KEY) == before


def test_same_request_is_no_event() -> None:
    """A request that is repeated is no event; nonsense is refused, and nothing has changed."""
    w = world()
    wanted = w.request()
    assert w.runner.request("d1", wanted.spec, wanted.templates) is False
    with pytest.raises(IllegalEvent):
        w.runner.terminate(KEY, "nobody", "ann")
    with pytest.raises(IllegalEvent):
        w.runner.repair(KEY, "ann")
    assert w.journal.head(KEY).version == 1


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
    w = world(journal=journal)
    journal.rival = Runner(journal, [], Clock())
    w.request()
    assert [name for name, _ in w.state.known] == ["d1", "rival"] or [name for name, _ in w.state.known] == ["rival", "d1"]
    assert w.journal.head(KEY).version == 2


# Notices


def test_notices_are_delivered_at_least_once() -> None:
    """A notice that cannot be delivered is logged, tried again, and holds neither the deployment nor others up."""
    refusals = ["d1", "d1"]
    delivered: list[str] = []

    def notify(_: str, notice: Notice) -> None:
        if notice.deployment in refusals:
            refusals.remove(notice.deployment)
            raise OSError("no route to host")
        delivered.append(notice.deployment)

    w = world(notify=notify)
    w.request("d1")
    w.runner.run([KEY])
    assert w.state.pending == ()
    w.request("d2", version="2")
    w.runner.run([KEY])
    assert delivered == ["d2"], "the one that failed is not tried at every step"
    w.clock.time += 60
    w.runner.step([KEY])
    w.clock.time += 60
    w.runner.step([KEY])
    assert delivered == ["d2", "d1"]
    assert w.journal.notices() == []


def test_notice_of_a_runner_that_died_is_delivered_by_the_next() -> None:
    """A notice is in the journal, so it outlives the runner that could not deliver it."""
    w = world(notify=lambda *_: 1 / 0)
    w.request()
    w.runner.run([KEY])
    heard: list[Notice] = []
    Runner(w.journal, [], Clock(), notify=lambda _, notice: heard.append(notice)).run()
    assert [notice.outcome for notice in heard] == ["DONE"]


def test_default_notice_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Without anybody to notify, the notice is logged."""
    journal = SqliteJournal(":memory:")
    runner = Runner(journal, [Script([])], Clock())
    wanted = asked("shop", template(), quick=True)
    runner.request("d1", wanted.spec, wanted.templates)
    with caplog.at_level(logging.INFO, "deployer"):
        runner.run()
    assert any("deployment d1 of version 1 is DONE" in record.message for record in caplog.records)


# Tasks


@define
class Tasks:
    """An executor of tasks that runs one for ever, and stops it when it is allowed to."""

    commands: tuple[type, ...] = (RunTask, StopTask)
    stops: bool = False
    looks: int = 0

    def act(self, work: Work) -> Act:
        if isinstance(work.pending.command, StopTask):
            self.looks += 1
            yield work.reply(StatusStopped(()) if self.stops else Status("RUNNING"))
        elif work.pending.sent is None:
            yield work.attempt(1)
        else:
            yield work.reply(Started("arn"))


def test_unresolved_task_is_looked_at_but_not_waited_for() -> None:
    """A task that did not stop in time ends the run; each later run looks again, until it was seen STOPPED."""
    tasks = Tasks()
    w = world(others=[tasks, InstantPostgres()])
    w.request(quick=False, databases=(database(timeout=60),))
    w.runner.run([KEY])
    assert w.state.pending[0].unresolved
    looks = tasks.looks
    w.clock.time += 3_600
    w.runner.run([KEY])
    assert tasks.looks == looks + 1
    tasks.stops = True
    w.clock.time += 3_600
    w.runner.run([KEY])
    assert w.state.pending == ()


def test_unresolved_task_under_anothers_lease_is_left_to_it() -> None:
    """A runner does not wait for the lease of a stream in which there is nothing to wait for."""
    tasks = Tasks()
    w = world(others=[tasks, InstantPostgres()])
    w.request(quick=False, databases=(database(timeout=60),))
    w.runner.run([KEY])
    row = w.journal.lease(KEY)
    w.journal.claim(KEY, "other", row)
    assert w.runner.step([KEY]) is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (RunTask, "RunTask d1/orders/migrate of test/shop: in AWS's words (BlockedException)"),
        (UpsertDatabase, "UpsertDatabase orders of test/shop: in AWS's words (BlockedException)"),
    ],
)
def test_failures_name_what_failed(kind: type, words: str) -> None:
    """A failure of a task or a database names it, and the stream."""

    @define
    class Blocked:
        """An executor whose account is blocked."""

        commands: tuple[type, ...] = (kind,)

        def act(self, work: Work) -> Act:
            yield from ()
            raise Refused("BlockedException")

    others = [Blocked(), Tasks() if kind is not RunTask else InstantPostgres()]
    w = world(others=others)
    w.request(quick=False, databases=(database(),))
    w.runner.run([KEY])
    assert words in w.notices[0].reason
    assert "speak to AWS support" in w.notices[0].reason
    assert w.notices[0].outcome == "FAILED"
