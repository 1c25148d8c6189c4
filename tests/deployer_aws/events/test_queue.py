"""The queue: what is deleted and when, what is left, and what a failing queue does."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer_aws.events.queue import BATCH
from deployer_aws.ports import Entry, Work
from deployer_aws.runner.inbox import Inbox
from deployer_aws.runner.schedule import Schedule
from deployer_core.machines.ecs_task import RunTask
from tests.deployer_aws.events import sns_notification, stack_event, stopped, task_event
from tests.support.listening import SimulatedExample
from tests.support.orders import KEY
from tests.support.sqs import URL, Sqs


def none(_: list[Any]) -> list[Any]:
    """No event arrives by itself."""
    return []


def in_creation(script: str = "", **settings: Any) -> SimulatedExample:
    """Return the example while the stack is being created, and no event has arrived."""
    example = SimulatedExample(script, delivery=none, **settings)
    example.request()
    example.until(lambda state: bool(state.pending and state.pending[0].ref))
    return example


def denied(operation: str) -> ClientError:
    """Refuse, as a queue's policy does."""
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, operation)


def test_nothing_is_deleted_before_it_is_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the journal refuses, a message stays, is counted as poison, and is taken in when it comes again."""
    example = in_creation()
    event = next(e for e in example.sim.emitted if "Stack" in e["detail-type"])
    example.sqs.send(event)
    before = example.journal.head(KEY).version

    def refuse(_: Sequence[Entry]) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(example.journal, "append", refuse)
        assert not example.runner.wait(0)
    assert (len(example.sqs.messages), example.runner.messages.poison) == (1, 1)
    assert example.sqs.calls["DeleteMessageBatch"] == 0
    example.sim.clock.sleep(31)
    assert example.runner.wait(0)
    assert example.journal.head(KEY).version == before + 1
    assert not example.sqs.messages


def test_poison_is_left_to_the_redrive_policy(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be understood is never deleted: after maxReceiveCount the queue puts it aside."""
    example = in_creation()
    example.sqs.send("hello", {"a": 1}, stack_event() | {"detail": None})
    with caplog.at_level(logging.WARNING, "deployer"):
        for _ in range(6):
            example.runner.wait(0)
            example.sim.clock.sleep(31)
    assert (len(example.sqs.dead), example.sqs.messages) == (3, [])
    assert example.events.tally.poison == 15
    assert "message message-1 cannot be understood: this is no JSON" in caplog.text
    assert "'detail' is no object" in caplog.text


def test_what_is_not_ours_is_deleted() -> None:
    """Other events, and events of stacks and tasks that nothing is pending for, are deleted and counted."""
    example = in_creation()
    example.sqs.send({"source": "aws.s3", "detail-type": "Object Created"}, stack_event(), stopped())
    assert not example.runner.wait(0)
    assert (example.sqs.messages, example.events.tally.foreign) == ([], 3)


def test_an_event_in_an_envelope_of_sns_is_taken() -> None:
    """A queue that is subscribed to a topic without raw delivery works as well."""
    example = in_creation()
    example.sim.clock.sleep(300)
    example.sqs.send(*(sns_notification(event) for event in example.sim.emitted[-1:]))
    assert example.runner.wait(0)


def test_a_batch_is_deleted_at_once_and_the_queue_is_drained() -> None:
    """Full batches are followed by another receive without waiting, and one delete each."""
    example = in_creation()
    example.sqs.send(*[stopped()] * (2 * BATCH + 3))
    calls = example.sqs.calls.copy()
    example.runner.wait(0)
    assert example.sqs.calls - calls == {"ReceiveMessage": 3, "DeleteMessageBatch": 3}
    assert example.sqs.messages == []


def test_a_queue_that_answers_slowly_keeps_the_runner_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came is handed over before its receipts are old, and leases are renewed meanwhile: the rest comes next time."""
    example = in_creation()
    receive, clock = example.sqs.receive_message, example.sim.clock

    def slowly(**request: Any) -> Any:
        clock.sleep(4.0)
        return receive(**request)

    monkeypatch.setattr(example.sqs, "receive_message", slowly)
    example.sqs.send(*[stopped()] * (20 * BATCH))
    before = clock.monotonic()
    assert len(example.events.receive(0)) == 3 * BATCH
    assert clock.monotonic() == before + 12


def test_what_could_not_be_deleted_comes_again_and_changes_nothing() -> None:
    """A failed delete is counted; the duplicate is no news."""
    example = in_creation()
    example.sqs.send(example.sim.emitted[0])
    example.sqs.undeletable = True
    assert example.runner.wait(0)
    version = example.journal.head(KEY).version
    assert (example.events.tally.undeleted, len(example.sqs.messages)) == (1, 1)
    example.sqs.undeletable = False
    example.sim.clock.sleep(31)
    assert not example.runner.wait(0)
    assert (example.journal.head(KEY).version, example.sqs.messages) == (version, [])


def test_a_delete_that_fails_altogether_is_no_failure(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and counted."""
    example = in_creation()
    example.sqs.send(stopped(), stopped())

    def refuse(**_: Any) -> Any:
        raise denied("DeleteMessageBatch")

    monkeypatch.setattr(example.sqs, "delete_message_batch", refuse)
    with caplog.at_level(logging.WARNING, "deployer"):
        for _ in range(2):
            example.runner.wait(0)
            example.sim.clock.sleep(31)
    assert (example.events.tally.undeleted, example.events.tally.failures) == (4, 2)
    assert caplog.text.count("messages cannot be deleted") == 1


