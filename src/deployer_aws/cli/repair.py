"""Say that a broken stack is sound again."""

from pathlib import Path

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._operator import operator, print_stack
from deployer_aws.cli._options import by_option, journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.views.history import read_history
from deployer_aws.views.status import summarise_stack
from deployer_core.engine.messages import StopTask


@command(
    "deployer repair staging/orders",
    "deployer repair staging/orders --force 20261123-140501-x7f3/billing/migrate",
)
@stack_argument(required=True)
@click.option(
    "--force",
    metavar="RUN",
    multiple=True,
    help="A run whose task has surely stopped, though nobody saw it; repeatable.",
)
@journal_option
@aws_options
@by_option
@json_option
def repair(
    stack: str, force: tuple[str, ...], journal: Path, aws: Options, by: str | None, as_json: bool
) -> ExitCode:
    """Say that the broken STACK is sound again: what is queued goes on, and new deployments may begin.

    It is refused while a task of an earlier deployment may still run. Those are looked at once more first.
    """
    screen = Screen()
    with open_environment(journal, act=False) as environment:
        (key,) = known_stacks(environment.journal, stack, journal)
        commands = [pending.command for pending in environment.journal.head(key).state.pending]
        left = [c for c in commands if isinstance(c, StopTask) and c.run.id not in force]
    with open_environment(journal, act=bool(left), options=aws) as environment:
        environment.ensure_account(key)
        runner = environment.runner()
        if left:
            runner.run([key], until=lambda: True)
        before = summarise_stack(key, read_history(environment.journal, key))
        if not before.broken:
            raise BadInput(f"{key} is {before.state}, and only a BROKEN stack is repaired")
        runner.repair(key, by or operator(), force)
        print_stack(screen, environment.journal, key, journal, as_json)
    return ExitCode.DONE
