"""Carry on with what is under way."""

from pathlib import Path

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._files import read_script
from deployer_aws.cli._interactive import InteractiveRun
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._logging import logged_on
from deployer_aws.cli._options import (
    journal_option,
    json_option,
    simulate_option,
    speed_option,
    stack_argument,
)
from deployer_aws.cli._program import command
from deployer_aws.cli._report import DeploymentReport, as_data, print_report, worst
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import Environment, ensure_not_rehearsal, open_environment


@command("deployer resume", "deployer resume staging/orders --journal .deployer/journal.sqlite")
@stack_argument(required=False)
@simulate_option
@journal_option
@aws_options
@speed_option
@json_option
def resume(
    stack: str | None, script: Path | None, journal: Path, aws: Options, speed: float | None, as_json: bool
) -> ExitCode:
    """Carry on with all that is under way, or with one STACK, until it is over.

    A journal that is about a simulated AWS is carried on there; --simulate gives it another script. A stack on the real
    AWS is carried on with the options that it was deployed with; those of other accounts and regions are left alone.
    """
    screen, simulation = Screen(), read_script(script)
    ensure_not_rehearsal(journal)
    with open_environment(journal, simulation, simulate=script is not None, options=aws) as environment:
        keys = _streams(screen, environment, stack, journal)
        going = InteractiveRun(screen, environment, keys, aws, speed, as_json)
        undelivered = going.undelivered
        open_before = going.open_deployments()
        with logged_on(screen), going:
            going.run()
        reports = [going.report(key, name, journal) for key, name in open_before]
        going.warn_of_undelivered()
        delivered = len(undelivered - going.undelivered)
    _print(screen, reports, delivered, as_json)
    return worst(report.code for report in reports)


def _streams(screen: Screen, environment: Environment, stack: str | None, journal: Path) -> list[str]:
    """Return the streams to carry on: the one that is named, or all that have something to do in this account."""
    opened = environment.journal
    if stack is not None:
        (key,) = known_stacks(opened, stack, journal)
        environment.ensure_account(key)
        return [key]
    keys = opened.streams(pending_only=True)
    keys += [key for key in opened.streams() if key not in keys and opened.head(key).state.deployments]
    for key in environment.foreign(keys):
        keys.remove(key)
        screen.warn(f"{key} belongs to another AWS account or region, and is left alone")
    return keys


def _print(screen: Screen, reports: list[DeploymentReport], delivered: int, as_json: bool) -> None:
    """Print what became of each deployment, and how many notices of earlier ones were delivered."""
    if as_json:
        screen.data({"deployments": [as_data(report) for report in reports], "delivered": delivered})
        return
    for report in reports:
        print_report(screen, report)
    if not reports:
        screen.say("Nothing is under way.")
    if delivered:
        screen.say(f"Notices of earlier deployments that were delivered: {delivered}.")
