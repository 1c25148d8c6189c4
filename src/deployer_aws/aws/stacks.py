"""Read CloudFormation stacks: what they are, and what became of a change."""

import logging
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from deployer_aws.aws.errors import classify
from deployer_aws.aws.kinds import NESTED_STACK, may_hold_data
from deployer_aws.aws.pages import pages
from deployer_aws.aws.protocols import CloudFormationClient
from deployer_core.engine.messages import stream_of
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Counts, Pairs

log: logging.Logger = logging.getLogger("deployer")

_STATUSES = {
    Lifecycle.DELETING: "DELETE_IN_PROGRESS",
    Lifecycle.PROGRESS: "CREATE_IN_PROGRESS UPDATE_IN_PROGRESS UPDATE_COMPLETE_CLEANUP_IN_PROGRESS IMPORT_IN_PROGRESS",
    Lifecycle.ROLLING_BACK: "ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_IN_PROGRESS"
    " UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS IMPORT_ROLLBACK_IN_PROGRESS",
    Lifecycle.COMPLETE: "CREATE_COMPLETE UPDATE_COMPLETE IMPORT_COMPLETE",
    Lifecycle.ROLLED_BACK: "UPDATE_ROLLBACK_COMPLETE IMPORT_ROLLBACK_COMPLETE",
    Lifecycle.MISSING: "DELETE_COMPLETE",
    Lifecycle.EMPTY_SHELL: "ROLLBACK_COMPLETE REVIEW_IN_PROGRESS",
    Lifecycle.TERMINAL: "CREATE_FAILED ROLLBACK_FAILED UPDATE_FAILED UPDATE_ROLLBACK_FAILED DELETE_FAILED"
    " IMPORT_ROLLBACK_FAILED",
}
LIFECYCLES: Mapping[str, Lifecycle] = {
    status: lifecycle for lifecycle, statuses in _STATUSES.items() for status in statuses.split()
}
"""Every stack status of CloudFormation (API reference, Stack.StackStatus); one that is not here fails closed."""

WAYS_OUT: Mapping[str, str] = {
    "CREATE_FAILED": "delete the stack in CloudFormation, or roll it back",
    "ROLLBACK_FAILED": "delete the stack in CloudFormation, keeping what it cannot delete",
    "UPDATE_FAILED": "roll the stack back in CloudFormation",
    "UPDATE_ROLLBACK_FAILED": "continue the stack's update rollback in CloudFormation",
    "DELETE_FAILED": "delete the stack in CloudFormation, keeping what it cannot delete",
    "IMPORT_ROLLBACK_FAILED": "put right in AWS what could not be rolled back",
}
"""The manual way out of each status that CloudFormation does not leave by itself."""

MOVING = frozenset({Lifecycle.PROGRESS, Lifecycle.ROLLING_BACK, Lifecycle.DELETING})
SKEW = 300.0
"""Seconds by which AWS's clock and ours may differ when events are searched by time."""

BARE_SKEW = 5.0
"""Seconds of skew where events bear no tokens, as with some emulators, whose clock is ours."""
NESTED = 6 * 3600.0
"""Seconds before a nested stack's failure within which its own events may say why."""
KEPT = 90 * 24 * 3600.0
"""Seconds for which CloudFormation keeps events (User Guide, 'View stack events')."""


def lifecycle(status: str) -> Lifecycle:
    """Return the lifecycle of a status; an unknown one is TERMINAL, so that somebody looks."""
    return LIFECYCLES.get(status, Lifecycle.TERMINAL)


@frozen
class StackDescription:
    """A stack as DescribeStacks gives it."""

    id: str
    name: str
    status: str
    reason: str
    outputs: Pairs
    parameters: Pairs
    capabilities: tuple[str, ...]
    protected: bool
    updated: float

    @property
    def lifecycle(self) -> Lifecycle:
        """The lifecycle that its status stands for."""
        return lifecycle(self.status)


def read_description(found: Mapping[str, Any]) -> StackDescription:
    """Read a stack of DescribeStacks' answer."""
    return StackDescription(
        id=found["StackId"],
        name=found["StackName"],
        status=found["StackStatus"],
        reason=status_reason(found.get("StackStatusReason")),
        outputs=tuple(sorted((o["OutputKey"], o["OutputValue"]) for o in found.get("Outputs", []))),
        parameters=tuple(
            sorted((p["ParameterKey"], p.get("ParameterValue", "")) for p in found.get("Parameters", []))
        ),
        capabilities=tuple(sorted(found.get("Capabilities", []))),
        protected=bool(found.get("EnableTerminationProtection", False)),
        updated=_seconds(found.get("LastUpdatedTime", found["CreationTime"])),
    )


