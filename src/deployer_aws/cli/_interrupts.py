"""Ctrl-C and its like: what is under way is finished, and what only waits is broken off."""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

from deployer_aws.aws.protocols import SqsClient
from deployer_aws.environment import Environment
from deployer_aws.ports import Clock

FRAME = 0.1
"""Real seconds between two pictures where a simulation is slowed down."""


class Interrupted(BaseException):
    """Raised where this process is asked to end at a moment when nothing is under way."""


@contextmanager
def handle_signals(take: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Handle SIGINT, SIGTERM and SIGHUP for a while, as far as the platform has them."""
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
        """Handle the signals for a while."""
        return handle_signals(self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        if self.asked or self._pausing:
            self.asked = True
            raise Interrupted
        self.asked = True

    def pause(self, seconds: float) -> None:
        """Sleep. Raises Interrupted at once where the process is asked to end."""
        with self.pausing():
            time.sleep(seconds)

    @contextmanager
    def pausing(self) -> Generator[None]:
        """Let a signal break off what is done in here, by Interrupted."""
        self._pausing = True
        try:
            if self.asked:
                raise Interrupted
            yield
        finally:
            self._pausing = False


class InterruptibleSqs:
    """An SQS client whose wait for messages a signal can break off; a message that was on its way comes again later."""

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

    def __init__(self, environment: Environment, interrupts: Interrupts, speed: float) -> None:
        self._clock: Clock = environment.clock
        self._simulated, self._interrupts, self._speed = environment.simulated, interrupts, speed
        self.tick: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds since some moment; they never go back."""
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
