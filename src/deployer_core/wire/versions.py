"""Tags and their versions: which class a tag names, and how the payload of an old tag becomes that of the newest."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

from deployer_core.wire.codecs import Codec, Convert
from deployer_core.wire.errors import WireError, needed

Payload: TypeAlias = dict[str, Any]
"""The fields of a class, as JSON has them."""
Upcaster: TypeAlias = Callable[[Payload], Payload]
Find: TypeAlias = Callable[[str], Codec | None]
"""Which codec reads a tag's payload, where the tag is one of those expected."""


class Versions:
    """The tags of a wire and the upcasters between them.

    `discover` is called once, when a tag or a class is not known, and may add to `tags` and to the upcasters.
    """

    def __init__(self, tags: Mapping[str, type], discover: Callable[[], object]) -> None:
        self.upcasters: dict[str, tuple[str, Upcaster]] = {}
        """By the tag that it reads, each upcaster with the tag that it gives."""
        self._tags, self._discover, self._discovered = tags, discover, False
        self._names: dict[type, str] = {}

    def tag_of(self, cls: type) -> str:
        """Return the tag of a class; raises TypeError where it has none."""
        tag = self._names.get(cls)
        if tag is None:
            self._complete()
            self._names = {known: name for name, known in self._tags.items()}
            tag = self._names.get(cls)
        if tag is None:
            raise TypeError(f"{cls.__qualname__} has no wire tag: mark the class @tagged('Name/1')")
        return tag

    def class_of(self, tag: str) -> type | None:
        """Return the class that a tag names; None where it is an old one, or unknown."""
        if tag not in self._tags and tag not in self.upcasters:
            self._complete()
        return self._tags.get(tag)

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

    def read_pair(self, find: Find, plain: Any) -> Any:
        """Read `[tag, payload]`."""
        if plain.__class__ is not list or len(plain) != 2 or type(plain[0]) is not str:
            raise needed("[tag, payload]", plain)
        return self._read(find, *plain)

    def read_payload(self, find: Find, tag: str, payload: Any) -> Any:
        """Read a payload whose tag is known from elsewhere, so that it is no part of the path."""
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
        """Return the codec of the newest version and the upcasters that lead to it from an old tag."""
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

    def _complete(self) -> None:
        if not self._discovered:
            self._discovered = True
            self._discover()


def _upcast(function: Upcaster, way: str, payload: Any) -> Any:
    if type(payload) is not dict:
        raise needed("an object", payload)
    try:
        return function(cast(Payload, payload))
    except Exception as error:
        raise WireError(f"the upcaster {way} failed: {error!r}") from error


def _version(tag: str) -> int:
    return int(tag.partition("/")[2])
