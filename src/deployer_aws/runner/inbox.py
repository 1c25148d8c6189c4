"""The inbox: what an event source has received is written down, and only then acknowledged."""

import logging
from collections.abc import Sequence

from attrs import define

from deployer_aws.ports import Clock, CommandId, EventSource, Journal, Received, Work
from deployer_aws.runner.commands import find
from deployer_aws.runner.schedule import Schedule
from deployer_aws.runner.writer import Writer

log: logging.Logger = logging.getLogger("deployer")

ECHOES = (3.0, 10.0)
"""When a command is looked at again, in seconds after an event's hint, if it is still pending then: AWS's reads are
eventually consistent, so a look may come too early to see what the event has told."""


class NoEvents:
    """The source of a runner that has no other: it waits on the clock, and receives nothing."""

    available = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def receive(self, seconds: float) -> Sequence[Received]:
        """Wait."""
        self._clock.sleep(seconds)
        return ()

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Do nothing: there are no messages."""


@define
class InboxTally:
    """What came of messages so far; `poison` counts those that could not be taken in, each time that they came."""

    appended: int = 0
    looks: int = 0
    poison: int = 0


class Inbox:
    """Takes in what a source has received. `echoes` are as `ECHOES`."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        writer: Writer,
        schedule: Schedule,
        source: EventSource,
        *,
        echoes: Sequence[float] = ECHOES,
    ) -> None:
        self._journal, self._clock, self._commit = journal, clock, writer.commit
        self._schedule, self._source, self._after = schedule, source, tuple(echoes)
        self._echoes: dict[CommandId, tuple[float, ...]] = {}
        self.tally: InboxTally = InboxTally()

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds at most, or until something is news; return whether anything is."""
        now = self._clock.monotonic()
        left = min([seconds, *(times[0] - now for times in self._echoes.values())])
        until = now + left
        while True:
            messages = self._receive(max(0.0, left))
            news = self._take_in(messages)
            if self._echo() or news:
                return True
            left = until - self._clock.monotonic()
            if not messages or left <= 0:
                return False

    def _receive(self, seconds: float) -> Sequence[Received]:
        """Receive; where that begins to fail, the long waits that were left to events are over."""
        available = self._source.available
        messages = self._source.receive(seconds)
        if available and not self._source.available:
            self._schedule.expedite_all()
        return messages

    def _take_in(self, messages: Sequence[Received]) -> bool:
        """Take messages in, then acknowledge those that need not come again; return whether any was news."""
        before = self.tally.appended + self.tally.looks
        done = [message for message in messages if self._is_taken(message)]
        if done:
            self._source.acknowledge(done)
        return self.tally.appended + self.tally.looks > before

    def _is_taken(self, message: Received) -> bool:
        """Take a message in; return False where that failed, so that it must come again."""
        try:
            for command in message.commands:
                self._take(command, message)
        except Exception:
            self.tally.poison += 1
            log.exception("message %s could not be taken in", message.name)
            return False
        return True

    def _take(self, command: CommandId, message: Received) -> None:
        """Append what a message says of a command, or have it looked at, if it is still pending."""
        key, number = command
        state = self._journal.head(key).state
        pending = find(state, number)
        if pending is None:
            return
        taken = message.take(Work(key, state.stream, pending, self._clock.now(), self._journal.blob))
        for event in taken.events:
            self.tally.appended += self._commit(key, event) is not None
        if taken.look:
            self._look(command)
            if self._after:
                now = self._clock.monotonic()
                self._echoes[command] = tuple(now + after for after in self._after)

    def _look(self, command: CommandId) -> None:
        self.tally.looks += 1
        self._schedule.expedite(command)

    def _echo(self) -> bool:
        """Have looked at again what a hint was about, if it is time and still pending; return whether it was time."""
        now = self._clock.monotonic()
        due = [command for command, times in self._echoes.items() if times[0] <= now]
        for key, number in due:
            later = tuple(time for time in self._echoes.pop((key, number)) if time > now)
            if find(self._journal.head(key).state, number) is not None:
                self._look((key, number))
                self._echoes |= {(key, number): later} if later else {}
        return bool(due)
