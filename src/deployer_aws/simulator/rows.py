"""The contents of a simulated account: one row for each entity, with JSON values only."""

from typing import Any, ClassVar, Self, TypeGuard

import attrs

Json = dict[str, Any]


def is_map(value: object) -> TypeGuard[Json]:
    """Tell whether this is a mapping, as JSON and YAML have them."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether this is a list."""
    return isinstance(value, list)


def fresh(value: Any) -> Any:
    """Copy data into new lists and dicts, which callers may then change; bytes become text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if is_map(value):
        return {name: fresh(inner) for name, inner in value.items()}
    return [fresh(item) for item in value] if is_list(value) else value


@attrs.define
class Row:
    """Something that the store keeps under its kind and key."""

    KIND: ClassVar[str] = "row"
    key: str

    def to_json(self) -> Json:
        """Return the fields by name; nested values are shared, not copied."""
        return {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Make a row of what `to_json` returned."""
        return cls(**data)


@attrs.define
class Meta(Row):
    """The account's clock and the counter from which its ids are made; there is one, under the key 'meta'."""

    KIND: ClassVar[str] = "meta"
    started: float
    now: float
    counter: int = 0
    script: str = ""


@attrs.define
class RuleCount(Row):
    """How many calls or changes have come past one rule of the script."""

    KIND: ClassVar[str] = "tally"
    seen: int = 0


@attrs.define
class Pointer(Row):
    """A name that stands for the key of another row: a live stack's name, a family's newest revision."""

    KIND: ClassVar[str] = "pointer"
    to: str


@attrs.define
class Text(Row):
    """A template's text under its hash."""

    KIND: ClassVar[str] = "text"
    body: str


@attrs.define
class Stack(Row):
    """One CloudFormation stack, living or deleted; the key is its StackId."""

    KIND: ClassVar[str] = "stack"
    name: str
    created: float
    status: str = ""
    reason: str | None = None
    updated: float | None = None
    deleted: float | None = None
    template: str = ""
    parameters: dict[str, str] = attrs.field(factory=dict[str, str])
    tags: dict[str, str] = attrs.field(factory=dict[str, str])
    settings: Json = attrs.field(factory=dict[str, Any])
    resources: dict[str, Json] = attrs.field(factory=dict[str, Json])
    outputs: list[Json] = attrs.field(factory=list[Json])
    parent: str | None = None
    hidden_until: float = 0.0
    stale: Json | None = None  # what reads still show: {"until": ..., "row": ..., "at": ...}
    # The operation in hand: steps that were scheduled under an earlier epoch are void.
    epoch: int = 0
    operation: str = ""
    token: str | None = None
    plan: list[Json] = attrs.field(factory=list[Json])
    options: Json = attrs.field(factory=dict[str, Any])
    before: Json | None = None
    failed: list[str] = attrs.field(factory=list[str])


@attrs.define
class Definition(Row):
    """One revision of a task definition; the key is its ARN."""

    KIND: ClassVar[str] = "definition"
    family: str
    revision: int
    registered: float
    containers: list[Json]
    status: str = "ACTIVE"
    network_mode: str | None = None
    extra: Json = attrs.field(factory=dict[str, Any])
    tags: dict[str, str] = attrs.field(factory=dict[str, str])
    deregistered: float | None = None


@attrs.define
class EcsService(Row):
    """One ECS service; the key is its ARN."""

    KIND: ClassVar[str] = "service"
    name: str
    cluster: str
    definition: str
    desired: int
    created: float
    status: str = "ACTIVE"
    launch_type: str = "FARGATE"
    deployment: str = ""
    deployed: float = 0.0
    changed: float = 0.0
    tags: dict[str, str] = attrs.field(factory=dict[str, str])
    news: list[Json] = attrs.field(factory=list[Json])


@attrs.define
class Task(Row):
    """One ECS task; the key is its ARN."""

    KIND: ClassVar[str] = "task"
    cluster: str
    definition: str
    created: float
    group: str
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    version: int = 1
    launch_type: str = "FARGATE"
    started_by: str | None = None
    service: str | None = None
    overrides: Json = attrs.field(factory=dict[str, Any])
    tags: dict[str, str] = attrs.field(factory=dict[str, str])
    containers: list[Json] = attrs.field(factory=list[Json])
    times: dict[str, float] = attrs.field(factory=dict[str, float])
    stop_code: str | None = None
    reason: str | None = None
    hidden_until: float = 0.0
    options: Json = attrs.field(factory=dict[str, Any])
    epoch: int = 0
    hosted: bool = False  # its container runs for real, outside of this account


@attrs.define
class Secret(Row):
    """One secret; the key is its name. Each version has its text, the stages attached to it, and when it was made."""

    KIND: ClassVar[str] = "secret"
    arn: str
    created: float
    changed: float
    versions: dict[str, Json] = attrs.field(factory=dict[str, Json])


@attrs.define
class Token(Row):
    """A client token that was seen, the request it came with, and what was answered."""

    KIND: ClassVar[str] = "token"
    fingerprint: str
    operation: str
    answer: Json
    at: float
