"""What an environment consists of."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from deployer_aws.aws.clients import Clients
from deployer_aws.ports import Clock, Executor, Journal, Properties

if TYPE_CHECKING:
    from deployer_aws.runner import Runner


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return the seconds since some moment; they never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


@frozen
class Environment:
    """What a runner needs, put together; close it, or use it as a context manager.

    `properties` belong to each request. `calls` returns how often each operation of AWS was called since the
    environment was opened, retries included, by the API's names. `clients` are those of the real AWS; without them, and
    without executors, the journal is only written to.
    """

    journal: Journal
    clock: Clock
    executors: tuple[Executor, ...]
    simulated: bool
    properties: Properties
    calls: Callable[[], Counter[str]]
    close: Callable[[], None]
    clients: Clients | None = None

    def runner(self, clock: Clock | None = None, **settings: Any) -> "Runner":
        """Return a runner here, with another clock if need be; `settings` are those of `Runner`."""
        from deployer_aws.runner import Runner  # what only reads a journal does without

        return Runner(self.journal, self.executors, clock or self.clock, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
