"""An SQS queue in memory, in boto3's shapes: requests and answers are checked against botocore's models."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import botocore.session
from attrs import define
from botocore.validate import ParamValidator

from deployer_aws.ports import Clock
from tests.support.conformance import check_answer

_MODEL = botocore.session.get_session().get_service_model("sqs")
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/deployer-events"


@define
class Stored:
    """A message in the queue."""

    id: str
    body: str
    visible: float = 0.0
    receipt: str = ""
    receives: int = 0


class Sqs:
    """One queue. `arriving` gives what has come since it was last asked; `redrive` is the queue's maxReceiveCount."""

    def __init__(
        self,
        clock: Clock,
        arriving: Callable[[], Iterable[str]] = lambda: (),
        *,
        redrive: int = 5,
        visibility: float = 30.0,
    ) -> None:
        self._clock, self._arriving, self._redrive, self._visibility = clock, arriving, redrive, visibility
        self.messages: list[Stored] = []
        self.dead: list[Stored] = []
        self.calls: Counter[str] = Counter()
        self.failing: Exception | None = None
        self.undeletable = False
        self._count = 0

    def send(self, *bodies: object) -> None:
        """Put messages into the queue: texts as they are, all else as JSON."""
        for body in bodies:
            self._count += 1
            text = body if isinstance(body, str) else json.dumps(body)
            self.messages.append(Stored(f"message-{self._count}", text))

    def receive_message(self, **request: Any) -> Any:
        """Wait until something is there, or the time is over."""
        self._check("ReceiveMessage", request)
        until = self._clock.monotonic() + request["WaitTimeSeconds"]
        while not (there := self._visible(request["MaxNumberOfMessages"])):
            if self._clock.monotonic() >= until:
                return {}
            self._clock.sleep(min(1.0, until - self._clock.monotonic()))
        for message in there:
            self._count += 1
            message.visible = self._clock.monotonic() + self._visibility
            message.receipt, message.receives = f"receipt-{self._count}", message.receives + 1
        answer = {
            "Messages": [{"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body} for m in there]
        }
        check_answer("sqs", "ReceiveMessage", answer)
        return answer

    def delete_message_batch(self, **request: Any) -> Any:
        """Delete by receipt; one that is no longer the newest deletes nothing."""
        self._check("DeleteMessageBatch", request)
        assert 0 < len(request["Entries"]) <= 10
        assert len({entry["Id"] for entry in request["Entries"]}) == len(request["Entries"])
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            if self.undeletable:
                answer["Failed"].append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
                continue
            self.messages = [m for m in self.messages if m.receipt != entry["ReceiptHandle"]]
            answer["Successful"].append({"Id": entry["Id"]})
        check_answer("sqs", "DeleteMessageBatch", answer)
        return answer

    def _visible(self, most: int) -> list[Stored]:
        self.send(*self._arriving())
        now = self._clock.monotonic()
        worn = [m for m in self.messages if m.receives >= self._redrive and m.visible <= now]
        self.dead += worn
        self.messages = [m for m in self.messages if m not in worn]
        return [m for m in self.messages if m.visible <= now][:most]

    def _check(self, operation: str, request: dict[str, Any]) -> None:
        self.calls[operation] += 1
        shape = _MODEL.operation_model(operation).input_shape
        assert shape is not None
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        assert request["QueueUrl"] == URL
        if self.failing is not None:
            raise self.failing


class Mischief:
    """How a queue may deliver: drops some, doubles some, and mixes what comes together; the seed decides."""

    def __init__(self, seed: int, *, drop: float = 0.0, double: float = 0.0, hold: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._drop, self._double, self._hold = drop, double, hold
        self._held: list[Any] = []

    def __call__(self, events: list[Any]) -> list[Any]:
        """Return what comes now of these events and of those held back."""
        roll = self._random.random
        events = [event for event in events if roll() >= self._drop]
        events += [event for event in events if roll() < self._double]
        events += self._held
        self._held = [event for event in events if roll() < self._hold]
        coming = [event for event in events if event not in self._held]
        self._random.shuffle(coming)
        return coming
