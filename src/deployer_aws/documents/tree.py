"""YAML as a tree that remembers its lines. All that a spec file may not be, whatever it says, is refused here.

PyYAML composes the nodes; its constructors are not used, so what a person wrote is still there as it was written.
YAML 1.1 decides what an unquoted word is (`no`, `1:30` and `1.10` are no text): https://yaml.org/type/.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TypeAlias, cast

import yaml
from attrs import frozen

from deployer_aws.documents.findings import Finding, Path, Wrong, shown

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
class Scalar:
    """One word as it was written. `kind` is what YAML takes it for; `number` tells whole numbers from others."""

    line: int
    kind: str
    text: str
    whole: bool = False


@frozen
class Items:
    """A list."""

    line: int
    items: "tuple[Node, ...]"


@frozen
class Entries:
    """A map: to each key its line and its value."""

    line: int
    entries: "dict[str, tuple[int, Node]]"


Node: TypeAlias = Scalar | Items | Entries


def read_text(file: FilePath, largest: int, what: str, *, regular: bool = False) -> str:
    """A file's text. A `regular` one may be no pipe and no device. Raises Wrong, with neither path nor line."""
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
    """UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise Wrong(
            Finding("", line, f"not UTF-8 but {guess}, by its byte {error.start + 1}: save it as UTF-8")
        ) from None


def compose(text: str, what: str, most: int) -> yaml.Node:
    """PyYAML's nodes of the one document in a text, so many at most. Raises Wrong."""
    try:
        loader = _Loader(text)
        loader.most = most
        node = loader.get_node() if loader.check_node() else None
        if node is None:
            raise _wrong(f"the {what} is empty")
        if loader.check_node():
            line = loader.get_mark().line + 1
            raise Wrong(
                Finding("", line, f"a second document begins: keep one {what} a file, without '---' in it")
            )
        return node
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        # The stubs say bytes; for text it is the character's code.
        code = cast(int, error.character)
        raise Wrong(Finding("", line, f"the character U+{code:04X} may not stand in YAML")) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "broken off"
        hint = f"; {_HINTS[problem]}" if problem in _HINTS else ""
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise Wrong(Finding("", line, f"not YAML: {problem:.200}{hint}", column)) from None
    except (ValueError, OverflowError) as error:  # PyYAML lets them out for "\UFFFFFFFF", say
        raise _wrong(f"not YAML: {error!s:.200}") from None


def parse(text: str) -> Node:
    """The tree of a spec file's text. Raises Wrong with all that is wrong with the document itself."""
    tree = _Tree()
    node = tree.node(compose(text, "spec file", MOST), (), 0)
    if isinstance(node, Scalar) and node.kind == "nothing":
        raise _wrong("the spec file is empty")
    if tree.problems:
        raise Wrong(*tree.problems)
    return node


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
            raise Wrong(Finding("", self.get_mark().line + 1, text))
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Tree:
    """Nodes to a tree. An alias is written out wherever it stands, so both loops and floods are looked for."""

    def __init__(self) -> None:
        self.problems: list[Finding] = []
        self.open: set[int] = set()
        self.count = 0

    def node(self, node: yaml.Node, path: Path, depth: int) -> Node:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > MOST:
            raise Wrong(Finding("", line, f"more than {MOST:,} values, with what its aliases stand for"))
        if id(node) in self.open:
            raise Wrong(Finding(shown(path), line, "contains itself, by way of an alias"))
        if depth > DEEPEST:
            raise Wrong(Finding("", line, f"nested more than {DEEPEST} deep, with its aliases"))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, line)
        self.open.add(id(node))
        found: Node
        if isinstance(node, yaml.SequenceNode):
            self.known(node, path, "seq")
            found = Items(line, tuple(self.node(n, (*path, i), depth + 1) for i, n in enumerate(node.value)))
        else:
            self.known(node, path, "map")
            found = Entries(line, self.entries(cast(yaml.MappingNode, node), path, depth))
        self.open.remove(id(node))
        return found

    def known(self, node: yaml.Node, path: Path, *kinds: str) -> None:
        if node.tag.removeprefix(TAG) not in kinds:
            tag = node.tag.replace(TAG, "!!")
            text = f"the tag {tag!r:.64} means nothing in a spec file; leave it out"
            self.problems.append(Finding(shown(path), node.start_mark.line + 1, text))

    def scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Scalar:
        self.known(node, path, *_KINDS)
        tag = node.tag.removeprefix(TAG)
        return Scalar(line, _KINDS.get(tag, "text"), self.text(node, path), whole=tag == "int")

    def text(self, node: yaml.ScalarNode, path: Path) -> str:
        """JSON writes characters beyond U+FFFF as two escapes, which YAML leaves as they are."""
        text = cast(str, node.value)
        if not re.search("[\ud800-\udfff]", text):
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            half = "holds half of a character (an escape from \\ud800 to \\udfff that stands alone)"
            self.problems.append(Finding(shown(path), node.start_mark.line + 1, half))
            return ""

    def entries(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, tuple[int, Node]]:
        """The map's own entries, over those that it merges in (`<<`)."""
        own: dict[str, tuple[int, Node]] = {}
        merged: dict[str, tuple[int, Node]] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{TAG}merge":
                for entries in self.merged(value_node, path, depth):
                    merged = {**entries, **merged}
                continue
            key = self.key(key_node, path)
            if key is None:
                continue
            if key in own:
                first = own[key][0]
                text = f"stands here twice, first on line {first}; keep one of the two"
                self.problems.append(Finding(shown((*path, key)), line, text))
            own[key] = (line, self.node(value_node, (*path, key), depth + 1))
        return {**merged, **own}

    def key(self, node: yaml.Node, path: Path) -> str | None:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}str":
            return self.text(node, path)
        if isinstance(node, yaml.ScalarNode):
            kind = _KINDS.get(node.tag.removeprefix(TAG), "no text")
            text = f"the key {node.value!r:.64} is {kind} to YAML; quote it"
        else:
            text = "a list or a map stands where a key should be"
        self.problems.append(Finding(shown(path), line, text))
        return None

    def merged(self, node: yaml.Node, path: Path, depth: int) -> Iterator[dict[str, tuple[int, Node]]]:
        found = self.node(node, path, depth + 1)
        for one in found.items if isinstance(found, Items) else (found,):
            if isinstance(one, Entries):
                yield one.entries
            else:
                self.problems.append(Finding(shown(path), one.line, "'<<' takes a map, or a list of maps"))