@frozen
class ChangeOutcome:
    """How a change of ours has ended.

    `followed` says that somebody else's change of the stack came after it, `taken_over` that it came before ours had
    ended: then the status is what the stack has come to since.
    """

    status: str
    reason: str
    followed: bool = False
    taken_over: bool = False


@frozen
class DeployerChange:
    """What a stream's deployer did to a stack: the token that it sent, and when the latest event of it was."""

    stream: str
    token: str
    at: float


class StackReader:
    """Reads stacks, changes nothing.

    `bare_events` says that events without tokens may be taken for ours where there are no others, as with some
    emulators. AWS's events bear the tokens that were sent: there, such events are somebody else's.
    """

    def __init__(self, cloudformation: CloudFormationClient, *, bare_events: bool = True) -> None:
        self._cloudformation, self._bare_events = cloudformation, bare_events

    def describe(self, name_or_id: str) -> StackDescription | None:
        """Describe a stack; None where it does not exist (or is not visible yet)."""
        answer = _unless_missing(lambda: self._cloudformation.describe_stacks(StackName=name_or_id))
        return read_description(answer["Stacks"][0]) if answer else None

    def is_empty(self, stack: StackDescription) -> bool:
        """Tell whether a stack holds nothing: its creation was rolled back, or its change set never executed."""
        if stack.status == "REVIEW_IN_PROGRESS":
            return not any(self.resources(stack.id))
        return stack.status == "ROLLBACK_COMPLETE"

    def status(
        self,
        stack: StackDescription,
        counted: Iterable[str],
        *,
        reason: str | None = None,
        removed: tuple[str, ...] = (),
    ) -> StackStatus:
        """Return the status to report of a stack, with what somebody has to do about it."""
        said = stack.reason if reason is None else reason
        if stack.status not in LIFECYCLES:
            said = f"a status that this version does not know; look at the stack in AWS. {said}".strip()
        where = stack.lifecycle
        if stack.status in WAYS_OUT:
            said = "; ".join(filter(None, (said, f"{WAYS_OUT[stack.status]}, then repair")))
        if stack.status == "REVIEW_IN_PROGRESS" and not self.is_empty(stack):
            where = Lifecycle.PROGRESS
        if where in MOVING:
            return StackStatus(where, stack.status, said)
        return StackStatus(where, stack.status, said, stack.outputs, counts(stack, counted), removed)

    def find(self, name: str, token: str, since: float) -> str | None:
        """Find the StackId of the stack whose events bear a token."""
        for event in self._events(name, since):
            if event.get("ClientRequestToken") == token:
                return str(event["StackId"])
        return None

    def deployers(self, stack: str, now: float) -> Iterator[DeployerChange]:
        """Yield what deployers did to a stack, newest first, as far as CloudFormation keeps it."""
        for event in self._events(stack, now - KEPT):
            token = str(event.get("ClientRequestToken", ""))
            if stream := stream_of(token):
                yield DeployerChange(stream, token, _seconds(event["Timestamp"]))

    def removed(self, stack: str, tokens: Container[str], since: float) -> tuple[str, ...]:
        """Return what updates with these tokens removed or replaced that may hold data, in order.

        An update removes last what it no longer needs, replaced resources included (User Guide, 'Update behaviors of
        stack resources'); what a deletion policy keeps has left the stack too.
        """
        ours = (e for e in self._events(stack, since) if str(e.get("ClientRequestToken", "")) in tokens)
        return tuple(dict.fromkeys(reversed(list(self._removals(ours)))))

    def _removals(self, events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what the cleanup of an update removed, newest first, that of nested stacks included."""
        seen: list[Mapping[str, Any]] = []
        for event in events:
            seen.append(event)
            if _is_own(event):
                if event["ResourceStatus"] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":
                    yield from (
                        _named(e) for e in seen if _is_removal(e) and may_hold_data(e["ResourceType"])
                    )
                seen = []
            elif event["ResourceStatus"] == "UPDATE_COMPLETE" and event["ResourceType"] == NESTED_STACK:
                inner = self._last_operation(event["PhysicalResourceId"], _seconds(event["Timestamp"]))
                yield from (f"{event['LogicalResourceId']}/{name}" for name in self._removals(inner))

    def outcome(self, stack: StackDescription, token: str, since: float) -> ChangeOutcome | None:
        """Return how the change that bears a token has ended; None while no event of it is visible.

        The stack's own events are those whose PhysicalResourceId is the StackId: nested stacks have COMPLETE events
        in their parent too. The last one that bears the token counts; where that is not final and an event with
        another token follows, or with none, it is the status in which the stack then settles.
        """
        events = list(self._events(stack.id, since))
        own = [e for e in events if _is_own(e)]
        ours = [e for e in own if e.get("ClientRequestToken") == token]
        if not ours:
            blind = self._bare_events and own and not any(e.get("ClientRequestToken") for e in own)
            return self._bare(stack, events, since) if blind else None
        last = str(ours[0]["ResourceStatus"])
        followed = own[0] is not ours[0]
        reason = self._why([e for e in events if e.get("ClientRequestToken") == token])
        reason = reason or status_reason(ours[0].get("ResourceStatusReason"))
        if followed and lifecycle(last) in MOVING:
            words = f"taken over by another change of the stack; {reason}".rstrip("; ")
            return ChangeOutcome(stack.status, words, followed=True, taken_over=True)
        return ChangeOutcome(last, reason, followed)

    def _bare(
        self, stack: StackDescription, events: list[Mapping[str, Any]], since: float
    ) -> ChangeOutcome | None:
        """Judge a change by status and time alone where events bear no tokens, as with some emulators."""
        recent = [e for e in events if _seconds(e["Timestamp"]) >= since - BARE_SKEW]
        if not any(map(_is_own, recent)):
            return None
        log.warning(
            "the events of %s bear no tokens: its status and the time of its events are trusted", stack.id
        )
        return ChangeOutcome(stack.status, self._why(recent) or stack.reason)

    def resources(self, stack: str) -> Iterator[Mapping[str, Any]]:
        """Yield a stack's resources as ListStackResources gives them."""
        for page in pages(self._cloudformation.list_stack_resources, StackName=stack):
            yield from page["StackResourceSummaries"]

    def _events(self, stack: str, since: float) -> Iterator[Mapping[str, Any]]:
        """Yield a stack's events, newest first, back to a time; none where the stack does not exist."""
        found = pages(self._cloudformation.describe_stack_events, StackName=stack)
        while page := _unless_missing(lambda: next(found, None)):
            for event in page["StackEvents"]:
                if _seconds(event["Timestamp"]) < since - SKEW:
                    return
                yield event

    def _why(self, events: list[Mapping[str, Any]]) -> str:
        """Name the first failing resources, in AWS's own words; of a nested stack, those inside it."""
        found: list[str] = []
        for event in reversed(events):
            said = str(event.get("ResourceStatusReason", ""))
            if _is_own(event) or not event["ResourceStatus"].endswith("_FAILED") or _CANCELLED.search(said):
                continue
            is_nested = event["ResourceType"] == NESTED_STACK
            nested = event.get("PhysicalResourceId") if is_nested else None
            inner = self._why(self._last_operation(nested, _seconds(event["Timestamp"]))) if nested else ""
            found.append(inner or f"{event['LogicalResourceId']} ({event['ResourceType']}): {said}")
        return "; ".join(list(dict.fromkeys(found))[:3])

    def _last_operation(self, nested: str, at: float) -> list[Mapping[str, Any]]:
        """Return a nested stack's events since its parent last began to change it, whose token they may lack."""
        events: list[Mapping[str, Any]] = []
        for event in self._events(nested, at - NESTED):
            events.append(event)
            if _is_own(event) and event["ResourceStatus"] in _BEGINNINGS:
                break
        return events


def _unless_missing(call: Callable[[], Any]) -> Any:
    """Call CloudFormation; return None where it says that the stack does not exist."""
    try:
        return call()
    except Exception as error:
        problem = classify(error)
        if problem is not None and problem.is_missing_stack:
            return None
        raise


def status_reason(reason: Any) -> str:
    """Return AWS's reason for a status, empty where it is that somebody asked for it."""
    return "" if reason in (None, "User Initiated") else str(reason)


def _is_own(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is about the stack itself rather than about a resource of it."""
    return bool(event.get("PhysicalResourceId") == event["StackId"])


def _is_removal(event: Mapping[str, Any]) -> bool:
    """Tell whether an event ends a resource's being in the stack, whatever becomes of the resource."""
    return event["ResourceStatus"] in ("DELETE_COMPLETE", "DELETE_SKIPPED", "DELETE_FAILED")


def _named(event: Mapping[str, Any]) -> str:
    return f"{event['LogicalResourceId']} ({event['ResourceType']})"


_BEGINNINGS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS"})
_CANCELLED = re.compile(r"Resource (creation|update|deletion) cancelled", re.IGNORECASE)


def counts(stack: StackDescription, parameters: Iterable[str]) -> Counts:
    """Return the counts that a stack's parameters carry now, of those that it has."""
    values = dict(stack.parameters)
    names = sorted(set(parameters))
    return tuple((name, int(values[name])) for name in names if values.get(name, "").isdigit())


def _seconds(time: Any) -> float:
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return float(time)
