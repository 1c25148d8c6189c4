"""Go back to a version that was DONE."""

from collections.abc import Iterator
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
from deployer_aws.cli._requesting import ask_and_show, confirm
from deployer_aws.cli._screen import Screen, moment
from deployer_aws.environment import Environment, ensure_not_rehearsal, open_environment
from deployer_aws.runner.earlier import NoSuchDeployment, target_before, target_of
from deployer_aws.runner.requests import deployment_id
from deployer_aws.views.history import read_history
from deployer_aws.views.rollback import RollbackOutlook, foresee_rollback


@command(
    "deployer rollback staging/orders --reason 'orders are lost'",
    "deployer rollback staging/orders --to 20261123-140501-x7f3",
)
@stack_argument(required=True)
@click.option("--to", "target", metavar="ID", default="", help="Which deployment; it has to be DONE.")
@click.option("--keep-queue", is_flag=True, help="Leave those that wait in the queue, and go behind them.")
@click.option(
    "--force", is_flag=True, help="Go back although databases were migrated since, or it is long ago."
)
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
@id_option
@no_wait_option
@by_option
@reason_option
@journal_option
@aws_options
@speed_option
@json_option
def rollback(
    stack: str,
    target: str,
    keep_queue: bool,
    force: bool,
    yes: bool,
    name: str | None,
    no_wait: bool,
    by: str | None,
    reason: str,
    journal: Path,
    aws: Options,
    speed: float | None,
    as_json: bool,
) -> ExitCode:
    """Deploy a version of STACK again that was DONE, in quick mode: one update, and the databases stay as they are.

    By default that is the last one that was DONE, where the stack is BROKEN or a deployment runs; else the version
    before the one that is there. Those that wait are withdrawn, and a BROKEN stack is repaired by it. It shows what it
    will do, and what it cannot undo; on a terminal it then asks.
    """
    screen = Screen()
    ensure_not_rehearsal(journal)
    with open_environment(journal, options=aws) as environment:
        (key,) = known_stacks(environment.journal, stack, journal)
        environment.ensure_account(key)
        target = target or target_before(environment.journal, key, name or "")
        chosen = _foresee(environment, key, target, keep_queue, force)
        if not as_json:
            for line in _told(chosen, force):
                screen.say(line)
        if chosen.moved and not force:
            raise BadInput(
                f"databases of {key} were migrated since {chosen.target.id}, whose code may not run on them, and no "
                "rollback undoes that; deploy a version forward, or force it. Nothing was requested"
            )
        confirm(screen, unasked=yes or as_json)
        new = name or deployment_id(environment.clock.now())
        return ask_and_show(
            screen,
            environment,
            key,
            new,
            lambda asked: asked.rollback(
                key,
                new,
                to=chosen.target.id,
                keep_queue=keep_queue,
                by=by or operator(),
                reason=reason,
                force=force,
            ),
            journal=journal,
            options=aws,
            speed=speed,
            as_json=as_json,
            wait=not no_wait,
        )


def _foresee(
    environment: Environment, key: str, target: str, keep_queue: bool, force: bool
) -> RollbackOutlook:
    """Return what the rollback will do. Raises BadInput where there is nothing to go back to."""
    known = read_history(environment.journal, key)
    try:
        named_or_found = target if force and target else target_of(known.state, key, target).id
    except NoSuchDeployment as missing:
        raise BadInput(f"{missing}. Nothing was requested") from None
    outlook = foresee_rollback(known, named_or_found, keep_queue=keep_queue)
    if outlook is None:
        raise BadInput(f"deployment {target!r} of {key} was never requested. Nothing was requested")
    return outlook


def _told(outlook: RollbackOutlook, force: bool) -> Iterator[str]:
    """Say what it will do, and what it cannot undo."""
    target, there = outlook.target, outlook.there
    yield f"It goes back to {target.id}, version {target.version}, which was DONE at {moment(target.ended)}."
    if there is not None and there.id != target.id:
        yield f"  DONE last, and replaced by it: {there.id}, version {there.version}."
    yield "  The stack is updated in one step, with the template and the values of then; nothing is scaled to zero."
    if outlook.repairs:
        yield "  The stack is BROKEN, and counts as repaired by it."
    if outlook.behind is not None:
        yield f"  It begins when {named(outlook.behind)} has ended."
    for one in outlook.superseded:
        yield f"  It ends {named(one)}, which waits."
    for changed in outlook.migrated:
        by = f"{changed.deployment}, version {changed.version} ({changed.state})"
        yield f"  It cannot undo: database {changed.database} was changed by {by}."
    if not outlook.moved:
        yield "  No database was changed since."
    elif not outlook.migrated:
        yield "  It cannot undo: a database was given to another owner since, or it is too long ago to know."
    if outlook.moved and force:
        yield "  It is forced, so the code of then will run on the databases of now."
