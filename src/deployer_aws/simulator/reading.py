"""From YAML, or plain data, to the attrs classes of a script: each field says what may stand under its key."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import attrs

from deployer_aws.documents.findings import NOWHERE, DocumentError, Finding, Wrong
from deployer_aws.documents.readers import (
    FLAG,
    NUMBER,
    TEXT,
    Files,
    Key,
    Place,
    Reader,
    Record,
    listing,
    word,
)
from deployer_aws.documents.readers import mapping as pairs_of
from deployer_aws.documents.tree import Entries, Scalar, number_of, tree_of

T = TypeVar("T")

LONGEST = 1e9
"""Seconds: thirty years, within which every time has a date."""


class ScriptError(DocumentError):
    """A script that cannot be used: the message says where it is wrong and what would be accepted there."""


def key(reader: Reader[Any], default: Any = None) -> Any:
    """Declare an optional attrs field that is read from the YAML key of its name."""
    return attrs.field(metadata={"reader": reader}, default=default)


def keys(reader: Reader[Any]) -> Any:
    """Declare an optional attrs field that holds a list, read item by item."""
    many = listing(reader, f"items, each {reader.called}")
    return attrs.field(metadata={"reader": _then(many, list)}, factory=list[Any])


def needed(reader: Reader[Any]) -> Any:
    """Declare an attrs field that must be there."""
    return attrs.field(metadata={"reader": reader})


def mapping(reader: Reader[Any]) -> Any:
    """Declare an optional attrs field that holds a map from text to values of one kind."""
    return attrs.field(metadata={"reader": _then(pairs_of(reader, "a name"), dict)}, factory=dict[str, Any])


def of(cls: type[T]) -> Reader[T]:
    """Read a nested attrs class."""
    return Reader("a map", lambda place: record(cls).read(place))


def switch_or(cls: type[Any]) -> Reader[Any]:
    """Read an attrs class, of which `true` is the one with nothing but defaults; `false` is none."""

    def read(place: Place) -> Any:
        if isinstance(place.node, Scalar) and place.node.kind == "true or false":
            return cls() if FLAG.read(place) else None
        return record(cls).read(place)

    return Reader("true, false or a map", read)


def record(cls: type[T]) -> Record[T]:
    """Return the map that an attrs class is read from."""
    found: Record[T] = _record(cls)  # type: ignore[arg-type]
    return found


@cache
def _record(cls: Any) -> Record[Any]:
    fields = [field for field in attrs.fields(cls) if "reader" in field.metadata]
    return Record(
        cls.__name__,
        tuple(
            Key(field.name, field.metadata["reader"], "", None if field.default is attrs.NOTHING else "")
            for field in fields
        ),
        lambda given, _: cls(**given),
    )


def from_data(cls: type[T], data: dict[str, Any], name: str) -> T:
    """Return an instance of an attrs class from plain data; errors call it by the name. Raises ScriptError."""
    try:
        return record(cls).read(Place((), tree_of(data), Files(Path()), NOWHERE))
    except Wrong as wrong:
        raise ScriptError(name, wrong.findings) from None


def refuse(text: str) -> ScriptError:
    """Return an error of a script that is seen only while it is played."""
    return ScriptError("script", [Finding("", 0, text)])


def _then(reader: Reader[Any], make: Callable[[Any], Any]) -> Reader[Any]:
    return Reader(reader.called, lambda place: make(reader.read(place)))


def _number(place: Place) -> float:
    node = place.node
    value = number_of(node) if isinstance(node, Scalar) and node.kind == "a number" else ""
    if isinstance(value, str) or not 0 <= value <= LONGEST:
        raise place.expected(f"a number from 0 to {LONGEST:g}")
    return float(value)


def _whole(least: int, called: str, place: Place) -> int:
    found = NUMBER.read(place)
    if found < least:
        raise place.expected(called)
    return found


def _instant(place: Place) -> float:
    said = TEXT.read(place)
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise place.expected("a time such as 2026-01-01T00:00:00Z") from None
    if not 1970 < moment.year < 2500:
        raise place.expected("a time from 1971 to 2499")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


text: Reader[str] = TEXT
flag: Reader[bool] = FLAG
integer: Reader[int] = NUMBER
choice = word
number: Reader[float] = Reader("a number from 0", _number)
count: Reader[int] = Reader("a whole number from 0", partial(_whole, 0, "a whole number from 0"))
ordinal: Reader[int] = Reader("a whole number from 1", partial(_whole, 1, "a whole number from 1"))
instant: Reader[float] = Reader("a time", _instant)


def entries(place: Place) -> list[str]:
    """Return the keys of a map."""
    return list(place.node.entries) if isinstance(place.node, Entries) else []
