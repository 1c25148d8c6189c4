"""Checks that answers have the shape that botocore's service models give them; for tests, and needs botocore.

`CheckedSimulator` is a simulator all of whose answers are checked, so a test that uses it proves conformance too.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import botocore.session

from deployer_aws.simulator.client import Client
from deployer_aws.simulator.rows import Json, is_list, is_map
from deployer_aws.simulator.service import camel
from deployer_aws.simulator.simulator import Simulator

_PLAIN: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "character": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "blob": bytes,
}
# boto3 parses a template that is JSON before it hands it over: botocore.handlers.json_decode_template_body
_PARSED_BY_BOTO3 = ("GetTemplate.TemplateBody",)
# A stack's own events have statuses of stacks, of which the enumeration of resources' statuses lacks some.
_ALSO = {
    "DescribeStackEvents.StackEvents.ResourceStatus": (
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "REVIEW_IN_PROGRESS",
    )
}
_INDEX = re.compile(r"\[\d+\]")
_models: dict[str, Any] = {}


class Nonconforming(AssertionError):
    """An answer that the real client could not have given."""


def check_answer(service: str, operation_name: str, answer: Json) -> None:
    """Raise Nonconforming with every difference between an answer and its operation's output shape.

    `operation_name` is the API's own, such as DescribeStacks. Unknown members, wrong types, missing required members
    and words that are not of their enum are differences.
    """
    shape = _model(service).operation_model(operation_name).output_shape
    body = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    found = (
        list(_differences(shape, body, operation_name))
        if shape is not None
        else [f"unknown: {name}" for name in body]
    )
    if found:
        raise Nonconforming("\n".join(found))


def check_shape(service: str, shape_name: str, value: Json) -> None:
    """Raise Nonconforming where a value differs from a named shape of a service."""
    found = list(_differences(_model(service).shape_for(shape_name), value, shape_name))
    if found:
        raise Nonconforming("\n".join(found))


def _model(service: str) -> Any:
    if service not in _models:
        _models[service] = botocore.session.get_session().get_service_model(service)
    return _models[service]


def _differences(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if path in _PARSED_BY_BOTO3 and is_map(value):
        return
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        if not is_list(value):
            yield f"{path}: a list is due, not {value!r}"
            return
        for index, item in enumerate(value):
            yield from _differences(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        if not is_map(value):
            yield f"{path}: a map is due, not {value!r}"
            return
        for name, item in value.items():
            yield from _differences(shape.key, name, f"{path}.{name}")
            yield from _differences(shape.value, item, f"{path}.{name}")
    elif kind == "timestamp":
        if not isinstance(value, datetime) or value.tzinfo is None:
            yield f"{path}: a time with a zone is due, not {value!r}"
    else:
        yield from _scalar(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not is_map(value):
        yield f"{path}: a structure is due, not {value!r}"
        return
    for name in value:
        if name not in shape.members:
            yield f"{path}.{name}: no such member"
        else:
            yield from _differences(shape.members[name], value[name], f"{path}.{name}")
    for name in shape.required_members:
        if name not in value:
            yield f"{path}.{name}: required, and missing"


def _scalar(shape: Any, value: Any, path: str) -> Iterator[str]:
    wanted = _PLAIN[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield f"{path}: {shape.type_name} is due, not {value!r}"
    elif getattr(shape, "enum", None) and value not in (*shape.enum, *_ALSO.get(_INDEX.sub("", path), ())):
        yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"


class CheckedClient:
    """A simulated client whose every answer is checked."""

    def __init__(self, service: str, client: Client) -> None:
        self._service = service
        self._client = client

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._client, name)
        return (
            inner if name in ("exceptions", "can_paginate", "get_paginator") else self._checked(name, inner)
        )

    def _checked(self, name: str, inner: Callable[..., Json]) -> Callable[..., Json]:
        def call(**request: Any) -> Json:
            answer = inner(**request)
            check_answer(self._service, camel(name), answer)
            return answer

        return call


class CheckedSimulator(Simulator):
    """A simulator with checked clients; otherwise the same."""

    def client(self, service: str) -> Any:
        """Return a client whose every answer is checked."""
        return CheckedClient(service, super().client(service))
