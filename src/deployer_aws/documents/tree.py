"""YAML as a tree that remembers its lines. All that a spec file may not be, whatever it says, is refused here.

PyYAML composes the nodes; its constructors are not used, so what a person wrote is still there as it was written.
YAML 1.1 decides what an unquoted word is (`no`, `1:30` and `1.10` are no text): https://yaml.org/type/.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, TypeAlias, cast

import yaml
from attrs import frozen

from deployer_aws.documents.findings import NOWHERE, Finding, Mark, Path, Wrong, found_at

LARGEST = 1024 * 1024
"""Bytes of a spec file."""
DEEPEST = 50
"""How deep lists and maps may be nested."""
MOST = 20_000
"""How many values a spec file may hold, once its aliases are written out too."""
TAG = "tag:yaml.org,2002:"
_KINDS = {
    "str": "text",
    "value": "text",
    "merge": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "null": "nothing",
}
_HINTS = {
    "mapping values are not allowed here": "quote a text that holds ': ', and look at the indentation",
    "found character '\\t' that cannot start any token": "indent with spaces, not with tabs",
    "could not find expected ':'": "each key of a map is followed by ': '",
}


@frozen
class Syntax:
    """What a document may hold beside plain YAML 1.1, and what it is called.

    With `plain_words` only true and false are no texts: `on`, `no` and dates are. With `short_tags` CloudFormation's
    `!Ref x` stands for `{Ref: x}`. With `may_be_empty` an empty document is an empty map.
    """

    what: str
    plain_words: bool = False
    short_tags: bool = False
    may_be_empty: bool = False


@frozen
class Scalar:
    """One word as it was written. `kind` is what YAML takes it for; `whole` tells whole numbers from others."""

    mark: Mark
    kind: str
    text: str
    whole: bool = False


@frozen
class Items:
    """A list."""

    mark: Mark
    items: "tuple[Node, ...]"


@frozen
class Entries:
    """A map: to each key its place and its value."""

    mark: Mark
    entries: "dict[str, tuple[Mark, Node]]"


Node: TypeAlias = Scalar | Items | Entries


def read_text(file: FilePath, largest: int, what: str, *, regular: bool = False) -> str:
    """Return a file's text. A `regular` one may be no pipe and no device. Raises Wrong, with neither path nor line."""
    try:
        found = file.stat()
        if stat.S_ISDIR(found.st_mode):
            raise _wrong(f"{file} is a folder; name the {what} in it")
        if regular and not stat.S_ISREG(found.st_mode):
            raise _wrong(f"{file} is no file")
        with file.open("rb") as stream:
            data = stream.read(largest + 1) if found.st_size <= largest else bytes(largest + 1)
    except FileNotFoundError:
        raise _wrong(f"there is no {what} {file}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _wrong(f"can't read the {what} {str(file)!r:.200}: {reason}") from None
    if len(data) > largest:
        raise _wrong(f"the {what} is larger than {largest:,} bytes")
    return decode(data)


def decode(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises Wrong."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise Wrong(
            Finding("", line, f"not UTF-8 but {guess}, by its byte {error.start + 1}: save it as UTF-8")
        ) from None


def compose(text: str, what: str, most: int, *, plain_words: bool = False) -> yaml.Node | None:
    """Return PyYAML's nodes of the one document in a text, so many at most; None for an empty one. Raises Wrong."""
    try:
        loader = (_PlainWords if plain_words else _Loader)(text)
        loader.most = most
        node = loader.get_node() if loader.check_node() else None
        if node is not None and loader.check_node():
            second = f"a second document begins: keep one {what} a file, without '---' in it"
            raise Wrong(found_at(_mark(loader.get_mark()), (), second))
        return node
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = before.count("\n") + 1, error.position - before.rfind("\n")
        # The stubs say bytes; for text it is the character's code.
        code = cast(int, error.character)
        raise Wrong(found_at(mark, (), f"the character U+{code:04X} may not stand in YAML")) from None
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "broken off"
        hint = f"; {_HINTS[problem]}" if problem in _HINTS else ""
        at = _mark(place) if place else NOWHERE
        raise Wrong(found_at(at, (), f"not YAML: {problem:.200}{hint}")) from None
    except (ValueError, OverflowError) as error:  # PyYAML lets them out for "\UFFFFFFFF", say
        raise _wrong(f"not YAML: {error!s:.200}") from None


def parse(text: str, syntax: Syntax) -> Node:
    """Return the tree of a document's text. Raises Wrong with all that is wrong with the document itself."""
    composed = compose(text, syntax.what, MOST, plain_words=syntax.plain_words)
    tree = _Tree(syntax)
    node = tree.node(composed, (), 0) if composed is not None else Scalar((1, 1), "nothing", "")
    if isinstance(node, Scalar) and node.kind == "nothing":
        if not syntax.may_be_empty:
            raise _wrong(f"the {syntax.what} is empty")
        node = Entries((1, 1), {})
    if tree.problems:
        raise Wrong(*tree.problems)
    return node


def tree_of(data: Any) -> Node:
    """Return plain data, as JSON has it, as a tree that stands in no file."""
    if isinstance(data, dict):
        entries = data.items()
        return Entries(NOWHERE, {str(key): (NOWHERE, tree_of(value)) for key, value in entries})
    if isinstance(data, list | tuple):
        return Items(NOWHERE, tuple(map(tree_of, cast(list[Any], data))))
    if data is None or isinstance(data, bool):
        kind = "nothing" if data is None else "true or false"
        return Scalar(NOWHERE, kind, "" if data is None else str(data).lower())
    if isinstance(data, int | float):
        return Scalar(NOWHERE, "a number", repr(data), whole=isinstance(data, int))
    return Scalar(NOWHERE, "text", str(data))


def plain(node: Node) -> Any:
    """Return a tree as plain data, as JSON has it."""
    if isinstance(node, Entries):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if node.kind == "nothing":
        return None
    if node.kind == "true or false":
        return node.text.lower() in ("true", "yes", "on")
    return number_of(node) if node.kind == "a number" else node.text


def number_of(word: Scalar) -> int | float | str:
    """Return the number that a word stands for in YAML; its text where Python knows no such number."""
    tag = f"{TAG}int" if word.whole else f"{TAG}float"
    read = _NUMBERS.construct_yaml_int if word.whole else _NUMBERS.construct_yaml_float
    try:
        return read(yaml.ScalarNode(tag, word.text))
    except (ValueError, OverflowError):
        return word.text


_NUMBERS = yaml.constructor.SafeConstructor()


def _mark(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _wrong(text: str) -> Wrong:
    return Wrong(Finding("", 0, text))


class _Loader(yaml.SafeLoader):
    """Composing recurses once a level, so the levels are counted; and the values, since it is slow."""

    depth = 0
    most = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.most -= 1
        if self.depth > DEEPEST or self.most < 0:
            text = "more values than it may have" if self.most < 0 else f"nested more than {DEEPEST} deep"
            raise Wrong(found_at(_mark(self.get_mark()), (), text))
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _PlainWords(_Loader):
    """YAML in which only true and false are no texts: `on` may be a key, and dates stay as they were written."""


_BOOL, _DATE = f"{TAG}bool", f"{TAG}timestamp"
_PlainWords.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, _DATE)]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_PlainWords.add_implicit_resolver(_BOOL, re.compile("^(true|false)$"), list("tf"))


