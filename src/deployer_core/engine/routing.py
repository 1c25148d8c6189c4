"""What one machine's command is to another, or to the world: the inside of the deployer."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from attrs import frozen

from deployer_core.engine.messages import Attempt, DeploymentOutcome, Notice, Pending, StopTask, WorldCommand
from deployer_core.kernel.machine import ABSENT, Absent, C, E, Machine, Microstep, S
from deployer_core.kernel.tags import tagged
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import DatabaseProgress
from deployer_core.machines.ecs_task import Purpose, Run, RunTask
from deployer_core.machines.postgres_migration import Database
from deployer_core.spec import Counts, Pairs, TaskSpec

STOP_TIMEOUT = 900
"""Seconds after which a task that was to stop, and was not seen STOPPED, is unresolved."""


@tagged("Deployer.Task/1")
@frozen
class Task:
    """The task that a database's migration runs now, and why."""

    database: str
    purpose: Purpose
    state: ecs_task.Resting


StackState: TypeAlias = stack.Resting | Absent


@tagged("Deployer.State/1")
@frozen
class DeployerState:
    """All there is to know of one stack.

    `deployments` are the current one and the queued ones, as requested; `migrations` and `tasks` are the current
    one's. `baseline` are the counts from before the services were scaled to zero, while they are remembered. `known`
    is every deployment ever requested, with a digest of its spec.
    """

    stream: str = ""
    stack: StackState = ABSENT
    deployments: tuple[deployment.Resting, ...] = ()
    migrations: tuple[postgres_migration.Resting, ...] = ()
    tasks: tuple[Task, ...] = ()
    pending: tuple[Pending, ...] = ()
    next_command: int = 1
    baseline: Counts | None = None
    known: Pairs = ()


INITIAL = DeployerState()
Commands: TypeAlias = tuple[Pending | Notice, ...]
"""What is meant for the world: commands with their ids, and notices."""
Reduction: TypeAlias = tuple[DeployerState, Commands]


K = TypeVar("K")


def swap(items: tuple[K, ...], old: K, *new: K) -> tuple[K, ...]:
    """Return the items with one replaced, or taken out."""
    for at, item in enumerate(items):
        if item is old:
            return (*items[:at], *new, *items[at + 1 :])
    raise LookupError(old)


