"""Where the command line writes: results to stdout, and what went wrong to stderr.

On a terminal there are colours, unless NO_COLOR is set; elsewhere there is nothing but text.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, Any

from rich.console import Console
from rich.text import Text

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")
STYLES = {
    "DONE": "green",
    "NOP": "green",
    "AVAILABLE": "green",
    "FAILED": "bold red",
    "ERROR": "bold red",
    "BROKEN": "bold red",
    "UNKNOWN": "dim",
}
"""How the names of states look; any other is on its way."""


class _Writer(Console):
    """A console that goes on in silence where its reader has gone: a deployment does not end because `head` did."""

    def on_broken_pipe(self) -> None:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())


def _writer(stream: IO[str], *, stderr: bool) -> Console:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    if stream.isatty():
        return _Writer(stderr=stderr, highlight=False, soft_wrap=True)
    return _Writer(
        stderr=stderr, highlight=False, soft_wrap=True, color_system=None, force_terminal=False, no_color=True
    )


class Screen:
    """Both streams of one command."""

    def __init__(self) -> None:
        self.out: Console = _writer(sys.stdout, stderr=False)
        self.err: Console = _writer(sys.stderr, stderr=True)

    @property
    def alive(self) -> bool:
        """Whether stdout is a terminal that can be drawn on."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and sys.stdout.isatty()

    @property
    def fancy(self) -> bool:
        """Whether stdout can show more than ASCII."""
        return "utf" in self.out.encoding.lower()

    def say(self, *parts: str | Text, indent: int = 0) -> None:
        """Write one line to stdout."""
        line = Text(" " * indent)
        for part in parts:
            line.append_text(_shown(part))
        self.out.print(line, soft_wrap=True)

    def text(self, text: str) -> None:
        """Write a text to stdout as it is, line breaks included."""
        self.out.print(Text(text), soft_wrap=True, end="")

    def data(self, value: object) -> None:
        """Write one JSON document to stdout."""
        self.text(json.dumps(value, indent=2, ensure_ascii=True) + "\n")

    def rows(self, rows: Sequence[Sequence[str | Text]], *, indent: int = 0) -> None:
        """Write columns, as wide as they need to be; the last one may be long."""
        texts = [list(map(_shown, row)) for row in rows]
        if not texts:
            return
        widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
        for row in texts:
            line = Text(" " * indent)
            for cell, width in zip(row, widths, strict=True):
                line.append_text(cell)
                line.append(" " * (width - cell.cell_len + 2))
            line.rstrip()
            self.out.print(line, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Write one line to stderr about something that is not wrong."""
        self.err.print(Text("warning: ", "yellow").append(clean(text), "default"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Write one line to stderr, as it is."""
        self.err.print(Text(clean(text)), soft_wrap=True)

    def complain(self, text: str) -> None:
        """Write what is wrong to stderr."""
        lines = "\n".join(map(clean, text.splitlines()))
        self.err.print(Text("deployer: ", "bold red").append(lines, "default"), soft_wrap=True)


def clean(text: str) -> str:
    """Return a text in one line, with nothing in it that a terminal would obey."""
    return text.translate(_CONTROL)


def _shown(part: str | Text) -> Text:
    """Return a part of a line, cleaned; styles stay where they are, since no letter comes or goes."""
    text = part if isinstance(part, Text) else Text(part)
    text.plain = clean(text.plain)
    return text


def state(name: str) -> Text:
    """Return the name of a state, styled."""
    return Text(name, STYLES.get(name, "cyan"))


def elapsed(seconds: float) -> str:
    """Return the time since the beginning, for a column: `1:02:03`, `   2:03`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    text = f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
    return text.rjust(7)


def duration(seconds: float | None) -> str:
    """Return how long something took, as a spec file has it: `45s`, `3m10s`, `1h5m`, `2d4h`."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    shown = [f"{number}{unit}" for number, unit in parts if number]
    return "".join(shown[:2]) or "0s"


def moment(seconds: float | None) -> str:
    """Return a date and time in UTC, in a form that sorts."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def joined(items: Iterable[Any]) -> str:
    """Return names in a row."""
    return ", ".join(str(item) for item in items)
