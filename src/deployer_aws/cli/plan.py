"""Show what a deployment would do."""

from contextlib import closing
from pathlib import Path

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._files import load_spec
from deployer_aws.cli._options import journal_option, json_option, spec_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis import preview, preview_values
from deployer_core.engine.memory import EMPTY, Memory

_STACKS = {"exists": True, "missing": False}


@command("deployer plan examples/orders/v2.yaml --stack exists")
@spec_argument
@click.option(
    "--stack", type=click.Choice(list(_STACKS)), help="Whether the stack exists; by default both are shown."
)
@journal_option
@json_option
def plan(spec: Path, stack: str | None, journal: Path, as_json: bool) -> ExitCode:
    """Show the exact commands that the spec file SPEC leads to, and what follows where one does not go well.

    Where the journal knows the stack, it begins from what that remembers: so it shows which failures would be put back.
    """
    screen = Screen()
    loaded = load_spec(screen, spec)
    wanted = [exists for name, exists in _STACKS.items() if stack in (name, None)]
    memory = _remembered(journal, loaded.spec.key)
    plans = [preview.preview(loaded.spec, exists, memory) for exists in wanted]
    if as_json:
        screen.data({"plans": [preview_values.as_data(one) for one in plans]})
    else:
        screen.text("\n".join(map(preview_values.render, plans)))
    return ExitCode.DONE


def _remembered(journal: Path, key: str) -> Memory:
    """Return what a stack remembers; nothing where there is no such journal, or stack in it."""
    if not journal.exists():
        return EMPTY
    from deployer_aws.journals.sqlite import SqliteJournal  # without a journal this needs no database

    with closing(SqliteJournal(journal, create=False)) as opened:
        return opened.head(key).state.memory
