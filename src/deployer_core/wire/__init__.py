"""Objects to JSON and back, under the literal, versioned tags of their classes.

A value is written `[tag, payload]`; so is every field whose type is a union. A field of one class is the payload alone
while that class is in its first version, and `[tag, payload]` from its second on. Enumerations go by value, tuples
are arrays. Equal values give equal bytes, in every process.

A new shape takes a new tag, and says how the old one is read:

    @upcaster("Stack.BROKEN/1", "Stack.BROKEN/2")
    def _(old: Payload) -> Payload:
        return {**old, "since": None}
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast, get_args, get_origin, overload

import msgspec
from attrs import evolve

from deployer_core.kernel.tags import TAGS, discover
from deployer_core.wire._codec import (
    LEAVES,
    Codec,
    Convert,
    Unfit,
    WireError,
    class_of,
    enumeration,
    fields_of,
    members_of,
    needed,
    record,
    row,
    structure,
    union,
)

__all__ = [
    "Payload",
    "Upcaster",
    "Wire",
    "WireError",
    "decode",
    "decode_payload",
    "encode",
    "encode_payload",
    "tag_of",
    "upcaster",
    "upcasters",
]

T = TypeVar("T")
Payload: TypeAlias = dict[str, Any]
"""The fields of a class, as JSON has them."""
Upcaster: TypeAlias = Callable[[Payload], Payload]
Find: TypeAlias = Callable[[str], Codec | None]

REMEMBERED = 256
"""How many specs' bytes are kept at the most, of each class."""

_json = msgspec.json.Encoder()
_parsed = msgspec.json.Decoder().decode


