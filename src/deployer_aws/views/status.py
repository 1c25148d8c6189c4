"""Summarise how a stack stands: what runs, what waits, what is broken and what to do about it, as values."""

from attrs import frozen

from deployer_aws.views.describe import counts_text, run_text
from deployer_aws.views.history import UNCHANGED, CommandRecord, DeploymentHistory, StreamHistory
from deployer_core.engine.messages import StopTask
from deployer_core.engine.state import DeployerState
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
    """One stack. `stream` is the id in the tokens of its changes.

    `current` is the deployment that runs, `last` the one that ended last; `queue` waits for its turn.

    What the stack remembers: `running` is the last deployment that was DONE, `half_way` are databases whose migration
    began and did not come to its end, `baseline` the counts from before, `suspended` the services that do not scale by
    themselves now, as Application Auto Scaling calls them.
    """

    key: str
    stream: str
    state: str
    current: DeploymentHistory | None
    last: DeploymentHistory | None
    queue: tuple[DeploymentHistory, ...]
    tasks: tuple[TaskStatus, ...]
    pending: tuple[CommandRecord, ...]
    unresolved: tuple[Unresolved, ...]
    running: DeploymentHistory | None
    half_way: tuple[str, ...]
    baseline: Counts
    suspended: tuple[str, ...]
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
        state.stream,
        name_of(type(state.stack)),
        current,
        last,
        tuple(d for d in queued if d is not None),
        _tasks(state),
        tuple(c for d in known.deployments for c in d.commands if c.ended is None and c.id not in given_up),
        unresolved,
        known.find(state.memory.last.id) if state.memory.last else None,
        state.memory.half_way,
        state.memory.baseline or (),
        tuple(target.resource for target in state.memory.suspended),
        services(state, known),
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
"""Where a failed step leaves the services; any other step leaves them at zero once they were taken there."""


def services(state: DeployerState, known: StreamHistory) -> str:
    """Say where the services stand while nothing runs, and the counts from before; empty where none are remembered."""
    memory = state.memory
    if memory.baseline is None or not isinstance(state.stack, stack.Broken | stack.Available | Absent):
        return ""
    changed = [d for d in known.deployments if d.ended is not None and d.step not in UNCHANGED]
    took = max((d for d in changed if not d.quick), key=lambda d: d.ended or 0, default=None)
    where = "the services may have other counts now"
    if memory.unfinished:
        where = _WHERE.get(took.step if took else "", "the services are at zero")
    return f"{where}; before: {counts_text(memory.baseline)}" if memory.baseline else where
