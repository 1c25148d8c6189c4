"""What may stand at a place of a file: readers that turn a node into a value, put together from smaller ones.

A reader says what it is called, for errors and for the documentation: each key is described once, where it is defined.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Generic, TypeVar, cast

from attrs import Factory, evolve, field, frozen

from deployer_aws.documents.findings import Finding, Mark, Path, Wrong, found_at, gather
from deployer_aws.documents.tree import Entries, Items, Node, Scalar, read_text
from deployer_core.spec import SpecError

T = TypeVar("T")


@frozen
class Files:
    """The folder that paths are relative to, and the texts that were kept, by their SHA-256."""

    folder: FilePath
    texts: dict[str, str] = field(factory=dict[str, str])

    def keep(self, path: str, largest: int, what: str) -> str:
        """Read a file and keep its text; return its SHA-256. Raises Wrong."""
        text = read_text(self.folder / path, largest, what, regular=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.texts[digest] = text
        return digest


@frozen
class Place:
    """A node, the path that leads to it, and where its key stands."""

    path: Path
    node: Node
    files: Files
    mark: Mark

    def into(self, key: str | int) -> "Place":
        """Return the place of a key, or of a position in a list; this very node where there is none."""
        path = (*self.path, key)
        if isinstance(self.node, Entries) and isinstance(key, str) and key in self.node.entries:
            mark, node = self.node.entries[key]
            return Place(path, node, self.files, mark)
        if isinstance(self.node, Items) and isinstance(key, int):
            node = self.node.items[key]
            return Place(path, node, self.files, node.mark)
        return evolve(self, path=path)

    def at(self, *keys: str | int) -> "Place":
        """Go several steps at once."""
        place = self
        for key in keys:
            place = place.into(key)
        return place

    def finding(self, text: str) -> Finding:
        """Return something to say of this place."""
        return found_at(self.mark, self.path, text)

    def wrong(self, text: str) -> Wrong:
        """Return what is wrong with this place, to be raised."""
        return Wrong(self.finding(text))

    def expected(self, what: str) -> Wrong:
        """Return that it is not what it should be, to be raised."""
        node = self.node
        if isinstance(node, Items):
            found = "a list"
        elif isinstance(node, Entries):
            found = "a map"
        elif node.kind == "nothing":
            found = "nothing: give a value, or leave the key out"
        else:
            found = f"{node.text!r:.80}" + (f", which is {node.kind} to YAML" if node.kind != "text" else "")
        return self.wrong(f"{what}, not {found}")


@frozen(eq=False)
class Reader(Generic[T]):
    """`called` completes 'this has to be ...'; `parts` are the maps with fixed keys that it may hold."""

    called: str
    read: Callable[[Place], T]
    parts: "tuple[Record[Any], ...]" = ()


# Words


def _scalar(place: Place) -> Scalar | None:
    return place.node if isinstance(place.node, Scalar) else None


def _plain_number(word: Scalar) -> bool:
    return word.whole and re.fullmatch(r"-?(0|[1-9]\d{0,17})", word.text, re.ASCII) is not None


def _text(place: Place) -> str:
    """Whole numbers in plain digits read the same either way; what would lose its form has to be quoted."""
    word = _scalar(place)
    if word is None or word.kind == "nothing":
        raise place.expected("text")
    if word.kind != "text" and not _plain_number(word):
        raise place.wrong(f"text, but {word.text!r:.80} is {word.kind} to YAML; quote it")
    return word.text


def _value(place: Place) -> str:
    """As text; true and false may also stand without quotes, and mean what CloudFormation calls so."""
    word = _scalar(place)
    if word is not None and word.kind == "true or false" and word.text.lower() in ("true", "false"):
        return word.text.lower()
    return _text(place)


def _number(place: Place) -> int:
    word = _scalar(place)
    if word is None or not _plain_number(word):
        raise place.expected("a whole number in plain digits")
    return int(word.text)


def _flag(place: Place) -> bool:
    word = _scalar(place)
    meaning = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if word is None or word.kind != "true or false" or word.text.lower() not in meaning:
        raise place.expected("true or false")
    return meaning[word.text.lower()]


_DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)


def parse_duration(text: str) -> int | None:
    """Return the seconds of a duration with units, such as 90s, 30m, 2h or 1h30m; None where it is none."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _duration(place: Place) -> int:
    word = _scalar(place)
    if word is not None and _plain_number(word):
        return int(word.text)
    found = parse_duration(word.text) if word is not None and word.kind == "text" else None
    if found is None:
        raise place.expected("a duration: 90 (seconds), 90s, 30m, 2h or 1h30m")
    return found


TEXT = Reader("text", _text)
VALUE = Reader("text, a whole number, true or false", _value)
NUMBER = Reader("a whole number", _number)
FLAG = Reader("true or false", _flag)
DURATION = Reader("a duration", _duration)


def word(*words: str) -> Reader[str]:
    """Read one of these words."""
    called = " or ".join(f"`{w}`" for w in words)

    def read(place: Place) -> str:
        node = _scalar(place)
        if node is None or node.text not in words:
            raise place.expected(called.replace("`", ""))
        return node.text

    return Reader(called, read)


# Lists and maps


