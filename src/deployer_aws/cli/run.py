"""Deploy what a spec file asks for."""

from functools import partial
from pathlib import Path

import click

from deployer_aws import specfile
from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import BindsAccount, aws_options
from deployer_aws.cli._checks import check_before_run
from deployer_aws.cli._exit import Exit
from deployer_aws.cli._interactive import Carrier, carrier_for, report_of, warn_of_untold
from deployer_aws.cli._logging import shown_on
from deployer_aws.cli._options import (
    DEFAULT_JOURNAL,
    journal_option,
    json_option,
    simulate_option,
    spec_argument,
    speed_option,
)
from deployer_aws.cli._program import command
from deployer_aws.cli._report import as_data, print_report
from deployer_aws.cli._screen import Screen
from deployer_aws.cli._simulation import read_script
from deployer_aws.environment import open_environment
from deployer_aws.runner.requests import deployment_id
from deployer_aws.views.history import OPEN
from deployer_aws.views.status import stopping
from deployer_core.engine.messages import Requested


@command("deployer run examples/orders/v1.yaml --simulate examples/orders/simulation.yaml")
@spec_argument
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
    if journal == DEFAULT_JOURNAL:
        journal.parent.mkdir(exist_ok=True)
    key = loaded.spec.key
    checks = partial(check_before_run, screen, loaded, options=aws)
    binding = BindsAccount(loaded.spec, None if unchecked else checks)
    world = open_environment(
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
        print_report(screen, report)
    return report.code


def _stops(carrier: Carrier, key: str, deployment: str) -> bool:
    """Whether tasks of a deployment are still being stopped."""
    state = carrier.followers[key].chronicle.state
    return stopping(state) > 0 and any(p.deployment == deployment and not p.unresolved for p in state.pending)
