"""`deployer run` and `deployer resume`."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from deployer_aws import specfile
from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import BindsAccount, aws_options, elsewhere, ensure_belongs
from deployer_aws.cli._interactive import Carrier, Display
from deployer_aws.cli._live_display import Live
from deployer_aws.cli._logging import shown_on
from deployer_aws.cli._plain_display import Lines, Silent
from deployer_aws.cli._program import (
    Bad,
    example,
    journal_option,
    json_option,
    program,
    simulate_option,
    speed_option,
    stack_argument,
)
from deployer_aws.cli._report import DEFAULT, Exit, Report, as_data, say
from deployer_aws.cli._screen import Screen
from deployer_aws.cli.preflight import check_first
from deployer_aws.environment import Surroundings, open_surroundings, refuse_rehearsed
from deployer_aws.runner.requests import deployment_id
from deployer_aws.simulator import load_script
from deployer_aws.views.history import OPEN
from deployer_aws.views.status import stack_status, stopping
from deployer_core.engine.messages import Requested

_RUN = "deployer run examples/orders/v1.yaml --simulate examples/orders/simulation.yaml"


@program.command(short_help="Deploy what a spec file asks for.", epilog=example(_RUN))
@click.argument("spec", type=click.Path(path_type=Path))
@simulate_option
@journal_option
@click.option("--id", "name", metavar="ID", help="Name the deployment; the same name again changes nothing.")
@aws_options
@click.option("--no-checks", "unchecked", is_flag=True, help="Leave out what 'deployer preflight' checks.")
@speed_option
@json_option
def run(
    spec: Path,
    script: Path | None,
    journal: Path,
    name: str | None,
    aws: Options,
    unchecked: bool,
    speed: float | None,
    as_json: bool,
) -> Exit:
    """Deploy what the spec file SPEC asks for, and show it until it is over.

    On the real AWS the checks of 'deployer preflight' are made first, and a fault keeps anything from being requested.

    Ctrl-C leaves the deployment as it is, and 'deployer resume' carries on. Where another deployment of the stack is
    under way, this one waits for its turn.
    """
    screen, loaded = Screen(), specfile.load(spec)
    if name is not None:
        Requested(name, loaded.spec, 0)  # refuses an id that is none
    simulation = read_script(script)
    for warning in loaded.warnings:
        screen.warn(f"{spec}: {warning}")
    if journal == DEFAULT:
        journal.parent.mkdir(exist_ok=True)
    key = loaded.spec.key
    checks = partial(check_first, screen, loaded, options=aws)
    binding = BindsAccount(loaded.spec, None if unchecked else checks)
    world = open_surroundings(
        journal,
        simulation,
        simulate=script is not None,
        spec=loaded.spec,
        options=aws,
        prepare=binding,
    )
    try:
        binding.ensure(world)
        carrier = carrier_for(screen, world, [key], aws, speed, as_json)
        deployment = name or deployment_id(world.clock.now())
        known = carrier.followers[key].chronicle

        def over() -> bool:
            found = known.find(deployment)
            return found is not None and found.outcome != OPEN and not _stops(carrier, key, deployment)

        with shown_on(screen), carrier:
            carrier.runner.request(deployment, loaded.spec, loaded.templates, properties=world.properties)
            carrier.carry_on(over)
        report = report_of(carrier, journal, key, deployment, aws)
        warn_of_untold(screen, carrier)
    finally:
        world.close()
    if as_json:
        screen.data(as_data(report))
    else:
        say(screen, report)
    return report.code


def _stops(carrier: Carrier, key: str, deployment: str) -> bool:
    """Whether tasks of a deployment are still being stopped."""
    state = carrier.followers[key].chronicle.state
    return stopping(state) > 0 and any(p.deployment == deployment and not p.unresolved for p in state.pending)


@program.command(
    short_help="Carry on with what is under way.",
    epilog=example("deployer resume", "deployer resume staging/orders --journal .deployer/journal.sqlite"),
)
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
    refuse_rehearsed(journal)
    world = open_surroundings(journal, simulation, simulate=script is not None, options=aws)
    try:
        keys = [known_stack(world, stack, journal)] if stack else world.journal.streams(pending_only=True)
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
    show(screen, reports, told, as_json)
    codes = [report.code for report in reports]
    return next((code for code in (Exit.RUNNING, Exit.FAILED) if code in codes), Exit.DONE)


def _waits(world: Surroundings, key: str) -> bool:
    return bool(world.journal.head(key).state.deployments)


def show(screen: Screen, reports: list[Report], told: int, as_json: bool) -> None:
    """What became of each deployment, and how many notices of earlier ones were delivered."""
    if as_json:
        screen.data({"deployments": [as_data(report) for report in reports], "told": told})
        return
    for report in reports:
        say(screen, report)
    if not reports:
        screen.say("Nothing is under way.")
    if told:
        screen.say(f"Notices of earlier deployments that were delivered: {told}.")


# What both need


def read_script(script: Path | None) -> Any:
    """The simulation's script, checked before anything is opened."""
    if script is None:
        return None
    try:
        return load_script(script)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Bad(f"{script}: {error}") from None


def carrier_for(
    screen: Screen, world: Surroundings, keys: list[str], aws: Options, speed: float | None, as_json: bool
) -> Carrier:
    """A carrier with the display that fits where stdout goes."""
    now, display = world.clock.now(), Silent()
    shown: Display = display
    if not as_json and screen.alive:
        shown = Live(screen, world.simulated, now, None if world.simulated else time.time)
    elif not as_json:
        shown = Lines(screen, now, several=len(keys) > 1)
    return Carrier(world, shown, keys, aws, (speed or 0) if screen.alive else 0)


def warn_of_untold(screen: Screen, carrier: Carrier) -> None:
    """That somebody has not been told yet holds nothing up, but has to be known."""
    if carrier.untold:
        screen.warn(
            f"notices that could not be delivered: {len(carrier.untold)}. They are kept, and the next run or resume "
            "with --notify delivers them"
        )


def report_of(carrier: Carrier, journal: Path, key: str, deployment: str, aws: Options) -> Report:
    """How a deployment stands now."""
    known, world = carrier.followers[key].chronicle, carrier.world
    found = known.find(deployment)
    if found is None:
        raise Bad(f"there is no deployment {deployment} of {key}")
    status = stack_status(key, known)
    return Report(
        found,
        status,
        carrier.stopped,
        carrier.runner.stale,
        world.calls(),
        journal,
        world.simulated,
        aws,
        asdict(carrier.intake.tally) if carrier.intake else {},
        len(carrier.untold),
    )


def known_stack(world: Surroundings, stack: str, journal: Path) -> str:
    """The name of a stack that the journal knows."""
    return among(world.journal.streams(), stack, journal)


def among(streams: list[str], stack: str, journal: Path) -> str:
    """A stack's name, if it is one of these."""
    if stack not in streams:
        knows = f"it knows {', '.join(streams)}" if streams else "nothing was deployed yet"
        raise Bad(
            f"the journal {journal} has no stack {stack!r:.80}: {knows}. A stack is named environment/application"
        )
    return stack
