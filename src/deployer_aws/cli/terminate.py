"""End a deployment."""

from pathlib import Path

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._operator import operator, print_stack
from deployer_aws.cli._options import by_option, journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.runner import Requests


@command("deployer terminate staging/orders 20261123-140501-x7f3")
@stack_argument(required=True)
@click.argument("deployment")
@journal_option
@by_option
@json_option
def terminate(stack: str, deployment: str, journal: Path, by: str | None, as_json: bool) -> ExitCode:
    """End DEPLOYMENT of STACK: it fails, and nobody waits for it any more.

    A change that CloudFormation has begun runs on there; a task that has begun is stopped by the runner that carries
    the stack on. One that only waits for its turn leaves the queue, and the stack is not broken by it.
    """
    screen = Screen()
    with open_environment(journal, act=False) as environment:
        (key,) = known_stacks(environment.journal, stack, journal)
        Requests(environment.journal, environment.clock).terminate(key, deployment, by or operator())
        print_stack(screen, environment.journal, key, journal, as_json)
    return ExitCode.DONE
