"""Arguments and options that several commands have: each a decorator of click's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_JOURNAL = Path(".deployer/journal.sqlite")
"""The journal where none is named."""


def stack_argument(*, required: bool) -> Callable[[F], F]:
    """Add STACK."""
    return click.argument("stack", required=required, metavar="STACK" if required else "[STACK]")


def _refuse_empty_path(_: click.Context, __: click.Parameter, path: Path) -> Path:
    """Refuse an empty path: it is the folder that one is in."""
    if not path.name:
        raise click.BadParameter("a file's path is needed, not an empty one")
    return path


spec_argument = click.argument("spec", type=click.Path(path_type=Path))
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else."
)
by_option = click.option("--by", metavar="NAME", help="Who says so; by default the user's name.")
reason_option = click.option(
    "--reason", metavar="TEXT", default="", help="Why; kept in the journal, and shown with it."
)
id_option = click.option(
    "--id", "name", metavar="ID", help="Name the deployment; the same name again changes nothing."
)
no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Request it and return; a deployer that runs carries it out."
)
journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_refuse_empty_path,
    envvar="DEPLOYER_JOURNAL",
    default=DEFAULT_JOURNAL,
    show_default=True,
    show_envvar=True,
    help="Where deployments are written down.",
)
simulate_option = click.option(
    "--simulate",
    "script",
    metavar="SCRIPT",
    type=click.Path(path_type=Path),
    help="Use a simulated AWS, as this YAML script has it (see docs/simulator.md); it is kept beside the journal.",
)
speed_option = click.option(
    "--speed",
    type=click.FloatRange(min=0.1),
    metavar="N",
    help="On a terminal, let simulated time pass N times as fast as real time; else it passes at once.",
)
