"""Check every reachable state."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._explorers import Explorers
from deployer_aws.cli._interrupts import handle_signals
from deployer_aws.cli._options import json_option
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis.explore import Figures, Report
from deployer_core.analysis.explore import explore as explore_all
from deployer_core.analysis.traces import edge_text

EVERY = 2.0
"""Seconds between two lines that say how far the walk is."""


@command("deployer explore --deployments 1 --databases 1")
@click.option("--deployments", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--databases", type=click.IntRange(0, 4), default=2, show_default=True)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N states.")
@click.option("--seconds", type=click.FloatRange(0), metavar="N", help="Stop after N seconds.")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes; one for each core by default."
)
@json_option
def explore(
    deployments: int,
    databases: int,
    limit: int | None,
    seconds: float | None,
    workers: int | None,
    as_json: bool,
) -> ExitCode:
    """Walk every state that the deployer can reach, under every answer and fault, and check what must always hold.

    Interrupted, or out of time, it reports what it has found so far. The report does not hang on the workers.
    """
    screen = Screen()
    pace = _Pace(screen.note, seconds)
    many = workers or os.cpu_count() or 1
    with (
        handle_signals(pace.interrupt),
        Explorers(deployments, databases, many) if many > 1 else nullcontext() as crew,
    ):
        report = explore_all(deployments, databases, limit, crew=crew, tell=pace.tell)
    if as_json:
        screen.data(_data(report))
    else:
        screen.text(
            f"{report}\n" + "".join(f"\n{report.trace(violation)}\n" for violation in report.violations)
        )
    return ExitCode.FAILED if report.violations else ExitCode.DONE


class _Pace:
    """Says now and then how far a walk is, and ends it when it is interrupted, or out of time."""

    def __init__(self, note: Callable[[str], None], seconds: float | None) -> None:
        self._note, self._seconds = note, seconds
        self._began = self._told = time.monotonic()
        self._interrupted = False

    def interrupt(self, _: int, __: FrameType | None) -> None:
        """End the walk as soon as it tells how far it is."""
        self._interrupted = True

    def tell(self, figures: Figures) -> bool:
        """Tell how far it is, if that was not just told; return whether it is to go on."""
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            share = f"{figures.expanded} of {figures.states} states met so far expanded"
            self._note(f"{now - self._began:.0f} s: {share}, {figures.transitions} transitions")
        late = self._seconds is not None and now - self._began >= self._seconds
        return not (self._interrupted or late)


def _data(report: Report) -> dict[str, object]:
    return {
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
