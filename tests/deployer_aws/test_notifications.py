"""Notices: delivered once at least, in AWS's shapes, without secrets, and never in a deployment's way."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from deployer_aws.notifications import (
    CHANGED,
    ENDED,
    KEPT,
    PAUSE,
    EventBridge,
    LogLine,
    Message,
    NotDelivered,
    Notices,
    Sns,
    ended,
    redacted,
)
from deployer_aws.ports import Appended
from deployer_aws.runner import Runner
from deployer_aws.simulator import Simulator
from deployer_core.engine.messages import DeploymentOutcome, Notice, Requested
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL
from tests.support.listening import SimulatedExample
from tests.support.orders import KEY, orders

pytestmark = pytest.mark.quick


def message(number: int = 1, outcome: str = "DONE") -> Message:
    """Return the notice that a deployment ended."""
    return ended(KEY, Notice(f"d{number}", "1.0", DeploymentOutcome(outcome), "why", 1000.0))


class Client:
    """boto3's `events` and `sns` clients: requests are checked against botocore's models, and some entries fail."""

    def __init__(self, *failing: set[int]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._failing = list(failing)

    def _check(self, service: str, operation: str, request: dict[str, Any]) -> None:
        shape = (
            botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
        )
        assert shape is not None
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        self.requests.append(request)

    def put_events(self, **request: Any) -> Any:
        """PutEvents; the entries whose numbers are in the next set fail."""
        self._check("events", "PutEvents", request)
        assert len(request["Entries"]) <= 10
        failing = self._failing.pop(0) if self._failing else set()
        entries = [
            {"ErrorCode": "InternalFailure", "ErrorMessage": "try later"}
            if n in failing
            else {"EventId": str(n)}
            for n in range(len(request["Entries"]))
        ]
        return {"FailedEntryCount": len(failing), "Entries": entries}

    def publish(self, **request: Any) -> Any:
        """SNS Publish."""
        self._check("sns", "Publish", request)
        return {"MessageId": "m"}

    @property
    def deployments(self) -> list[list[str]]:
        """Whose end was told, request by request."""
        return [[json.loads(e["Detail"])["deployment"] for e in r["Entries"]] for r in self.requests]


class Recorder:
    """A channel that takes everything, or fails."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failing = False
        self.tries = 0

    def send(self, messages: Sequence[Message]) -> None:
        """See `Channel`."""
        self.tries += 1
        if self.failing:
            raise OSError("nobody listens")
        self.sent += messages


# EventBridge


def test_an_entry_is_as_documented() -> None:
    """Source, detail-type, detail, bus and time stand where EventBridge wants them."""
    client = Client()
    EventBridge(client, bus="deployments").send([message()])
    (entry,) = client.requests[0]["Entries"]
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("deployer", ENDED, "deployments")
    assert json.loads(entry["Detail"])["outcome"] == "DONE"
    assert entry["Time"].timestamp() == 1000.0


def test_entries_go_in_tens() -> None:
    """PutEvents takes ten at the most."""
    client = Client()
    EventBridge(client).send([message(n) for n in range(23)])
    assert [len(request) for request in client.deployments] == [10, 10, 3]


def test_failed_entries_are_sent_again_and_no_others() -> None:
    """What EventBridge took is not sent twice."""
    client = Client({1, 2}, {0})
    EventBridge(client).send([message(n) for n in range(4)])
    assert client.deployments == [["d0", "d1", "d2", "d3"], ["d1", "d2"], ["d1"]]


def test_what_is_never_taken_is_raised() -> None:
    """After three tries the runner has to come again; the error has EventBridge's words."""
    client = Client({0}, {0}, {0})
    with pytest.raises(NotDelivered, match="did not take 1 of 1 notices: InternalFailure: try later"):
        EventBridge(client).send([message()])
    assert len(client.requests) == 3


# SNS and the log


def test_sns_has_attributes_and_a_subject() -> None:
    """Subscribers filter by the attributes; a subject is 100 printable ASCII characters at the most."""
    client = Client()
    change = Message(
        CHANGED,
        {"stack": KEY, "deployment": "ü" * 200, "machine": "Deployment", "to": "WAITING"},
    )
    Sns(client, "arn:aws:sns:eu-west-1:111122223333:deployments").send([message(outcome="FAILED"), change])
    first, second = client.requests
    assert first["Subject"] == "staging/orders: d1 FAILED"
    attributes = {name: a["StringValue"] for name, a in first["MessageAttributes"].items()}
    assert attributes == {"about": ENDED, "stack": KEY, "outcome": "FAILED"}
    assert json.loads(first["Message"])["reason"] == "why"
    assert len(second["Subject"]) == 100
    assert second["Subject"].isascii()
    assert "outcome" not in second["MessageAttributes"]


