"""`--queue` and `--notify`: the command with a real queue, bus and topic, over HTTP, on emulators on 127.0.0.1."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from attrs import frozen

from deployer_aws.cli._interrupts import Interrupted, InterruptibleSqs, Interrupts
from deployer_aws.environment import SystemClock
from tests.deployer_aws.events import stack_event
from tests.support import servers
from tests.support.command import EXAMPLE, FAILS, KEY, SCRIPT, Deployer, Said, invoke, on_terminal

TOPIC = "arn:aws:sns:eu-west-1:123456789012:deployments"
GATE = """
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Gate:
    Type: AWS::CloudFormation::WaitCondition
    Properties: {Handle: {Ref: Handle}, Timeout: "60", Count: 1}
"""
"""Holds a stack up until somebody tells it to go on."""


@frozen
class Account:
    """An emulator, the command in front of it, and a queue there."""

    deployer: Deployer
    name: str
    options: tuple[str, ...]
    session: Any

    def client(self, service: str) -> Any:
        """boto3's client."""
        return self.session.create_client(service, servers.REGION, endpoint_url=self.options[-1])

    def queue(self, use: str = "events") -> str:
        """Return a queue's URL."""
        made = self.client("sqs").create_queue(QueueName=f"{self.name}-{use}")
        return str(made["QueueUrl"])

    def arn(self, queue: str) -> str:
        """Return a queue's ARN."""
        answer = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def received(self, queue: str) -> list[Any]:
        """Return what stands in a queue."""
        answer = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def tell(self, queue: str, **event: Any) -> None:
        """Send an event about the stack."""
        found = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        body = stack_event(**event, stack_id=found[0]["StackId"], token=None)
        self.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))

    def spec(self, *, gate: bool = False) -> Path:
        """Return a spec of one small stack."""
        resources = "  Topic: {Type: AWS::SNS::Topic}" + (GATE if gate else "\n")
        (self.deployer.folder / "template.yaml").write_text(f"Resources:\n{resources}")
        spec = self.deployer.folder / "spec.yaml"
        spec.write_text(
            f"environment: test\napplication: {self.name}\nversion: '1'\nquick: true\n"
            f"stack: {{name: {self.name}, template: template.yaml, scaling: none}}\n"
        )
        return spec

    def run(self, *words: str) -> Said:
        """Deploy it."""
        return self.deployer("run", self.spec(), *self.options, *words)

    def resume(self, *words: str) -> Said:
        """Carry on."""
        return self.deployer("resume", *self.options, *words)


