"""What `run`, `rollback` and `redeploy` share: on which terms they ask, and what is shown of what they asked for."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._interactive import InteractiveRun
from deployer_aws.cli._logging import logged_on
from deployer_aws.cli._operator import operator
from deployer_aws.cli._options import by_option, reason_option
from deployer_aws.cli._report import print_report
from deployer_aws.cli._screen import Screen
from deployer_aws.documents.readers import parse_duration
from deployer_aws.environment import Environment
from deployer_aws.runner import Requests
from deployer_core.engine.messages import DAY


def _seconds(_: click.Context, __: click.Parameter, value: str) -> int:
    found = parse_duration(value)
    if found is None:
        raise click.BadParameter(f"{value!r:.80} is no duration: 90s, 30m, 2h or 1h30m")
    return found


_TERMS = (
    click.option(
        "--supersede", is_flag=True, help="Take the place of all that wait for the stack; what runs goes on."
    ),
    click.option(
        "--start-by",
        metavar="TIME",
        default=f"{DAY // 3600}h",
        show_default=True,
        callback=_seconds,
        help="How long it may wait for its turn: 90s, 30m, 2h. What has not begun by then EXPIRED.",
    ),
    click.option("--exclusive", is_flag=True, help="Begin at once, or request nothing."),
    click.option(
        "--adopt",
        metavar="STREAM",
        default="",
        help="Take the stack over from the journal with this stream id, which a refusal names.",
    ),
    click.option("--force", is_flag=True, help="Go on where a risk, which a refusal names, would stop it."),
    by_option,
    reason_option,
)


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the terms of a request; the command is given all of them as `terms`, as `Requests.request` takes them."""
    names = ("supersede", "start_by", "exclusive", "adopt", "force", "by", "reason")

    @wraps(command)
    def gathered(*words: Any, **given: Any) -> Any:
        terms = {name: given.pop(name) for name in names}
        return command(*words, terms={**terms, "by": terms["by"] or operator()}, **given)

    made: Callable[..., Any] = gathered
    for option in reversed(_TERMS):
        made = option(made)
    return made


def ask_and_show(
    screen: Screen,
    environment: Environment,
    key: str,
    deployment: str,
    ask: Callable[[Requests], object],
    *,
    journal: Path,
    options: Options,
    speed: float | None,
    as_json: bool,
    wait: bool,
) -> ExitCode:
    """Ask for a deployment of this id, show it until it is over, and report; without `wait` report at once."""
    going = InteractiveRun(screen, environment, [key], options, speed, as_json)
    with logged_on(screen), going:
        going.carry_out(key, deployment, ask, wait=wait)
    if not wait:
        going.stopped = "requested"
    report = going.report(key, deployment, journal)
    going.warn_of_undelivered()
    print_report(screen, report, as_json)
    return ExitCode.DONE if not wait and report.code is ExitCode.RUNNING else report.code


def confirm(screen: Screen, *, unasked: bool) -> None:
    """Ask a person at a terminal whether to go on. Raises BadInput where not."""
    if unasked or not (screen.alive and sys.stdin.isatty()):
        return
    if not click.confirm("Go on?"):
        raise BadInput("nothing was requested")
