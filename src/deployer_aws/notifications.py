"""Notices: each deployment that ended, and where asked for each change of state, sent to EventBridge, SNS or the log.

The shapes are documented in `docs/notices.md`. That a deployment ended is sent once at least: its notice stands in the
journal until it was delivered, and a runner tries again. Changes of state are sent as they happen, once where all is
well; what cannot be delivered is kept for a while, and the journal has it anyway. A failing notice never holds up a
deployment.
"""

import json
import logging
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import frozen

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.protocols import EventBridgeClient, SnsClient
from deployer_aws.ports import Appended, Clock
from deployer_core.engine.messages import DeploymentOutcome, Notice
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack

log: logging.Logger = logging.getLogger("deployer")

SCHEMA = 1
"""The version of the documented shapes; a new member does not change it, a changed or missing one does."""
SOURCE = "deployer"
BATCH = 10
"""The most entries that PutEvents takes (EventBridge API reference)."""
TRIES = 3
"""How often PutEvents is called for entries that it says have failed."""
LONGEST = 4_000
"""Characters of a reason that are told."""
KEPT = 1_000
"""Changes of state that wait for delivery at the most; older ones are dropped first."""
PAUSE = 30.0
"""Seconds for which changes are only kept after a delivery has failed."""

ENDED = "Deployment Ended"
CHANGED = "Deployment State Change"


class NotDelivered(Exception):
    """Some messages were not taken; says how many, and why in AWS's words."""


@frozen
class Message:
    """A message: `about` is EventBridge's detail-type, `detail` is as documented."""

    about: str
    detail: Mapping[str, Any]


class Channel(Protocol):
    """Somewhere that messages are sent to."""

    def send(self, messages: Sequence[Message]) -> None:
        """Deliver all messages, or raise; what is sent again after that may arrive twice."""
        ...


# Channels


class EventBridge:
    """PutEvents on a bus, by name or ARN, through boto3's `events` client."""

    def __init__(self, client: EventBridgeClient, *, bus: str = "default", source: str = SOURCE) -> None:
        self._client, self._bus, self._source = client, bus, source

    def send(self, messages: Sequence[Message]) -> None:
        """Send in tens; send failed entries again, and the others not. Raises NotDelivered."""
        for start in range(0, len(messages), BATCH):
            left = [self._entry(message) for message in messages[start : start + BATCH]]
            why = ""
            for _ in range(TRIES):
                left, why = self._put(left)
                if not left:
                    break
            if left:
                raise NotDelivered(f"EventBridge did not take {len(left)} of {len(messages)} notices: {why}")

    def _put(self, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
        """Send entries; return those that were not taken, and why."""
        answer = self._client.put_events(Entries=entries)
        if not answer.get("FailedEntryCount"):
            return [], ""
        results = answer["Entries"]
        failed = [entry for entry, r in zip(entries, results, strict=True) if r.get("ErrorCode")]
        words = [f"{r['ErrorCode']}: {r.get('ErrorMessage', '')}" for r in results if r.get("ErrorCode")]
        return failed, "; ".join(dict.fromkeys(words))

    def _entry(self, message: Message) -> dict[str, Any]:
        return {
            "Source": self._source,
            "DetailType": message.about,
            "Detail": json.dumps(message.detail),
            "EventBusName": self._bus,
            "Time": datetime.fromisoformat(message.detail["at"]),
            "Resources": [],
        }


class Sns:
    """Publish to a topic, through boto3's `sns` client; subscribers can filter by the attributes."""

    def __init__(self, client: SnsClient, topic: str) -> None:
        self._client, self._topic = client, topic

    def send(self, messages: Sequence[Message]) -> None:
        """Publish one by one, with the detail as the message."""
        for message in messages:
            about = {"about": message.about, "stack": str(message.detail["stack"])}
            about |= {
                name: str(given) for name in ("outcome", "cause") if (given := message.detail.get(name))
            }
            self._client.publish(
                TopicArn=self._topic,
                Subject=_subject(message),
                Message=json.dumps(message.detail),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in about.items()
                },
            )


class LogLine:
    """One line of JSON a notice, into Python's own logging under `deployer.notices`."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._log = logger or logging.getLogger("deployer.notices")

    def send(self, messages: Sequence[Message]) -> None:
        """Log messages; a failed deployment is a warning."""
        for message in messages:
            level = (
                logging.WARNING if message.detail.get("outcome") == DeploymentOutcome.FAILED else logging.INFO
            )
            self._log.log(level, "%s %s", message.about, json.dumps(message.detail))


class Senders(Protocol):
    """The clients that channels need."""

    @property
    def events(self) -> EventBridgeClient:
        """EventBridge's client."""
        ...

    @property
    def sns(self) -> SnsClient:
        """SNS's client."""
        ...


