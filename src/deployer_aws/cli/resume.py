"""Carry on with what is under way."""

from pathlib import Path

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options, elsewhere, ensure_belongs
from deployer_aws.cli._exit import Exit
from deployer_aws.cli._interactive import carrier_for, report_of, warn_of_untold
from deployer_aws.cli._journal import known_stack
from deployer_aws.cli._logging import shown_on
from deployer_aws.cli._options import (
    journal_option,
    json_option,
    simulate_option,
    speed_option,
    stack_argument,
)
from deployer_aws.cli._program import command
from deployer_aws.cli._report import Report, as_data, print_report
from deployer_aws.cli._screen import Screen
from deployer_aws.cli._simulation import read_script
from deployer_aws.environment import Environment, ensure_not_rehearsal, open_environment
from deployer_aws.views.history import OPEN


@command("deployer resume", "deployer resume staging/orders --journal .deployer/journal.sqlite")
@stack_argument(required=False)
@simulate_option
@journal_option
@aws_options
@speed_option
@json_option
def resume(
    stack: str | None, script: Path | None, journal: Path, aws: Options, speed: float | None, as_json: bool
) -> Exit:
    """Carry on with all that is under way, or with one STACK, until it is over.

    A journal that is about a simulated AWS is carried on there; --simulate gives it another script. A stack on the real
    AWS is carried on with the options that it was deployed with; those of other accounts and regions are left alone.
    """
    screen, simulation = Screen(), read_script(script)
    ensure_not_rehearsal(journal)
    world = open_environment(journal, simulation, simulate=script is not None, options=aws)
    try:
        keys = (
            [known_stack(world.journal.streams(), stack, journal)]
            if stack
            else world.journal.streams(pending_only=True)
        )
        keys += [
            key for key in world.journal.streams() if not stack and key not in keys and _waits(world, key)
        ]
        if stack:
            ensure_belongs(world, stack)
        for key in elsewhere(world, keys):
            keys.remove(key)
            screen.warn(f"{key} belongs to another AWS account or region, and is left alone")
        carrier = carrier_for(screen, world, keys, aws, speed, as_json)
        untold = carrier.untold
        open_before = [
            (key, d.id)
            for key, follower in carrier.followers.items()
            for d in follower.chronicle.deployments
            if d.outcome == OPEN
        ]
        with shown_on(screen), carrier:
            carrier.carry_on(lambda: False)
        reports = [report_of(carrier, journal, key, name, aws) for key, name in open_before]
        warn_of_untold(screen, carrier)
        told = len(untold - carrier.untold)
    finally:
        world.close()
    _print(screen, reports, told, as_json)
    codes = [report.code for report in reports]
    return next((code for code in (Exit.RUNNING, Exit.FAILED) if code in codes), Exit.DONE)


def _waits(world: Environment, key: str) -> bool:
    return bool(world.journal.head(key).state.deployments)


def _print(screen: Screen, reports: list[Report], told: int, as_json: bool) -> None:
    """What became of each deployment, and how many notices of earlier ones were delivered."""
    if as_json:
        screen.data({"deployments": [as_data(report) for report in reports], "told": told})
        return
    for report in reports:
        print_report(screen, report)
    if not reports:
        screen.say("Nothing is under way.")
    if told:
        screen.say(f"Notices of earlier deployments that were delivered: {told}.")
