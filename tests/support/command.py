"""The `deployer` command in tests: in this process, in one of its own, or on a terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from attrs import frozen
from click.testing import CliRunner

from deployer_aws import specfile
from deployer_aws.cli._program import command_names, program
from deployer_aws.environment import open_environment
from tests.support.project import ROOT

EXAMPLE = ROOT / "examples/orders"
SCRIPT = EXAMPLE / "simulation.yaml"
KEY = "staging/orders"
FAILS = (
    "rules: [{on: run_task, nth: 1, exit_code: 2}, {on: run_task, first: 3, exit_code: 1, reason: locked}]"
)
"""`orders` has changes, and both migrations fail."""
STUCK = "rules: [{on: run_task, nth: 2, takes: 1000000, linger: 1000000}]"
"""The migration of `billing` never ends, and does not stop either."""


@frozen
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


@frozen
class Deployer:
    """A folder with a journal in it, and the command there."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / "journal"

    def __call__(self, *words: str | Path, env: Mapping[str, str | None] | None = None) -> Said:
        """Run the command in this process, on the journal."""
        return invoke(*words, "--journal", self.journal, env=env)

    def run(self, version: str = "v1", *words: str, script: Path = SCRIPT) -> Said:
        """Deploy a version of the example to the simulated AWS."""
        return self("run", EXAMPLE / f"{version}.yaml", "--simulate", script, *words)

    def script(self, text: str) -> Path:
        """Write a script of the simulation."""
        path = self.folder / "script.yaml"
        path.write_text(text)
        return path

    def half_way(
        self, version: str = "v1", events: int = 12, script: Path = SCRIPT, name: str = "half"
    ) -> None:
        """Deploy a version, and leave it after so many events of its own."""
        loaded = specfile.load(EXAMPLE / f"{version}.yaml")
        with open_environment(self.journal, script, simulate=True, spec=loaded.spec) as environment:
            runner, journal = environment.runner(), environment.journal
            begun = journal.head(KEY).version
            runner.request(name, loaded.spec, loaded.templates, properties=environment.properties)
            runner.run([KEY], until=lambda: journal.head(KEY).version >= begun + events)


def invoke(*words: str | Path, env: Mapping[str, str | None] | None = None) -> Said:
    """Run the command in this process."""
    result = CliRunner().invoke(program, [str(word) for word in words], env=env, prog_name="deployer")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Said(result.exit_code, result.stdout, result.stderr)


def commands() -> dict[str, click.Command]:
    """Import all commands, by name."""
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in command_names()}
    return {name: command for name, command in found.items() if command is not None}


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a process that has no AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DEPLOYER_"))}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**kept, "PYTHONPATH": paths, "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", **more}


def argv(*words: str | Path) -> list[str]:
    """Return the command as a process's arguments."""
    return [sys.executable, "-m", "deployer_aws", *map(str, words)]


def process(*words: str | Path, cwd: Path | None = None, **more: str) -> Said:
    """Run the command in a process of its own."""
    done = subprocess.run(
        argv(*words), capture_output=True, env=environment(**more), cwd=cwd, check=False, timeout=120
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def on_terminal(
    *words: str | Path,
    when: Callable[[bytes, int], None] = lambda _, __: None,
    typed: str = "",
    **more: str,
) -> tuple[int, str]:
    """Run the command on a terminal where something is typed; `when` sees what has come so far, and the process's id."""
    import pty

    master, terminal = pty.openpty()
    variables = environment(**{"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50", **more})
    child = subprocess.Popen(
        argv(*words), stdin=terminal, stdout=terminal, stderr=terminal, env=variables, cwd=ROOT
    )
    os.close(terminal)
    os.write(master, typed.encode())
    seen = b""
    while True:
        try:
            more_seen = os.read(master, 65536)
        except OSError:  # what Linux says at the end
            break
        if not more_seen:
            break
        seen += more_seen
        when(seen, child.pid)
    os.close(master)
    return child.wait(timeout=60), seen.decode(errors="replace")
