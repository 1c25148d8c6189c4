"""The event source: EventBridge's events, received from an SQS queue.

A message is deleted only when the runner acknowledges it, after what it says was written down. With the queue on,
looking at AWS unasked is only a safety net. What fails here fails nothing else.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, evolve

from deployer_aws.aws.errors import classify
from deployer_aws.aws.protocols import SqsClient
from deployer_aws.events.answers import take
from deployer_aws.events.matching import Index, is_about
from deployer_aws.events.parsing import AwsEvent, read_event
from deployer_aws.ports import Clock, CommandId, Journal, Received, Taken, Work

log: logging.Logger = logging.getLogger("deployer")

WAIT = 20
"""The longest that SQS waits for a message, in seconds (SQS API reference, ReceiveMessage)."""
BATCH = 10
"""The most messages that SQS gives or deletes at once."""
BATCHES = 20
"""The most batches that are received in one go, before the runner gets its turn."""
SLICE = 10.0
"""Seconds after which no more are received in one go: leases are to be renewed, and messages to be acknowledged before
they are visible again."""
REMEMBERED = 10_000
"""Of how many tasks the newest version is remembered."""

_RECEIVING = "events cannot be received, so AWS is polled alone"
_DELETING = "messages cannot be deleted, so they will come again"


@define
class QueueTally:
    """What was received so far. `poison` counts what cannot be understood, each time that it came."""

    received: int = 0
    old: int = 0
    """Duplicates, and what came out of order."""
    foreign: int = 0
    """About nothing that is pending."""
    poison: int = 0
    undeleted: int = 0
    failures: int = 0
    """Calls to SQS that failed."""


class EventQueue:
    """An SQS queue that EventBridge's rules write to, as a runner's event source.

    The journal is read, to find the pending commands of these streams, or of all, that an event is about. What nobody
    understands is left to the queue's redrive policy.
    """

    def __init__(
        self,
        sqs: SqsClient,
        queue_url: str,
        journal: Journal,
        clock: Clock,
        keys: Collection[str] | None = None,
    ) -> None:
        self._sqs, self._url, self._journal, self._clock, self._keys = sqs, queue_url, journal, clock, keys
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._problems: dict[str, str] = {}
        self.tally: QueueTally = QueueTally()

    @property
    def available(self) -> bool:
        """Whether the last call that receives has succeeded."""
        return _RECEIVING not in self._problems

    def receive(self, seconds: float) -> list[Received]:
        """Return what the queue holds that can be understood, after waiting for it so many seconds at most."""
        until = self._clock.monotonic() + seconds
        while True:
            left = until - self._clock.monotonic()
            if received := self._read(self._drain(min(WAIT, int(max(0.0, left))))):
                return received
            left = until - self._clock.monotonic()
            if left < 1 or not self.available:
                if left > 0:
                    self._clock.sleep(left)
                return []

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Delete messages. What cannot be deleted comes again, and is no news then."""
        handles: list[str] = []
        for message in messages:
            handle, event = message.receipt
            handles.append(handle)
            if message.commands:
                self._remember(event)
        for start in range(0, len(handles), BATCH):
            self._delete(handles[start : start + BATCH])

    # Calls to SQS

    def _drain(self, wait: int) -> list[Mapping[str, Any]]:
        """Receive a batch, and more without waiting while they are full."""
        messages: list[Mapping[str, Any]] = []
        until = self._clock.monotonic() + wait + SLICE
        for _ in range(BATCHES):
            batch = self._call(wait)
            messages += batch
            if len(batch) < BATCH or self._clock.monotonic() >= until:
                break
            wait = 0
        return messages

    def _call(self, wait: int) -> list[Mapping[str, Any]]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait
            )
        except Exception as error:
            self._fails(_RECEIVING, error)
            return []
        if self._problems.pop(_RECEIVING, ""):
            log.info("events are received again")
        return list(answer.get("Messages", []))

    def _delete(self, handles: Sequence[str]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
        try:
            answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except Exception as error:
            self.tally.undeleted += len(entries)
            self._fails(_DELETING, error)
            return
        self._problems.pop(_DELETING, "")
        self.tally.undeleted += len(answer.get("Failed", []))

    def _fails(self, what: str, error: Exception) -> None:
        """Say so once, until it is another problem; raise what did not come from AWS or from the way there."""
        problem = classify(error)
        if problem is None:
            raise error
        self.tally.failures += 1
        words = str(evolve(problem, advice=""))  # which is about deployments
        if self._problems.get(what) != words:
            self._problems[what] = words
            log.warning("%s: %s", what, words)

    # Messages

    def _read(self, messages: Sequence[Mapping[str, Any]]) -> list[Received]:
        """Understand messages, and find the commands that they are about."""
        if not messages:
            return []
        self.tally.received += len(messages)
        keys = self._journal.streams(pending_only=True) if self._keys is None else self._keys
        index = Index({key: self._journal.head(key).state for key in keys})
        newest: dict[str, int] = {}
        read: list[Received] = []
        for message in messages:
            event, name = read_event(message.get("Body", "")), message.get("MessageId", "")
            if event.broken:
                self.tally.poison += 1
                log.warning("message %s cannot be understood: %s", name, event.why)
                continue
            found = self._find(event, index, newest)
            receipt = (message["ReceiptHandle"], event)
            read.append(Received(name, found, partial(_take, event), receipt))
        return read

    def _find(self, event: AwsEvent, index: Index, newest: dict[str, int]) -> tuple[CommandId, ...]:
        """Find the commands that an event is news about; `newest` are the versions that came together with it."""
        if event.task_arn and event.version is not None:
            known = max(self._versions.get(event.task_arn, -1), newest.get(event.task_arn, -1))
            if event.version <= known:
                self.tally.old += 1
                return ()
        found = index.find(event)
        if not found:
            self.tally.foreign += 1
        elif event.task_arn and event.version is not None:
            newest[event.task_arn] = event.version
        return found

    def _remember(self, event: AwsEvent) -> None:
        """Keep a task's version: of its changes, only what is newer than the newest is news."""
        if event.task_arn and event.version is not None:
            self._versions[event.task_arn] = max(event.version, self._versions.get(event.task_arn, -1))
            self._versions.move_to_end(event.task_arn)
            if len(self._versions) > REMEMBERED:
                self._versions.popitem(last=False)


def _take(event: AwsEvent, work: Work) -> Taken:
    """Return what an event means to a command, if it is still about it: one before it may have told the task's ARN."""
    return take(work, event) if is_about(event, work.pending) else Taken()
