"""A preview as values, and the same as text for people."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from attrs import asdict, frozen

from deployer_core.spec import Pairs

ShownCounts: TypeAlias = tuple[tuple[str, int | str], ...]
"""Desired counts by parameter: a number, or 'as before'."""


@frozen
class TaskRun:
    """One run of a task: for what, and what is run where. `<Output:Name>` is not known before the deployment."""

    purpose: str
    task_definition: str
    cluster: str
    container: str = ""
    command: tuple[str, ...] = ()


@frozen
class PreviewCommand:
    """What is asked of the world, and the states of the deployment and of the database in which it is asked.

    `timeout` is in seconds, 0 where nothing is waited for.
    """

    state: str
    name: str
    database: str = ""
    database_state: str = ""
    counts: ShownCounts = ()
    task: TaskRun | None = None
    timeout: int = 0


@frozen
class Outcome:
    """How it ends.

    `services` are the counts that the services may be left with, more than one where that cannot be known. `databases`
    says what became of each. `stopped` are the runs whose tasks are stopped, `runs_on` what goes on though nobody
    waits for it any more. `cause` is why it FAILED, empty where it is DONE; `back` says whether it is put back, or why
    not, and is empty where that is not asked for.
    """

    deployment: str
    cause: str
    stack: str
    services: tuple[str, ...]
    databases: Pairs
    stopped: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()
    back: str = ""
    reason: str = ""


@frozen
class Branch:
    """What follows when a step goes another way: the commands from there on, to the end."""

    when: str
    then: tuple[PreviewCommand, ...]
    outcome: Outcome


@frozen
class PreviewStep:
    """One command of the good path, and every other way that it may go."""

    number: int
    command: PreviewCommand
    branches: tuple[Branch, ...]


@frozen
class Caution:
    """What a person should know of a spec that is not wrong; `field` is what it is about, `stack.scaling` say."""

    field: str
    text: str


@frozen
class Preview:
    """All that a deployment will do, before anything is touched."""

    environment: str
    application: str
    version: str
    stack: str
    quick: bool
    exists: bool
    cautions: tuple[Caution, ...]
    steps: tuple[PreviewStep, ...]
    outcome: Outcome


def as_data(value: Preview) -> dict[str, Any]:
    """Return the preview as dicts, tuples and texts, ready for JSON; counts and databases are dicts by their names."""

    def plain(_: object, attribute: Any, inner: Any) -> Any:
        return dict(inner) if attribute is not None and attribute.name in ("counts", "databases") else inner

    return asdict(value, value_serializer=plain)


def render(value: Preview) -> str:
    """Return the preview as plain text: the commands in order, then what follows where one does not go well."""
    return "\n".join([*_head(value), "", *_table(value), "", *_branches(value)]) + "\n"


def _head(value: Preview) -> Iterator[str]:
    there = "which exists" if value.exists else "which does not exist yet"
    mode = ", quick" if value.quick else ""
    yield f"{value.environment}/{value.application} version {value.version}{mode}: stack {value.stack}, {there}"
    yield from (f"warning: {caution.text}" for caution in value.cautions)


def _table(value: Preview) -> Iterator[str]:
    rows = [
        (
            f"{step.number:>3}",
            step.command.state,
            step.command.name,
            _within(step.command),
            _what(step.command),
        )
        for step in value.steps
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield f"     {_end(value.outcome)}"
    if value.outcome.cause:
        yield f"     {value.outcome.reason}"
    if len(value.outcome.databases) > 1 and not value.quick:
        yield "     Databases advance side by side; here they take turns, in the order of their names."


def _within(command: PreviewCommand) -> str:
    return f"within {_time(command.timeout)}" if command.timeout else ""


def _time(seconds: int) -> str:
    """As the spec file has it: `1h30m`."""
    hours, rest = divmod(seconds, 3600)
    parts = ((hours, "h"), (rest // 60, "m"), (rest % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def _what(command: PreviewCommand) -> str:
    """Return the counts, or the database and its task."""
    if command.task is None:
        return command.database or ", ".join(f"{name}={count}" for name, count in command.counts)
    task = command.task
    container = f", container {task.container}" if task.container else ""
    words = f": {' '.join(task.command)}" if task.command else ""
    return f"{command.database}: {task.purpose} by {task.task_definition} on {task.cluster}{container}{words}"


def _brief(command: PreviewCommand) -> str:
    what = (
        f"{command.database} {command.task.purpose}".strip() if command.task is not None else _what(command)
    )
    return f"{command.name} {what}".rstrip()


def _end(outcome: Outcome) -> str:
    """One line: how it ends, and what is left behind."""
    groups: dict[str, list[str]] = {}
    for database, fate in outcome.databases:
        groups.setdefault(fate, []).append(database)
    parts = [
        f"{_ended(outcome)}, stack {outcome.stack}",
        f"services {' or '.join(outcome.services)}",
        *(f"{fate}: {', '.join(names)}" for fate, names in groups.items()),
        *(f"{name} runs on" for name in outcome.runs_on),
    ]
    return "; ".join([*parts, outcome.back] if outcome.back else parts)


def _ended(outcome: Outcome) -> str:
    """Name the cause where it says more than FAILED."""
    return outcome.cause if outcome.cause not in ("", "FAILURE") else outcome.deployment


def _branches(value: Preview) -> Iterator[str]:
    """Answers of a step that lead to the same are named together."""
    yield "When a step goes another way:"
    for step in value.steps:
        alike: dict[tuple[str, str], list[str]] = {}
        for branch in step.branches:
            then = ", ".join(_brief(command) for command in branch.then if command.name != "Notice")
            alike.setdefault((then, _end(branch.outcome)), []).append(branch.when)
        if alike:
            yield f"{step.number:>3}  {_brief(step.command)}"
        for (then, end), whens in alike.items():
            yield f"     {', '.join(whens)}:"
            if then:
                yield f"       then {then}"
            yield f"       {end}"
