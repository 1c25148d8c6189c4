"""The written form of a set of tagged classes: `[tag, payload]`, as bytes."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, overload

from deployer_core.wire.codecs import Codec
from deployer_core.wire.compiler import Compiler
from deployer_core.wire.errors import WireError
from deployer_core.wire.hints import class_of, members_of
from deployer_core.wire.json_text import dump, load
from deployer_core.wire.versions import Find, Versions

T = TypeVar("T")


class Wire:
    """Reads and writes the values of a set of tagged classes.

    `discover` is called once, when a tag or a class is not known, and may add to `tags`.
    """

    def __init__(self, tags: Mapping[str, type], discover: Callable[[], object] = lambda: None) -> None:
        self._versions = Versions(tags, discover)
        self._tag = self._versions.tag_of
        self.upcaster: Final = self._versions.upcaster
        self.upcasters: Final = self._versions.upcasters
        self._payload = Compiler(self._versions).payload
        self._finds: dict[Any, Find] = {object: self._any}

    def tag_of(self, value: object) -> str:
        """Return the tag under which a value is written; raises TypeError where its class has none."""
        return self._tag(type(value))

    def encode(self, value: object) -> bytes:
        """Write `[tag, payload]`. Raises WireError where a field's value is not of the field's type."""
        tag, codec = self._tag(type(value)), self._payload(type(value))
        try:
            payload = codec.encode(value)
        except WireError as error:
            error.within("[1]")
            raise
        return dump([tag, payload])

    def encode_payload(self, value: object) -> tuple[str, bytes]:
        """Return the tag and the payload separately."""
        return self.tag_of(value), dump(self._payload(type(value)).encode(value))

    @overload
    def decode(self, data: bytes, expected: type[T]) -> T: ...
    @overload
    def decode(self, data: bytes, expected: object = ...) -> Any: ...
    def decode(self, data: bytes, expected: object = object) -> Any:
        """Read what `encode` has written, if it is `expected`: a tagged class, a union of them, or any by default.

        Raises WireError, and nothing else, whatever the bytes are.
        """
        return self._versions.read_pair(self._find(expected), load(data))

    @overload
    def decode_payload(self, tag: str, data: bytes, expected: type[T]) -> T: ...
    @overload
    def decode_payload(self, tag: str, data: bytes, expected: object = ...) -> Any: ...
    def decode_payload(self, tag: str, data: bytes, expected: object = object) -> Any:
        """Read what `encode_payload` has written, as `decode` does."""
        return self._versions.read_payload(self._find(expected), tag, load(data))

    def _any(self, tag: str) -> Codec | None:
        cls = self._versions.class_of(tag)
        return None if cls is None else self._payload(cls)

    def _find(self, expected: object) -> Find:
        find = self._finds.get(expected)
        if find is None:
            codecs = {self._tag(class_of(m) or m): self._payload(m) for m in members_of(expected)}
            find = self._finds[expected] = codecs.get
        return find
