"""The runner, as a program embeds it: it takes requests, carries them out, and delivers the notices of their ends."""

import random
import secrets
from collections.abc import Callable, Collection, Sequence

from deployer_aws.ports import Appended, Clock, EventSource, Executor, Journal
from deployer_aws.runner.durations import Durations
from deployer_aws.runner.inbox import Inbox, InboxTally, NoEvents
from deployer_aws.runner.leases import Leases
from deployer_aws.runner.loop import Loop
from deployer_aws.runner.outbox import Notify, Outbox
from deployer_aws.runner.polling import PollingPolicy
from deployer_aws.runner.requests import Requests
from deployer_aws.runner.schedule import Schedule
from deployer_aws.runner.writer import Writer


class Runner(Requests):
    """Carries out what is pending in a journal's streams, and takes in what people ask for.

    `owner` names this runner in leases, and must be its own. `client_timeout` is the longest that a call to AWS may
    take, in seconds: nothing is sent under a lease with less than three times that left. `notify` is given each notice
    once at least; what it raises is logged, and holds nothing up. Without it the notices of what this runner itself has
    ended are logged, and others' are left to a runner that has somebody to tell. `watch` is given each event that this
    runner has appended. `events` is where it hears of what happens on AWS; without it, it only polls.
    """

    def __init__(
        self,
        journal: Journal,
        executors: Sequence[Executor],
        clock: Clock,
        *,
        events: EventSource | None = None,
        owner: str | None = None,
        term: float = 60.0,
        client_timeout: float = 15.0,
        polling: PollingPolicy | None = None,
        notify: Notify | None = None,
        watch: Callable[[Appended], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        events, polling = events or NoEvents(clock), polling or PollingPolicy()
        durations, self._schedule = Durations(journal), Schedule()
        self._outbox = Outbox(journal, clock, notify, pause=polling.slow)
        self.writer: Writer = Writer(journal, self._outbox.see, durations.see, *([watch] if watch else []))
        super().__init__(journal, clock, self.writer)
        self._inbox = Inbox(journal, clock, self.writer, self._schedule, events)
        self._leases = Leases(journal, clock, owner or secrets.token_hex(8), term)
        self._loop = Loop(
            journal,
            executors,
            clock,
            self.writer,
            events,
            leases=self._leases,
            schedule=self._schedule,
            durations=durations,
            polling=polling,
            margin=3 * client_timeout,
            jitter=jitter,
        )

    @property
    def stale(self) -> int:
        """Events that changed nothing, so far: duplicates, late answers, progress that was no news."""
        return self.writer.stale

    @property
    def messages(self) -> InboxTally:
        """What came of the messages of the event source, so far."""
        return self._inbox.tally

    def run(self, keys: Collection[str] | None = None, *, until: Callable[[], bool] | None = None) -> None:
        """Carry on until nothing is pending, in these streams or in all, but tasks that are given up as unresolved.

        `until` is asked between two steps, and ends it earlier. Raises LoginNeeded when AWS refuses our credentials:
        nothing has failed, and another run carries on.
        """
        try:
            while (wait := self.step(keys)) is not None and not (until is not None and until()):
                self.wait(wait)
        finally:
            self._leases.release()

    def step(self, keys: Collection[str] | None = None) -> float | None:
        """Do all that is due, once; return the seconds until something is due again, or None where nothing is left.

        Where that takes long it ends early, to be called again at once.
        """
        wait = self._loop.step(keys)
        self._outbox.deliver()
        return wait

    def wait(self, seconds: float) -> bool:
        """Wait between two steps: so many seconds at most, or until an event is news; return whether one is."""
        return self._inbox.wait(seconds)

    def expedite(self, key: str, command: int) -> None:
        """Look at a pending command with the next step; after an error of AWS it still waits for its turn."""
        self._schedule.expedite((key, command))

    def waiting_for(self, key: str) -> str:
        """Return who holds the lease of a stream that this runner waits for, or nothing."""
        return self._leases.holder(key)