def test_a_queue_that_refuses_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A failing receive waits as a clock does, is said once, and so is its end."""
    example = in_creation()
    example.sqs.failing = denied("ReceiveMessage")
    with caplog.at_level(logging.INFO, "deployer"):
        before = example.sim.clock.monotonic()
        example.runner.wait(30)
        example.runner.wait(30)
        assert example.sim.clock.monotonic() >= before + 60
        example.sqs.failing = None
        example.runner.wait(1)
    assert caplog.text.count("AWS is polled alone") == 1
    assert caplog.text.count("events are received again") == 1
    assert example.sqs.calls["ReceiveMessage"] >= 3


def test_while_nothing_is_heard_aws_is_asked_as_often_as_ever() -> None:
    """A queue that cannot be read makes no deployment slower; one that is read again is trusted again."""
    polling, deaf = SimulatedExample(listens=False), SimulatedExample()
    polling.deploy()
    once = polling.calls.total()
    polling.deploy("1.1")
    twice = polling.calls.total() - once
    deaf.sqs.failing = denied("ReceiveMessage")
    deaf.deploy()
    assert deaf.calls.total() > once * 0.75
    deaf.sqs.failing = None
    before = deaf.calls.total()
    deaf.deploy("1.1")
    assert deaf.ending() == polling.ending()
    assert deaf.calls.total() - before < twice / 2


def test_when_events_cease_what_was_left_to_them_is_looked_at() -> None:
    """The long waits that were begun in the hope of events end with the first failure to receive, and only with that."""
    example = in_creation()
    example.runner.step([KEY])
    example.sqs.failing = denied("ReceiveMessage")
    looks: list[int] = []
    for _ in range(2):
        before = example.calls["describe_stacks"]
        example.runner.wait(0)
        example.runner.step([KEY])
        looks.append(example.calls["describe_stacks"] - before)
    assert looks == [1, 0]


def test_a_mistake_is_not_swallowed() -> None:
    """What does not come from AWS is raised."""
    example = in_creation()
    example.sqs.failing = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        example.runner.wait(0)


def test_duplicates_of_tasks_are_known_by_their_version() -> None:
    """An event whose version is not newer than the newest is not even looked up."""
    example = SimulatedExample(delivery=none)
    example.request()
    example.until(lambda s: any(isinstance(p.command, RunTask) and p.ref for p in s.pending))
    (task, *_) = [p for p in example.state.pending if isinstance(p.command, RunTask)]
    event = task_event("RUNNING", taskArn=task.ref, version=4)
    for version in (4, 4, 3):
        example.sqs.send(event | {"detail": event["detail"] | {"version": version, "lastStatus": "RUNNING"}})
    assert example.runner.wait(0)
    assert (example.runner.messages.appended, example.events.tally.old) == (1, 2)


def test_what_a_command_was_called_before_says_nothing() -> None:
    """Of two tasks with one token that come together, the first is the command's, and the second is nobody's."""
    example = SimulatedExample("rules: [{on: run_task, nth: 1, lost_reply: true}]", delivery=none)
    example.request()
    example.until(lambda s: any(isinstance(p.command, RunTask) and p.attempt for p in s.pending))
    (task, *_) = [p for p in example.state.pending if isinstance(p.command, RunTask) and p.attempt]
    assert not task.ref
    assert task.attempt
    token = Work(KEY, example.state.stream, task, 0.0, str).token(task.attempt.number)
    arns = [f"arn:aws:ecs:eu-west-1:123456789012:task/main/{name}" for name in ("first", "second")]
    example.sqs.send(*(task_event("RUNNING", taskArn=arn, startedBy=token) for arn in arns))
    assert example.runner.wait(0)
    assert next(p.ref for p in example.state.pending if p.id == task.id) == arns[0]
    assert (example.runner.messages.appended, example.sqs.messages) == (2, [])


def test_only_so_many_versions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr("deployer_aws.events.queue.REMEMBERED", 1)
    example = SimulatedExample("rules: [{on: run_task, nth: 1, exit_code: 2}]", delivery=none)
    example.request()
    example.until(lambda s: sum(isinstance(p.command, RunTask) and bool(p.ref) for p in s.pending) == 2)
    tasks = [p for p in example.state.pending if isinstance(p.command, RunTask)]
    for task in (*tasks, tasks[0]):
        example.sqs.send(task_event("PENDING", taskArn=task.ref, version=2))
        example.runner.wait(0)
    assert (example.runner.messages.appended, example.events.tally.old) == (2, 0)


# Looks


def test_a_hint_is_followed_by_a_look_at_once() -> None:
    """An event of a stack at rest ends the sleep, and the runner's next step looks."""
    example = in_creation()
    example.sim.clock.sleep(300)
    example.sqs.send(example.sim.emitted[-1])
    calls = example.calls["describe_stacks"]
    before = example.sim.clock.monotonic()
    example.runner.wait(20)
    assert example.sim.clock.monotonic() < before + 1
    example.runner.step([KEY])
    assert example.calls["describe_stacks"] > calls
    assert not any(p.ref.startswith("arn:aws:cloudformation") for p in example.state.pending)


