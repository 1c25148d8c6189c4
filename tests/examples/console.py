"""Documents whose `console` blocks are run: every command in its order, and what it prints is what the page shows.

What differs from run to run is not compared: ids, times, durations, ports, and how wide a column is. A line of three
dots stands for any lines.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, frozen

DOTS = "..."
VOLATILE = (
    (r"\b\d{8}-\d{6}-[a-z0-9]{4}\b", "<deployment>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "<time>"),
    (r"^ *\d+:\d\d(:\d\d)?(?= )", "<elapsed>"),
    (r"\b(\d+h)?(\d+m)?\d+s\b", "<duration>"),
    (r"(?<=127\.0\.0\.1:)\d+", "<port>"),
    (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
    (r" {2,}", " "),
)


@frozen
class Shown:
    """A command of a page, and what the page says that it prints."""

    line: int
    command: str
    output: tuple[str, ...]


def commands(page: str) -> Iterator[Shown]:
    """The commands of a page, in its order."""
    shown: list[tuple[int, str, list[str]]] = []
    inside = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            shown.append((number, line[2:], []))
        elif inside:
            shown[-1][2].append(line)
    for number, command, output in shown:
        yield Shown(number, command, tuple(output))


def settled(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, name in VOLATILE:
        line = re.sub(pattern, name, line)
    return line.strip()


def agrees(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Whether what was printed is what is shown."""
    pattern = "".join("(?:.*\n)*?" if line == DOTS else re.escape(settled(line)) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(settled(line) + "\n" for line in printed)) is not None


@define
class Shell:
    """A shell in a folder, which knows the exit code of the command before."""

    folder: Path
    environment: Mapping[str, str]
    code: int = 0

    def run(self, command: str) -> tuple[str, ...]:
        """Run one command; the lines that it prints, on either stream."""
        done = subprocess.run(
            [
                "bash",
                "-c",
                f'deployer() {{ "$PYTHON" -m deployer_aws.cli "$@"; }}; (exit {self.code}); {command}',
            ],
            cwd=self.folder,
            env={**self.environment, "PYTHON": sys.executable},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=300,
        )
        self.code = done.returncode
        return tuple(done.stdout.splitlines())
