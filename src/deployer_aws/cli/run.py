"""Deploy what a spec file asks for."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._checks import check_before_run
from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._files import load_spec, read_script
from deployer_aws.cli._options import (
    DEFAULT_JOURNAL,
    id_option,
    journal_option,
    json_option,
    no_wait_option,
    simulate_option,
    spec_argument,
    speed_option,
)
from deployer_aws.cli._program import command
from deployer_aws.cli._requesting import ask_and_show, terms_options
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.runner.requests import deployment_id
from deployer_core.engine.messages import Requested


@command("deployer run examples/orders/v1.yaml --simulate examples/orders/simulation.yaml")
@spec_argument
@simulate_option
@journal_option
@id_option
@terms_options
@no_wait_option
@aws_options
@click.option("--no-checks", "unchecked", is_flag=True, help="Leave out what 'deployer preflight' checks.")
@speed_option
@json_option
def run(
    spec: Path,
    script: Path | None,
    journal: Path,
    name: str | None,
    terms: dict[str, Any],
    no_wait: bool,
    aws: Options,
    unchecked: bool,
    speed: float | None,
    as_json: bool,
) -> ExitCode:
    """Deploy what the spec file SPEC asks for, and show it until it is over.

    On the real AWS the checks of 'deployer preflight' are made first, and a fault keeps anything from being requested.

    Ctrl-C leaves the deployment as it is, and 'deployer resume' carries on. Where another deployment of the stack is
    under way, this one waits for its turn.
    """
    screen = Screen()
    loaded, simulation = load_spec(screen, spec), read_script(script)
    if name is not None:
        Requested(name, loaded.spec, 0)  # refuses an id that is none
    Requested("any", loaded.spec, 0, adopt=terms["adopt"])  # refuses a stream's id that is none
    if journal == DEFAULT_JOURNAL:
        journal.parent.mkdir(exist_ok=True)
    with open_environment(
        journal,
        simulation,
        simulate=script is not None,
        spec=loaded.spec,
        options=aws,
        check=None if unchecked else partial(check_before_run, screen, loaded, options=aws),
        sole=not unchecked,
    ) as environment:
        deployment, properties = name or deployment_id(environment.clock.now()), environment.properties
        return ask_and_show(
            screen,
            environment,
            loaded.spec.key,
            deployment,
            lambda asked: asked.request(
                deployment, loaded.spec, loaded.templates, properties=properties, **terms
            ),
            journal=journal,
            options=aws,
            speed=speed,
            as_json=as_json,
            wait=not no_wait,
        )
