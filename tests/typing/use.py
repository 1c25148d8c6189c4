"""A user's program, as far as type checkers go: the faces alone, and no error.

Never run; `tests/typing/test_typing.py` hands it to mypy and to pyright.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import assert_type

import deployer_aws
import deployer_core as deployer
from deployer_core import deployment, ecs_task, stack

SPEC = deployer.DeploymentSpec(
    "prod",
    "shop",
    "1.4",
    deployer.StackSpec(
        "shop",
        deployer.TemplateUrl("https://templates.example/shop.yaml"),
        parameters=(("Image", "shop:1.4"), ("Vpc", deployer.StackOutput("network", "Vpc"))),
        scaling=(deployer.FixedCount("Web", 3), deployer.PreviousCount("Jobs", initial=1)),
    ),
    (
        deployer.DatabaseSpec(
            "orders",
            deployer.AdminSecret(deployer.Output("DatabaseSecret")),
            migrate=deployer.Migration(deployer.TaskSpec("main", deployer.Output("MigrateTask"))),
        ),
    ),
)


def replayed(events: Iterable[deployer.Event]) -> deployer.DeployerState:
    """Fold events into a state."""
    state = deployer.INITIAL
    for event in events:
        state, commands = deployer.reduce(state, event)
        assert_type(commands, tuple[deployer.Pending | deployer.Notice, ...])
    return state


def what_to_send(pending: deployer.Pending) -> str:
    """Tell commands apart: every kind of command is one of the union."""
    match pending.command:
        case deployment.CreateStack() | deployment.UpdateStack() | deployment.UpsertStack():
            return pending.command.stack.name
        case deployment.ScaleStack() | deployment.StabiliseStack():
            return pending.command.stack.name
        case ecs_task.RunTask(run=run):
            return assert_type(run, ecs_task.Run).id
        case deployer.StopTask(arn=arn):
            return arn
        case other:
            return other.database.spec.name


def answer(pending: deployer.Pending, seen: deployer.stack_status.StackStatus, at: float) -> deployer.Event:
    """Report what was seen."""
    return deployer.Replied(pending.id, seen, at)


def stored(state: deployer.DeployerState) -> deployer.DeployerState:
    """Write a state down and read it."""
    return assert_type(
        deployer.wire.decode(deployer.wire.encode(state), deployer.DeployerState), deployer.DeployerState
    )


def refusal(event: stack.Event) -> str:
    """Say what a machine would have taken."""
    try:
        state, _ = stack.MACHINE.reduce(stack.MACHINE.initial, event)
    except deployer.IllegalEvent as error:
        return f"{error.state}: {', '.join(error.legal)}"
    return type(assert_type(state, stack.State)).__name__


def deploy(path: Path, notify: deployer_aws.Channel) -> None:
    """Deploy a spec file to AWS."""
    loaded = deployer_aws.load_spec(path)
    clients = deployer_aws.connect(deployer_aws.Options(region="eu-west-1"))
    clock = deployer_aws.SystemClock()
    notices = deployer_aws.Notices(notify, clock, changes=True)
    executors: list[deployer_aws.Executor] = [
        deployer_aws.CloudFormation(clients.cloudformation, clients.ecs, s3=clients.s3),
        deployer_aws.Ecs(clients.ecs, logs=clients.logs),
        deployer_aws.Postgres(clients.secretsmanager, clients.rds),
    ]
    runner = deployer_aws.Runner(
        deployer_aws.SqliteJournal(path.with_suffix(".db")),
        executors,
        clock,
        polling=deployer_aws.PollingPolicy(),
        notify=notices.notify,
        watch=notices.watch,
    )
    assert_type(runner.request("shop-1.4", loaded.spec, loaded.templates), bool)
    try:
        runner.run()
    except deployer_aws.LoginNeeded as error:
        raise SystemExit(str(error)) from error
