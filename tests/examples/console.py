"""Documents whose `console` blocks are run: every command in its order, and what it prints is what the page shows.

What differs from run to run is not compared: ids, times, durations, ports, numbers of events, and how wide a column is.
A line of three dots stands for any lines. What tasks print, `orders migrate | ...`, is compared task by task, since they run
at once.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import define, frozen

DOTS = "..."
VOLATILE = (
    (r"\b\d{8}-\d{6}-[a-z0-9]{4}\b", "<deployment>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "<time>"),
    (r"^ *\d+:\d\d(:\d\d)?(?= )", "<elapsed>"),
    (r"\b\d+[hms](\d+[ms])*\b", "<duration>"),  # 3m12s, and 2m on the minute
    (r"(?<=127\.0\.0\.1:)\d+", "<port>"),
    (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
    (r"(?<=LogGroup-)[0-9A-F]{12}\b", "<id>"),
    (r"\bafter \d+ events", "after <n> events"),
    (r" {2,}", " "),
)
TASK = re.compile(r" +(?P<task>\w+( \w+)?) \| (?P<text>.*)")


@frozen
class Shown:
    """A command of a page, and what the page says that it prints."""

    line: int
    command: str
    output: tuple[str, ...]


def commands(page: str) -> Iterator[Shown]:
    """Return the commands of a page, in its order."""
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
    """Return a line without what differs from run to run."""
    for pattern, name in VOLATILE:
        line = re.sub(pattern, name, line)
    return line.strip()


def agrees(shown: Iterable[str], printed: Iterable[str]) -> bool:
    """Whether what was printed is what is shown, as a whole and of each task of which anything is shown."""
    (wanted, tasks), (found, others) = apart(shown), apart(printed)
    pattern = "".join("(?:.*\n)*?" if line == DOTS else re.escape(line) + "\n" for line in wanted)
    whole = re.fullmatch(pattern, "".join(line + "\n" for line in found)) is not None
    return whole and all(others.get(task) == lines for task, lines in tasks.items())


def apart(lines: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the lines without what differs, and those of each task by themselves."""
    rest: list[str] = []
    tasks: dict[str, list[str]] = {}
    for line in lines:
        if said := TASK.fullmatch(line):
            tasks.setdefault(said["task"], []).append(settled(said["text"]))
        else:
            rest.append(settled(line))
    return rest, tasks


@define
class Shell:
    """A shell in a folder, which knows the exit code of the command before, and where that has gone to."""

    folder: Path
    environment: Mapping[str, str]
    code: int = 0

    def run(self, command: str) -> list[str]:
        """Run one command; the lines that it prints, on either stream."""
        with tempfile.NamedTemporaryFile("r") as where:
            script = f"""
                deployer() {{ {shlex.quote(sys.executable)} -m deployer_aws "$@"; }}
                (exit {self.code})
                {command}
                code=$?; pwd > {shlex.quote(where.name)}; exit $code
            """
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                check=False,
                timeout=300,
            )
            self.code, self.folder = done.returncode, Path(where.read().rstrip("\n"))
        return done.stdout.splitlines()
