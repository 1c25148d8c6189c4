"""Say that a broken stack is sound again."""

from pathlib import Path

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._operator import operator, print_stack
from deployer_aws.cli._options import by_option, journal_option, json_option, reason_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._report import named
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.views.history import read_history
from deployer_aws.views.status import StackOverview, summarise_stack
from deployer_core.engine.messages import StopTask


@command(
    "deployer repair staging/orders",
    "deployer repair staging/orders --withdraw-queue --reason 'v5 is never to run'",
    "deployer repair staging/orders --force 20261123-140501-x7f3/billing/migrate",
)
@stack_argument(required=True)
@click.option(
    "--force",
    metavar="RUN",
    multiple=True,
    help="A run whose task has surely stopped, though nobody saw it; repeatable.",
)
@click.option("--withdraw-queue", is_flag=True, help="End all that wait, so that nothing is started by it.")
@journal_option
@aws_options
@by_option
@reason_option
@json_option
def repair(
    stack: str,
    force: tuple[str, ...],
    withdraw_queue: bool,
    journal: Path,
    aws: Options,
    by: str | None,
    reason: str,
    as_json: bool,
) -> ExitCode:
    """Say that the broken STACK is sound again: what is queued goes on, and new deployments may begin.

    It says what it starts; --withdraw-queue ends that instead. It is refused while a task of an earlier deployment may
    still run. Those are looked at once more first.
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
        now = environment.clock.now()
        runner.repair(key, by or operator(), force, withdraw_queue=withdraw_queue, reason=reason)
        print_stack(screen, environment.journal, key, journal, as_json)
        if not as_json:
            _print_queue(screen, before, now, withdraw_queue)
    return ExitCode.DONE


def _print_queue(screen: Screen, before: StackOverview, now: float, withdrawn: bool) -> None:
    """Say what becomes of those that wait."""
    late = [one for one in before.queue if one.start_by is not None and one.start_by < now]
    waiting = [one for one in before.queue if one not in late]
    for one in late:
        screen.say(f"It was too late for {named(one)}: EXPIRED.", indent=2)
    if withdrawn:
        for one in waiting:
            screen.say(f"Ended by it: {named(one)}.", indent=2)
    elif waiting:
        after = f"; after it: {', '.join(one.id for one in waiting[1:])}" if waiting[1:] else ""
        screen.say(f"Started by it: {named(waiting[0])}{after}.", indent=2)
    else:
        screen.say("Nothing waited, so nothing was started by it.", indent=2)
