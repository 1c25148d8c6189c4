"""Show what a deployment would do."""

from pathlib import Path

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._files import load_spec
from deployer_aws.cli._options import json_option, spec_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis import preview, preview_values

_STACKS = {"exists": True, "missing": False}


@command("deployer plan examples/orders/v2.yaml --stack exists")
@spec_argument
@click.option(
    "--stack", type=click.Choice(list(_STACKS)), help="Whether the stack exists; by default both are shown."
)
@json_option
def plan(spec: Path, stack: str | None, as_json: bool) -> ExitCode:
    """Show the exact commands that the spec file SPEC leads to, and what follows where one does not go well."""
    screen = Screen()
    loaded = load_spec(screen, spec)
    wanted = [exists for name, exists in _STACKS.items() if stack in (name, None)]
    plans = [preview.preview(loaded.spec, exists) for exists in wanted]
    if as_json:
        screen.data({"plans": [preview_values.as_data(one) for one in plans]})
    else:
        screen.text("\n".join(map(preview_values.render, plans)))
    return ExitCode.DONE