def test_a_log_line_is_json(caplog: pytest.LogCaptureFixture) -> None:
    """A failed deployment is a warning, anything else is information."""
    with caplog.at_level(logging.INFO, "deployer.notices"):
        LogLine().send([message(), message(outcome="FAILED")])
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert json.loads(caplog.records[0].getMessage().removeprefix(f"{ENDED} "))["deployment"] == "d1"


# Secrets


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("cannot reach postgres://admin:s3cret@db:5432/orders", "cannot reach postgres://***@db:5432/orders"),
        ("password=hunter2 host=db", "password=*** host=db"),
        ('{"password": "a b", "user": "x"}', '{"password": ***, "user": "x"}'),
        ("PGPASSWORD='a b' psql", "PGPASSWORD=*** psql"),
        ("DB_SECRET: abc, more", "DB_SECRET: ***, more"),
        ("AKIAIOSFODNN7EXAMPLE was used", "*** was used"),
        ("the schema is locked", "the schema is locked"),
        ("see https://example.com/a@b", "see https://example.com/a@b"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(reason: str, expected: str) -> None:
    """A task's last log lines may hold anything."""
    assert redacted(reason) == expected


def test_a_long_reason_is_cut() -> None:
    """EventBridge takes 256 KiB in one call."""
    assert len(redacted("x" * 10_000)) == 4_000
    assert redacted("x" * 10_000).endswith("...")


# With a runner


def deploy(script: str, recorder: Recorder, *, changes: bool = False) -> SimulatedExample:
    """Deploy a version of the example, and record the notices."""
    example = SimulatedExample(script, listens=False, channel=recorder, changes=changes)
    example.deploy()
    return example


def test_each_ended_deployment_is_told() -> None:
    """One notice a deployment, and no change of state where none was asked for."""
    recorder = Recorder()
    deploy("rules: [{on: run_task, nth: 1, exit_code: 1}]", recorder)
    assert [(m.about, m.detail["outcome"]) for m in recorder.sent] == [(ENDED, "FAILED")]


def test_each_change_of_state_is_told_where_asked_for() -> None:
    """Every machine's resting states are told in order, from the first to the deployment's last."""
    recorder = Recorder()
    deploy("rules: [{on: run_task, nth: 1, exit_code: 2}]", recorder, changes=True)
    changes = [m.detail for m in recorder.sent if m.about == CHANGED]
    states = [c["to"] for c in changes if c["machine"] == "Deployment"]
    assert states == ["WAITING", "CREATING", "DB_MIGRATING", "SCALING_UP", "DONE"]
    assert [c["to"] for c in changes if c["machine"] == "Stack"] == ["CREATING", "AVAILABLE"]
    orders_states = [
        c["to"] for c in changes if c["machine"] == "PostgresMigration" and c["name"] == "orders"
    ]
    assert orders_states == ["UPSERTING", "EVALUATING", "RUNNING", "CLEANING_UP", "DONE"]
    assert {c["name"] for c in changes if c["machine"] == "EcsTask"} == {
        "orders/evaluate",
        "orders/migrate",
        "billing/migrate",
    }
    assert all(c["version"] == "1.0" for c in changes if c["deployment"])


def test_a_failing_channel_holds_nothing_up() -> None:
    """The deployment ends as ever; its end is told as soon as somebody listens, by another runner too."""
    recorder = Recorder()
    recorder.failing = True
    example = deploy("", recorder, changes=True)
    assert example.ending()["stack"] == "AVAILABLE"
    assert example.journal.notices()
    recorder.failing = False
    notices = Notices(recorder, example.sim.clock)
    example.sim.clock.sleep(60)
    Runner(example.journal, (), example.sim.clock, notify=notices.notify).step([])
    assert [m.about for m in recorder.sent] == [ENDED]
    assert not example.journal.notices()


def a_step() -> Appended:
    """Return a request, which two machines answer by a change of state."""
    event = Requested("1.0", orders("1.0"), 1000.0, 32 * "a")
    after, commands = reduce(INITIAL, event)
    return Appended(KEY, INITIAL, event, after, commands)


def test_changes_that_could_not_be_told_are_told_later() -> None:
    """They are kept in order, and a channel that has failed is left alone for a while."""
    recorder, clock = Recorder(), Simulator().clock
    notices = Notices(recorder, clock, changes=True)
    recorder.failing = True
    notices.watch(a_step())
    recorder.failing = False
    notices.watch(a_step())
    assert (recorder.tries, recorder.sent) == (1, [])
    clock.sleep(PAUSE)
    notices.watch(a_step())
    assert [m.detail["machine"] for m in recorder.sent] == ["Deployment", "Stack"] * 3


def test_only_so_many_changes_are_kept() -> None:
    """The oldest are dropped first, and counted."""
    recorder, clock = Recorder(), Simulator().clock
    notices = Notices(recorder, clock, changes=True)
    recorder.failing = True
    for _ in range(KEPT // 2 + 5):
        notices.watch(a_step())
    assert notices.dropped == 10
    recorder.failing = False
    notices.flush()
    assert len(recorder.sent) == KEPT
