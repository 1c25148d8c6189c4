"""Events from a real queue: botocore over HTTP, to emulators of SQS and EventBridge on 127.0.0.1."""

import json
from typing import Any

import botocore.session
import pytest

from deployer_aws.events import read_event
from deployer_aws.notifications import EventBridge
from tests.deployer_aws.events import stack_event
from tests.support import servers
from tests.support.listening import SimulatedExample
from tests.support.orders import KEY


@pytest.fixture(params=["moto", "ministack"])
def endpoint(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_endpoint")
    return found


@pytest.fixture
def session(credentials: None) -> Any:
    return botocore.session.Session()


@pytest.fixture
def sqs(endpoint: str, session: Any) -> Any:
    """boto3's client."""
    return session.create_client("sqs", servers.REGION, endpoint_url=endpoint)


@pytest.fixture
def events(endpoint: str, session: Any) -> Any:
    """boto3's client."""
    return session.create_client("events", servers.REGION, endpoint_url=endpoint)


def queue(sqs: Any, name: str) -> tuple[str, str]:
    """Return a queue's URL and ARN, with another queue for what is put aside after two receives."""
    aside = sqs.create_queue(QueueName=f"{name}-aside")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn(sqs, aside), "maxReceiveCount": 2}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"}
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, arn(sqs, url)


def arn(sqs: Any, url: str) -> str:
    """Return a queue's ARN."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return str(attributes["QueueArn"])


class Forwarding:
    """The client of a real queue, into which the simulator's events are put; its waiting passes virtual time."""

    def __init__(self, client: Any, url: str, example: SimulatedExample) -> None:
        self._client, self._url, self._example = client, url, example

    def receive_message(self, **request: Any) -> Any:
        """Wait in virtual time."""
        until = self._example.sim.clock.monotonic() + request["WaitTimeSeconds"]
        while True:
            for event in self._example._arriving():
                self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(event))
            answer = self._client.receive_message(**{**request, "WaitTimeSeconds": 0})
            if answer.get("Messages") or self._example.sim.clock.monotonic() >= until:
                return answer
            self._example.sim.clock.sleep(5.0)

    def delete_message_batch(self, **request: Any) -> Any:
        """As it is."""
        return self._client.delete_message_batch(**request)


def test_a_deployment_listens_to_a_real_queue(sqs: Any) -> None:
    """Through boto3 and HTTP the deployment ends as it does without a queue, and the queue is empty after it."""
    polling = SimulatedExample(listens=False)
    polling.deploy()
    url, _ = queue(sqs, "deployment")
    example = SimulatedExample(queue=lambda example: Forwarding(sqs, url, example), url=url)
    example.deploy()
    assert example.ending() == polling.ending()
    assert example.calls.total() < polling.calls.total() / 2
    assert example.runner.messages.appended
    example.runner.wait(0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_poison_is_put_aside_by_the_queue(sqs: Any) -> None:
    """What is not understood ends in the queue that the redrive policy names; what is not ours is deleted."""
    url, _ = queue(sqs, "poison")
    example = SimulatedExample(queue=lambda _: sqs, url=url)
    for body in ("hello", json.dumps(stack_event())):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(4):
        example.runner.wait(0)
    assert (example.events.tally.foreign, example.events.tally.poison) == (1, 2)
    (aside,) = sqs.receive_message(QueueUrl=url.replace("poison", "poison-aside"))["Messages"]
    assert aside["Body"] == "hello"


def test_notices_reach_a_queue_by_a_rule(sqs: Any, events: Any) -> None:
    """PutEvents to a bus of the account, a rule by our source, and SQS: the notice arrives as an event."""
    url, target = queue(sqs, "notices")
    events.put_rule(Name="notices", EventPattern=json.dumps({"source": ["deployer"]}))
    events.put_targets(Rule="notices", Targets=[{"Id": "queue", "Arn": target}])
    example = SimulatedExample(listens=False, channel=EventBridge(events))
    example.deploy()
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("deployer", "Deployment Ended")
    assert (event["detail"]["stack"], event["detail"]["outcome"]) == (KEY, "DONE")
    assert read_event(event).why == "nothing is done about 'Deployment Ended' of 'deployer'"
