"""What an EventBridge event says about a stack or a task, without acting on it.

The shapes are those of 'Stack Status Change event detail' (CloudFormation User Guide) and of 'Amazon ECS task state
change events' (ECS Developer Guide), where unknown members may be added at any time. Whatever else comes is *ignored*,
and says why: nothing here ever raises for what an event holds.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from deployer_aws.aws.stacks import LIFECYCLES, MOVING, lifecycle
from deployer_core.machines.stack_status import Lifecycle

ENDED = frozenset({"STOPPED", "DELETED"})
"""A task's statuses of which none but DELETED follows (ECS Developer Guide, 'Amazon ECS task lifecycle')."""
WRAPPERS = 5
"""How many envelopes (SQS, SNS, Lambda) are opened to get at an event."""


class EventKind(Enum):
    """What an event is about. The values are for people."""

    STACK = "stack-status"
    TASK = "task-state"
    IGNORED = "ignored"


@frozen
class Container:
    """A container of a task, as an event shows it. `exit_code` is None where it has not ended, or never began."""

    name: str
    exit_code: int | None = None
    reason: str = ""


@frozen
class AwsEvent:
    """What an event says. What it does not say is None; `why` tells why it is ignored, or what is not known of it.

    `broken` tells what should have been one of ours, but is not as documented, from what is not ours. `final` says
    that the stack is at rest, or that the task has stopped; exit codes may well be there before that. A task's
    `version` rises with each of its changes.
    """

    kind: EventKind
    why: str = ""
    broken: bool = False
    stack_name: str | None = None
    stack_id: str | None = None
    status: str | None = None
    lifecycle: Lifecycle | None = None
    token: str | None = None
    task_arn: str | None = None
    last_status: str | None = None
    containers: tuple[Container, ...] = field(default=())
    stop_code: str | None = None
    reason: str | None = None
    final: bool = False
    version: int | None = None
    started_by: str | None = None
    group: str | None = None
    time: str | None = None

    @property
    def exit_codes(self) -> dict[str, int]:
        """Exit codes by container, of those that have one."""
        return {c.name: c.exit_code for c in self.containers if c.exit_code is not None}


class _Broken(Exception):
    """An event is not as documented; says where."""


def parse(text: str | bytes) -> Any:
    """Return JSON as a value; raises ValueError, in words, for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON: {error}") from None


def explain(text: str | bytes) -> dict[str, Any]:
    """Return how an event is understood, as values for JSON; raises ValueError for what is no JSON."""
    seen = read_event(parse(text))
    return {
        "kind": seen.kind.value,
        "why": seen.why or None,
        "stack_name": seen.stack_name,
        "stack_id": seen.stack_id,
        "status": seen.status,
        "lifecycle": seen.lifecycle.value if seen.lifecycle else None,
        "token": seen.token,
        "task_arn": seen.task_arn,
        "last_status": seen.last_status,
        "exit_codes": seen.exit_codes,
        "stop_code": seen.stop_code,
        "reason": seen.reason,
        "final": seen.final,
        "version": seen.version,
        "started_by": seen.started_by,
        "time": seen.time,
    }


def read_event(event: object) -> AwsEvent:
    """Read an event as EventBridge emits it, or in the envelopes that SQS, SNS and Lambda put around it."""
    try:
        opened = _open(event)
        source, about = opened.get("source"), opened.get("detail-type")
        if not isinstance(source, str) or not isinstance(about, str):
            raise _Broken("it is no EventBridge event: 'source' or 'detail-type' is missing")
        read = _READERS.get((source, about))
        if read is None:
            return AwsEvent(
                EventKind.IGNORED, f"nothing is done about {_clean(about)!r} of {_clean(source)!r}"
            )
        return read(_Part(opened))
    except _Broken as broken:
        return AwsEvent(EventKind.IGNORED, str(broken), broken=True)


# Envelopes


def _open(event: object) -> Mapping[str, Any]:
    """Return the EventBridge event inside its envelopes."""
    inner: Any = event
    for _ in range(WRAPPERS):
        if isinstance(inner, str):
            try:
                inner = parse(inner)
            except ValueError as error:
                raise _Broken(str(error)) from None
        if not isinstance(inner, Mapping):
            raise _Broken("it is no JSON object")
        if "detail-type" in inner:
            return inner
        wrapped = next((inner[name] for name in _INSIDE if name in inner), None)
        if wrapped is None:
            return inner
        if isinstance(wrapped, list):
            if len(wrapped) != 1:
                raise _Broken(f"it holds {len(wrapped)} messages; give one at a time")
            wrapped = wrapped[0]
        inner = wrapped
    raise _Broken(f"it has more than {WRAPPERS} envelopes")


_INSIDE = ("Messages", "Records", "Body", "body", "Sns", "Message")
"""Where SQS's API, Lambda, and SNS put what they carry."""


