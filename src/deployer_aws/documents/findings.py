"""What is wrong with a file, or worth knowing of it: where it stands, and what to do about it."""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

from attrs import frozen

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]
"""The keys, and the positions in lists, that lead to a place in a file."""

MOST = 10
"""How many problems one error lists."""


Mark: TypeAlias = tuple[int, int]
"""A line and a column, counted from 1; (0, 0) where a value stands in no file."""
NOWHERE: Mark = (0, 0)


@frozen
class Finding:
    """One thing to say of a file: the path of its key, the text, and its line and column (0 where there is none)."""

    path: str
    line: int
    text: str
    column: int = 0

    def __str__(self) -> str:
        where = [f"line {self.line}"] * bool(self.line) + [self.path] * bool(self.path)
        return f"{', '.join(where)}: {self.text}" if where else self.text

    def of(self, file: str) -> str:
        """Return it with the file's name before it: `file:line:column: path: text`."""
        where = f"{file}:{self.line}:{self.column}" if self.line else file
        return ": ".join(filter(None, (where, self.path, self.text)))


def found_at(mark: Mark, path: Path, text: str) -> Finding:
    """Return a finding at a place of a file."""
    return Finding(shown(path), mark[0], text, mark[1])


class Wrong(Exception):
    """Raised inside while a file is read; a `DocumentError` is what comes out."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings


class DocumentError(ValueError):
    """A file that cannot be used.

    `problems` are all that were found, in the order of their lines; the text lists the first ten.
    """

    def __init__(self, file: str, problems: Iterable[Finding]) -> None:
        self.file = file
        self.problems: tuple[Finding, ...] = tuple(sorted(dict.fromkeys(problems), key=lambda one: one.line))
        if len(self.problems) == 1:
            super().__init__(self.problems[0].of(file))
            return
        more = len(self.problems) - MOST
        lines = [f"{file}: {len(self.problems)} problems", *(f"  {p.of(file)}" for p in self.problems[:MOST])]
        super().__init__("\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])]))


def shown(path: Path) -> str:
    """Return a path as `databases.orders.extensions[1]`; keys that are no plain words are quoted."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            word = key if re.fullmatch(r"[\w:/-]{1,64}", key) else f"{key!r:.64}"
            text += f".{word}" if text else word
    return text


def gather(reads: Iterable[Callable[[], T]]) -> list[T]:
    """Return all that is read; where something is wrong, raise Wrong with all of it at once."""
    found: list[T] = []
    problems: list[Finding] = []
    for read in reads:
        try:
            found.append(read())
        except Wrong as wrong:
            problems += wrong.findings
    if problems:
        raise Wrong(*problems)
    return found
