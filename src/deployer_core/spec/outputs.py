"""The outputs of the stack that a spec refers to: finding their names, and putting their values in their places."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from attrs import evolve, fields, has

from deployer_core.spec.database import DatabaseSpec
from deployer_core.spec.text import Output, Text


class MissingOutputs(LookupError):
    """Outputs that a spec names and the stack lacks: `missing`, beside those that are `present`."""

    def __init__(self, missing: tuple[str, ...], present: tuple[str, ...]) -> None:
        self.missing: tuple[str, ...] = missing
        self.present: tuple[str, ...] = present
        has_them = ", ".join(present) or "none"
        super().__init__(f"the stack has no output {', '.join(missing)}; it has: {has_them}")


def outputs_named(value: object) -> tuple[str, ...]:
    """Return the names of the outputs that a spec refers to, sorted."""
    return tuple(sorted(set(_named(value))))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Output):
        yield value.name
    elif isinstance(value, tuple):
        for item in cast(Any, value):
            yield from _named(item)
    elif has(value.__class__):
        for attribute in fields(value.__class__):
            yield from _named(getattr(value, attribute.name))


def resolve(database: DatabaseSpec[Text], outputs: Mapping[str, str]) -> DatabaseSpec[str]:
    """Replace every `Output` by its value; one that stands in a list may hold several, separated by commas.

    A value that several outputs of a list have in common is kept once. Raises MissingOutputs with all
    that are missing, and SpecError where a value breaks a rule of its field.
    """
    if missing := tuple(name for name in outputs_named(database) if name not in outputs):
        raise MissingOutputs(missing, tuple(sorted(outputs)))
    return cast(DatabaseSpec[str], _resolved(database, outputs))


def _resolved(value: Any, outputs: Mapping[str, str]) -> Any:
    if isinstance(value, Output):
        return outputs[value.name]
    if value.__class__ is tuple and outputs_named(value):
        return tuple(dict.fromkeys(part for item in value for part in _parts(item, outputs)))
    if has(value.__class__) and outputs_named(value):
        attributes = [a.name for a in fields(value.__class__)]
        return evolve(value, **{a: _resolved(getattr(value, a), outputs) for a in attributes})
    return value


def _parts(item: Any, outputs: Mapping[str, str]) -> list[Any]:
    if isinstance(item, Output):
        return [part.strip() for part in outputs[item.name].split(",")]
    return [_resolved(item, outputs)]
