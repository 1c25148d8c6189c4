"""Carrying deployments on from the command line: the loop, its interruption, and its pace on a simulated AWS."""

import signal
import time
from collections.abc import Callable, Collection, Generator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Protocol, Self

from deployer_aws.following import Follower
from deployer_aws.history import Change
from deployer_aws.ports import Clock
from deployer_aws.runner import LoginNeeded, Runner, Step
from deployer_aws.surroundings import Surroundings

YIELD = 0.05
"""Real seconds that a simulated runner leaves to another one, for whose lease it waits."""
FRAME = 0.1
"""Real seconds between two pictures where a simulation is slowed down."""


class Interrupted(BaseException):
    """Somebody asked this process to end, at a moment when nothing was under way."""


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP: the call in hand is finished first; a second signal does not wait for it."""

    def __init__(self) -> None:
        self.asked = False
        self._pausing = False

    @contextmanager
    def installed(self) -> Generator[None]:
        """Take the signals over for a while."""
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before = {number: signal.signal(number, self._take) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, _: int, __: FrameType | None) -> None:
        if self.asked or self._pausing:
            self.asked = True
            raise Interrupted
        self.asked = True

    def pause(self, seconds: float) -> None:
        """Sleep, unless somebody asks to end."""
        self._pausing = True
        try:
            if self.asked:
                raise Interrupted
            time.sleep(seconds)
        finally:
            self._pausing = False


class PacedClock:
    """A clock whose sleep can be interrupted. On a simulated AWS time passes at once, or `speed` times as fast."""

    def __init__(self, world: Surroundings, interrupts: Interrupts, speed: float) -> None:
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
    """A runner, its display, and what it follows. `stopped` says why it ended early; empty where it did not."""

    def __init__(
        self, world: Surroundings, display: Display, keys: Collection[str], speed: float = 0
    ) -> None:
        self.world, self.display, self.interrupts = world, display, Interrupts()
        self.clock = PacedClock(world, self.interrupts, speed)
        self.clock.tick = self._tick
        self.runner = Runner(world.journal, world.executors, self.clock, watch=self._see)
        self.followers = {key: Follower(world.journal, key, display.changed) for key in sorted(keys)}
        for key, follower in self.followers.items():
            display.begin(key, follower)
        self.stopped = ""

    def _see(self, step: Step) -> None:
        self.followers[step.key].see(step)

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
            if not look():
                self.runner.run(tuple(self.followers), until=look)
                look()
        except Interrupted:
            pass
        except LoginNeeded as login:
            self.stopped = str(login)
        if self.interrupts.asked and not over():
            self.stopped = "interrupted"