class Transaction:
    """One reduction under way. `observed` are the counts just seen, `answered` is the command just answered.

    Every step of every machine passes here, so this is written for speed: loops, no comprehensions.
    """

    __slots__ = (
        *("at", "stream", "stack", "deployments", "migrations", "tasks", "pending"),
        *("next_command", "baseline", "known", "commands", "observed", "answered", "queue_limit"),
    )

    def __init__(self, state: DeployerState, at: float) -> None:
        self.at: float = at
        self.stream: str = state.stream
        self.stack: StackState = state.stack
        self.deployments: tuple[deployment.Resting, ...] = state.deployments
        self.migrations: tuple[postgres_migration.Resting, ...] = state.migrations
        self.tasks: tuple[Task, ...] = state.tasks
        self.pending: tuple[Pending, ...] = state.pending
        self.next_command: int = state.next_command
        self.baseline: Counts | None = state.baseline
        self.known: Pairs = state.known
        self.commands: list[Pending | Notice] = []
        self.observed: Counts = ()
        self.answered: Pending | None = None
        self.queue_limit: int = stack.QUEUE_LIMIT

    def result(self) -> Reduction:
        """Return the state as it is now, and what was given out for the world."""
        state = DeployerState(
            self.stream,
            self.stack,
            self.deployments,
            self.migrations,
            self.tasks,
            self.pending,
            self.next_command,
            self.baseline,
            self.known,
        )
        return state, tuple(self.commands)

    def route(self, commands: tuple[Any, ...]) -> None:
        """Take a machine's commands to whom they are for."""
        for command in commands:
            _ROUTES[type(command)](self, command)

    def step(self, machine: Machine[S, E, C], state: S | Absent, event: E) -> tuple[Any, tuple[C, ...]]:
        """Give one machine one event: every step inside the deployer passes here, and ends in a resting state."""
        return machine.reduce(state, event)

    def add(self, info: deployment.DeploymentInfo) -> None:
        """Let a deployment in: it asks the stack for its turn."""
        queued, commands = self.step(deployment.MACHINE, ABSENT, deployment.Requested(info))
        self.deployments += (queued,)
        self.route(commands)

    def to_stack(self, event: stack.Event) -> None:
        """Give the stack an event."""
        state, commands = self.step(stack.MACHINE, self.stack, event)
        self.stack = state
        self.route(commands)

    def to_deployment(self, name: str, event: deployment.Event) -> None:
        """Give one of the deployments an event."""
        old = self.find(name)
        new, commands = self.step(deployment.MACHINE, old, event)
        if new is not old:
            self.deployments = swap(self.deployments, old, new)
        self.route(commands)

    def to_migration(self, database: str, event: postgres_migration.Event) -> None:
        """Give a database's migration an event."""
        old = self.find_migration(database)
        new, commands = self.step(postgres_migration.MACHINE, old, event)
        self.migrations = swap(self.migrations, old, new)
        self.route(commands)

    def to_task(self, database: str, event: ecs_task.Event) -> None:
        """Give the task that runs for a database an event."""
        (old,) = [task for task in self.tasks if task.database == database]
        state, commands = self.step(ecs_task.MACHINE, old.state, event)
        if state != old.state:
            self.tasks = swap(self.tasks, old, Task(database, old.purpose, state))
        self.route(commands)

    def to_asker(self, pending: Pending, event: Any) -> None:
        """Give the machine that asked an answer."""
        if not pending.database:
            self.to_deployment(pending.deployment, event)
        elif isinstance(pending.command, RunTask):
            self.to_task(pending.database, event)
        else:
            self.to_migration(pending.database, event)

    def find(self, name: str) -> deployment.Resting:
        """Return a deployment that has not ended, by its id."""
        for each in self.deployments:
            if each.info.id == name:
                return each
        raise LookupError(name)

    def find_migration(self, database: str) -> postgres_migration.Resting:
        """Return the migration of one of the current deployment's databases."""
        for each in self.migrations:
            if each.database.spec.name == database:
                return each
        raise LookupError(database)

    def issue(self, deployment: str, database: str, command: WorldCommand, timeout: int) -> None:
        """Give a command out to the world, and keep it until its last answer."""
        pending = Pending(self.next_command, deployment, database, command, self.at, self.at + timeout)
        self.next_command += 1
        self.pending += (pending,)
        self.commands.append(pending)

    def stop(self, dropped: Pending) -> None:
        """Stop a run that is dropped; one that cannot have begun needs no stopping."""
        if isinstance(dropped.command, RunTask) and dropped.may_have_begun:
            attempt = dropped.attempt or Attempt(0, dropped.issued)
            command = StopTask(dropped.command.run, dropped.id, attempt, dropped.ref)
            self.issue(dropped.deployment, dropped.database, command, STOP_TIMEOUT)

    def remember(self, counts: Counts) -> None:
        """Keep the counts of those parameters for which none are kept yet."""
        kept = self.baseline
        self.baseline = tuple(sorted({**dict(counts), **dict(kept)}.items())) if kept else counts

    def run(
        self, database: Database, purpose: Purpose, task: TaskSpec[str], success: tuple[int, ...]
    ) -> None:
        """Start a database's next task."""
        run = Run(database.deployment, database.spec.name, purpose, task, success)
        state, commands = self.step(ecs_task.MACHINE, ABSENT, ecs_task.Request(run))
        self.tasks += (Task(database.spec.name, purpose, state),)
        for command in cast(tuple[RunTask, ...], commands):
            self.issue(database.deployment, database.spec.name, command, task.timeout)

    def end_task(self, run: Run) -> tuple[Task, Database]:
        """Take out a task that has ended; return it and the database that it ran for."""
        task = next(task for task in self.tasks if task.state.run.id == run.id)
        self.tasks = swap(self.tasks, task)
        return task, self.find_migration(task.database).database

    def end(self, name: str, outcome: DeploymentOutcome, reason: str) -> None:
        """End a deployment: drop what it waited for, and give out its notice."""
        ended = self.find(name)
        self.deployments = swap(self.deployments, ended)
        dropped = [p for p in self.pending if p.deployment == name and not isinstance(p.command, StopTask)]
        if dropped:
            gone = {p.id for p in dropped}
            self.pending = tuple(p for p in self.pending if p.id not in gone)
        for pending in dropped:
            self.stop(pending)
        self.commands.append(Notice(name, ended.info.spec.version, outcome, reason, self.at))


class Traced(Transaction):
    """A reduction that writes down each edge that it takes, with the name of the machine that took it."""

    def __init__(self, state: DeployerState, at: float) -> None:
        super().__init__(state, at)
        self.taken: list[tuple[str, Microstep[Any, Any]]] = []

    def step(self, machine: Machine[S, E, C], state: S | Absent, event: E) -> tuple[Any, tuple[C, ...]]:
        """Take the same step, edge by edge."""
        steps = machine.microsteps(state, event)
        self.taken += [(machine.name, step) for step in steps]
        return steps[-1].state, tuple(c for step in steps for c in step.commands)


# Routes: what one machine's command is to another, or to the world

_ROUTES: dict[type, Callable[[Transaction, Any], None]] = {}
R = TypeVar("R", bound=Callable[[Transaction, Any], None])


def _routes(*commands: type) -> Callable[[R], R]:
    def register(route: R) -> R:
        _ROUTES.update(dict.fromkeys(commands, route))
        return route

    return register


@_routes(deployment.QueueOnStack)
def _queue(transaction: Transaction, command: deployment.QueueOnStack) -> None:
    transaction.to_stack(stack.Triggered(command.deployment, transaction.queue_limit))


@_routes(stack.TriggerDeployment)
def _trigger(transaction: Transaction, command: stack.TriggerDeployment) -> None:
    transaction.to_deployment(command.deployment, deployment.Started(transaction.baseline or ()))


