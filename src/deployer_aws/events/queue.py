"""From an SQS queue to the runner: receive, append, and only then delete.

In one process there is one loop still: the runner's. The intake is the runner's clock, and where the runner would
sleep, the intake waits for messages; there are no threads. With it on, looking at AWS unasked is only a safety net.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import define, evolve, frozen

from deployer_aws.aws.errors import understand
from deployer_aws.aws.protocols import SqsClient
from deployer_aws.events.answers import take
from deployer_aws.events.matching import Found, Index
from deployer_aws.events.parsing import Kind, Understood, understand_event
from deployer_aws.ports import Clock, Journal, Work
from deployer_aws.runner import PollingPolicy, Runner
from deployer_core.engine.reducer import Pending
from deployer_core.machines.deployment import StabiliseStack

log: logging.Logger = logging.getLogger("deployer")

WAIT = 20
"""The longest that SQS waits for a message, in seconds (SQS API reference, ReceiveMessage)."""
BATCH = 10
"""The most messages that SQS gives or deletes at once."""
BATCHES = 20
"""The most batches that are taken in one go, before the runner gets its turn."""
REMEMBERED = 10_000
"""Of how many tasks the newest version is remembered."""

_RECEIVING = "events cannot be received, so AWS is polled alone"
_DELETING = "messages cannot be deleted, so they will come again"


@frozen
class SafetyNet(PollingPolicy):
    """The pace with an intake: what events will speak of is looked at unasked after `net` seconds at the most, and at
    its deadline.

    What AWS has not yet accepted, such as a task that was refused for want of capacity, has no events, and keeps the
    usual pace; so does everything while nothing is heard.
    """

    net: float = 180.0
    hears: Callable[[], bool] = lambda: True

    def wait(self, pending: Pending, now: float, usual: float | None = None) -> float:
        """See `PollingPolicy.wait`."""
        if not self.hears():
            return super().wait(pending, now, usual)
        known = pending.ref or getattr(pending.command, "arn", "")
        if known or isinstance(pending.command, StabiliseStack):
            return min(self.net, max(self.quick, pending.deadline - now))
        return super().wait(pending, now, usual)


@define
class Tally:
    """What became of messages so far. `poison` counts those that were left to the queue's redrive policy, each time."""

    received: int = 0
    appended: int = 0
    """Events of the deployer that were taken from messages."""
    looks: int = 0
    """Looks that were asked for."""
    old: int = 0
    """Duplicates, and what came out of order."""
    foreign: int = 0
    """About nothing that is pending."""
    poison: int = 0
    undeleted: int = 0
    failures: int = 0
    """Calls to SQS that failed."""


