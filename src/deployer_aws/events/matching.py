"""Which pending commands an event is about. Pure.

Events name a command by its stack, its task, or the token that its task was started by.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from deployer_aws.events.parsing import AwsEvent, EventKind
from deployer_aws.ports import CommandId
from deployer_core.engine.messages import Pending, StackProgress, StopTask
from deployer_core.engine.state import DeployerState
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import RunTask

StackCommands = StabiliseStack | CreateStack | UpdateStack | UpsertStack | ScaleStack


class Index:
    """What is pending in some streams, by the names that events have for it."""

    def __init__(self, states: Mapping[str, DeployerState]) -> None:
        self._found: dict[str, set[CommandId]] = defaultdict(set)
        for key, state in states.items():
            for pending in state.pending:
                for name in _names_of(pending):
                    self._found[name].add((key, pending.id))

    def find(self, event: AwsEvent) -> tuple[CommandId, ...]:
        """Return the commands that an event is about, in order."""
        return tuple(sorted({found for name in _names_in(event) for found in self._found.get(name, ())}))


def is_about(event: AwsEvent, pending: Pending) -> bool:
    """Tell whether an event is about a pending command as it stands now."""
    return not set(_names_in(event)).isdisjoint(_names_of(pending))


def _names_of(pending: Pending) -> Iterable[str]:
    """Yield all that events may call a command by; a task that has its ARN is known by nothing else."""
    command = pending.command
    if isinstance(command, StackCommands):
        yield f"stack {command.stack.name}"
        if pending.ref:
            yield f"stack id {pending.ref}"
        if isinstance(pending.progress, StackProgress):
            yield from (f"service {name}" for name, _ in pending.progress.running)
    elif isinstance(command, RunTask):
        if pending.ref:
            yield f"task {pending.ref}"
        elif pending.attempt:
            yield f"started by {pending.attempt.token}"
    elif isinstance(command, StopTask):
        if arn := pending.ref or command.arn:
            yield f"task {arn}"
        else:
            yield f"started by {command.attempt.token}"


def _names_in(event: AwsEvent) -> Iterable[str]:
    """Yield the names of what an event is about."""
    if event.kind is EventKind.STACK:
        yield f"stack {event.stack_name}"
        yield f"stack id {event.stack_id}"
    elif event.kind is EventKind.TASK:
        yield f"task {event.task_arn}"
        if event.started_by:
            yield f"started by {event.started_by}"
        if event.final and event.group and event.group.startswith("service:"):
            yield f"service {event.group.removeprefix('service:')}"
