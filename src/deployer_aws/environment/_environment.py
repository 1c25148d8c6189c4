"""What an environment consists of."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from deployer_aws.aws import accounts
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

    def ensure_account(self, key: str) -> None:
        """Raise WrongAccount where a stack belongs to another account or region than the clients'."""
        if self.clients is not None and accounts.is_bound(self.journal, key):
            accounts.ensure_belongs(self.journal, key, accounts.find(self.clients))

    def foreign(self, keys: Iterable[str]) -> list[str]:
        """Return those of the stacks that belong to another account or region than the clients'."""
        bound = [key for key in keys if accounts.is_bound(self.journal, key)]
        if self.clients is None or not bound:
            return []
        account = accounts.find(self.clients)
        return [key for key in bound if not accounts.belongs(self.journal, key, account)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
