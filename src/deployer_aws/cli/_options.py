"""Arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_JOURNAL = Path(".deployer/journal.sqlite")
"""The journal where none is named."""


def spec_argument(command: F) -> F:
    """Add SPEC, a spec file."""
    return click.argument("spec", type=click.Path(path_type=Path))(command)


def stack_argument(*, required: bool) -> Callable[[F], F]:
    """Add STACK."""
    return click.argument("stack", required=required, metavar="STACK" if required else "[STACK]")


def journal_option(command: F) -> F:
    """Add --journal PATH, or DEPLOYER_JOURNAL, or `.deployer/journal.sqlite` here."""
    return click.option(
        "--journal",
        "journal",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_refuse_empty_path,
        envvar="DEPLOYER_JOURNAL",
        default=DEFAULT_JOURNAL,
        show_default=True,
        show_envvar=True,
        help="Where deployments are written down.",
    )(command)


def json_option(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")(
        command
    )


def simulate_option(command: F) -> F:
    """Add --simulate SCRIPT."""
    return click.option(
        "--simulate",
        "script",
        metavar="SCRIPT",
        type=click.Path(path_type=Path),
        help="Use a simulated AWS, as this YAML script has it (see docs/simulator.md); it is kept beside the journal.",
    )(command)


def speed_option(command: F) -> F:
    """Add --speed N."""
    return click.option(
        "--speed",
        type=click.FloatRange(min=0.1),
        metavar="N",
        help="On a terminal, let simulated time pass N times as fast as real time; else it passes at once.",
    )(command)


def by_option(command: F) -> F:
    """Add --by NAME."""
    return click.option("--by", metavar="NAME", help="Who says so; by default the user's name.")(command)


def _refuse_empty_path(_: click.Context, __: click.Parameter, path: Path) -> Path:
    """Refuse an empty path: it is the folder that one is in."""
    if not path.name:
        raise click.BadParameter("a file's path is needed, not an empty one")
    return path
