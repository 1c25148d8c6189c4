"""A deployer told as a story: what was asked for and answered, and what it made of that."""

from typing import Any

from deployer_core.analysis.choices import QUICK, STACK, database
from deployer_core.engine import reducer
from deployer_core.engine.reducer import (
    INITIAL,
    Accepted,
    Attempted,
    Commands,
    DeadlinePassed,
    DeployerState,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    Terminated,
)
from deployer_core.kernel.machine import name_of
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import EXITED, Exit, RunTask, Started, StatusStopped
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    UpsertDatabase,
    UpsertDone,
)
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import Counts, DeploymentSpec, PreviousCount, Scale, StackSpec

__all__ = ["QUICK", "Story", "complete", "exited", "full", "seen"]

PLAIN = DeploymentSpec("staging", "shop", "1", STACK)


def full(
    *kinds: str, version: str = "1", scaling: tuple[Scale, ...] = (PreviousCount("Count", 1),)
) -> DeploymentSpec:
    """A full deployment with databases db0, db1, ... of these kinds."""
    stack = StackSpec("shop", STACK.template, scaling=scaling)
    return DeploymentSpec(
        "staging", "shop", version, stack, tuple(database(f"db{i}", kind) for i, kind in enumerate(kinds))
    )


EVALUATED, UNEVALUATED = full("evaluated"), full("unevaluated")
TWO = full("unevaluated", "unevaluated")
OUTPUTS = (("Cluster", "main"),)


def seen(lifecycle: Lifecycle, count: int = 3, outputs: Any = OUTPUTS) -> StackStatus:
    """The stack, seen in a lifecycle, with a desired count."""
    if lifecycle is Lifecycle.MISSING:
        return StackStatus(lifecycle, lifecycle.value)
    return StackStatus(lifecycle, lifecycle.value, outputs=outputs, counts=(("Count", count),))


def complete(count: int = 3) -> StackStatus:
    """The stack at rest, with a desired count."""
    return seen(Lifecycle.COMPLETE, count)


def exited(code: int | None = 0, stop_code: str = EXITED) -> StatusStopped:
    """A task that has stopped."""
    return StatusStopped((Exit("main", code, judged=True),), stop_code)


class Story:
    """What happens to one deployer, at a time of its own; `given` is what the last event gave out."""

    def __init__(self) -> None:
        self.state: DeployerState = INITIAL
        self.given: Commands = ()
        self.notices: list[Notice] = []
        self.events: list[Event] = []
        self.now = 1000.0

    def take(self, event: Event) -> "Story":
        self.state, self.given = reducer.reduce(self.state, event)
        self.notices += [c for c in self.given if isinstance(c, Notice)]
        self.events.append(event)
        return self

    # What happens

    def request(self, deployment: str, spec: DeploymentSpec = PLAIN, **more: Any) -> "Story":
        return self.take(Requested(deployment, spec, self.now, stream="stream", **more))

    def reply(self, command: type, answer: Any, database: str = "") -> "Story":
        return self.take(Replied(self.pending(command, database).id, answer, self.now))

    def late(self, command: type, database: str = "") -> "Story":
        asked = self.pending(command, database)
        return self.take(Replied(asked.id, DeadlinePassed(), asked.deadline))

    def attempt(self, command: type, database: str = "", n: int = 1) -> "Story":
        return self.take(Attempted(self.pending(command, database).id, n, self.now))

    def accept(self, command: type, ref: str, database: str = "") -> "Story":
        return self.take(Accepted(self.pending(command, database).id, ref, self.now))

    def terminate(self, deployment: str) -> "Story":
        return self.take(Terminated(deployment, "ann", self.now))

    def repair(self, *force: str) -> "Story":
        return self.take(Repaired("ann", self.now, force))

    # Longer ways

    def to_databases(self, deployment: str, spec: DeploymentSpec, count: int = 3) -> "Story":
        """Request it, and answer all until its databases are upserted."""
        self.request(deployment, spec).reply(StabiliseStack, complete(count))
        return self.reply(ScaleStack, complete(0)).reply(UpdateStack, complete(0))

    def to_tasks(self, deployment: str, spec: DeploymentSpec) -> "Story":
        """The same, until each database's first task is asked for."""
        self.to_databases(deployment, spec)
        for each in spec.databases:
            self.reply(UpsertDatabase, UpsertDone(), each.name)
        return self

    def run_task(self, database: str, answer: Any = None) -> "Story":
        """Send a database's task, let it run, and end."""
        self.attempt(RunTask, database).accept(RunTask, f"arn:{database}", database)
        self.reply(RunTask, Started(f"arn:{database}"), database)
        return self.reply(RunTask, answer or exited(), database)

    def migrate(self, database: str) -> "Story":
        """Run a database's task and its cleanup."""
        return self.run_task(database).reply(CleanupDatabase, CleanupDone(), database)

    def scaled_up(self) -> "Story":
        return self.reply(ScaleStack, complete())

    def done(self, deployment: str, spec: DeploymentSpec = PLAIN) -> "Story":
        """A deployment without databases, from its request to DONE."""
        self.to_databases(deployment, spec)
        return self.scaled_up()

    def created(self, deployment: str, spec: DeploymentSpec = PLAIN) -> "Story":
        """A deployment requested, whose stack is missing and is being created."""
        return self.request(deployment, spec).reply(StabiliseStack, seen(Lifecycle.MISSING))

    # What there is

    def pending(self, command: type, database: str = "") -> Pending:
        """The one pending command of a kind, of a database where several have one."""
        (found,) = [
            p
            for p in self.state.pending
            if isinstance(p.command, command) and (not database or p.database == database)
        ]
        return found

    def counts(self, command: type) -> Counts:
        """The counts of the one pending change of a kind."""
        change = self.pending(command).command
        assert isinstance(change, CreateStack | UpdateStack | UpsertStack | ScaleStack)
        return change.counts

    @property
    def waits_for(self) -> list[str]:
        """The names of what is pending, with their databases."""
        return [f"{type(p.command).__name__} {p.database}".rstrip() for p in self.state.pending]

    @property
    def stack(self) -> str:
        return name_of(type(self.state.stack))

    @property
    def deployments(self) -> dict[str, str]:
        return {d.info.id: name_of(type(d)) for d in self.state.deployments}

    @property
    def migrations(self) -> dict[str, str]:
        return {m.database.spec.name: name_of(type(m)) for m in self.state.migrations}

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Who was said to have ended how."""
        return [(n.deployment, n.outcome) for n in self.notices]