@_routes(deployment.ReleaseStack)
def _release(transaction: Transaction, command: deployment.ReleaseStack) -> None:
    transaction.baseline, transaction.migrations, transaction.tasks = None, (), ()
    transaction.end(command.deployment, DeploymentOutcome.DONE, "")
    transaction.to_stack(stack.DeploymentCompleted(command.deployment))


@_routes(deployment.BreakStack)
def _break(transaction: Transaction, command: deployment.BreakStack) -> None:
    transaction.migrations, transaction.tasks = (), ()
    transaction.end(command.deployment, DeploymentOutcome.FAILED, command.reason)
    transaction.to_stack(stack.DeploymentFailed(command.deployment))


@_routes(deployment.WithdrawFromStack)
def _withdraw(transaction: Transaction, command: deployment.WithdrawFromStack) -> None:
    transaction.end(command.deployment, DeploymentOutcome.FAILED, command.reason)
    transaction.to_stack(stack.Withdrawn(command.deployment))


@_routes(deployment.StabiliseStack, deployment.UpdateStack, deployment.UpsertStack)
def _change(transaction: Transaction, command: deployment.StackCommand) -> None:
    transaction.issue(command.deployment, "", command, command.stack.timeout)


@_routes(deployment.ScaleStack)
def _scale(transaction: Transaction, command: deployment.ScaleStack) -> None:
    """Remember the counts that the services had before they go to zero."""
    if isinstance(transaction.find(command.deployment), deployment.ScalingDown):
        transaction.remember(transaction.observed)
    _change(transaction, command)


@_routes(deployment.CreateStack)
def _create(transaction: Transaction, command: deployment.CreateStack) -> None:
    """Remember the counts that a stack created at zero shall have: it had none before."""
    creating = transaction.find(command.deployment)
    assert isinstance(creating, deployment.Creating)
    transaction.remember(creating.counts)
    _change(transaction, command)


@_routes(deployment.PrepareMigration)
def _prepare(transaction: Transaction, command: deployment.PrepareMigration) -> None:
    prepare = postgres_migration.Prepare(command.database)
    migration, commands = transaction.step(postgres_migration.MACHINE, ABSENT, prepare)
    transaction.migrations += (migration,)
    transaction.route(commands)


@_routes(deployment.UnblockMigration)
def _unblock(transaction: Transaction, command: deployment.UnblockMigration) -> None:
    transaction.to_migration(command.database, postgres_migration.Unblocked())


@_routes(deployment.AbandonMigration)
def _abandon(transaction: Transaction, command: deployment.AbandonMigration) -> None:
    transaction.to_migration(command.database, postgres_migration.Errored(command.reason))


@_routes(postgres_migration.UpsertDatabase, postgres_migration.CleanupDatabase)
def _tend(
    transaction: Transaction, command: postgres_migration.UpsertDatabase | postgres_migration.CleanupDatabase
) -> None:
    spec = command.database.spec
    transaction.issue(command.database.deployment, spec.name, command, spec.timeout)


@_routes(postgres_migration.RunEvaluate)
def _run_evaluate(transaction: Transaction, command: postgres_migration.RunEvaluate) -> None:
    evaluation = command.database.spec.evaluate
    assert evaluation is not None
    transaction.run(
        command.database, Purpose.EVALUATE, evaluation.task, evaluation.no_changes + evaluation.changes
    )


@_routes(postgres_migration.RunMigrate)
def _run_migrate(transaction: Transaction, command: postgres_migration.RunMigrate) -> None:
    migration = command.database.spec.migrate
    assert migration is not None
    transaction.run(command.database, Purpose.MIGRATE, migration.task, migration.success)


@_routes(postgres_migration.Report)
def _report(transaction: Transaction, command: postgres_migration.Report) -> None:
    database = command.database
    progress = DatabaseProgress(database.spec.name, command.phase, command.reason)
    transaction.to_deployment(database.deployment, deployment.DatabaseReported(progress))


@_routes(ecs_task.StopRun)
def _stop(transaction: Transaction, _: ecs_task.StopRun) -> None:
    """Stop the run that was just answered: it is no longer pending, and may still run."""
    assert transaction.answered is not None
    transaction.stop(transaction.answered)


@_routes(ecs_task.ReportDone)
def _task_done(transaction: Transaction, command: ecs_task.ReportDone) -> None:
    task, database = transaction.end_task(command.run)
    if task.purpose is Purpose.MIGRATE or database.spec.evaluate is None:
        transaction.to_migration(task.database, postgres_migration.MigrateDone())
    else:
        changes = command.exit_code in database.spec.evaluate.changes
        transaction.to_migration(task.database, postgres_migration.EvaluateOutcome(changes))


@_routes(ecs_task.ReportError)
def _task_failed(transaction: Transaction, command: ecs_task.ReportError) -> None:
    task, _ = transaction.end_task(command.run)
    transaction.to_migration(task.database, postgres_migration.Errored(f"{task.purpose}: {command.reason}"))
