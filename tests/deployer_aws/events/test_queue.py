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
from tests.support.listening import World
from tests.support.orders import KEY
from tests.support.sqs import URL, Sqs


def none(_: list[Any]) -> list[Any]:
    """No event arrives by itself."""
    return []


def in_creation(script: str = "", **settings: Any) -> World:
    """Return a world in which the stack is being created, and no event has arrived."""
    world = World(script, delivery=none, **settings)
    world.request()
    world.until(lambda state: bool(state.pending and state.pending[0].ref))
    return world


def denied(operation: str) -> ClientError:
    """Refuse, as a queue's policy does."""
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, operation)


def test_nothing_is_deleted_before_it_is_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the journal refuses, a message stays, is counted as poison, and is taken in when it comes again."""
    world = in_creation()
    event = next(e for e in world.sim.emitted if "Stack" in e["detail-type"])
    world.sqs.send(event)
    before = world.journal.head(KEY).version

    def refuse(_: Sequence[Entry]) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.journal, "append", refuse)
        assert not world.runner.wait(0)
    assert (len(world.sqs.messages), world.runner.messages.poison) == (1, 1)
    assert world.sqs.calls["DeleteMessageBatch"] == 0
    world.sim.clock.sleep(31)
    assert world.runner.wait(0)
    assert world.journal.head(KEY).version == before + 1
    assert not world.sqs.messages


def test_poison_is_left_to_the_redrive_policy(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be understood is never deleted: after maxReceiveCount the queue puts it aside."""
    world = in_creation()
    world.sqs.send("hello", {"a": 1}, stack_event() | {"detail": None})
    with caplog.at_level(logging.WARNING, "deployer"):
        for _ in range(6):
            world.runner.wait(0)
            world.sim.clock.sleep(31)
    assert (len(world.sqs.dead), world.sqs.messages) == (3, [])
    assert world.events.tally.poison == 15
    assert "message message-1 cannot be understood: this is no JSON" in caplog.text
    assert "'detail' is no object" in caplog.text


def test_what_is_not_ours_is_deleted() -> None:
    """Other events, and events of stacks and tasks that nothing is pending for, are deleted and counted."""
    world = in_creation()
    world.sqs.send({"source": "aws.s3", "detail-type": "Object Created"}, stack_event(), stopped())
    assert not world.runner.wait(0)
    assert (world.sqs.messages, world.events.tally.foreign) == ([], 3)


def test_an_event_in_an_envelope_of_sns_is_taken() -> None:
    """A queue that is subscribed to a topic without raw delivery works as well."""
    world = in_creation()
    world.sim.clock.sleep(300)
    world.sqs.send(*(sns_notification(event) for event in world.sim.emitted[-1:]))
    assert world.runner.wait(0)


def test_a_batch_is_deleted_at_once_and_the_queue_is_drained() -> None:
    """Full batches are followed by another receive without waiting, and one delete each."""
    world = in_creation()
    world.sqs.send(*[stopped()] * (2 * BATCH + 3))
    calls = world.sqs.calls.copy()
    world.runner.wait(0)
    assert world.sqs.calls - calls == {"ReceiveMessage": 3, "DeleteMessageBatch": 3}
    assert world.sqs.messages == []


def test_a_queue_that_answers_slowly_keeps_the_runner_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came is handed over before its receipts are old, and leases are renewed meanwhile: the rest comes next time."""
    world = in_creation()
    receive, clock = world.sqs.receive_message, world.sim.clock

    def slowly(**request: Any) -> Any:
        clock.sleep(4.0)
        return receive(**request)

    monkeypatch.setattr(world.sqs, "receive_message", slowly)
    world.sqs.send(*[stopped()] * (20 * BATCH))
    before = clock.monotonic()
    assert len(world.events.receive(0)) == 3 * BATCH
    assert clock.monotonic() == before + 12


def test_what_could_not_be_deleted_comes_again_and_changes_nothing() -> None:
    """A failed delete is counted; the duplicate is no news."""
    world = in_creation()
    world.sqs.send(world.sim.emitted[0])
    world.sqs.undeletable = True
    assert world.runner.wait(0)
    version = world.journal.head(KEY).version
    assert (world.events.tally.undeleted, len(world.sqs.messages)) == (1, 1)
    world.sqs.undeletable = False
    world.sim.clock.sleep(31)
    assert not world.runner.wait(0)
    assert (world.journal.head(KEY).version, world.sqs.messages) == (version, [])


def test_a_delete_that_fails_altogether_is_no_failure(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and counted."""
    world = in_creation()
    world.sqs.send(stopped(), stopped())

    def refuse(**_: Any) -> Any:
        raise denied("DeleteMessageBatch")

    monkeypatch.setattr(world.sqs, "delete_message_batch", refuse)
    with caplog.at_level(logging.WARNING, "deployer"):
        for _ in range(2):
            world.runner.wait(0)
            world.sim.clock.sleep(31)
    assert (world.events.tally.undeleted, world.events.tally.failures) == (4, 2)
    assert caplog.text.count("messages cannot be deleted") == 1


