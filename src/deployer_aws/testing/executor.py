"""What every executor must do. `ports.Executor` says what a look is; here is what a runner relies on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias, TypeVar, get_args

import pytest
from attrs import define, frozen

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Appended, Clock, CommandId, Executor, Observer, Work
from deployer_aws.runner import Runner
from deployer_aws.testing.streams import good_answer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Notice,
    Replied,
    StopTask,
    WorldCommand,
)
from deployer_core.spec import DeploymentSpec, Pairs

T = TypeVar("T")
WEEK = 7 * 24 * 3600.0


class Killed(BaseException):
    """The process of a runner dies here."""


class Refused(Exception):
    """An error in the shape of boto3's."""

    def __init__(self, code: str, message: str = "in AWS's words") -> None:
        super().__init__(message)
        self.response: dict[str, Any] = {"Error": {"Code": code, "Message": message}}


class VirtualClock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self._now = 1_800_000_000.0

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._now

    def monotonic(self) -> float:
        """Return the same: it never goes back."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self._now += seconds


@define
class Calls:
    """Counts the calls to the world, of which the one of number `at` (the first is 1) may go wrong.

    It raises `error` once the world has carried it out, or before that where the request is `lost`.
    """

    at: int = 0
    error: BaseException | None = None
    lost: bool = False
    made: int = 0

    def wrap(self, client: Any) -> Any:
        """Return a client whose methods are counted."""
        return _Client(client, self)

    def call(self, operation: Callable[..., T], *values: Any, **named: Any) -> T:
        """Call an operation of the world."""
        self.made += 1
        broken = self.error if self.made == self.at else None
        if broken is not None and self.lost:
            raise broken
        answer = operation(*values, **named)
        if broken is not None:
            raise broken
        return answer


class _Client:
    def __init__(self, client: Any, calls: Calls) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return partial(self._calls.call, method) if callable(method) else method


class World(ABC):
    """What an executor acts on, made anew for each run; subclass it.

    `specs` are deployed one after the other, to one stack: so many that each of the executor's commands is needed.
    `texts` are their templates by SHA-256. Commands of other executors are carried out by `Instant`, whose stack has
    `outputs`. Give it a `clock` if the world has a time of its own.
    """

    specs: Sequence[DeploymentSpec]
    texts: Mapping[str, str] = {}
    outputs: Pairs = ()

    def __init__(self) -> None:
        self.clock: Clock = VirtualClock()

    @abstractmethod
    def executor(self, calls: Calls) -> Executor:
        """Return a new one, as another process has it, that reaches this world by way of `calls` alone."""

    @abstractmethod
    def changes(self) -> Sequence[object]:
        """Return what was changed in the world so far, without what differs from run to run, such as tokens."""


class Instant:
    """An executor that carries out every command at once and well, and changes nothing."""

    commands: tuple[type, ...] = get_args(WorldCommand)

    def __init__(self, outputs: Pairs = ()) -> None:
        self._outputs = outputs

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        yield work.reply(good_answer(work.pending.command, self._outputs))


@frozen
class Ended:
    """How a run ended: the deployments' outcomes, and what was changed; with how many calls and events."""

    outcomes: list[str]
    changes: list[object]
    calls: int
    events: int


Look: TypeAlias = Callable[[Executor, Work], Act]
Observe: TypeAlias = Callable[[Observer, Sequence[Work]], Mapping[CommandId, object]]


@define
class _Watched:
    """An executor whose looks are taken by somebody who watches."""

    executor: Executor
    look: Look
    commands: tuple[type, ...]

    def act(self, work: Work) -> Act:
        return self.look(self.executor, work)


@define
class _WatchedObserver:
    """An observer whose batch describes are taken by somebody who watches."""

    executor: Observer
    taken: Observe
    commands: tuple[type, ...]

    def act(self, work: Work) -> Act:
        return self.executor.act(work)

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        return self.taken(self.executor, works)