def channel_to(address: Address, clients: Senders | None) -> Channel:
    """Return what carries notices to an address; without AWS there is only the log."""
    if clients is None or address.kind == "log":
        return LogLine()
    if address.kind == "sns":
        return Sns(clients.sns, address.name)
    return EventBridge(clients.events, bus=address.name or "default")


def _subject(message: Message) -> str:
    """Return the subject of a mail: SNS takes 100 printable ASCII characters."""
    detail = message.detail
    state = detail.get("outcome") or f"{detail.get('machine')} {detail.get('to')}"
    text = f"{detail['stack']}: {detail['deployment']} {state}"
    return re.sub(r"[^ -~]", "?", text)[:100]


# What the runner is given


class Notices:
    """The `notify` and `watch` of a runner. With `changes`, each change of state is sent too.

    After a failure changes are kept, and sent again after a pause on the clock.
    """

    def __init__(self, channel: Channel, clock: Clock, *, changes: bool = False) -> None:
        self._channel, self._clock, self._changes = channel, clock, changes
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self._resume = float("-inf")
        self.dropped: int = 0
        """Changes of state that were given up, so far."""

    def notify(self, key: str, notice: Notice) -> None:
        """Send that a deployment ended. Raises where it cannot be sent; the runner will call again."""
        self._channel.send([ended(key, notice)])

    def watch(self, appended: Appended) -> None:
        """Send what has changed, where that was asked for. Never raises."""
        if not self._changes:
            return
        for message in changed(appended):
            self.dropped += len(self._kept) == KEPT
            self._kept.append(message)
        if self._clock.monotonic() >= self._resume:
            self.flush()

    def flush(self) -> None:
        """Send what is kept; what cannot be sent stays."""
        while self._kept:
            batch = list(self._kept)[:BATCH]
            try:
                self._channel.send(batch)
            except Exception as error:
                log.warning("%d changes of state could not be told: %s", len(self._kept), error)
                self._resume = self._clock.monotonic() + PAUSE
                return
            for _ in batch:
                self._kept.popleft()


# The messages


def ended(key: str, notice: Notice) -> Message:
    """Return the message that a deployment ended, as documented."""
    return Message(
        ENDED,
        {
            **_about(key, notice.deployment, notice.version, notice.at),
            "outcome": notice.outcome,
            **({"cause": notice.cause} if notice.cause else {}),
            "reason": redacted(notice.reason),
        },
    )


def changed(appended: Appended) -> Iterator[Message]:
    """Yield a message for each machine that has come to another state, as documented."""
    before, after = _states(appended.before), _states(appended.after)
    notices = (command for command in appended.commands if isinstance(command, Notice))
    after |= {(deployment.MACHINE.name, "", notice.deployment): notice.outcome for notice in notices}
    versions = _versions(appended.before) | _versions(appended.after)
    for which, now in sorted(after.items()):
        if (was := before.get(which, "[*]")) == now:
            continue
        machine, name, owner = which
        yield Message(
            CHANGED,
            {
                **_about(appended.key, owner, versions.get(owner, ""), appended.event.at),
                "machine": machine,
                "name": name,
                "from": was,
                "to": now,
            },
        )


def redacted(reason: str) -> str:
    """Return a reason without what looks like a secret, cut to a length that people read."""
    for pattern, instead in _SECRETS:
        reason = pattern.sub(instead, reason)
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 3]}..."


_SECRETS = (
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"), "***"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "***"),
    (
        re.compile(
            r"""(?ix) (\b[\w.-]*(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|session[_-]?token)"?\s*[=:]\s*)
                (?:"[^"]*"|'[^']*'|[^\s,;'"&]+)"""
        ),
        r"\1***",
    ),
)
"""Passwords in URLs, AWS's access key ids, and values of what is named like a secret: a task's last log lines may hold
any of them."""


def _about(key: str, deployment: str, version: str, at: float) -> dict[str, Any]:
    environment, _, application = key.partition("/")
    return {
        "schema": SCHEMA,
        "stack": key,
        "environment": environment,
        "application": application,
        "deployment": deployment,
        "version": version,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
    }


_Which = tuple[str, str, str]
"""A machine, what it is the machine of, and the deployment that it belongs to."""


def _states(state: DeployerState) -> dict[_Which, str]:
    """Return the state of each machine of a stack; those of a deployment that ended are gone."""
    states: dict[_Which, str] = {(stack.MACHINE.name, "", ""): name_of(type(state.stack))}
    for each in state.deployments:
        states[deployment.MACHINE.name, "", each.info.id] = name_of(type(each))
    current = ""
    for migration in state.migrations:
        current, database = migration.database.deployment, migration.database.spec.name
        states[postgres_migration.MACHINE.name, database, current] = name_of(type(migration))
    for task in state.tasks:
        states[ecs_task.MACHINE.name, f"{task.database}/{task.purpose}", current] = name_of(type(task.state))
    return states


def _versions(state: DeployerState) -> dict[str, str]:
    return {d.info.id: d.info.spec.version for d in state.deployments}