def test_a_look_that_came_too_early_is_made_again() -> None:
    """AWS's reads lag behind its events: what is still pending after a hint is looked at again, twice."""
    example = in_creation(script="rules: [{on: create_stack, takes: 1000}]")
    done = stack_event("CREATE_COMPLETE", stack_id=example.state.pending[0].ref)
    example.sqs.send(done)
    looks: list[int] = []
    begun = example.sim.clock.monotonic()
    while example.sim.clock.monotonic() < begun + 40:
        wait = example.runner.step([KEY])
        assert wait is not None
        example.runner.wait(wait)
        if example.runner.messages.looks > len(looks):
            looks.append(round(example.sim.clock.monotonic() - begun))
    assert looks == [0, 3, 10]


def test_nothing_is_looked_at_again_that_is_over() -> None:
    """What has ended by the time of the second look is not expedited."""
    example = in_creation()
    example.sim.clock.sleep(300)
    example.sqs.send(example.sim.emitted[-1])
    example.runner.wait(20)
    example.runner.step([KEY])
    example.sim.clock.sleep(11)
    example.runner.wait(0)
    assert example.runner.messages.looks == 1


def test_echoes_can_be_switched_off() -> None:
    """Then each hint is one look."""
    example = in_creation(script="rules: [{on: create_stack, takes: 1000}]")
    inbox = Inbox(
        example.journal, example.sim.clock, example.runner.writer, Schedule(), example.events, echoes=()
    )
    example.sqs.send(stack_event("CREATE_COMPLETE", stack_id=example.state.pending[0].ref))
    assert inbox.wait(1)
    assert not inbox.wait(30)
    assert inbox.tally.looks == 1


def test_a_hint_does_not_overrule_backing_off() -> None:
    """A command that waits after an error of AWS waits on, however many events come."""
    rules = ", ".join(f"{{on: describe_stacks, nth: {n}, throttle: true}}" for n in range(3, 30))
    example = in_creation(script=f"rules: [{rules}]")
    example.runner.step([KEY])
    example.sim.clock.sleep(200)
    example.runner.step([KEY])
    calls = example.calls["describe_stacks"]
    for _ in range(5):
        example.sqs.send(stack_event("CREATE_COMPLETE", stack_id=example.state.pending[0].ref))
        example.runner.wait(0)
        example.runner.step([KEY])
    assert example.calls["describe_stacks"] <= calls + 1


# Whom it serves


def test_a_source_writes_nothing_and_deletes_nothing_by_itself() -> None:
    """What was received stays in the queue, and the journal as it is, until the runner acknowledges it."""
    example = in_creation()
    version = example.journal.head(KEY).version
    example.sqs.send(example.sim.emitted[0])
    (received,) = example.events.receive(0)
    assert received.commands
    assert (example.journal.head(KEY).version, len(example.sqs.messages)) == (version, 1)
    example.events.acknowledge([received])
    assert (example.journal.head(KEY).version, len(example.sqs.messages)) == (version, 0)


def test_receiving_takes_no_longer_than_was_said() -> None:
    """Whole seconds are waited for messages, and the rest on the clock."""
    example = in_creation()
    for seconds in (0.0, 0.5, 1.0, 20.0, 45.5):
        before = example.sim.clock.monotonic()
        assert not example.events.receive(seconds)
        assert example.sim.clock.monotonic() == pytest.approx(before + seconds)


def test_only_the_streams_that_are_carried_on_are_spoken_of() -> None:
    """Events of other streams are not appended by a runner that does not carry them on."""
    example = in_creation(keys=["other/stack"])
    example.sqs.send(example.sim.emitted[-1])
    assert not example.runner.wait(0)
    assert example.events.tally.foreign == 1


def test_the_stand_in_behaves_as_sqs_does() -> None:
    """A received message is hidden for a while, and an old receipt deletes nothing."""
    example = SimulatedExample()
    sqs = Sqs(example.sim.clock)
    sqs.send("a")
    ask = {"QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
    (first,) = sqs.receive_message(**ask)["Messages"]
    assert sqs.receive_message(**ask) == {}
    example.sim.clock.sleep(31)
    (again,) = sqs.receive_message(**ask)["Messages"]
    for receipt, left in ((first["ReceiptHandle"], 1), (again["ReceiptHandle"], 0)):
        sqs.delete_message_batch(QueueUrl=URL, Entries=[{"Id": "0", "ReceiptHandle": receipt}])
        assert len(sqs.messages) == left
    assert json.dumps(again["Body"]) == '"a"'
