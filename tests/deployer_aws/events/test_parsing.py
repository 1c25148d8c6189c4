"""Understanding events: each kind that AWS documents, each envelope, and everything that is neither."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer_aws.aws.stacks import LIFECYCLES
from deployer_aws.events import EventKind, explain, parse, read_event
from deployer_core.machines.stack_status import Lifecycle
from tests.deployer_aws.events import (
    STACK_ID,
    TASK_ARN,
    container,
    envelope,
    lambda_batch,
    sns_notification,
    sqs_message,
    stack_event,
    stopped,
    task_event,
)

pytestmark = pytest.mark.quick

# Stacks


def test_a_stack_event_is_understood() -> None:
    """Stack, status, lifecycle, token and reason are read where 'Stack Status Change event detail' has them."""
    seen = read_event(stack_event("UPDATE_ROLLBACK_COMPLETE", reason="no capacity"))
    assert (seen.kind, seen.stack_name, seen.stack_id) == (EventKind.STACK, "shop", STACK_ID)
    assert (seen.status, seen.lifecycle) == ("UPDATE_ROLLBACK_COMPLETE", Lifecycle.ROLLED_BACK)
    assert (seen.token, seen.reason, seen.final) == ("deployer-1", "no capacity", True)
    assert seen.time == "2026-03-01T18:43:48Z"


@pytest.mark.parametrize("token", [None, ""])
def test_a_token_may_be_missing(token: str | None) -> None:
    """A missing and an empty client request token are the same: none."""
    assert read_event(stack_event(token=token)).token is None


@pytest.mark.parametrize("reason", [None, ""])
def test_a_reason_may_be_empty(reason: str | None) -> None:
    """An empty reason is one without words, a missing one is none; neither makes the event ignored."""
    seen = read_event(stack_event(reason=reason))
    assert (seen.kind, seen.reason) == (EventKind.STACK, reason)


@pytest.mark.parametrize("status", LIFECYCLES)
def test_every_stack_status_has_its_lifecycle(status: str) -> None:
    """The lifecycle is that of the one table, and a stack is final where it does not move."""
    seen = read_event(stack_event(status))
    assert seen.lifecycle is LIFECYCLES[status]
    moving = (Lifecycle.PROGRESS, Lifecycle.ROLLING_BACK, Lifecycle.DELETING)
    assert seen.final == (seen.lifecycle not in moving)
    assert not seen.why


def test_an_unknown_stack_status_fails_closed() -> None:
    """A status that the table lacks is taken for terminal, and named."""
    seen = read_event(stack_event("PONDERING"))
    assert (seen.kind, seen.lifecycle, seen.final) == (EventKind.STACK, Lifecycle.TERMINAL, True)
    assert "PONDERING" in seen.why


def test_a_stack_id_without_its_last_part_has_a_name() -> None:
    """Some examples of AWS leave the unique part out."""
    seen = read_event(stack_event(stack_id="arn:aws:cloudformation:us-west-1:111122223333:stack/teststack"))
    assert seen.stack_name == "teststack"
    assert read_event(stack_event(stack_id="teststack")).stack_name == "teststack"


# Tasks


def test_a_stopped_task_is_understood() -> None:
    """Exit codes are by container; one that never ran has none."""
    seen = read_event(
        stopped(
            container("migrate", "STOPPED", 0), container("log-router", "STOPPED", None, "OutOfMemoryError")
        )
    )
    assert (seen.kind, seen.task_arn, seen.last_status) == (EventKind.TASK, TASK_ARN, "STOPPED")
    assert seen.exit_codes == {"migrate": 0}
    assert [c.name for c in seen.containers] == ["migrate", "log-router"]
    assert seen.containers[1].reason == "OutOfMemoryError"
    assert (seen.stop_code, seen.reason) == ("EssentialContainerExited", "Essential container in task exited")
    assert (seen.version, seen.started_by, seen.final) == (9, "deployer-1", True)


def test_exit_codes_before_the_end_are_no_end() -> None:
    """At DEPROVISIONING the exit codes are there already, and the task has not stopped."""
    seen = read_event(task_event("DEPROVISIONING", container("migrate", "STOPPED", 0), stopCode="x"))
    assert (seen.exit_codes, seen.final) == ({"migrate": 0}, False)


@pytest.mark.parametrize(
    "missing", ["containers", "stopCode", "stoppedReason", "startedBy", "version", "group"]
)
def test_a_task_event_may_lack_nearly_everything(missing: str) -> None:
    """Containers may be empty or missing, and so may all that is not the task and its status."""
    seen = read_event(stopped(**{missing: None}))
    assert (seen.kind, seen.final, seen.exit_codes) == (EventKind.TASK, True, {})


# What is ignored


@pytest.mark.parametrize(
    ("source", "about"),
    [
        ("aws.cloudformation", "CloudFormation Resource Status Change"),
        ("aws.ecs", "ECS Container Instance State Change"),
        ("aws.ec2", "EC2 Instance State-change Notification"),
        ("my.app", "ECS Task State Change"),
    ],
)
def test_other_events_are_ignored(source: str, about: str) -> None:
    """Only AWS's own two kinds count: nobody but AWS can put events of an `aws.` source on a bus."""
    seen = read_event(envelope(source, about, TASK_ARN, stopped()["detail"]))
    assert (seen.kind, seen.broken) == (EventKind.IGNORED, False)
    assert source in seen.why


