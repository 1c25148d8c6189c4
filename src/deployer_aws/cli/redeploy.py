"""Deploy again what was asked for before."""

from pathlib import Path

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._operator import operator
from deployer_aws.cli._options import (
    by_option,
    id_option,
    journal_option,
    json_option,
    no_wait_option,
    reason_option,
    speed_option,
    stack_argument,
)
from deployer_aws.cli._program import command
from deployer_aws.cli._report import named
from deployer_aws.cli._requesting import ask_and_show
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import ensure_not_rehearsal, open_environment
from deployer_aws.runner.earlier import NoSuchDeployment, again
from deployer_aws.runner.requests import deployment_id
from deployer_aws.views.history import read_history


@command("deployer redeploy staging/orders", "deployer redeploy staging/orders 20261123-140501-x7f3")
@stack_argument(required=True)
@click.argument("deployment", required=False, default="")
@id_option
@no_wait_option
@by_option
@reason_option
@journal_option
@aws_options
@speed_option
@json_option
def redeploy(
    stack: str,
    deployment: str,
    name: str | None,
    no_wait: bool,
    by: str | None,
    reason: str,
    journal: Path,
    aws: Options,
    speed: float | None,
    as_json: bool,
) -> ExitCode:
    """Deploy again what DEPLOYMENT of STACK asked for, by default the newest one, whatever became of it.

    The spec and the template are the journal's. Unlike 'deployer rollback' it takes the way that the spec asks for,
    with the databases; after a rollback that is the full way of the version that was gone back to. A BROKEN stack has
    to be repaired first, else it waits.
    """
    screen = Screen()
    ensure_not_rehearsal(journal)
    with open_environment(journal, options=aws) as environment:
        (key,) = known_stacks(environment.journal, stack, journal)
        environment.ensure_account(key)
        try:
            repeated, spec = again(environment.journal, key, deployment, deployment=name or "")
        except NoSuchDeployment as missing:
            raise BadInput(str(missing)) from None
        before = read_history(environment.journal, key).find(repeated)
        if before is not None and not as_json:
            how = "in quick mode" if spec.quick else "in full mode"
            screen.say(f"It repeats {named(before)}, which was {before.outcome}, {how}.")
        new = name or deployment_id(environment.clock.now())
        return ask_and_show(
            screen,
            environment,
            key,
            new,
            lambda asked: asked.redeploy(key, new, of=deployment, by=by or operator(), reason=reason),
            journal=journal,
            options=aws,
            speed=speed,
            as_json=as_json,
            wait=not no_wait,
        )
