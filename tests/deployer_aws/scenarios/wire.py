"""Real boto3 clients whose calls are written down, and into whose HTTP answers faults can be put."""

import copy
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import botocore.session
from attrs import define, frozen
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from tests.support.servers import REGION

CHANGES = ("create_stack", "update_stack", "cancel_update_stack", "delete_stack", "run_task", "stop_task")
_session: Any = botocore.session.get_session()
QUERY = ("cloudformation", "elbv2")
FAULTS = ("throttle", "denied", "expired", "lost_request", "lost_reply", "error")


@lru_cache(maxsize=64)
def _client(endpoint: str, service: str, whose: str) -> Any:
    """Make a client of an endpoint, once: that takes longer than most of a scenario. The SDK's own retries are off."""
    config = Config(
        retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, user_agent_extra=whose
    )
    return _session.create_client(service, endpoint_url=endpoint, region_name=REGION, config=config)


@define
class Fault:
    """What befalls some calls of an operation, as in the simulator's script."""

    operation: str
    kind: str
    value: Any
    nth: int | None = None
    first: int | None = None
    seen: int = 0

    def befalls(self, operation: str) -> bool:
        """Whether this call is one of them; counts it."""
        if self.operation not in ("*", operation):
            return False
        self.seen += 1
        return not (self.nth not in (None, self.seen) or (self.first is not None and self.seen > self.first))


@frozen
class Sent:
    """One call: what was asked, and what was answered, where it was a success."""

    operation: str
    request: dict[str, Any]
    answer: dict[str, Any] | None = None


class Wire:
    """The clients of one scenario."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.faults: list[Fault] = []
        self.calls: list[Sent] = []
        self._ours: dict[str, list[tuple[str, Callable[..., Any]]]] = {}

    def plain(self, service: str) -> Any:
        """Return a client whose calls are somebody else's."""
        return _client(self.endpoint, service, "theirs")

    def client(self, service: str) -> Any:
        """Return a client whose calls are ours: written down, and subject to faults."""
        client = _client(self.endpoint, service, "ours")
        if service not in self._ours:
            self._ours[service] = [
                ("provide-client-params.*.*", self._note),
                ("before-send.*.*", self._before(service)),
                ("after-call.*.*", self._after),
            ]
            for event, handler in self._ours[service]:
                client.meta.events.register(event, handler)
        return client

    def close(self) -> None:
        """Leave the clients to the next scenario."""
        for service, handlers in self._ours.items():
            for event, handler in handlers:
                _client(self.endpoint, service, "ours").meta.events.unregister(event, handler)

    def _note(self, params: dict[str, Any], event_name: str, **_: Any) -> None:
        self.calls.append(Sent(_operation(event_name), copy.deepcopy(params)))

    def _before(self, service: str) -> Callable[..., AWSResponse | None]:
        def answer(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
            operation = _operation(event_name)
            for fault in self.faults:
                if fault.kind == "lost_reply" or not fault.befalls(operation):
                    continue
                if fault.kind == "lost_request":
                    raise ConnectionClosedError(endpoint_url=self.endpoint)
                return _refusal(service, event_name.rsplit(".", 1)[-1], fault, request.url)
            return None

        return answer

    def _after(self, parsed: dict[str, Any], event_name: str, **_: Any) -> None:
        operation = _operation(event_name)
        if parsed["ResponseMetadata"]["HTTPStatusCode"] < 300:
            at = max(n for n, call in enumerate(self.calls) if call.operation == operation)
            self.calls[at] = Sent(operation, self.calls[at].request, parsed)
        for fault in self.faults:
            if fault.kind == "lost_reply" and fault.befalls(operation):
                raise ConnectionClosedError(endpoint_url=self.endpoint)


def _operation(event_name: str) -> str:
    name: str = xform_name(event_name.rsplit(".", 1)[-1])
    return name


class _Raw:
    """What is left of a body that came whole."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


def _refusal(service: str, operation: str, fault: Fault, url: str) -> AWSResponse:
    """Return an error as the service's protocol carries it."""
    query = service in QUERY
    code, message, status = {
        "throttle": ("Throttling" if query else "ThrottlingException", "Rate exceeded", 400),
        "denied": (
            "AccessDenied" if query else "AccessDeniedException",
            f"User: arn:aws:iam::123456789012:user/ann is not authorized to perform: {service}:{operation}",
            403 if query else 400,
        ),
        "expired": (
            "ExpiredToken" if query else "ExpiredTokenException",
            "The security token included in the request is expired",
            403 if query else 400,
        ),
        "error": ("", "", 400),
    }[fault.kind]
    if fault.kind == "error":
        code, message = fault.value["code"], fault.value.get("message", "")
        status = fault.value.get("http", 400)
    if query:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>".encode()
    else:
        body = json.dumps({"__type": code, "message": message}).encode()
    response: Any = AWSResponse
    return response(url, status, {"x-amzn-requestid": "0"}, _Raw(body))  # type: ignore[no-any-return]