class _Tree:
    """Nodes to a tree. An alias is written out wherever it stands, so both loops and floods are looked for."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.problems: list[Finding] = []
        self.open: set[int] = set()
        self.count = 0

    def node(self, node: yaml.Node, path: Path, depth: int) -> Node:
        mark = _mark(node.start_mark)
        self.count += 1
        if self.count > MOST:
            raise Wrong(found_at(mark, (), f"more than {MOST:,} values, with what its aliases stand for"))
        if id(node) in self.open:
            raise Wrong(found_at(mark, path, "contains itself, by way of an alias"))
        if depth > DEEPEST:
            raise Wrong(found_at(mark, (), f"nested more than {DEEPEST} deep, with its aliases"))
        if name := self.function(node):
            return Entries(mark, {name: (mark, self.value(node, path, mark, depth))})
        return self.value(node, path, mark, depth)

    def value(self, node: yaml.Node, path: Path, mark: Mark, depth: int) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, mark)
        self.open.add(id(node))
        found: Node
        if isinstance(node, yaml.SequenceNode):
            self.known(node, path, "seq")
            found = Items(mark, tuple(self.node(n, (*path, i), depth + 1) for i, n in enumerate(node.value)))
        else:
            self.known(node, path, "map")
            found = Entries(mark, self.entries(cast(yaml.MappingNode, node), path, depth))
        self.open.remove(id(node))
        return found

    def function(self, node: yaml.Node) -> str:
        """Return the long name of a function of CloudFormation's, by its short tag; else nothing."""
        if not self.syntax.short_tags or not re.fullmatch(r"!\w+", node.tag):
            return ""
        return node.tag[1:] if node.tag in ("!Ref", "!Condition") else f"Fn::{node.tag[1:]}"

    def known(self, node: yaml.Node, path: Path, *kinds: str) -> None:
        if node.tag.removeprefix(TAG) not in kinds and not self.function(node):
            tag = node.tag.replace(TAG, "!!")
            text = f"the tag {tag!r:.64} means nothing in a {self.syntax.what}; leave it out"
            self.problems.append(found_at(_mark(node.start_mark), path, text))

    def scalar(self, node: yaml.ScalarNode, path: Path, mark: Mark) -> Scalar:
        self.known(node, path, *_KINDS)
        tag = node.tag.removeprefix(TAG)
        return Scalar(mark, _KINDS.get(tag, "text"), self.text(node, path), whole=tag == "int")

    def text(self, node: yaml.ScalarNode, path: Path) -> str:
        """JSON writes characters beyond U+FFFF as two escapes, which YAML leaves as they are."""
        text = cast(str, node.value)
        if not re.search("[\ud800-\udfff]", text):
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            half = "holds half of a character (an escape from \\ud800 to \\udfff that stands alone)"
            self.problems.append(found_at(_mark(node.start_mark), path, half))
            return ""

    def entries(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, tuple[Mark, Node]]:
        """Return the map's own entries, over those that it merges in (`<<`)."""
        own: dict[str, tuple[Mark, Node]] = {}
        merged: dict[str, tuple[Mark, Node]] = {}
        for key_node, value_node in node.value:
            mark = _mark(key_node.start_mark)
            if key_node.tag == f"{TAG}merge":
                for entries in self.merged(value_node, path, depth):
                    merged = {**entries, **merged}
                continue
            key = self.key(key_node, path)
            if key is None:
                continue
            if key in own:
                first = own[key][0][0]
                text = f"stands here twice, first on line {first}; keep one of the two"
                self.problems.append(found_at(mark, (*path, key), text))
            own[key] = (mark, self.node(value_node, (*path, key), depth + 1))
        return {**merged, **own}

    def key(self, node: yaml.Node, path: Path) -> str | None:
        mark = _mark(node.start_mark)
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}str":
            return self.text(node, path)
        if isinstance(node, yaml.ScalarNode):
            kind = _KINDS.get(node.tag.removeprefix(TAG), "no text")
            text = f"the key {node.value!r:.64} is {kind} to YAML; quote it"
        else:
            text = "a list or a map stands where a key should be"
        self.problems.append(found_at(mark, path, text))
        return None

    def merged(self, node: yaml.Node, path: Path, depth: int) -> Iterator[dict[str, tuple[Mark, Node]]]:
        found = self.node(node, path, depth + 1)
        for one in found.items if isinstance(found, Items) else (found,):
            if isinstance(one, Entries):
                yield one.entries
            else:
                self.problems.append(found_at(one.mark, path, "'<<' takes a map, or a list of maps"))
