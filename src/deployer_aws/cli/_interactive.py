"""Carrying deployments on from the command line: the loop, its interruption, and its pace on a simulated AWS."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

from attrs import asdict

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.clients import Options
from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.aws.protocols import SqsClient
from deployer_aws.cli._exit import BadInput
from deployer_aws.cli._live_display import Live
from deployer_aws.cli._plain_display import Lines, Silent
from deployer_aws.cli._report import Report
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import Environment
from deployer_aws.events import EventQueue
from deployer_aws.notifications import Notices, channel_to
from deployer_aws.ports import Appended, Clock
from deployer_aws.runner import Runner
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import Change
from deployer_aws.views.status import stack_status

YIELD = 0.05
"""Real seconds that a simulated runner leaves to another one, for whose lease it waits."""
FRAME = 0.1
"""Real seconds between two pictures where a simulation is slowed down."""


class Interrupted(BaseException):
    """Somebody asked this process to end, at a moment when nothing was under way."""


@contextmanager
def signals_to(take: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Have SIGINT, SIGTERM and SIGHUP taken for a while, as far as there are such."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, take) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP: the call in hand is finished first; a second signal does not wait for it."""

    def __init__(self) -> None:
        self.asked = False
        self._pausing = False

    def installed(self) -> AbstractContextManager[None]:
        """Take the signals over for a while."""
        return signals_to(self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        if self.asked or self._pausing:
            self.asked = True
            raise Interrupted
        self.asked = True

    def pause(self, seconds: float) -> None:
        """Sleep, unless somebody asks to end."""
        with self.pausing():
            time.sleep(seconds)

    @contextmanager
    def pausing(self) -> Generator[None]:
        """What is done in here is broken off when somebody asks to end."""
        self._pausing = True
        try:
            if self.asked:
                raise Interrupted
            yield
        finally:
            self._pausing = False


class Waiting:
    """An SQS client whose waiting is broken off like a pause; what was on its way then comes again to another one."""

    def __init__(self, sqs: SqsClient, interrupts: Interrupts) -> None:
        self._sqs, self._interrupts = sqs, interrupts

    def receive_message(self, **request: Any) -> Any:
        """See `SqsClient`."""
        with self._interrupts.pausing():
            return self._sqs.receive_message(**request)

    def delete_message_batch(self, **request: Any) -> Any:
        """See `SqsClient`."""
        return self._sqs.delete_message_batch(**request)


class PacedClock:
    """A clock whose sleep can be interrupted. On a simulated AWS time passes at once, or `speed` times as fast."""

    def __init__(self, world: Environment, interrupts: Interrupts, speed: float) -> None:
        self._clock: Clock = world.clock
        self._simulated, self._interrupts, self._speed = world.simulated, interrupts, speed
        self.tick: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or raise Interrupted."""
        if not self._simulated:
            self._interrupts.pause(seconds)
            return
        step = self._speed * FRAME if self._speed else seconds
        while True:
            slept = min(step, seconds)
            self._clock.sleep(slept)
            self._interrupts.pause(slept / self._speed if self._speed else 0)
            self.tick()
            seconds -= slept
            if seconds <= 0:
                return


class Display(Protocol):
    """What shows the deployments while they go on."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *failure: object) -> None: ...
    def begin(self, key: str, follower: Follower) -> None:
        """A stream that will be carried on."""
        ...

    def changed(self, key: str, change: Change) -> None:
        """Something has changed in it."""
        ...

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """Time has passed; who holds the leases that are waited for, by stream."""
        ...


class Carrier:
    """A runner, what tells it and whom it tells, its display, and what it follows.

    `stopped` says why it ended early; empty where it did not.
    """

    def __init__(
        self,
        world: Environment,
        display: Display,
        keys: Collection[str],
        options: Options,
        speed: float = 0,
    ) -> None:
        self.world, self.display, self.interrupts = world, display, Interrupts()
        self.clock = PacedClock(world, self.interrupts, speed)
        self.clock.tick = self._tick
        self.notices = notices_for(world, options, self.clock)
        self.events: EventQueue | None = None
        if options.queue and world.clients is not None:
            sqs = Waiting(world.clients.sqs, self.interrupts)
            self.events = EventQueue(sqs, options.queue, world.journal, self.clock, keys)
        self.runner = Runner(
            world.journal,
            world.executors,
            self.clock,
            events=self.events,
            notify=self.notices.notify if self.notices else None,
            watch=self._see,
        )
        self.followers = {key: Follower(world.journal, key, display.changed) for key in sorted(keys)}
        for key, follower in self.followers.items():
            display.begin(key, follower)
        self.stopped = ""

    def _see(self, step: Appended) -> None:
        self.followers[step.key].see(step)
        if self.notices:
            self.notices.watch(step)

    def _tick(self) -> None:
        waiting = {key: owner for key in self.followers if (owner := self.runner.waiting_for(key))}
        if waiting and self.world.simulated:
            time.sleep(YIELD)
        self.display.tick(self.clock.now(), waiting)

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._open.enter_context(self.interrupts.installed())
        self._open.enter_context(self.display)
        return self

    def __exit__(self, *failure: Any) -> None:
        self._open.__exit__(*failure)

    def carry_on(self, over: Callable[[], bool]) -> None:
        """Run until nothing is left to do, or it is over, or the user or AWS stops it."""

        def look() -> bool:
            for follower in self.followers.values():
                follower.catch_up()
            self._tick()
            return over() or self.interrupts.asked

        try:
            if look():
                self.runner.step(())  # nothing is left to do here, but there may be something to tell
            else:
                self.runner.run(tuple(self.followers), until=look)
                look()
        except Interrupted:
            pass
        except LoginNeeded as login:
            self.stopped = str(login)
        if self.interrupts.asked and not over():
            self.stopped = "interrupted"
        if self.notices:
            self.notices.flush()

    @property
    def messages(self) -> Mapping[str, int]:
        """What became of the queue's messages, by name; nothing where there is no queue."""
        if self.events is None:
            return {}
        counts = Counter(asdict(self.events.tally))
        counts.update(asdict(self.runner.messages))
        return counts

    @property
    def untold(self) -> frozenset[int]:
        """The notices that could not be delivered yet, where there is somebody to tell."""
        return frozenset(number for number, *_ in self.world.journal.notices() if self.notices)


def notices_for(world: Environment, options: Options, clock: Clock) -> Notices | None:
    """What tells whom the options name; None where they name nobody."""
    if not options.notify:
        return None
    channel = channel_to(Address.parse(options.notify), world.clients)
    return Notices(channel, clock, changes=options.changes)


def carrier_for(
    screen: Screen, world: Environment, keys: list[str], aws: Options, speed: float | None, as_json: bool
) -> Carrier:
    """A carrier with the display that fits where stdout goes."""
    now, display = world.clock.now(), Silent()
    shown: Display = display
    if not as_json and screen.alive:
        shown = Live(screen, world.simulated, now, None if world.simulated else time.time)
    elif not as_json:
        shown = Lines(screen, now, several=len(keys) > 1)
    return Carrier(world, shown, keys, aws, (speed or 0) if screen.alive else 0)


def warn_of_untold(screen: Screen, carrier: Carrier) -> None:
    """That somebody has not been told yet holds nothing up, but has to be known."""
    if carrier.untold:
        screen.warn(
            f"notices that could not be delivered: {len(carrier.untold)}. They are kept, and the next run or resume "
            "with --notify delivers them"
        )


def report_of(carrier: Carrier, journal: Path, key: str, deployment: str, aws: Options) -> Report:
    """How a deployment stands now."""
    known, world = carrier.followers[key].chronicle, carrier.world
    found = known.find(deployment)
    if found is None:
        raise BadInput(f"there is no deployment {deployment} of {key}")
    status = stack_status(key, known)
    return Report(
        found,
        status,
        carrier.stopped,
        carrier.runner.stale,
        world.calls(),
        journal,
        world.simulated,
        aws,
        carrier.messages,
        len(carrier.untold),
    )
