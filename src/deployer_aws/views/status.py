"""Summarise how a stack stands: what runs, what waits, what is broken and what to do about it, as values."""

from attrs import frozen

from deployer_aws.views.describe import counts_text, run_text
from deployer_aws.views.history import CommandRecord, DeploymentHistory, StreamHistory
from deployer_core.engine.messages import StopTask
from deployer_core.engine.routing import DeployerState
from deployer_core.kernel.machine import Absent, name_of
from deployer_core.machines import deployment, stack
from deployer_core.machines.ecs_task import Purpose
from deployer_core.spec import Counts


@frozen
class Unresolved:
    """A run whose task may still run though nobody waits for it. `force` is the name that a forced repair takes."""

    text: str
    force: str
    arn: str
    seen: str
    since: float


@frozen
class TaskStatus:
    """The task that a database's migration runs now."""

    database: str
    run: str
    purpose: Purpose
    state: str
    arn: str


@frozen
class StackOverview:
    """One stack. `current` is the deployment that runs, `last` the one that ended last; `queue` waits for its turn."""

    key: str
    state: str
    current: DeploymentHistory | None
    last: DeploymentHistory | None
    queue: tuple[DeploymentHistory, ...]
    tasks: tuple[TaskStatus, ...]
    pending: tuple[CommandRecord, ...]
    unresolved: tuple[Unresolved, ...]
    baseline: Counts
    services: str
    events: int

    @property
    def broken(self) -> bool:
        """Whether an operator has to say that it is sound before anything goes on."""
        return self.state == name_of(stack.Broken)


def summarise_stack(key: str, known: StreamHistory) -> StackOverview:
    """Summarise how a stack stands after the last event of its history."""
    state = known.state
    current = known.find(getattr(state.stack, "current", ""))
    queued = [known.find(name) for name in getattr(state.stack, "queue", ())]
    ended = sorted((d for d in known.deployments if d.ended is not None), key=lambda d: d.ended or 0)
    last = ended[-1] if ended else None
    unresolved = _unresolved(state)
    given_up = {p.id for p in state.pending if p.unresolved}
    return StackOverview(
        key,
        name_of(type(state.stack)),
        current,
        last,
        tuple(d for d in queued if d is not None),
        _tasks(state),
        tuple(c for d in known.deployments for c in d.commands if c.ended is None and c.id not in given_up),
        unresolved,
        state.memory.baseline or (),
        services(state, last),
        known.version,
    )


def _tasks(state: DeployerState) -> tuple[TaskStatus, ...]:
    return tuple(
        TaskStatus(
            t.database,
            f"{t.database}/{t.purpose}",
            t.purpose,
            name_of(type(t.state)),
            getattr(t.state, "arn", ""),
        )
        for t in state.tasks
    )


def _unresolved(state: DeployerState) -> tuple[Unresolved, ...]:
    return tuple(
        Unresolved(
            run_text(p.command.run), p.command.run.id, p.ref or p.command.arn, p.seen, p.command.attempt.at
        )
        for p in state.pending
        if isinstance(p.command, StopTask) and p.unresolved
    )


def stopping(state: DeployerState) -> int:
    """Count the tasks that are being stopped, and are not given up."""
    return sum(isinstance(p.command, StopTask) and not p.unresolved for p in state.pending)


_WHERE = {
    name_of(deployment.Creating): "the stack was being created with its services at zero, and may not exist",
    name_of(deployment.ScalingDown): "the services may be at zero, or on the way there",
    name_of(deployment.ScalingUp): "the services may be at zero, or partly up again",
}
"""Where a failed step leaves the services; any other step leaves them at zero once the counts are remembered."""


def services(state: DeployerState, last: DeploymentHistory | None) -> str:
    """Say where the services of a broken stack stand, and the counts from before; empty where none are remembered."""
    if state.memory.baseline is None or not isinstance(state.stack, stack.Broken | stack.Available | Absent):
        return ""
    step = last.step if last is not None else ""
    where = _WHERE.get(step, "the services are at zero")
    return f"{where}; before: {counts_text(state.memory.baseline)}" if state.memory.baseline else where