def test_a_queue_that_refuses_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A failing receive waits as a clock does, is said once, and so is its end."""
    world = in_creation()
    world.sqs.failing = denied("ReceiveMessage")
    with caplog.at_level(logging.INFO, "deployer"):
        before = world.sim.clock.monotonic()
        world.runner.wait(30)
        world.runner.wait(30)
        assert world.sim.clock.monotonic() >= before + 60
        world.sqs.failing = None
        world.runner.wait(1)
    assert caplog.text.count("AWS is polled alone") == 1
    assert caplog.text.count("events are received again") == 1
    assert world.sqs.calls["ReceiveMessage"] >= 3


def test_while_nothing_is_heard_aws_is_asked_as_often_as_ever() -> None:
    """A queue that cannot be read makes no deployment slower; one that is read again is trusted again."""
    polling, deaf = World(listens=False), World()
    polling.deploy()
    deaf.sqs.failing = denied("ReceiveMessage")
    deaf.deploy()
    assert deaf.ending() == polling.ending()
    assert deaf.calls.total() > polling.calls.total() * 0.75
    deaf.sqs.failing = None
    before = deaf.calls.total()
    deaf.deploy("1.1")
    assert deaf.calls.total() - before < polling.calls.total() / 2


def test_when_events_cease_what_was_left_to_them_is_looked_at() -> None:
    """The long waits that were begun in the hope of events end with the first failure to receive, and only with that."""
    world = in_creation()
    world.runner.step([KEY])
    world.sqs.failing = denied("ReceiveMessage")
    looks: list[int] = []
    for _ in range(2):
        before = world.calls["describe_stacks"]
        world.runner.wait(0)
        world.runner.step([KEY])
        looks.append(world.calls["describe_stacks"] - before)
    assert looks == [1, 0]


def test_a_mistake_is_not_swallowed() -> None:
    """What does not come from AWS is raised."""
    world = in_creation()
    world.sqs.failing = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        world.runner.wait(0)


def test_duplicates_of_tasks_are_known_by_their_version() -> None:
    """An event whose version is not newer than the newest is not even looked up."""
    world = World(delivery=none)
    world.request()
    world.until(lambda s: any(isinstance(p.command, RunTask) and p.ref for p in s.pending))
    (task, *_) = [p for p in world.state.pending if isinstance(p.command, RunTask)]
    event = task_event("RUNNING", taskArn=task.ref, version=4)
    for version in (4, 4, 3):
        world.sqs.send(event | {"detail": event["detail"] | {"version": version, "lastStatus": "RUNNING"}})
    assert world.runner.wait(0)
    assert (world.runner.messages.appended, world.events.tally.old) == (1, 2)


def test_what_a_command_was_called_before_says_nothing() -> None:
    """Of two tasks with one token that come together, the first is the command's, and the second is nobody's."""
    world = World("rules: [{on: run_task, nth: 1, lost_reply: true}]", delivery=none)
    world.request()
    world.until(lambda s: any(isinstance(p.command, RunTask) and p.attempt for p in s.pending))
    (task, *_) = [p for p in world.state.pending if isinstance(p.command, RunTask) and p.attempt]
    assert not task.ref
    assert task.attempt
    token = Work(KEY, world.state.stream, task, 0.0, str).token(task.attempt.number)
    arns = [f"arn:aws:ecs:eu-west-1:123456789012:task/main/{name}" for name in ("first", "second")]
    world.sqs.send(*(task_event("RUNNING", taskArn=arn, startedBy=token) for arn in arns))
    assert world.runner.wait(0)
    assert next(p.ref for p in world.state.pending if p.id == task.id) == arns[0]
    assert (world.runner.messages.appended, world.sqs.messages) == (2, [])


def test_only_so_many_versions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr("deployer_aws.events.queue.REMEMBERED", 1)
    world = World("rules: [{on: run_task, nth: 1, exit_code: 2}]", delivery=none)
    world.request()
    world.until(lambda s: sum(isinstance(p.command, RunTask) and bool(p.ref) for p in s.pending) == 2)
    tasks = [p for p in world.state.pending if isinstance(p.command, RunTask)]
    for task in (*tasks, tasks[0]):
        world.sqs.send(task_event("PENDING", taskArn=task.ref, version=2))
        world.runner.wait(0)
    assert (world.runner.messages.appended, world.events.tally.old) == (2, 0)


# Looks


def test_a_hint_is_followed_by_a_look_at_once() -> None:
    """An event of a stack at rest ends the sleep, and the runner's next step looks."""
    world = in_creation()
    world.sim.clock.sleep(300)
    world.sqs.send(world.sim.emitted[-1])
    calls = world.calls["describe_stacks"]
    before = world.sim.clock.monotonic()
    world.runner.wait(20)
    assert world.sim.clock.monotonic() < before + 1
    world.runner.step([KEY])
    assert world.calls["describe_stacks"] > calls
    assert not any(p.ref.startswith("arn:aws:cloudformation") for p in world.state.pending)


