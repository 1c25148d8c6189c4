"""Plain data to JSON text and back, with the place of what JSON cannot hold. Nothing else imports msgspec."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from deployer_core.wire.errors import WireError

REMEMBERED = 256
"""How many values' bytes `remember` keeps at most, of each class."""

_json = msgspec.json.Encoder()
_parsed = msgspec.json.Decoder().decode


def load(data: bytes) -> Any:
    """Read JSON."""
    try:
        return _parsed(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"this is no JSON: {error}. It was cut short, or damaged, or is not ours") from error


def dump(plain: Any) -> bytes:
    """Write JSON."""
    try:
        return _json.encode(plain)
    except ValueError as error:
        raise WireError(f"JSON has no form for it: {error}", _culprit(plain)) from error


def remember(encode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keep the text that the very same object was written as: the specs in a state outlive many events."""
    kept: dict[int, tuple[Any, msgspec.Raw]] = {}

    def once(value: Any) -> Any:
        hit = kept.get(id(value))
        if hit is not None and hit[0] is value:
            return hit[1]
        raw = msgspec.Raw(dump(encode(value)))
        if len(kept) >= REMEMBERED:
            kept.clear()
        kept[id(value)] = value, raw
        return raw

    return once


def _culprit(plain: Any) -> str:
    """Return the path to what JSON cannot hold: a lone surrogate, or a number of thousands of digits."""
    if isinstance(plain, dict):
        steps = [(f".{name}", value) for name, value in cast(dict[str, Any], plain).items()]
    elif isinstance(plain, list | tuple):
        steps = [(f"[{at}]", value) for at, value in enumerate(cast(list[Any], plain))]
    else:
        return ""
    step, value = next((step, value) for step, value in steps if not _has_form(value))
    return step + _culprit(value)


def _has_form(plain: Any) -> bool:
    try:
        _json.encode(plain)
    except ValueError:
        return False
    return True
