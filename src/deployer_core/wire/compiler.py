"""Codecs compiled from type hints, each once: those of classes, of their fields, and of unions of tagged classes."""

from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import Any, get_args, get_origin

from attrs import evolve

from deployer_core.wire.codecs import LEAVES, Codec, Unfit, enumeration, record, row, structure, union
from deployer_core.wire.errors import WireError, needed
from deployer_core.wire.hints import class_of, fields_of, members_of
from deployer_core.wire.json_text import remember
from deployer_core.wire.versions import Versions


class Compiler:
    """The codecs of a set of tagged classes and of all that stands in their fields."""

    def __init__(self, versions: Versions) -> None:
        self._versions, self._tag = versions, versions.tag_of
        self._hints: dict[Any, Codec] = {}
        self._classes: dict[Any, Codec] = {}

    def payload(self, hint: Any) -> Codec:
        """Return the codec of a class's payload."""
        codec = self._classes.get(hint)
        if codec is None:
            cls = class_of(hint)
            if cls is None:
                raise TypeError(f"{hint} is no attrs class, so it cannot be stored")
            steps = [(n, self._field(h, f"{cls.__qualname__}.{n}")) for n, h in fields_of(hint).items()]
            codec = structure(cls, self._tag(cls), steps)
            if self._tag(cls).startswith("spec."):
                codec = evolve(codec, encode=remember(codec.encode))
            self._classes[hint] = codec
        return codec

    def _field(self, hint: Any, where: str) -> Codec:
        """Return the codec of a class's field, or of a part of one."""
        codec = self._hints.get(hint)
        if codec is None:
            try:
                codec = self._hints[hint] = self._compiled(hint, where)
            except Unfit as error:
                raise TypeError(f"{where} cannot be stored: {hint}: {error}") from error
        return codec

    def _compiled(self, hint: Any, where: str) -> Codec:
        if hint in LEAVES:
            return LEAVES[hint]
        if get_origin(hint) is tuple:
            items = get_args(hint)
            if items[1:] == (...,):
                return row(self._field(items[0], where))
            return record([self._field(item, where) for item in items])
        members = members_of(hint)
        if len(members) > 1:
            classes = [member for member in members if class_of(member)]
            others = [self._field(member, where) for member in members if not class_of(member)]
            return union([*others, *([self._tagged(classes)] if classes else [])])
        if class_of(hint):
            return self._single(hint)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return enumeration(hint)
        raise Unfit("it is none of str, int, float, bool, None, an Enum, a tuple, a tagged class, a union")

    def _tagged(self, hints: Sequence[Any]) -> Codec:
        """Return the codec of one of several classes, `[tag, payload]`."""
        codecs = {class_of(hint): (self._tag(class_of(hint)), self.payload(hint)) for hint in hints}
        encoders = {cls: (tag, codec.encode) for cls, (tag, codec) in codecs.items()}
        find = dict(codecs.values()).get

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

        return Codec(encode, partial(self._versions.read_pair, find), tuple(encoders), (list,))

    def _single(self, hint: Any) -> Codec:
        """Return the codec of one class: its payload alone is its first version."""
        codec, tag, tagged = self.payload(hint), self._tag(class_of(hint)), self._tagged([hint])
        first = f"{tag.partition('/')[0]}/1"
        find = {tag: codec}.get

        def decode(plain: Any) -> Any:
            if type(plain) is list:
                return tagged.decode(plain)
            return codec.decode(plain) if tag == first else self._versions.read_payload(find, first, plain)

        return Codec(codec.encode if tag == first else tagged.encode, decode, codec.python, (dict, list))
