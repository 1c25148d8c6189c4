"""From plain YAML data to attrs classes, with errors that name the path of the wrong key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs

from deployer_aws.simulator.rows import is_list, is_map

T = TypeVar("T")
Reader = Callable[[Any, str], Any]


class ScriptError(ValueError):
    """A script that cannot be used: the message says where it is wrong and what would be accepted there."""


def key(read: Reader, default: Any = None) -> Any:
    """Declare an optional attrs field, read from the YAML key of its name."""
    return attrs.field(metadata={"read": read}, default=default)


def keys(read: Reader) -> Any:
    """Declare an optional attrs field that holds a list, read item by item."""

    def read_all(value: Any, path: str) -> list[Any]:
        if not is_list(value):
            raise ScriptError(f"{path}: expected a list, not {value!r}")
        return [read(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return attrs.field(metadata={"read": read_all}, factory=list[Any])


def needed(read: Reader) -> Any:
    """Declare a required attrs field."""
    return attrs.field(metadata={"read": read})


def structure(kind: type[T], data: Any, path: str) -> T:
    """Read an attrs class from a mapping of its field names."""
    if not is_map(data):
        raise ScriptError(f"{path}: expected a mapping, not {data!r}")
    fields = {field.name: field for field in attrs.fields(kind)}  # type: ignore[arg-type]
    for name in data:
        if name not in fields:
            raise ScriptError(f"{_join(path, name)}: unknown key; accepted here: {', '.join(sorted(fields))}")
    for name, field in fields.items():
        if name not in data and field.default is attrs.NOTHING:
            raise ScriptError(f"{_join(path, name)}: missing")
    values = {name: fields[name].metadata["read"](value, _join(path, name)) for name, value in data.items()}
    return kind(**values)


def of(kind: type[Any]) -> Reader:
    """Return the reader of a nested attrs class."""
    return lambda value, path: structure(kind, value, path)


def switch_or(kind: type[Any]) -> Reader:
    """Return a reader for which `true` stands for the class with its defaults, and `false` for None."""

    def read(value: Any, path: str) -> Any:
        if isinstance(value, bool):
            return kind() if value else None
        return structure(kind, value, path)

    return read


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def text(value: Any, path: str) -> str:
    """Read a text; numbers are taken as they were written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ScriptError(f"{path}: expected text, not {value!r}")
    return str(value)


def flag(value: Any, path: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ScriptError(f"{path}: expected true or false, not {value!r}")
    return value


LONGEST = 1e9
"""Seconds: thirty years, within which every time has a date."""


def number(value: Any, path: str) -> float:
    """Read a number that is not negative: seconds, or a share."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ScriptError(f"{path}: expected a number from 0 to {LONGEST:g}, not {value!r}")
    return float(value)


def count(value: Any, path: str) -> int:
    """Read a whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ScriptError(f"{path}: expected a whole number that is not negative, not {value!r}")
    return value


def ordinal(value: Any, path: str) -> int:
    """Read a whole number from one on."""
    if count(value, path) == 0:
        raise ScriptError(f"{path}: counting starts at 1")
    return int(value)


def integer(value: Any, path: str) -> int:
    """Read a whole number; an exit code may be negative."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ScriptError(f"{path}: expected a whole number, not {value!r}")
    return value


def choice(*accepted: str) -> Reader:
    """Return the reader of one of some words."""

    def read(value: Any, path: str) -> str:
        if value not in accepted:
            raise ScriptError(f"{path}: {value!r} is not one of {', '.join(accepted)}")
        return str(value)

    return read


def mapping(read: Reader) -> Reader:
    """Return the reader of a mapping from text to values of one kind."""

    def read_all(value: Any, path: str) -> dict[str, Any]:
        if not is_map(value):
            raise ScriptError(f"{path}: expected a mapping, not {value!r}")
        return {str(name): read(item, f"{path}.{name}") for name, item in value.items()}

    return read_all


def instant(value: Any, path: str) -> float:
    """Read an ISO 8601 time with a zone; return epoch seconds."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ScriptError(f"{path}: expected a time such as 2026-01-01T00:00:00Z, not {value!r}") from None
    if not 1970 < moment.year < 2500:
        raise ScriptError(f"{path}: expected a time from 1971 to 2499, not {value!r}")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
