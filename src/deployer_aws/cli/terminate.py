"""End a deployment."""

from pathlib import Path

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._operator import operator, print_stack
from deployer_aws.cli._options import by_option, journal_option, json_option, reason_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.runner import Requests


@command(
    "deployer terminate staging/orders 20261123-140501-x7f3",
    "deployer terminate staging/orders 20261123-140501-x7f3 --reason 'the wrong version'",
)
@stack_argument(required=True)
@click.argument("deployment")
@journal_option
@by_option
@reason_option
@json_option
def terminate(
    stack: str, deployment: str, journal: Path, by: str | None, reason: str, as_json: bool
) -> ExitCode:
    """End DEPLOYMENT of STACK: it fails, and nobody waits for it any more.

    A change that CloudFormation has begun runs on there; a task that has begun is stopped by the runner that carries
    the stack on. One that has changed nothing yet, since it waits for its turn or for CloudFormation, does not break
    the stack. One with 'on_failure: restore' is put back where that can be done.
    """
    screen = Screen()
    with open_environment(journal, act=False) as environment:
        (key,) = known_stacks(environment.journal, stack, journal)
        requests = Requests(environment.journal, environment.clock)
        requests.terminate(key, deployment, by or operator(), reason)
        print_stack(screen, environment.journal, key, journal, as_json)
    return ExitCode.DONE
