"""What one machine's command is to another, or to the world: the inside of the deployer."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from attrs import evolve

from deployer_core.engine.memory import (
    TO_ZERO,
    Bound,
    Memory,
    about_to,
    completed,
    given_up,
    unblocked,
    way_back,
)
from deployer_core.engine.messages import Attempt, DeploymentOutcome, Notice, Pending, StopTask, WorldCommand
from deployer_core.engine.state import DeployerState, Reduction, StackState, Task, swap
from deployer_core.kernel.machine import ABSENT, Absent, C, E, Machine, Microstep, S
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import Cause, DatabaseProgress
from deployer_core.machines.ecs_task import Purpose, Run, RunTask
from deployer_core.machines.postgres_migration import Database
from deployer_core.spec import Counts, Pairs, TaskSpec

STOP_TIMEOUT = 900
"""Seconds after which a task that was to stop, and was not seen STOPPED, is unresolved."""


class Transaction:
    """One reduction under way. `observed` are the counts just seen, `answered` is the command just answered.

    Every step of every machine passes here, so this is written for speed: loops, no comprehensions.
    """

    __slots__ = (
        *("at", "stream", "bound", "stack", "deployments", "migrations", "tasks", "pending"),
        *("next_command", "memory", "known", "commands", "observed", "answered", "queue_limit"),
    )

    def __init__(self, state: DeployerState, at: float) -> None:
        self.at: float = at
        self.stream: str = state.stream
        self.bound: Bound | None = state.bound
        self.stack: StackState = state.stack
        self.deployments: tuple[deployment.Resting, ...] = state.deployments
        self.migrations: tuple[postgres_migration.Resting, ...] = state.migrations
        self.tasks: tuple[Task, ...] = state.tasks
        self.pending: tuple[Pending, ...] = state.pending
        self.next_command: int = state.next_command
        self.memory: Memory = state.memory
        self.known: Pairs = state.known
        self.commands: list[Pending | Notice] = []
        self.observed: Counts = ()
        self.answered: Pending | None = None
        self.queue_limit: int = stack.QUEUE_LIMIT

    def result(self) -> Reduction:
        """Return the state as it is now, and what was given out for the world."""
        state = DeployerState(
            self.stream,
            self.bound,
            self.stack,
            self.deployments,
            self.migrations,
            self.tasks,
            self.pending,
            self.next_command,
            self.memory,
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

    def drop(self, name: str) -> None:
        """Drop what a deployment waits for. A database whose roles were being made may have lost something by it."""
        dropped = [p for p in self.pending if p.deployment == name and not isinstance(p.command, StopTask)]
        if dropped:
            gone = {p.id for p in dropped}
            self.pending = tuple(p for p in self.pending if p.id not in gone)
        for pending in dropped:
            self.stop(pending)
            self.memory = given_up(self.memory, pending)

    def end(
        self, name: str, outcome: DeploymentOutcome, reason: str = "", cause: Cause | None = None
    ) -> None:
        """End a deployment: drop what it waited for, and give out its notice."""
        ended = self.find(name)
        self.deployments = swap(self.deployments, ended)
        self.drop(name)
        self.commands.append(Notice(name, ended.info.spec.version, outcome, reason, self.at, cause))

    def queued(self) -> list[deployment.DeploymentInfo]:
        """Return what waits for its turn, in order."""
        return [d.info for d in self.deployments if isinstance(d, deployment.Queued)]

    def expire(self) -> None:
        """End every deployment that has waited for too long."""
        for info in self.queued():
            if info.terms.start_by is not None and self.at > info.terms.start_by:
                self.to_deployment(info.id, deployment.Expired())

    def way_back(self, name: str) -> deployment.Back:
        """Return how a deployment may be put back if it fails now, whatever it still waits for."""
        memory = self.memory
        for pending in self.pending:
            memory = given_up(memory, pending)
        return way_back(memory, self.find(name).info)


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
    transaction.to_deployment(command.deployment, deployment.Started(transaction.at))


@_routes(deployment.CompleteOnStack)
def _complete(transaction: Transaction, command: deployment.CompleteOnStack) -> None:
    transaction.memory = completed(transaction.memory, transaction.find(command.deployment).info)
    transaction.migrations, transaction.tasks = (), ()
    transaction.end(command.deployment, DeploymentOutcome.DONE)
    transaction.expire()
    transaction.to_stack(stack.DeploymentCompleted(command.deployment))


@_routes(deployment.BreakStack)
def _break(transaction: Transaction, command: deployment.BreakStack) -> None:
    transaction.migrations, transaction.tasks = (), ()
    transaction.end(command.deployment, DeploymentOutcome.FAILED, command.reason, command.cause)
    transaction.expire()
    transaction.to_stack(stack.DeploymentFailed(command.deployment))


@_routes(deployment.ReleaseStack)
def _release(transaction: Transaction, command: deployment.ReleaseStack) -> None:
    """Break the stack all the same where its first look was about to cancel an update, or to discard a shell."""
    looks = (*transaction.pending, transaction.answered)
    if any(look and look.deployment == command.deployment and look.attempt for look in looks):
        _break(transaction, deployment.BreakStack(command.deployment, command.cause, command.reason))
        return
    transaction.end(command.deployment, DeploymentOutcome.FAILED, command.reason, command.cause)
    transaction.expire()
    unfinished = transaction.memory.unfinished or bool(transaction.memory.half_way)
    transaction.to_stack(stack.Released(command.deployment, unfinished))


@_routes(deployment.WithdrawFromStack)
def _withdraw(transaction: Transaction, command: deployment.WithdrawFromStack) -> None:
    transaction.end(command.deployment, DeploymentOutcome.FAILED, command.reason, command.cause)
    transaction.to_stack(stack.Withdrawn(command.deployment))


@_routes(deployment.AbandonSteps)
def _abandon_steps(transaction: Transaction, command: deployment.AbandonSteps) -> None:
    transaction.migrations, transaction.tasks = (), ()
    transaction.drop(command.deployment)


@_routes(deployment.StabiliseStack)
def _stabilise(transaction: Transaction, command: deployment.StabiliseStack) -> None:
    kept = tuple(parameter for parameter, _ in transaction.memory.baseline or ())
    transaction.issue(command.deployment, "", evolve(command, counted=kept), command.timeout)


@_routes(deployment.CreateStack, deployment.UpdateStack, deployment.UpsertStack, deployment.ScaleStack)
def _change(transaction: Transaction, command: deployment.StackChange) -> None:
    """Remember what the change puts at risk; what scales up resumes the scaling that was suspended."""
    asker = transaction.find(command.deployment)
    transaction.memory = about_to(transaction.memory, command, asker, transaction.observed)
    if not isinstance(command, deployment.CreateStack) and not isinstance(asker, TO_ZERO):
        command = evolve(command, resume=transaction.memory.suspended)
    transaction.issue(command.deployment, "", command, command.stack.timeout)


@_routes(deployment.PrepareMigration)
def _prepare(transaction: Transaction, command: deployment.PrepareMigration) -> None:
    prepare = postgres_migration.Prepare(command.database)
    migration, commands = transaction.step(postgres_migration.MACHINE, ABSENT, prepare)
    transaction.migrations += (migration,)
    transaction.route(commands)


@_routes(deployment.UnblockMigration)
def _unblock(transaction: Transaction, command: deployment.UnblockMigration) -> None:
    transaction.memory = unblocked(transaction.memory, command.database)
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
    back = transaction.way_back(database.deployment)
    transaction.to_deployment(database.deployment, deployment.DatabaseReported(progress, back))


@_routes(ecs_task.RunAgain)
def _run_again(transaction: Transaction, command: ecs_task.RunAgain) -> None:
    """Wait for the same command again: its run is counted, and another attempt may be made at it."""
    answered = transaction.answered
    assert answered is not None
    attempt = answered.attempt and evolve(answered.attempt, over=True)
    again = evolve(answered, ref="", attempt=attempt, seen=command.reason, progress=None)
    transaction.pending += (again,)


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
