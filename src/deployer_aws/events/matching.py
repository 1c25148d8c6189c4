"""Which pending commands an event speaks of."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from deployer_aws.events.parsing import Kind, Understood
from deployer_aws.ports import Journal
from deployer_core.engine.messages import StackProgress, StopTask
from deployer_core.engine.reducer import DeployerState, Pending
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import RunTask

StackCommands = StabiliseStack | CreateStack | UpdateStack | UpsertStack | ScaleStack
Found = tuple[str, int]
"""A stream's name, and the id of a command that is pending there."""


class Index:
    """Pending commands by what events call them. Reads the journal's heads; changes nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._names: dict[str, list[tuple[str, int]]] = {}
        self._found: dict[str, set[Found]] = defaultdict(set)

    def refresh(self, keys: Collection[str] | None = None) -> None:
        """Read what is pending now, in these streams or in all."""
        for key in list(self._names):
            self._forget(key)
        for key in self._journal.streams(pending_only=True) if keys is None else keys:
            self.update(key, self._journal.head(key).state)

    def update(self, key: str, state: DeployerState) -> None:
        """A stream's state has become this."""
        self._forget(key)
        self._names[key] = [(name, p.id) for p in state.pending for name in _names(p)]
        for name, command in self._names[key]:
            self._found[name].add((key, command))

    def _forget(self, key: str) -> None:
        for name, command in self._names.pop(key, ()):
            self._found[name].discard((key, command))
            if not self._found[name]:
                del self._found[name]

    def spoken_of(self, event: Understood) -> list[Found]:
        """The commands that an event speaks of, in order."""
        return sorted({found for name in _spoken(event) for found in self._found.get(name, ())})


def _names(pending: Pending) -> Iterable[str]:
    """All that events may call a command by; a task that has its ARN is known by nothing else."""
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


def _spoken(event: Understood) -> Iterable[str]:
    if event.kind is Kind.STACK:
        yield f"stack {event.stack_name}"
        yield f"stack id {event.stack_id}"
    elif event.kind is Kind.TASK:
        yield f"task {event.task_arn}"
        if event.started_by:
            yield f"started by {event.started_by}"
        if event.final and event.group and event.group.startswith("service:"):
            yield f"service {event.group.removeprefix('service:')}"