# The events


class _Part:
    """A part of an event with its place in the event, for errors."""

    def __init__(self, value: Mapping[str, Any], where: str = "") -> None:
        self._value, self._where = value, where

    def _at(self, name: str) -> str:
        return f"{self._where}{name}"

    def part(self, name: str) -> "_Part":
        """Return an object that must be there."""
        value = self._value.get(name)
        if not isinstance(value, Mapping):
            raise _Broken(f"'{self._at(name)}' is no object")
        return _Part(value, f"{self._at(name)}.")

    def parts(self, name: str) -> list["_Part"]:
        """Return a list of objects; one that is missing is empty."""
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise _Broken(f"'{self._at(name)}' is no list of objects")
        return [_Part(item, f"{self._at(name)}[{n}].") for n, item in enumerate(value)]

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.optional_text(name)
        if not value:
            raise _Broken(f"'{self._at(name)}' is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, which may be empty or missing."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, str):
            raise _Broken(f"'{self._at(name)}' is no text")
        return None if value is None else _clean(value)

    def number(self, name: str) -> int | None:
        """Return a whole number, which may be missing."""
        value = self._value.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise _Broken(f"'{self._at(name)}' is no whole number")
        return value


def _clean(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and nothing can store."""
    return text.encode("utf-8", "replace").decode()


def _stack(event: _Part) -> AwsEvent:
    """Read 'Stack Status Change event detail': the token may be missing, and the reason be empty."""
    detail = event.part("detail")
    details = detail.part("status-details")
    stack_id, status = detail.text("stack-id"), details.text("status")
    where = lifecycle(status)
    return AwsEvent(
        EventKind.STACK,
        "" if status in LIFECYCLES else f"this version does not know the status {status}: somebody must look",
        stack_name=_name(stack_id),
        stack_id=stack_id,
        status=status,
        lifecycle=where,
        token=detail.optional_text("client-request-token") or None,
        reason=details.optional_text("status-reason"),
        final=where not in MOVING,
        time=event.optional_text("time"),
    )


def _name(stack_id: str) -> str:
    """Return the name in `arn:aws:cloudformation:region:account:stack/name/id`; some examples of AWS have no id."""
    parts = stack_id.split("/")
    return parts[1] if len(parts) > 1 else stack_id


def _task(event: _Part) -> AwsEvent:
    """Read 'Amazon ECS task state change events': `detail` is the task as DescribeTasks shows it."""
    detail = event.part("detail")
    status = detail.text("lastStatus")
    return AwsEvent(
        EventKind.TASK,
        task_arn=detail.text("taskArn"),
        last_status=status,
        containers=tuple(
            Container(c.text("name"), c.number("exitCode"), c.optional_text("reason") or "")
            for c in detail.parts("containers")
        ),
        stop_code=detail.optional_text("stopCode"),
        reason=detail.optional_text("stoppedReason"),
        final=status in ENDED,
        version=detail.number("version"),
        started_by=detail.optional_text("startedBy"),
        group=detail.optional_text("group"),
        time=event.optional_text("time"),
    )


_READERS = {
    ("aws.cloudformation", "CloudFormation Stack Status Change"): _stack,
    ("aws.ecs", "ECS Task State Change"): _task,
}
