"""Stored samples of all that is written: one JSON Lines file for each machine, one line for each form of each tag.

    python -m tests.deployer_core.samples              # add a line for each tag that has none
    python -m tests.deployer_core.samples --new-form   # also for each whose form is another now

Lines are added and never changed: what was once written has to be readable for good. The last line of a tag is its
present form. A tag whose form has changed needs a new version (a new tag with an upcaster) or has, in a field of one
class, a class that got one.
"""

import sys
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from attrs import evolve

from deployer_core import wire
from deployer_core.engine.messages import Requested
from deployer_core.kernel.tags import discover
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    FixedCount,
    Migration,
    Output,
    StackSpec,
    TaskSpec,
    TemplateUrl,
)
from deployer_core.wire.hints import class_of, fields_of, members_of

FOLDER = Path(__file__).with_name("wire_samples")

_TASK = TaskSpec("main", "migrate:1")
_STACK = StackSpec("shop", TemplateUrl("https://example.com/stack.yaml"), scaling=(FixedCount("Count", 3),))
_DEPLOYMENT = DeploymentSpec("prod", "shop", "2", _STACK, (DatabaseSpec("a", AdminSecret(Output("S"))),))
_BY_HINT: dict[Any, Any] = {
    int: 7,
    float: 1.5,
    bool: True,
    StackSpec: _STACK,
    TaskSpec[str]: _TASK,
    DatabaseSpec[str]: DatabaseSpec("orders", AdminSecret("rds/admin"), migrate=Migration(_TASK)),
    DeploymentSpec: _DEPLOYMENT,
}
"""What a field of a type holds; small where a class stands in many others."""
_BY_FIELD: dict[str, Any] = {
    "TemplateBody.sha256": "0123456789abcdef" * 4,
    "TemplateUrl.url": "https://example.com/stack.yaml",
    "StackSpec.parameters": (("Image", "shop:2"), ("Zone", "a")),
    "StackSpec.capabilities": ("CAPABILITY_IAM",),
    "StackSpec.role": "arn:aws:iam::123456789012:role/deployer",
    "StackSpec.notifications": ("arn:aws:sns:eu-west-1:123456789012:deployments",),
    "TaskSpec.launch_type": "FARGATE",
    "Evaluation.changes": (2,),
    "AdminUrl.url": "postgresql://admin@db.example.com/postgres",
    "AdminIam.region": "eu-west-1",
    "DatabaseSpec.sslmode": "verify-full",
    "Requested.stream": "0123456789abcdef" * 2,
    "Requested.adopt": "fedcba9876543210" * 2,
    "Requested.spec": evolve(_DEPLOYMENT, quick=True),
}
_APART: dict[Any, dict[str, Any]] = {
    TaskSpec: {"capacity_provider": ""},
    DatabaseSpec: {"iam_login": False},
    Requested: {"supersede": False},
}
"""What may not hold something because another field of the same class does."""


def value(tag: str) -> Any:
    """Return a value of a tag's class with something in every field, the same on every machine."""
    return _made(discover()[tag])


def _made(hint: Any) -> Any:
    cls = class_of(hint)
    held = {n: _BY_FIELD.get(f"{cls.__name__}.{n}") or _part(n, of) for n, of in fields_of(hint).items()}
    return cls(**held | _APART.get(cls, {}))


def _part(name: str, hint: Any) -> Any:
    """Of a union, the last member, since the first is often None or Absent."""
    hint = next(m for m in reversed(members_of(hint)) if m is not type(None))
    if hint is str:
        return name
    if hint in _BY_HINT:
        return _BY_HINT[hint]
    if get_origin(hint) is tuple:
        return tuple(_part(name, item) for item in get_args(hint) if item is not ...)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    return _made(hint)


@cache
def stored() -> dict[str, tuple[bytes, ...]]:
    """Return the lines of each tag, oldest first."""
    lines = [line for path in sorted(FOLDER.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    tags = [line.split(b'"')[1].decode() for line in lines]
    return {tag: tuple(ln for t, ln in zip(tags, lines, strict=True) if t == tag) for tag in sorted({*tags})}


def wanting() -> dict[str, bytes]:
    """Return the tags without a sample, or whose last sample is not what is written now, with what is."""
    return {
        tag: wire.encode(value(tag))
        for tag in sorted(discover())
        if tag not in stored() or not _present(stored()[tag][-1])
    }


def _present(line: bytes) -> bool:
    return wire.encode(wire.decode(line)) == line


def main(arguments: list[str]) -> None:
    """Add what is wanting."""
    missing = {
        tag: line for tag, line in wanting().items() if tag not in stored() or arguments == ["--new-form"]
    }
    lines = {
        tag: (*stored().get(tag, ()), *([missing[tag]] if tag in missing else []))
        for tag in {*stored(), *missing}
    }
    for machine in sorted({_machine(tag) for tag in missing}):
        mine = [line for tag in sorted(lines) if _machine(tag) == machine for line in lines[tag]]
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{machine}.jsonl").write_bytes(b"".join(line + b"\n" for line in mine))
    for tag in sorted(missing):
        print(f"added  {tag}")


def _machine(tag: str) -> str:
    return tag.partition("/")[0].partition(".")[0]


if __name__ == "__main__":
    main(sys.argv[1:])