def broken(path: str, value: Any, event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with another value at a path of names and numbers."""
    changed = copy.deepcopy(event)
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place: Any = changed
    for part in way:
        place = place[part]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("detail", None, "'detail' is no object"),
        ("detail", [], "'detail' is no object"),
        ("detail/taskArn", "", "'detail.taskArn' is missing"),
        ("detail/lastStatus", None, "'detail.lastStatus' is missing"),
        ("detail/lastStatus", 7, "'detail.lastStatus' is no text"),
        ("detail/containers", {}, "'detail.containers' is no list of objects"),
        ("detail/containers", ["migrate"], "'detail.containers' is no list of objects"),
        ("detail/containers/0/name", None, "'detail.containers[0].name' is missing"),
        ("detail/containers/0/exitCode", "0", "'detail.containers[0].exitCode' is no whole number"),
        ("detail/containers/0/exitCode", True, "'detail.containers[0].exitCode' is no whole number"),
        ("detail/version", 1.5, "'detail.version' is no whole number"),
        ("detail-type", None, "it is no EventBridge event: 'source' or 'detail-type' is missing"),
        ("source", 1, "it is no EventBridge event: 'source' or 'detail-type' is missing"),
    ],
)
def test_a_broken_task_event_says_where(path: str, value: Any, why: str) -> None:
    """What is not as documented is ignored as broken, and the reason names the place."""
    seen = read_event(broken(path, value, stopped(container("migrate", "STOPPED", 0))))
    assert (seen.kind, seen.broken, seen.why) == (EventKind.IGNORED, True, why)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("detail/stack-id", None, "'detail.stack-id' is missing"),
        ("detail/status-details", "UPDATE_COMPLETE", "'detail.status-details' is no object"),
        ("detail/status-details/status", "", "'detail.status-details.status' is missing"),
        ("detail/client-request-token", {}, "'detail.client-request-token' is no text"),
    ],
)
def test_a_broken_stack_event_says_where(path: str, value: Any, why: str) -> None:
    """The same for stacks."""
    seen = read_event(broken(path, value, stack_event()))
    assert (seen.kind, seen.broken, seen.why) == (EventKind.IGNORED, True, why)


# Envelopes

EVENT = stack_event()


@pytest.mark.parametrize(
    "wrapped",
    [
        EVENT,
        json.dumps(EVENT),
        sqs_message(EVENT),
        {"Messages": [sqs_message(EVENT)]},
        lambda_batch(EVENT),
        sns_notification(EVENT),
        sqs_message(sns_notification(EVENT)),
        lambda_batch(sns_notification(EVENT)),
        {"Records": [{"EventSource": "aws:sns", "Sns": sns_notification(EVENT)}]},
    ],
)
def test_envelopes_are_opened(wrapped: object) -> None:
    """Raw events, SQS messages, Lambda's batches of one, SNS notifications, and the last inside of the others."""
    assert read_event(wrapped) == read_event(EVENT)


@pytest.mark.parametrize(
    ("wrapped", "why"),
    [
        (lambda_batch(EVENT, EVENT), "it holds 2 messages; give one at a time"),
        ({"Messages": []}, "it holds 0 messages; give one at a time"),
        ({"Body": "hello"}, "this is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "this is no JSON: maximum recursion depth exceeded while decoding a JSON array"),
        ({"Body": 7}, "it is no JSON object"),
        ([], "it is no JSON object"),
        (None, "it is no JSON object"),
        ({}, "it is no EventBridge event: 'source' or 'detail-type' is missing"),
        ({"Body": {"Body": {"Body": {"Body": {"Body": {"Body": {}}}}}}}, "it has more than 5 envelopes"),
    ],
)
def test_what_holds_no_event_is_ignored_as_broken(wrapped: object, why: str) -> None:
    """Nothing raises, and everything says why."""
    seen = read_event(wrapped)
    assert (seen.kind, seen.broken) == (EventKind.IGNORED, True)
    assert seen.why.startswith(why)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["STOPPED", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=200)
def test_any_json_is_understood_or_ignored(value: object) -> None:
    """No value raises, and what is ignored says why."""
    seen = read_event(value)
    assert seen.kind is EventKind.IGNORED
    assert seen.why


PATHS = (
    *(
        "detail",
        "source",
        "detail-type",
        "time",
        "detail/containers",
        "detail/containers/0",
        "detail/version",
    ),
    *(
        "detail/containers/0/name",
        "detail/containers/0/exitCode",
        "detail/containers/0/reason",
        "detail/taskArn",
    ),
    *("detail/lastStatus", "detail/stopCode", "detail/stoppedReason", "detail/startedBy", "detail/group"),
)


@given(st.sampled_from(PATHS), JSON)
@settings(max_examples=300)
def test_any_value_at_any_place_is_understood_or_ignored(path: str, value: object) -> None:
    """An event that is nearly one of ours never raises, and what is understood can be written down and printed."""
    seen = read_event(broken(path, value, stopped(container("migrate", "STOPPED", 0, "why"))))
    assert seen.kind is EventKind.TASK or seen.why
    for text in (seen.task_arn, seen.reason, seen.stop_code, seen.why, *seen.exit_codes):
        (text or "").encode()


# Explaining


def test_explain_prints_all_fields() -> None:
    """The explanation of a stack's event has every field, null where the event does not say."""
    assert explain(json.dumps(stack_event("CREATE_FAILED", token=None))) == {
        "kind": "stack-status",
        "why": None,
        "stack_name": "shop",
        "stack_id": STACK_ID,
        "status": "CREATE_FAILED",
        "lifecycle": "TERMINAL",
        "token": None,
        "task_arn": None,
        "last_status": None,
        "exit_codes": {},
        "stop_code": None,
        "reason": "",
        "final": True,
        "version": None,
        "started_by": None,
        "time": "2026-03-01T18:43:48Z",
    }


def test_explain_shows_exit_codes_by_container() -> None:
    """The explanation of a task's event."""
    said = explain(json.dumps(stopped(container("migrate", "STOPPED", 2))))
    assert (said["kind"], said["exit_codes"], said["final"]) == ("task-state", {"migrate": 2}, True)
    assert (said["version"], said["started_by"]) == (9, "deployer-1")


def test_explain_says_why_something_is_ignored() -> None:
    """An ignored event is no error."""
    said = explain(b'{"source": "aws.s3", "detail-type": "Object Created"}')
    assert (said["kind"], said["why"]) == ("ignored", "nothing is done about 'Object Created' of 'aws.s3'")


@pytest.mark.parametrize("text", ["", "hello", "{", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    """Only text that is no JSON is an error."""
    with pytest.raises(ValueError, match="this is no JSON"):
        parse(text)
