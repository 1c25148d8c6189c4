"""The program: its commands, and what becomes of their errors."""

import os
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import click

from deployer_aws.aws.accounts import WrongAccount
from deployer_aws.aws.clients import ClientsError
from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.cli._report import DEFAULT, Exit
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import WrongWorld
from deployer_aws.ports import JournalError
from deployer_aws.simulator import ScriptError
from deployer_aws.specfile import SpecFileError
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.spec import SpecError

F = TypeVar("F", bound=Callable[..., Any])


class Bad(Exception):
    """Input that cannot be used; says what is wrong, and what to do."""


_BAD = (
    Bad,
    ClientsError,
    IllegalEvent,
    JournalError,
    ScriptError,
    SpecError,
    SpecFileError,
    WrongAccount,
    WrongWorld,
    click.ClickException,
)


class Program(click.Group):
    """A group of commands that never ends in a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """See `click.Group.main`. The exit code is what the command returns."""
        try:
            code: int = super().main(args, prog_name, complete_var, False, **extra) or 0
        except Exception as error:
            code = _complain(error)
        if standalone_mode:
            raise SystemExit(int(code))
        return code


def _complain(error: Exception) -> Exit:
    """One message on stderr."""
    screen = Screen()
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "deployer"
        screen.complain(f"{error.format_message()} Try '{path} --help'.")
        return Exit.BAD
    if isinstance(error, click.Abort):
        screen.complain("interrupted")
        return Exit.RUNNING
    if isinstance(error, LoginNeeded):
        screen.complain(str(error))
        return Exit.RUNNING
    if isinstance(error, _BAD):
        screen.complain(_words(error))
        return Exit.BAD
    if isinstance(error, OSError):
        screen.complain(f"{error}. What was journaled stays: 'deployer resume' carries on")
        return Exit.BAD
    if os.environ.get("DEPLOYER_TRACEBACK"):
        screen.complain(traceback.format_exc())
    screen.complain(
        f"this is a mistake of the deployer's own, please report it: {type(error).__name__}: {error}. What was "
        "journaled stays: 'deployer resume' carries on. DEPLOYER_TRACEBACK=1 shows where it happened"
    )
    return Exit.MISTAKE


def _words(error: Exception) -> str:
    if isinstance(error, IllegalEvent) and error.why:
        return error.why
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def _version() -> str:
    try:
        return metadata.version("deployer-core")
    except metadata.PackageNotFoundError:
        return "of a source tree"


HELP = """Deploys CloudFormation stacks with their ECS services and PostgreSQL databases.

\b
STACK is environment/application, such as staging/orders.
Exit codes: 0 done, 1 the deployment failed, 2 bad input or usage,
3 still running ('deployer resume' carries on).
"""


@click.group(cls=Program, invoke_without_command=True, help=HELP, epilog="\b\nExample:\n  deployer status")
@click.version_option(_version(), prog_name="deployer")
@click.pass_context
def program(context: click.Context) -> None:
    """Say what there is, where no command is given."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(Exit.BAD)


# Options that many commands share


def _a_file(_: click.Context, __: click.Parameter, path: Path) -> Path:
    """An empty path is the folder that one is in."""
    if not path.name:
        raise click.BadParameter("a file's path is needed, not an empty one")
    return path


def journal_option(command: F) -> F:
    """--journal PATH, or DEPLOYER_JOURNAL, or `.deployer/journal.sqlite` here."""
    return click.option(
        "--journal",
        "journal",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_a_file,
        envvar="DEPLOYER_JOURNAL",
        default=DEFAULT,
        show_default=True,
        show_envvar=True,
        help="Where deployments are written down.",
    )(command)


def json_option(command: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")(
        command
    )


def simulate_option(command: F) -> F:
    """--simulate SCRIPT."""
    return click.option(
        "--simulate",
        "script",
        metavar="SCRIPT",
        type=click.Path(path_type=Path),
        help="Use a simulated AWS, as this YAML script has it (see docs/simulator.md); it is kept beside the journal.",
    )(command)


def speed_option(command: F) -> F:
    """--speed N."""
    return click.option(
        "--speed",
        type=click.FloatRange(min=0.1),
        metavar="N",
        help="On a terminal, let simulated time pass N times as fast as real time; else it passes at once.",
    )(command)


def stack_argument(*, required: bool) -> Callable[[F], F]:
    """STACK."""
    return click.argument("stack", required=required, metavar="STACK" if required else "[STACK]")


def example(*lines: str) -> str:
    """The end of a help text."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