def listing(reader: Reader[T], many: str) -> Reader[tuple[T, ...]]:
    """Read a list, item by item; `many` is what several of them are called."""

    def read(place: Place) -> tuple[T, ...]:
        if not isinstance(place.node, Items):
            raise place.expected(f"a list of {many}")
        return tuple(gather(partial(reader.read, place.into(i)) for i in range(len(place.node.items))))

    return Reader(f"a list of {many}", read, reader.parts)


def mapping(reader: Reader[T], of: str) -> Reader[tuple[tuple[str, T], ...]]:
    """Read a map with keys of the person's own."""

    def read(place: Place) -> tuple[tuple[str, T], ...]:
        if not isinstance(place.node, Entries):
            raise place.expected(f"a map from {of} to {reader.called}")

        def read_one(key: str) -> tuple[str, T]:
            return key, reader.read(place.into(key))

        return tuple(gather(partial(read_one, key) for key in place.node.entries))

    return Reader(f"a map from {of} to {reader.called}", read, reader.parts)


def either(scalar: Reader[Any], other: Reader[Any], *, lists: Reader[Any] | None = None) -> Reader[Any]:
    """Read a word by one reader, or a map by another, or a list by a third."""

    def read(place: Place) -> Any:
        if isinstance(place.node, Entries):
            return other.read(place)
        return (lists if lists is not None and isinstance(place.node, Items) else scalar).read(place)

    readers = [scalar, *([lists] if lists is not None else []), other]
    return Reader(
        ", or ".join(k.called for k in readers), read, tuple(part for k in readers for part in k.parts)
    )


# Maps with fixed keys


@frozen(eq=False)
class Key:
    """One key of a map. `default` is written as in a file; without one the key has to be given."""

    name: str
    reader: Reader[Any]
    meaning: str
    default: str | None = None


@frozen(eq=False)
class Record(Generic[T]):
    """A map with fixed keys, and what is made of it. `title` names it in the documentation."""

    title: str
    keys: tuple[Key, ...]
    make: Callable[[dict[str, Any], Place], T]
    intro: str = ""
    names: tuple[str, ...] = field(default=Factory(lambda self: tuple(k.name for k in self.keys), True))

    @property
    def reader(self) -> Reader[T]:
        """The reader of the map."""
        article = "an" if self.title[0] in "aeiou" else "a"
        return Reader(f"{article} {self.title}", self.read, (self,))

    def read(self, place: Place) -> T:
        """Read the keys, all problems at once, and make the value. Raises Wrong."""
        node = place.node
        if not isinstance(node, Entries):
            raise place.expected(f"a map with the keys {', '.join(self.names)}")
        by_name = {key.name: key for key in self.keys}
        problems = [self._unknown(place, name) for name in node.entries if name not in by_name]
        problems += [
            place.finding(f"{key.name} is missing" + f": {key.meaning}" * bool(key.meaning))
            for key in self.keys
            if key.default is None and key.name not in node.entries
        ]
        given: dict[str, Any] = {}
        for key in self.keys:
            if key.name in node.entries:
                try:
                    given[key.name] = key.reader.read(place.into(key.name))
                except Wrong as wrong:
                    problems += wrong.findings
        if problems:
            raise Wrong(*problems)
        return self.make(given, place)

    def _unknown(self, place: Place, name: str) -> Finding:
        near = difflib.get_close_matches(name[:64], self.names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        text = f"no key of this map; {hint}It takes {', '.join(self.names)}"
        return place.into(name).finding(text)


def variants(title: str, records: Mapping[str, Record[Any]]) -> Reader[Any]:
    """Read one of several maps, told apart by the key that only one of them has."""

    def read(place: Place) -> Any:
        keys = place.node.entries if isinstance(place.node, Entries) else {}
        found = [record for key, record in records.items() if key in keys]
        if len(found) != 1:
            raise place.expected(f"a map with one of the keys {', '.join(records)}")
        return found[0].read(place)

    return Reader(title, read, tuple(records.values()))


def build(
    place: Place, make: Callable[..., T], given: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> T:
    """Make a value of the spec; the rule that it breaks is said of the key that breaks it.

    `names` gives the file's key for a field, '' where the field is the map itself. Where one of several values breaks
    the rule, it is found by trying each alone. Raises Wrong.
    """
    try:
        return make(**given)
    except SpecError as error:
        name = (names or {}).get(error.field, error.field)
        wrong = place.into(name) if name else place
        for key, value in _each(wrong.node, given.get(error.field)):
            try:
                make(**{**given, error.field: (value,)})
            except SpecError as alone:
                if (alone.field, alone.rule) == (error.field, error.rule):
                    raise wrong.into(key).wrong(error.rule) from None
        raise wrong.wrong(error.rule) from None


def _each(node: Node, value: Any) -> list[tuple[str | int, Any]]:
    values = cast(tuple[object, ...], value) if isinstance(value, tuple) else ()
    keys: tuple[str | int, ...] = ()
    if isinstance(node, Entries):
        keys = tuple(node.entries)
    elif isinstance(node, Items):
        keys = tuple(range(len(node.items)))
    return list(zip(keys, values, strict=True)) if len(keys) == len(values) else []