def test_a_look_that_came_too_early_is_made_again() -> None:
    """AWS's reads lag behind its events: what is still pending after a hint is looked at again, twice."""
    world = in_creation(script="rules: [{on: create_stack, takes: 1000}]")
    done = stack_event("CREATE_COMPLETE", stack_id=world.state.pending[0].ref)
    world.sqs.send(done)
    looks: list[int] = []
    begun = world.sim.clock.monotonic()
    while world.sim.clock.monotonic() < begun + 40:
        wait = world.runner.step([KEY])
        assert wait is not None
        world.runner.wait(wait)
        if world.runner.messages.looks > len(looks):
            looks.append(round(world.sim.clock.monotonic() - begun))
    assert looks == [0, 3, 10]


def test_nothing_is_looked_at_again_that_is_over() -> None:
    """What has ended by the time of the second look is not expedited."""
    world = in_creation()
    world.sim.clock.sleep(300)
    world.sqs.send(world.sim.emitted[-1])
    world.runner.wait(20)
    world.runner.step([KEY])
    world.sim.clock.sleep(11)
    world.runner.wait(0)
    assert world.runner.messages.looks == 1


def test_echoes_can_be_switched_off() -> None:
    """Then each hint is one look."""
    world = in_creation(script="rules: [{on: create_stack, takes: 1000}]")
    inbox = Inbox(world.journal, world.sim.clock, world.runner.writer, Schedule(), world.events, echoes=())
    world.sqs.send(stack_event("CREATE_COMPLETE", stack_id=world.state.pending[0].ref))
    assert inbox.wait(1)
    assert not inbox.wait(30)
    assert inbox.tally.looks == 1


def test_a_hint_does_not_overrule_backing_off() -> None:
    """A command that waits after an error of AWS waits on, however many events come."""
    rules = ", ".join(f"{{on: describe_stacks, nth: {n}, throttle: true}}" for n in range(3, 30))
    world = in_creation(script=f"rules: [{rules}]")
    world.runner.step([KEY])
    world.sim.clock.sleep(200)
    world.runner.step([KEY])
    calls = world.calls["describe_stacks"]
    for _ in range(5):
        world.sqs.send(stack_event("CREATE_COMPLETE", stack_id=world.state.pending[0].ref))
        world.runner.wait(0)
        world.runner.step([KEY])
    assert world.calls["describe_stacks"] <= calls + 1


# Whom it serves


def test_a_source_writes_nothing_and_deletes_nothing_by_itself() -> None:
    """What was received stays in the queue, and the journal as it is, until the runner acknowledges it."""
    world = in_creation()
    version = world.journal.head(KEY).version
    world.sqs.send(world.sim.emitted[0])
    (received,) = world.events.receive(0)
    assert received.commands
    assert (world.journal.head(KEY).version, len(world.sqs.messages)) == (version, 1)
    world.events.acknowledge([received])
    assert (world.journal.head(KEY).version, len(world.sqs.messages)) == (version, 0)


def test_receiving_takes_no_longer_than_was_said() -> None:
    """Whole seconds are waited for messages, and the rest on the clock."""
    world = in_creation()
    for seconds in (0.0, 0.5, 1.0, 20.0, 45.5):
        before = world.sim.clock.monotonic()
        assert not world.events.receive(seconds)
        assert world.sim.clock.monotonic() == pytest.approx(before + seconds)


def test_only_the_streams_that_are_carried_on_are_spoken_of() -> None:
    """Events of other streams are not appended by a runner that does not carry them on."""
    world = in_creation(keys=["other/stack"])
    world.sqs.send(world.sim.emitted[-1])
    assert not world.runner.wait(0)
    assert world.events.tally.foreign == 1


def test_the_stand_in_behaves_as_sqs_does() -> None:
    """A received message is hidden for a while, and an old receipt deletes nothing."""
    world = World()
    sqs = Sqs(world.sim.clock)
    sqs.send("a")
    ask = {"QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
    (first,) = sqs.receive_message(**ask)["Messages"]
    assert sqs.receive_message(**ask) == {}
    world.sim.clock.sleep(31)
    (again,) = sqs.receive_message(**ask)["Messages"]
    for receipt, left in ((first["ReceiptHandle"], 1), (again["ReceiptHandle"], 0)):
        sqs.delete_message_batch(QueueUrl=URL, Entries=[{"Id": "0", "ReceiptHandle": receipt}])
        assert len(sqs.messages) == left
    assert json.dumps(again["Body"]) == '"a"'
