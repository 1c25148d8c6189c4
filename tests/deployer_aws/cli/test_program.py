"""The program finds its commands in its folder, and imports one when it is used."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from deployer_aws import cli
from deployer_aws.cli._program import Program, command_names, program, summary
from tests.support.command import commands, environment, invoke

FOLDER = Path(cli.__file__).parent
SLOW = ("boto3", "botocore", "psycopg", "rich", "yaml", "deployer_core", "deployer_aws.simulator")
"""What takes long to import."""


def test_each_file_is_a_command() -> None:
    """Named as its file, but for those that begin with an underscore."""
    files = {file.stem.replace("_", "-") for file in FOLDER.glob("[!_]*.py")}
    assert files == set(command_names()) == set(commands())
    assert all(command.name == name for name, command in commands().items())


@pytest.mark.parametrize("name", command_names())
def test_the_list_of_commands_shows_the_first_line_of_each_file(name: str) -> None:
    """In one line each, though no command is imported for it."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text()))
    assert text == summary(name)
    lines = [line.split(maxsplit=1) for line in invoke("--help").out.splitlines() if line.startswith("  ")]
    assert [name, text] in lines


def test_a_command_that_is_none_is_refused() -> None:
    """A module of the folder that is no command, and a name that is nothing."""
    for name in ("_screen", "-screen", "nothing"):
        assert invoke(name).code == 2
        assert program.get_command(click.Context(program), name) is None


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], SLOW),
        (["--version"], SLOW),
        (["status", "--help"], ("boto3", "botocore", "psycopg", "yaml", "deployer_aws.simulator")),
        (["plan", "--help"], ("boto3", "botocore", "psycopg", "deployer_aws.simulator", "sqlite3")),
    ],
    ids=lambda value: "-".join(value),
)
def test_a_command_imports_what_it_needs_alone(words: list[str], absent: tuple[str, ...]) -> None:
    """The suite starts many processes, and so do scripts: what a command does not use must not slow it down."""
    code = (
        "import sys; before = {*sys.modules}; from deployer_aws.cli._program import program; "
        f"program.main({words!r}, standalone_mode=False); print(*({{*sys.modules}} - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment(), check=True, timeout=60
    )
    assert set(done.stdout.decode().splitlines()[-1].split()).isdisjoint(absent)


def test_an_interruption_while_a_command_is_imported_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of what is not over: nothing was done yet."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deployer_aws.cli._program.import_module", interrupted)
    said = invoke("status")
    assert (said.code, said.err) == (3, "deployer: interrupted before anything was done\n")
    assert isinstance(program, Program)


def test_an_interruption_while_the_program_itself_is_imported_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As before a command is: nothing was done yet."""

    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "deployer_aws.cli._program":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "deployer_aws.cli._program")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        cli.main(["status"])
    assert (ended.value.code, capsys.readouterr().err) == (
        3,
        "deployer: interrupted before anything was done\n",
    )


def test_a_shell_completes_the_commands() -> None:
    """By click's own completion."""
    completing = ShellComplete(program, {}, "deployer", "_DEPLOYER_COMPLETE")
    assert [found.value for found in completing.get_completions([], "sta")] == ["status"]
    assert [found.value for found in completing.get_completions([], "")] == list(command_names())


def test_a_source_tree_that_was_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said so, and not guessed."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert invoke("--version").out == "deployer, version of a source tree\n"
