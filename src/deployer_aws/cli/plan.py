"""`deployer plan`, `deployer diagram` and `deployer explore`: what would happen, and what could. Nothing is touched."""

from pathlib import Path
from typing import Any

import click

from deployer_aws import specfile
from deployer_aws.cli._program import example, json_option, program
from deployer_aws.cli._report import Exit
from deployer_aws.cli._screen import Screen
from deployer_core.analysis import preview
from deployer_core.analysis.diagram import machines, mermaid
from deployer_core.analysis.explore import edge_text
from deployer_core.analysis.explore import explore as explore_all

_STACKS = {"exists": True, "missing": False}


@program.command(
    short_help="Show what a deployment would do.",
    epilog=example("deployer plan examples/orders/v2.yaml --stack exists"),
)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "--stack", type=click.Choice(list(_STACKS)), help="Whether the stack exists; by default both are shown."
)
@json_option
def plan(spec: Path, stack: str | None, as_json: bool) -> Exit:
    """Show the exact commands that the spec file SPEC leads to, and what follows where one does not go well."""
    screen, loaded = Screen(), specfile.load(spec)
    for warning in loaded.warnings:
        screen.warn(f"{spec}: {warning}")
    wanted = [exists for name, exists in _STACKS.items() if stack in (name, None)]
    plans = [preview.preview(loaded.spec, exists) for exists in wanted]
    if as_json:
        screen.data({"plans": [preview.as_data(one) for one in plans]})
    else:
        screen.text("\n".join(map(preview.render, plans)))
    return Exit.DONE


@program.command(
    short_help="Print a state diagram.",
    epilog=example("deployer diagram stack > stack.mmd", "deployer diagram all --specified"),
)
@click.argument("machine", type=click.Choice([*machines(), "all"]))
@click.option("--specified", is_flag=True, help="Leave out the edges that are extensions.")
def diagram(machine: str, specified: bool) -> Exit:
    """Print the state diagram of MACHINE as mermaid, from the very edges that run."""
    screen, drawn = Screen(), machines()
    if machine != "all":
        screen.text(mermaid(drawn[machine], specified=specified))
        return Exit.DONE
    screen.text("\n".join(f"%% {name}\n{mermaid(one, specified=specified)}" for name, one in drawn.items()))
    return Exit.DONE


@program.command(
    short_help="Check every reachable state.",
    epilog=example("deployer explore --deployments 1 --databases 1"),
)
@click.option("--deployments", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--databases", type=click.IntRange(0, 4), default=2, show_default=True)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N states.")
@json_option
def explore(deployments: int, databases: int, limit: int | None, as_json: bool) -> Exit:
    """Walk every state that the deployer can reach, under every answer and fault, and check what must always hold."""
    screen = Screen()
    report = explore_all(deployments, databases, limit)
    if as_json:
        data: dict[str, Any] = {
            "deployments": report.deployments,
            "databases": report.databases,
            "states": report.states,
            "transitions": report.transitions,
            "refusals": report.refusals,
            "complete": report.complete,
            "edges": [edge_text(edge) for edge in report.edges],
            "missing": [edge_text(edge) for edge in report.missing],
            "violations": [report.trace(violation) for violation in report.violations],
        }
        screen.data(data)
    else:
        screen.text(
            f"{report}\n" + "".join(f"\n{report.trace(violation)}\n" for violation in report.violations)
        )
    return Exit.FAILED if report.violations else Exit.DONE
