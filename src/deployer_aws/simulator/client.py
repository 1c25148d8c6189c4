"""A client with the methods of a boto3 client, in front of the simulated services."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from deployer_aws.simulator.account import Account
from deployer_aws.simulator.errors import ClientError, ConnectionClosedError, ServiceError
from deployer_aws.simulator.rows import Json, fresh
from deployer_aws.simulator.service import Service, camel
from deployer_aws.simulator.store import Store

_TOKENS = ("NextToken", "nextToken")


class Client:
    """One service's operations as methods; each call is one transaction of the account.

    Where botocore is installed, requests are checked against its model as a real client does, before the call counts.
    """

    def __init__(self, account: Account, service: type[Service]) -> None:
        self._account = account
        self._store: Store = account.store
        self._service = service(account)
        self._operations = service.operations()
        self.exceptions: SimpleNamespace = SimpleNamespace(ClientError=ClientError)

    def __getattr__(self, name: str) -> Callable[..., Json]:
        if name.startswith("_") or name not in self._operations:
            raise AttributeError(f"the simulated {self._service.name} client has no {name!r}")

        def call(**request: Any) -> Json:
            return self._call(name, request)

        return call

    def can_paginate(self, name: str) -> bool:
        """Tell whether `get_paginator` takes this operation."""
        return name.startswith(("list_", "describe_stack"))

    def get_paginator(self, name: str) -> Any:
        """Return an object whose `paginate` yields page after page."""

        def paginate(**request: Any) -> Iterator[Json]:
            return self._pages(name, request)

        return SimpleNamespace(paginate=paginate)

    def _pages(self, name: str, request: Json) -> Iterator[Json]:
        while True:
            answer = self._call(name, request)
            yield answer
            token = next((member for member in _TOKENS if member in answer), None)
            if token is None:
                return
            request = {**request, token: answer[token]}

    def _call(self, name: str, request: Json) -> Json:
        validate(self._service.name, camel(name), request)
        with self._store.transaction():
            answer, error = self._carry_out(name, request)
        if error is not None:
            raise error
        return answer

    def _carry_out(self, name: str, request: Json) -> tuple[Json, Exception | None]:
        """Advance the account to the time of the call, then carry the request out."""
        account = self._account
        account.advance(account.script.latency)
        request_id = account.uuid()
        fault = account.fault(name, facts(request))
        answer: Json = {}
        error: Exception | None = None
        outcome = "ok"
        try:
            if fault is not None and not (fault.lost_reply or fault.lost_request):
                raise self._service.fault_error(fault, camel(name))
            if fault is None or not fault.lost_request:
                answer = self._operations[name](self._service, fresh(request))
        except ServiceError as refusal:
            outcome = refusal.code
            error = refusal.as_client_error(camel(name), request_id)
        if fault is not None and (fault.lost_reply or fault.lost_request):
            outcome = "lost reply" if fault.lost_reply else "lost request"
            error = ConnectionClosedError(endpoint_url=f"https://{self._service.name}.simulated")
        account.store.append(
            "calls",
            {
                "at": account.now,
                "service": self._service.name,
                "operation": name,
                "request": {
                    member: "****" if member in self._service.sensitive else fresh(value)
                    for member, value in request.items()
                },
                "outcome": outcome,
            },
        )
        metadata: Json = {
            "RequestId": request_id,
            "HTTPStatusCode": 200,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        }
        return {**fresh(answer), "ResponseMetadata": metadata}, error


def facts(request: Json) -> dict[str, str]:
    """Return what rules can select by: the stack's name and the task definition's family."""
    found: dict[str, str] = {}
    stack = request.get("StackName")
    if isinstance(stack, str):
        found["stack"] = stack.split("/")[1] if stack.startswith("arn:") else stack
    definition = request.get("taskDefinition")
    if isinstance(definition, str):
        found["definition"] = definition.rsplit("/", 1)[-1].split(":")[0]
    return found


def validate(service: str, operation_name: str, request: Json) -> None:
    """Raise botocore's ParamValidationError where a real client would; without botocore, pass."""
    model = _model(service)
    if model is None:
        return
    from botocore.exceptions import ParamValidationError
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(request, model.operation_model(operation_name).input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


@lru_cache
def _model(service: str) -> Any:
    try:
        import botocore.session
    except ImportError:
        return None
    return botocore.session.get_session().get_service_model(service)
