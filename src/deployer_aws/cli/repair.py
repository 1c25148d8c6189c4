"""`deployer terminate` and `deployer repair`: an operator's words, written into the journal."""

import getpass
from pathlib import Path

import click

from deployer_aws.aws.clients import Options
from deployer_aws.cli._aws_options import aws_options, ensure_belongs
from deployer_aws.cli._program import Bad, example, journal_option, json_option, program, stack_argument
from deployer_aws.cli._report import Exit, typed
from deployer_aws.cli._screen import Screen, state
from deployer_aws.cli.run import known_stack
from deployer_aws.environment import open_surroundings
from deployer_aws.ports import Journal
from deployer_aws.runner import Requests, Runner
from deployer_aws.views.history import chronicle
from deployer_aws.views.status import StackStatus, stack_status, stopping
from deployer_core.engine.messages import StopTask


def operator() -> str:
    """Who asks: the name that the journal remembers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an operator"


_BY = click.option("--by", metavar="NAME", help="Who says so; by default the user's name.")


@program.command(
    short_help="End a deployment.", epilog=example("deployer terminate staging/orders 20261123-140501-x7f3")
)
@stack_argument(required=True)
@click.argument("deployment")
@journal_option
@_BY
@json_option
def terminate(stack: str, deployment: str, journal: Path, by: str | None, as_json: bool) -> Exit:
    """End DEPLOYMENT of STACK: it fails, and nobody waits for it any more.

    A change that CloudFormation has begun runs on there; a task that has begun is stopped by whoever carries the stack
    on. One that only waits for its turn leaves the queue, and the stack is not broken by it.
    """
    screen = Screen()
    world = open_surroundings(journal, act=False)
    try:
        key = known_stack(world, stack, journal)
        Requests(world.journal, world.clock).terminate(key, deployment, by or operator())
        _say(screen, world.journal, key, journal, as_json)
    finally:
        world.close()
    return Exit.DONE


@program.command(
    short_help="Say that a broken stack is sound again.",
    epilog=example(
        "deployer repair staging/orders",
        "deployer repair staging/orders --force 20261123-140501-x7f3/billing/migrate",
    ),
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
@_BY
@json_option
def repair(
    stack: str, force: tuple[str, ...], journal: Path, aws: Options, by: str | None, as_json: bool
) -> Exit:
    """Say that the broken STACK is sound again: what is queued goes on, and new deployments may begin.

    It is refused while a task of an earlier deployment may still run. Those are looked at once more first.
    """
    screen = Screen()
    world = open_surroundings(journal, act=False)
    try:
        key = known_stack(world, stack, journal)
        commands = [p.command for p in world.journal.head(key).state.pending]
        left = [c for c in commands if isinstance(c, StopTask) and c.run.id not in force]
    finally:
        world.close()
    world = open_surroundings(journal, act=bool(left), options=aws)
    try:
        ensure_belongs(world, key)
        runner = Runner(world.journal, world.executors, world.clock)
        if left:
            runner.run([key], until=lambda: True)
        state_before = stack_status(key, chronicle(world.journal, key))
        if not state_before.broken:
            raise Bad(f"{key} is {state_before.state}, and only a BROKEN stack is repaired")
        runner.repair(key, by or operator(), force)
        _say(screen, world.journal, key, journal, as_json)
    finally:
        world.close()
    return Exit.DONE


def _say(screen: Screen, opened: Journal, key: str, journal: Path, as_json: bool) -> None:
    """How the stack stands now, and who has to go on."""
    known = chronicle(opened, key)
    now = stack_status(key, known)
    if as_json:
        screen.data(_data(now, stopping(known.state)))
        return
    screen.say(key, "  ", state(now.state))
    if now.services:
        screen.say(f"{now.services[0].upper()}{now.services[1:]}.", indent=2)
    if stopping(known.state):
        screen.say(f"Tasks to be stopped: {stopping(known.state)}.", indent=2)
    if now.pending:
        screen.say("A deployer that runs goes on with it; if none does:", indent=2)
        screen.say(typed(journal, "resume", key), indent=4)


def _data(now: StackStatus, stops: int) -> dict[str, object]:
    return {
        "stack": now.key,
        "stack_state": now.state,
        "current": now.current.id if now.current else None,
        "queue": [waiting.id for waiting in now.queue],
        "services": now.services,
        "baseline": dict(now.baseline),
        "stopping": stops,
        "pending": [sending.text for sending in now.pending],
    }