def _remembered(encode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, but what the very same object was made into is kept: the specs in a state outlive many events."""
    kept: dict[int, tuple[Any, msgspec.Raw]] = {}

    def once(value: Any) -> Any:
        hit = kept.get(id(value))
        if hit is not None and hit[0] is value:
            return hit[1]
        raw = msgspec.Raw(_dumped(encode(value)))
        if len(kept) >= REMEMBERED:
            kept.clear()
        kept[id(value)] = value, raw
        return raw

    return once


class Wire:
    """The codecs of a set of tagged classes; this module's functions are those of every class in `tags.TAGS`.

    `discover` is called once, when a tag or a class is not known, and may add to `tags`.
    """

    def __init__(self, tags: Mapping[str, type], discover: Callable[[], object] = lambda: None) -> None:
        self.upcasters: dict[str, tuple[str, Upcaster]] = {}
        """By the tag that it reads, each upcaster with the tag that it gives."""
        self._tags, self._discover, self._discovered = tags, discover, False
        self._names: dict[type, str] = {}
        self._codecs: dict[Any, Codec] = {}
        self._classes: dict[Any, Codec] = {}
        self._finds: dict[Any, Find] = {object: self._any}

    # Values

    def tag_of(self, value: object) -> str:
        """The tag under which a value is written; TypeError where its class has none."""
        return self._tag(type(value))

    def encode(self, value: object) -> bytes:
        """`[tag, payload]`. Raises WireError where a field's value is not of the field's type."""
        tag, codec = self._tag(type(value)), self._class(type(value))
        try:
            payload = codec.encode(value)
        except WireError as error:
            error.within("[1]")
            raise
        return _dumped([tag, payload])

    def encode_payload(self, value: object) -> tuple[str, bytes]:
        """The tag and the payload, for whoever keeps them apart."""
        return self.tag_of(value), _dumped(self._class(type(value)).encode(value))

    @overload
    def decode(self, data: bytes) -> Any: ...
    @overload
    def decode(self, data: bytes, expected: type[T]) -> T: ...
    @overload
    def decode(self, data: bytes, expected: object) -> Any: ...
    def decode(self, data: bytes, expected: object = object) -> Any:
        """What `encode` has written, if it is `expected`: a tagged class, a union of them, or any by default.

        Raises WireError, and nothing else, whatever the bytes are.
        """
        return self._pair(self._find(expected), _loaded(data))

    @overload
    def decode_payload(self, tag: str, data: bytes) -> Any: ...
    @overload
    def decode_payload(self, tag: str, data: bytes, expected: type[T]) -> T: ...
    @overload
    def decode_payload(self, tag: str, data: bytes, expected: object) -> Any: ...
    def decode_payload(self, tag: str, data: bytes, expected: object = object) -> Any:
        """What `encode_payload` has written; as `decode`."""
        return self._bare(self._find(expected), tag, _loaded(data))

    # Versions

    def upcaster(self, old: str, new: str) -> Callable[[Upcaster], Upcaster]:
        """Say how the payload of an old tag becomes that of the next; a chain of them is followed to its end.

        The version has to rise. The function may change the payload that it is given; whatever it raises becomes a
        WireError.
        """
        if _version(new) <= _version(old):
            raise ValueError(f"an upcaster raises the version: {old!r} to {new!r} does not")
        if old in self.upcasters:
            raise ValueError(f"{old!r} is already upcast to {self.upcasters[old][0]!r}")

        def mark(function: Upcaster) -> Upcaster:
            self.upcasters[old] = new, function
            return function

        return mark

    # Tags

    def _tag(self, cls: type) -> str:
        tag = self._names.get(cls)
        if tag is None:
            self._complete()
            self._names = {known: name for name, known in self._tags.items()}
            tag = self._names.get(cls)
        if tag is None:
            raise TypeError(f"{cls.__qualname__} has no wire tag: mark the class @tagged('Name/1')")
        return tag

    def _complete(self) -> None:
        if not self._discovered:
            self._discovered = True
            self._discover()

    def _any(self, tag: str) -> Codec | None:
        if tag not in self._tags and tag not in self.upcasters:
            self._complete()
        cls = self._tags.get(tag)
        return None if cls is None else self._class(cls)

    def _find(self, expected: object) -> Find:
        find = self._finds.get(expected)
        if find is None:
            codecs = {self._tag(class_of(m) or m): self._class(m) for m in members_of(expected)}
            find = self._finds[expected] = codecs.get
        return find

    # Reading what is tagged

    def _pair(self, find: Find, plain: Any) -> Any:
        if plain.__class__ is not list or len(plain) != 2 or type(plain[0]) is not str:
            raise needed("[tag, payload]", plain)
        return self._read(find, *plain)

    def _bare(self, find: Find, tag: str, payload: Any) -> Any:
        """As `_pair`, where the tag is known from elsewhere: it is no part of the path."""
        try:
            return self._read(find, tag, payload)
        except WireError as error:
            error.path = error.path[len("[1]") :]
            raise

    def _read(self, find: Find, tag: str, payload: Any) -> Any:
        """Read a payload under its tag, which is one that is found, or that is upcast to one."""
        codec, steps = find(tag), list[Convert]()
        if codec is None:
            codec, steps = self._chain(find, tag)
        try:
            for step in steps:
                payload = step(payload)
            return codec.decode(payload)
        except WireError as error:
            error.within("[1]")
            raise

    def _chain(self, find: Find, tag: str) -> tuple[Codec, list[Convert]]:
        """The upcasters from an old tag to one that is found."""
        codec, steps, at = None, list[Convert](), tag
        while codec is None:
            if at not in self.upcasters:
                self._complete()
            if at not in self.upcasters:
                raise self._stranger(tag)
            new, function = self.upcasters[at]
            steps.append(partial(_upcast, function, f"from {at} to {new}"))
            codec, at = find(new), new
        return codec, steps

    def _stranger(self, tag: str) -> WireError:
        self._complete()
        name = tag.partition("/")[0]
        versions = sorted(t for t in {*self._tags, *self.upcasters} if t.partition("/")[0] == name)
        if tag in versions:
            return WireError(f"a {tag} does not belong here", "[0]")
        known = f"known of that name: {', '.join(versions)}" if versions else "nothing of that name is known"
        advice = "written by a newer version? Then read it with that version"
        return WireError(f"unknown tag {tag!r:.80} ({known}); {advice}", "[0]")

    # Codecs

    def _class(self, hint: Any) -> Codec:
        """The payload of a class."""
        codec = self._classes.get(hint)
        if codec is None:
            cls = class_of(hint)
            if cls is None:
                raise TypeError(f"{hint} is no attrs class, so it cannot be stored")
            steps = [(n, self._codec(h, f"{cls.__qualname__}.{n}")) for n, h in fields_of(hint).items()]
            codec = structure(cls, self._tag(cls), steps)
            if self._tag(cls).startswith("spec."):
                codec = evolve(codec, encode=_remembered(codec.encode))
            self._classes[hint] = codec
        return codec

    def _codec(self, hint: Any, where: str) -> Codec:
        """A field of a class, or a part of one."""
        codec = self._codecs.get(hint)
        if codec is None:
            try:
                codec = self._codecs[hint] = self._compiled(hint, where)
            except Unfit as error:
                raise TypeError(f"{where} cannot be stored: {hint}: {error}") from error
        return codec

    def _compiled(self, hint: Any, where: str) -> Codec:
        if hint in LEAVES:
            return LEAVES[hint]
        if get_origin(hint) is tuple:
            items = get_args(hint)
            if items[1:] == (...,):
                return row(self._codec(items[0], where))
            return record([self._codec(item, where) for item in items])
        members = members_of(hint)
        if len(members) > 1:
            classes = [member for member in members if class_of(member)]
            others = [self._codec(member, where) for member in members if not class_of(member)]
            return union([*others, *([self._tagged(classes)] if classes else [])])
        if class_of(hint):
            return self._lone(hint)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return enumeration(hint)
        raise Unfit("it is none of str, int, float, bool, None, an Enum, a tuple, a tagged class, a union")

    def _tagged(self, hints: Sequence[Any]) -> Codec:
        """One of several classes, `[tag, payload]`."""
        tags = {class_of(hint): self._tag(class_of(hint)) for hint in hints}
        encoders = {class_of(hint): (tags[class_of(hint)], self._class(hint).encode) for hint in hints}
        find = {tags[class_of(hint)]: self._class(hint) for hint in hints}.get

        def encode(value: object) -> Any:
            found = encoders.get(type(value))
            if found is None:
                raise needed(" or ".join(cls.__name__ for cls in encoders), value)
            tag, convert = found
            try:
                return tag, convert(value)
            except WireError as error:
                error.within("[1]")
                raise

        return Codec(encode, partial(self._pair, find), tuple(encoders), (list,))

    def _lone(self, hint: Any) -> Codec:
        """One class: its payload alone is its first version."""
        codec, tag, tagged = self._class(hint), self._tag(class_of(hint)), self._tagged([hint])
        first = f"{tag.partition('/')[0]}/1"
        find = {tag: codec}.get

        def decode(plain: Any) -> Any:
            if type(plain) is list:
                return tagged.decode(plain)
            return codec.decode(plain) if tag == first else self._bare(find, first, plain)

        return Codec(codec.encode if tag == first else tagged.encode, decode, codec.python, (dict, list))


def _upcast(function: Upcaster, way: str, payload: Any) -> Any:
    if type(payload) is not dict:
        raise needed("an object", payload)
    try:
        return function(cast(Payload, payload))
    except Exception as error:
        raise WireError(f"the upcaster {way} failed: {error!r}") from error


def _version(tag: str) -> int:
    return int(tag.partition("/")[2])


def _loaded(data: bytes) -> Any:
    try:
        return _parsed(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"this is no JSON: {error}. It was cut short, or damaged, or is not ours") from error


def _dumped(plain: Any) -> bytes:
    try:
        return _json.encode(plain)
    except ValueError as error:
        raise WireError(f"JSON has no form for it: {error}", _culprit(plain)) from error


def _culprit(plain: Any) -> str:
    """The path to what JSON cannot hold: a lone surrogate, or a number of thousands of digits."""
    if isinstance(plain, dict):
        steps = [(f".{name}", value) for name, value in cast(Payload, plain).items()]
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


_WIRE = Wire(TAGS, discover)

tag_of = _WIRE.tag_of
encode, decode = _WIRE.encode, _WIRE.decode
encode_payload, decode_payload = _WIRE.encode_payload, _WIRE.decode_payload
upcaster, upcasters = _WIRE.upcaster, _WIRE.upcasters
