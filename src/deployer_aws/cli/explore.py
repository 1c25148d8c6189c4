"""Check every reachable state."""

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._options import json_option
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis.explore import explore as explore_all
from deployer_core.analysis.traces import edge_text


@command("deployer explore --deployments 1 --databases 1")
@click.option("--deployments", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--databases", type=click.IntRange(0, 4), default=2, show_default=True)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N states.")
@json_option
def explore(deployments: int, databases: int, limit: int | None, as_json: bool) -> ExitCode:
    """Walk every state that the deployer can reach, under every answer and fault, and check what must always hold."""
    screen = Screen()
    report = explore_all(deployments, databases, limit)
    if as_json:
        screen.data(
            {
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
        )
    else:
        screen.text(
            f"{report}\n" + "".join(f"\n{report.trace(violation)}\n" for violation in report.violations)
        )
    return ExitCode.FAILED if report.violations else ExitCode.DONE