def deploy(
    world: World,
    calls: Calls | None = None,
    *,
    look: Look | None = None,
    observe: Observe | None = None,
    dies_after: int = 0,
    late: float = 0.0,
) -> Ended:
    """Deploy the world's specs with a real runner, until one fails or all have ended.

    Where the process dies, by a call or after so many events, another one goes on so many seconds later. `look` and
    `observe` take what the executor is asked, which then looks at each command by itself, or at all together.
    """
    journal, notices, seen = SqliteJournal(":memory:"), list[Notice](), list[Appended]()
    calls = calls or Calls()

    def watch(step: Appended) -> None:
        seen.append(step)
        if len(seen) == dies_after:
            raise Killed

    def notify(_: str, notice: Notice) -> None:
        notices.append(notice)

    def process(calls: Calls) -> Runner:
        tried = world.executor(calls)
        if look:
            tried = _Watched(tried, look, tried.commands)
        elif observe and isinstance(tried, Observer):
            tried = _WatchedObserver(tried, observe, tried.commands)
        executors = [Instant(world.outputs), tried]  # of two executors of a command the latter has it
        return Runner(journal, executors, world.clock, notify=notify, watch=watch, jitter=lambda: 0.5)

    with closing(journal):
        for number, spec in enumerate(world.specs):
            try:
                runner = process(calls)
                runner.request(f"d{number}", spec, world.texts)
                runner.run()
            except Killed:
                world.clock.sleep(late)
                process(Calls()).run()
            assert len(notices) == number + 1, f"d{number} has not ended: {journal.head(spec.key).state}"
            if notices[-1].outcome != "DONE":
                break
    return Ended([n.outcome for n in notices], list(world.changes()), calls.made, len(seen))