def account(endpoint: str, request: pytest.FixtureRequest) -> Account:
    """Name a stack after its test, since the tests of a module share a server."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].rstrip("-")
    session = botocore.session.Session()
    options = ("--region", servers.REGION, "--endpoint-url", endpoint)
    return Account(request.getfixturevalue("deployer"), name, options, session)


@pytest.fixture
def aws(
    credentials: None, moto_endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Account:
    """moto, on which whatever is waited for is there already: a pause takes no time, but sets the clock forward."""
    ahead = [0.0]

    class Hasty(SystemClock):
        def now(self) -> float:
            return super().now() + ahead[0]

        def monotonic(self) -> float:
            return super().monotonic() + ahead[0]

    def pause(_: Interrupts, seconds: float) -> None:
        ahead[0] += seconds

    monkeypatch.setattr("deployer_aws.environment.SystemClock", Hasty)
    monkeypatch.setattr(Interrupts, "pause", pause)
    return account(moto_endpoint, request)


@pytest.fixture
def waiting_aws(credentials: None, ministack_endpoint: str, request: pytest.FixtureRequest) -> Account:
    return account(ministack_endpoint, request)


# The queue


def test_events_are_taken_from_the_queue(aws: Account) -> None:
    """What is about another stack is deleted, and what tells that ours is at rest ends the deployment by a look."""
    queue = aws.queue()
    foreign, ours = (
        stack_event("CREATE_COMPLETE", token=None, stack_id=f"arn:aws:cloudformation:::stack/{name}/1")
        for name in ("other", aws.name)
    )
    for event in (foreign, ours):
        aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    said = aws.run("--queue", queue, "--json")
    assert said.code == 0, said.err
    messages = said.data["messages"]
    assert messages["received"] == 2
    assert (messages["looks"], messages["foreign"], messages["failures"]) == (1, 1, 0)
    assert said.data["calls"]["by_operation"]["DeleteMessageBatch"] == 1
    assert aws.received(queue) == []


def test_a_queue_that_cannot_be_read(aws: Account) -> None:
    """It is said once, and the deployment goes on as it does without a queue."""
    queue = aws.queue().replace("events", "nothing")
    said = aws.run("--queue", queue, "--json")
    assert said.code == 0
    assert said.err.count("events cannot be received, so AWS is polled alone") == 1
    assert "NonExistentQueue" in said.err or "does not exist" in said.err
    assert said.data["messages"]["failures"] >= 1


def test_without_a_queue_there_is_no_tally(aws: Account) -> None:
    """And nobody asks SQS."""
    said = aws.run("--json")
    assert said.code == 0
    assert said.data["messages"] == {}
    assert "ReceiveMessage" not in said.data["calls"]["by_operation"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this needs POSIX terminals and signals")
def test_ctrl_c_in_a_wait_loses_nothing(waiting_aws: Account) -> None:
    """The run ends with exit code 3 and the words that carry on with the same queue; resume takes the event in."""
    aws, sent = waiting_aws, list[int]()
    queue, resources = aws.queue(), aws.client("cloudformation")

    def interrupt(seen: bytes, child: int) -> None:
        if b"UpsertStack" in seen and not sent:
            sent.append(child)
            resources.get_waiter("stack_exists").wait(StackName=aws.name, WaiterConfig={"Delay": 1})
            os.kill(child, signal.SIGINT)

    words: tuple[str | Path, ...] = (*aws.options, "--queue", queue, "--journal", aws.deployer.journal)
    code, seen = on_terminal(
        "run", aws.spec(gate=True), *words, when=interrupt, TERM="dumb", **servers.CREDENTIALS
    )
    assert sent, seen
    assert code == 3, seen
    assert f"--queue {queue}" in seen
    found = resources.list_stack_resources(StackName=aws.name)["StackResourceSummaries"]
    (url,) = [r["PhysicalResourceId"] for r in found if r["LogicalResourceId"] == "Handle"]
    done = json.dumps({"Status": "SUCCESS", "UniqueId": "1", "Data": "", "Reason": ""}).encode()
    urllib.request.urlopen(
        urllib.request.Request(url, done, {"Content-Type": ""}, method="PUT"), timeout=5
    ).close()
    aws.tell(queue, status="CREATE_COMPLETE")
    said = aws.resume("--queue", queue, "--json")
    assert said.code == 0, said.err
    (report,) = said.data["deployments"]
    assert report["outcome"] == "DONE"
    assert resources.describe_stacks(StackName=aws.name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


class Hanging:
    """An SQS client that is interrupted while it waits."""

    def receive_message(self, **request: Any) -> Any:
        """Ctrl-C comes."""
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the wait went on")

    def delete_message_batch(self, **request: Any) -> Any:
        """Ctrl-C comes, and the call is finished."""
        signal.raise_signal(signal.SIGINT)
        return {"Successful": []}


def test_a_wait_is_broken_off_and_a_delete_is_not() -> None:
    """A message that was taken in is deleted; one that was on its way comes again when its time is over."""
    interrupts = Interrupts()
    sqs = InterruptibleSqs(Hanging(), interrupts)
    with interrupts.installed():
        assert sqs.delete_message_batch() == {"Successful": []}
        assert interrupts.asked
        with pytest.raises(Interrupted):
            sqs.receive_message()
    with (again := Interrupts()).installed(), pytest.raises(Interrupted):
        InterruptibleSqs(Hanging(), again).receive_message()


# Notices


def subscribed(aws: Account) -> tuple[str, str]:
    """Return a topic, and a queue that gets what is published there."""
    topic, queue = aws.client("sns").create_topic(Name=f"{aws.name}-news")["TopicArn"], aws.queue("news")
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=aws.arn(queue))
    return topic, queue


def test_a_topic_is_told_that_a_deployment_ended(aws: Account) -> None:
    """Once; a second run tells of its own deployment alone."""
    topic, queue = subscribed(aws)
    for number in ("one", "two"):
        said = aws.run("--notify", f"sns:{topic}", "--id", number, "--json")
        assert (said.code, said.data["undelivered"]) == (0, 0)
        assert "notice" not in said.err
    told = [json.loads(message["Message"]) for message in aws.received(queue)]
    assert [(notice["deployment"], notice["outcome"]) for notice in told] == [
        ("one", "DONE"),
        ("two", "DONE"),
    ]


def test_a_bus_is_told_of_changes_too(aws: Account) -> None:
    """Each change of state in its order, and the end."""
    queue, events = aws.queue("news"), aws.client("events")
    events.create_event_bus(Name="deployments")
    events.put_rule(
        Name="news", EventBusName="deployments", EventPattern=json.dumps({"source": ["deployer"]})
    )
    target = {"Id": "queue", "Arn": aws.arn(queue)}
    events.put_targets(Rule="news", EventBusName="deployments", Targets=[target])
    assert aws.run("--notify", "eventbridge:deployments", "--notify-changes").code == 0
    told = aws.received(queue)
    assert [e["detail-type"] for e in told].count("Deployment Ended") == 1
    states = [e["detail"]["to"] for e in told if e["detail"].get("machine") == "Deployment"]
    assert states == ["WAITING", "UPSERTING", "DONE"]


def test_what_could_not_be_told_is_told_by_a_later_resume(aws: Account) -> None:
    """The deployment is done all the same; the warning says what is kept; a run without a channel leaves it alone."""
    topic, queue = subscribed(aws)
    failed = aws.run("--notify", f"sns:{topic}-gone", "--id", "one", "--json")
    assert (failed.code, failed.data["outcome"], failed.data["undelivered"]) == (0, "DONE", 1)
    assert failed.err.count("a notice of test/") == 1
    assert "notices that could not be delivered: 1" in failed.err
    assert "Traceback" not in failed.err
    assert "notice" not in aws.run("--id", "two").err
    resumed = aws.resume("--notify", f"sns:{topic}")
    assert resumed.code == 0
    assert "Nothing is under way." in resumed.out
    assert "delivered: 1." in resumed.out
    (message,) = aws.received(queue)
    assert json.loads(message["Message"])["deployment"] == "one"
    assert aws.resume("--notify", f"sns:{topic}", "--json").data == {"deployments": [], "delivered": 0}


def test_what_could_not_be_told_is_told_by_the_same_run_again(aws: Account) -> None:
    """Though its deployment is over, and nothing is left to do."""
    topic, queue = subscribed(aws)
    aws.run("--notify", f"sns:{topic}-gone", "--id", "one")
    again = aws.run("--notify", f"sns:{topic}", "--id", "one", "--json")
    assert (again.code, again.data["undelivered"]) == (0, 0)
    assert len(aws.received(queue)) == 1


def test_the_log_is_stderr(deployer: Deployer) -> None:
    """One line of JSON for the end, on a simulated AWS too; stdout has none of it."""
    said = deployer.run("v1", "--notify", "log", script=deployer.script(FAILS))
    (line,) = said.err.splitlines()
    about, _, detail = line.partition(" {")
    assert about == "Deployment Ended"
    assert json.loads("{" + detail)["outcome"] == "FAILED"
    assert "Deployment Ended" not in said.out
    changes = deployer("resume", "--notify", "log", "--notify-changes")
    assert (changes.code, changes.err) == (0, "")


# Two streams


def test_two_streams_of_one_cloudformation_stack(aws: Account) -> None:
    """The second one is refused before anything is requested; --no-checks lets it take the place of the first."""
    assert aws.run().code == 0
    spec = aws.spec()
    spec.write_text(spec.read_text().replace(f"application: {aws.name}", "application: other"))
    refused = aws.deployer("run", spec, *aws.options)
    assert refused.code == 2
    assert f"test/{aws.name} deploys the CloudFormation stack {aws.name}" in refused.err
    assert "test/other" not in aws.deployer("status").out
    assert aws.deployer("run", spec, *aws.options, "--no-checks").code == 0
    again = aws.run()
    assert again.code == 2
    assert "test/other deploys" in again.err


# Usage


def test_a_simulated_aws_has_neither_queue_nor_topic(deployer: Deployer) -> None:
    """It is refused before anything is made, wherever the option came from."""
    words = ("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT)
    for more, env, expected in (
        (("--notify", f"sns:{TOPIC}"), {}, "--notify log"),
        (("--queue", "https://sqs.eu-west-1.amazonaws.com/1/q"), {}, "--queue (or DEPLOYER_QUEUE)"),
        ((), {"DEPLOYER_QUEUE": "https://sqs.eu-west-1.amazonaws.com/1/q"}, "is for the real AWS"),
        ((), {"DEPLOYER_NOTIFY": "eventbridge"}, "is for the real AWS"),
    ):
        said = deployer(*words, *more, env=env)
        assert said.code == 2
        assert expected in said.err
        assert not list(deployer.folder.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--queue", "deployer-events"), "is not a queue's URL"),
        (("--notify", "slack"), "is none of eventbridge"),
        (("--notify", "sns:deployments"), "is none of eventbridge"),
        (("--notify", f"sns:{TOPIC}.fifo"), "not a FIFO one"),
        (("--notify", "eventbridge:"), "is none of eventbridge"),
        (("--notify-changes",), "--notify has to say whom"),
    ],
)
def test_what_is_no_queue_and_no_channel_is_refused(words: tuple[str, ...], expected: str) -> None:
    """As bad usage."""
    said = invoke("resume", KEY, *words)
    assert said.code == 2
    assert expected in said.err