class Intake:
    """Receives events from an SQS queue for a runner, and is the clock of that runner; `serve` comes before its run.

    `echoes` says when a command is looked at again, in seconds after a hint, if it is still pending then: AWS's reads
    are eventually consistent, so a look may come too early to see what the event has told.
    """

    def __init__(
        self,
        sqs: SqsClient,
        queue_url: str,
        journal: Journal,
        clock: Clock,
        *,
        echoes: Sequence[float] = (3.0, 10.0),
    ) -> None:
        self._sqs, self._url, self._journal, self._clock = sqs, queue_url, journal, clock
        self._runner: Runner | None = None
        self._keys: Collection[str] | None = None
        self._index = Index(journal)
        self._echoes: dict[Found, tuple[float, ...]] = {}
        self._after = tuple(echoes)
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._troubles: dict[str, str] = {}
        self.tally: Tally = Tally()

    def serve(self, runner: Runner, keys: Collection[str] | None = None) -> None:
        """The runner that is told, of these streams or of all; until then, messages stay in the queue."""
        self._runner, self._keys = runner, keys

    @property
    def pace(self) -> SafetyNet:
        """The pace for that runner: a safety net while events can be received, and else the usual one."""
        return SafetyNet(hears=lambda: _RECEIVING not in self._troubles)

    # The runner's clock

    def now(self) -> float:
        """See `Clock.now`."""
        return self._clock.now()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Take messages in for so many seconds, or until one of them is news; at least once."""
        if self._runner is None:
            self._clock.sleep(seconds)
            return
        until = self._clock.monotonic() + seconds
        until = min([until, *(times[0] for times in self._echoes.values())])
        while True:
            news = self.poll(min(WAIT, int(max(0.0, until - self._clock.monotonic()))))
            left = until - self._clock.monotonic()
            if self._echo() or news or left <= 0:
                return
            if left < 1 or _RECEIVING in self._troubles:
                self._clock.sleep(left)
                self._echo()
                return

    # Messages

    def poll(self, wait: int) -> bool:
        """Take in what the queue holds, after waiting for it so many seconds at most; whether any of it was news."""
        news = fresh = False
        for _ in range(BATCHES):
            messages = self._receive(wait)
            if messages and not fresh:
                self._index.refresh(self._keys)
                fresh = True
            news = self._settle(messages) or news
            if len(messages) < BATCH:
                break
            wait = 0
        return news

    def _receive(self, wait: int) -> list[Mapping[str, Any]]:
        """What fails here fails nothing else: the safety net holds."""
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait
            )
        except Exception as error:
            self._fails(_RECEIVING, error)
            return []
        if self._troubles.pop(_RECEIVING, ""):
            log.info("events are received again")
        return list(answer.get("Messages", []))

    def _settle(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Take a batch in, and then delete what need not come again."""
        before = self.tally.appended + self.tally.looks
        self.tally.received += len(messages)
        done = [message for message in messages if self._is_done(message)]
        if done:
            self._delete(done)
        return self.tally.appended + self.tally.looks > before

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """What is not deleted comes again, and is no news then."""
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        try:
            answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except Exception as error:
            self.tally.undeleted += len(entries)
            self._fails(_DELETING, error)
            return
        self._troubles.pop(_DELETING, "")
        self.tally.undeleted += len(answer.get("Failed", []))

    def _fails(self, what: str, error: Exception) -> None:
        """Say so once, until it is another trouble; raises what did not come from AWS or from the way there."""
        problem = understand(error)
        if problem is None:
            raise error
        self.tally.failures += 1
        if what == _RECEIVING and what not in self._troubles:
            self._look_at_all()
        words = str(evolve(problem, advice=""))  # which is about deployments
        if self._troubles.get(what) != words:
            self._troubles[what] = words
            log.warning("%s: %s", what, words)

    def _is_done(self, message: Mapping[str, Any]) -> bool:
        """Take a message in; False where it must stay, for the queue's redrive policy to put aside."""
        event = understand_event(message.get("Body", ""))
        name = message.get("MessageId", "")
        if event.broken:
            self.tally.poison += 1
            log.warning("message %s cannot be understood: %s", name, event.why)
            return False
        if event.kind is not Kind.IGNORED and self._is_old(event):
            self.tally.old += 1
            return True
        try:
            found = self._index.spoken_of(event)
            for one in found:
                self._take(one, event)
        except Exception:
            self.tally.poison += 1
            log.exception("message %s could not be taken in", name)
            return False
        if found:
            self._remember(event)
        else:
            self.tally.foreign += 1
        return True

    def _take(self, found: Found, event: Understood) -> None:
        """Append what an event says of one command, or have it looked at."""
        key, command = found
        state = self._journal.head(key).state
        pending = next((p for p in state.pending if p.id == command), None)
        if pending is None or self._runner is None:
            self._index.update(key, state)
            return
        work = Work(key, state.stream, pending, self._clock.now(), self._journal.blob)
        taken = take(work, event)
        for each in taken.events:
            if (head := self._runner.writer.commit(key, each)) is not None:
                self.tally.appended += 1
                self._index.update(key, head.state)
        if taken.look:
            self._look(found)
            now = self._clock.monotonic()
            if self._after:
                self._echoes[found] = tuple(now + after for after in self._after)

    # Versions: of a task's changes, only what is newer than the newest is news

    def _is_old(self, event: Understood) -> bool:
        known = self._versions.get(event.task_arn or "")
        return known is not None and event.version is not None and event.version <= known

    def _remember(self, event: Understood) -> None:
        if event.task_arn and event.version is not None:
            self._versions[event.task_arn] = event.version
            self._versions.move_to_end(event.task_arn)
            if len(self._versions) > REMEMBERED:
                self._versions.popitem(last=False)

    # Looks

    def _look(self, found: Found) -> None:
        self.tally.looks += 1
        if self._runner is not None:
            self._runner.expedite(*found)

    def _look_at_all(self) -> None:
        """Nothing is heard any more, so the safety net's long waits are over."""
        if self._runner is None:
            return
        for key in self._journal.streams(pending_only=True) if self._keys is None else self._keys:
            for pending in self._journal.head(key).state.pending:
                self._runner.expedite(key, pending.id)

    def _echo(self) -> bool:
        """Have looked at once more what a hint was about, if it is time and still pending; whether there was any."""
        now = self._clock.monotonic()
        due = [found for found, times in self._echoes.items() if times[0] <= now]
        for found in due:
            later = tuple(time for time in self._echoes.pop(found) if time > now)
            if self._pending(found):
                self._look(found)
                self._echoes |= {found: later} if later else {}
        return bool(due)

    def _pending(self, found: Found) -> bool:
        key, command = found
        return any(p.id == command for p in self._journal.head(key).state.pending)