class ExecutorContract:
    """The laws of executors. `new_world` makes a world in which nothing was done yet, each time that it is called."""

    @pytest.fixture
    def new_world(self) -> Callable[[], World]:
        """Override it."""
        raise NotImplementedError

    def transient(self) -> Exception:
        """Return an error after which the same call may succeed. Override it where the world has another."""
        return ConnectionError("the connection was lost")

    def refusal(self) -> Exception:
        """Return an error by which the world refuses a call for good. Override it where the world has another."""
        return Refused("AccessDenied")

    def among(self, points: range) -> Iterable[int]:
        """Return at which of these calls or events something goes wrong. Override it where all take too long."""
        return points

    def test_it_carries_out_each_of_its_commands(self, new_world: Callable[[], World]) -> None:
        """All deployments are DONE, something was changed, and no command but StopTask was left untried."""
        world, acted = new_world(), set[type]()

        def look(executor: Executor, work: Work) -> Act:
            acted.add(type(work.pending.command))
            yield from executor.act(work)

        ended = deploy(world, look=look)
        assert ended.outcomes == ["DONE"] * len(world.specs)
        assert ended.changes
        assert acted | {StopTask} >= {*world.executor(Calls()).commands}

    def test_what_it_yields_is_of_the_command(self, new_world: Callable[[], World]) -> None:
        """Each event is of its command and time, an attempt has its own token; a deadline is the runner's to judge."""

        def look(executor: Executor, work: Work) -> Act:
            latest = work.pending.attempt.number if work.pending.attempt else 0
            for event in executor.act(work):
                assert (event.command, event.at) == (work.pending.id, work.now)
                match event:
                    case Attempted(number=number):
                        assert number in (max(latest, 1), latest + 1)
                        assert event.token == work.token(number)
                    case Accepted():
                        assert event.ref
                    case Replied():
                        assert not isinstance(event.answer, DeadlinePassed)
                yield event

        deploy(new_world(), look=look)

    def test_nothing_is_changed_before_it_is_written_down(self, new_world: Callable[[], World]) -> None:
        """A look changes nothing until its Attempted was appended; nor does one that is not resumed after that."""
        world = new_world()

        def look(executor: Executor, work: Work) -> Act:
            before, attempted = list(world.changes()), False
            stale: Any = world.executor(Calls()).act(work)
            next((event for event in stale if isinstance(event, Attempted)), None)
            stale.close()
            assert list(world.changes()) == before, "changed, though its attempt was stale"
            for event in executor.act(work):
                assert attempted or list(world.changes()) == before, f"changed before {event} was appended"
                yield event
                attempted = attempted or isinstance(event, Attempted)
            assert attempted or list(world.changes()) == before, "changed without an attempt"

        deploy(world, look=look)

    def test_killed_after_any_call_it_changes_all_once(self, new_world: Callable[[], World]) -> None:
        """The next process finds what was sent, or sends it with the same token: nothing is missing or twice."""
        unharmed = deploy(new_world())
        for at in self.among(range(1, unharmed.calls + 1)):
            self._same(unharmed, deploy(new_world(), Calls(at, Killed())), f"killed after call {at}")

    def test_killed_after_any_event_it_changes_all_once(self, new_world: Callable[[], World]) -> None:
        """What was written down and not yet sent is sent by the next process, and what was sent is not."""
        unharmed = deploy(new_world())
        for at in self.among(range(1, unharmed.events + 1)):
            self._same(unharmed, deploy(new_world(), dies_after=at), f"killed after event {at}")

    @pytest.mark.parametrize("lost", [True, False], ids=["request", "reply"])
    def test_a_call_that_fails_for_a_while_is_made_again(
        self, new_world: Callable[[], World], lost: bool
    ) -> None:
        """Whichever request or reply is lost, the end is the same, and nothing was changed twice."""
        unharmed = deploy(new_world())
        for at in self.among(range(1, unharmed.calls + 1)):
            broken = Calls(at, self.transient(), lost)
            self._same(unharmed, deploy(new_world(), broken), f"call {at} lost")

    def test_a_refusal_is_an_answer(self, new_world: Callable[[], World]) -> None:
        """Whichever call is refused, the deployment ends: what a look raises has a class in `aws.errors`."""
        unharmed = deploy(new_world())
        for at in self.among(range(1, unharmed.calls + 1)):
            deploy(new_world(), Calls(at, self.refusal(), lost=True))

    def test_a_process_that_comes_late_ends_what_was_begun(self, new_world: Callable[[], World]) -> None:
        """Long after each deadline a look is still a look: it says how a command ended, or leaves it to the runner."""
        unharmed = deploy(new_world())
        for at in self.among(range(1, unharmed.events + 1)):
            ended = deploy(new_world(), dies_after=at, late=WEEK)
            twice = [c for c in ended.changes if ended.changes.count(c) > unharmed.changes.count(c) > 0]
            assert not twice, f"a week after event {at}"

    def test_what_is_seen_together_is_as_seen_alone(self, new_world: Callable[[], World]) -> None:
        """A batch describe changes nothing, is of no other commands, and makes no difference to the end."""
        world, works_seen = new_world(), set[CommandId]()
        if not isinstance(world.executor(Calls()), Observer):
            pytest.skip("it looks at one command at a time")

        def observe(executor: Observer, works: Sequence[Work]) -> Mapping[CommandId, object]:
            before = list(world.changes())
            seen = executor.observe(works)
            assert list(world.changes()) == before, "changed by looking"
            assert {*seen} <= {work.id for work in works}
            works_seen.update(seen)
            return seen

        alone = deploy(new_world(), look=lambda executor, work: executor.act(work))
        self._same(alone, deploy(world, observe=observe), "seen together")
        assert works_seen, "a world in which nothing takes time shows nothing to a batch describe"

    def _same(self, unharmed: Ended, ended: Ended, when: str) -> None:
        """Check that a run ended as the unharmed one, its changes in whatever order: databases take no turns."""
        assert ended.outcomes == unharmed.outcomes, when
        assert sorted(ended.changes, key=repr) == sorted(unharmed.changes, key=repr), when
