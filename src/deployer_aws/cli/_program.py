"""The `deployer` program. It finds its commands in this folder, and imports a command when it is used.

A module here whose name does not begin with an underscore is a command. The first line of its docstring is what
`deployer --help` says of it; it is read from the source, since importing all commands takes long.
"""

import ast
import pkgutil
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from deployer_aws.cli._exit import ExitCode

PACKAGE = "deployer_aws.cli"
HELP = """Deploys CloudFormation stacks with their ECS services and PostgreSQL databases.

\b
STACK is environment/application, such as staging/orders.

\b
Exit codes:
""" + "\n".join(f"  {code:>3}  {code.meaning}" for code in ExitCode)


@cache
def command_names() -> tuple[str, ...]:
    """Return the names of all commands, sorted."""
    path = find_spec(PACKAGE)
    found = pkgutil.iter_modules(path.submodule_search_locations if path else ())
    return tuple(sorted(_name(module.name) for module in found if not module.name.startswith("_")))


def summary(name: str) -> str:
    """Return the line about a command in `deployer --help`."""
    source = pkgutil.get_data(PACKAGE, f"{_module(name)}.py")
    return (ast.get_docstring(ast.parse(source or b"")) or "").partition("\n")[0]


def command(*examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command of its module; the examples end its help."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        name = _name(function.__module__.rpartition(".")[2])
        return click.command(name, epilog=_examples(*examples))(function)

    return decorate


class Program(click.Group):
    """A group of commands that never ends in a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group.list_commands`."""
        return list(command_names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; see `click.Group.get_command`."""
        if cmd_name not in command_names():
            return None
        module = _module(cmd_name)
        try:
            found: click.Command = getattr(import_module(f"{PACKAGE}.{module}"), module)
        except KeyboardInterrupt:
            raise click.Abort("interrupted before anything was done") from None
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them; see `click.Group.format_commands`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in command_names()])

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
            from deployer_aws.cli._errors import report_error

            code = report_error(error)
        if standalone_mode:
            raise SystemExit(int(code))
        return code


def _name(module: str) -> str:
    return module.replace("_", "-")


def _module(name: str) -> str:
    return name.replace("-", "_")


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("deployer-core")
    except metadata.PackageNotFoundError:
        version = "of a source tree"
    click.echo(f"deployer, version {version}")
    context.exit()


@click.group(cls=Program, invoke_without_command=True, help=HELP, epilog=_examples("deployer status"))
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def program(context: click.Context) -> None:
    """Show the help where no command is given."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.BAD)
