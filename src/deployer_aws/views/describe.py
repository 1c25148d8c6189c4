"""Describe what an event of a stream changed: the states that were entered, and the commands that came and went.

The words are plain data, so that a terminal, a log and a chat message can each show them in their own way.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from deployer_core.analysis.diagram import machines
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.engine.state import Commands, DeployerState
from deployer_core.kernel.machine import Microstep, name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration
from deployer_core.machines.deployment import (
    Cause,
    CreateStack,
    ScaleStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.ecs_task import Run, RunTask
from deployer_core.machines.stack_status import StackStatus
from deployer_core.spec import Counts

Microsteps: TypeAlias = tuple[tuple[str, Microstep[Any, Any]], ...]
"""What `deployer.microsteps` gives: each edge that was taken, with the name of its machine."""

STACK, DEPLOYMENT, DATABASE, TASK, COMMAND, PEOPLE = (
    "stack",
    "deployment",
    "database",
    "task",
    "command",
    "operator",
)
_OTHER_WORDS = {postgres_migration.MACHINE.name: DATABASE, ecs_task.MACHINE.name: TASK}
"""What people call a machine, where that is not its name."""


@functools.cache
def _failed() -> Mapping[str, tuple[str, ...]]:
    """Return the states in which something went wrong, by the kind of what is in them."""
    return {_kind(machine.name): machine.failed for machine in machines().values()}


def _kind(machine: str) -> str:
    return _OTHER_WORDS.get(machine, machine.lower())


@frozen
class Description:
    """Describe one thing that changed: of what kind, which one, what it is now, and why or how; `bad` if it went wrong.

    `since` is when a command that has ended was issued.
    """

    at: float
    kind: str
    name: str
    text: str
    note: str = ""
    bad: bool = False
    since: float | None = None


def describe_event(
    before: DeployerState, event: Event, after: DeployerState, commands: Commands, steps: Microsteps
) -> tuple[Description, ...]:
    """Describe all that an event changed, in the order in which one thing follows from another."""
    return (
        *_people(event),
        *_ended_commands(before, event, after, failed(steps)),
        *_states(event, steps),
        *_progress(before, event, after),
        *(
            Description(event.at, COMMAND, full_text(given), "")
            for given in commands
            if not isinstance(given, Notice)
        ),
    )


def failed(steps: Microsteps) -> bool:
    """Tell whether the machine that asked has failed by the answer; what others make of it is their affair.

    A way back that was good leads to FAILED too, for what had failed before.
    """
    asked = {_subject(machine, step.state) for machine, step in steps[:1]}
    put_back = (name_of(deployment.Restoring), deployment.Stable.__name__)
    return any(
        step.edge.target in _failed()[_kind(machine)] and (step.edge.source, step.edge.event) != put_back
        for machine, step in steps
        if _subject(machine, step.state) in asked
    )


def _people(event: Event) -> Iterator[Description]:
    if isinstance(event, Requested):
        text = f"requests {event.deployment}, {_asked_for(event)}"
        yield Description(event.at, PEOPLE, event.by, text, event.reason)
    elif isinstance(event, Terminated):
        yield Description(
            event.at, PEOPLE, event.by, f"terminates {event.deployment}", event.reason, bad=True
        )
    elif isinstance(event, Repaired):
        forced = f", taking for stopped: {', '.join(event.force)}" if event.force else ""
        ended = ", and ends all that wait" if event.withdraw_queue else ""
        text = f"says that the stack is sound{forced}{ended}"
        yield Description(event.at, PEOPLE, event.by, text, event.reason)


def _asked_for(event: Requested) -> str:
    """Describe what a request asks for, and on which terms."""
    rollback = event.rollback
    terms = [
        f"version {event.spec.version}",
        "quick" if event.spec.quick and rollback is None else "",
        f"a rollback to {rollback.target}" if rollback else "",
        "in the place of all that wait" if event.supersede else "",
        f"adopting the stack from {event.adopt}" if event.adopt else "",
        "forced" if event.force else "",
    ]
    return ", ".join(term for term in terms if term)


# Commands


def _ended_commands(
    before: DeployerState, event: Event, after: DeployerState, bad: bool
) -> Iterator[Description]:
    still = {pending.id for pending in after.pending}
    for pending in before.pending:
        if pending.id in still:
            continue
        if isinstance(event, Replied) and event.command == pending.id:
            text, answer = "failed" if bad else "done", answer_text(event.answer)
            note = "" if answer == text else answer
            yield Description(event.at, COMMAND, full_text(pending), text, note, bad, pending.issued)
        else:
            yield Description(event.at, COMMAND, full_text(pending), "dropped", since=pending.issued)


def _progress(before: DeployerState, event: Event, after: DeployerState) -> Iterator[Description]:
    """Describe a further attempt, and progress that is news; what AWS calls the command is listed with the events."""
    if not isinstance(event, Attempted | Replied):
        return
    old = next((p for p in before.pending if p.id == event.command), None)
    new = next((p for p in after.pending if p.id == event.command), None)
    if old is None or new is None:
        return
    if isinstance(event, Attempted):
        if event.number > 1:
            yield Description(event.at, COMMAND, full_text(new), f"attempt {event.number}")
    elif new.unresolved and not old.unresolved:
        note = "its task may still run; repair is refused until it has stopped, or is forced"
        yield Description(event.at, COMMAND, full_text(new), "unresolved", note, bad=True)
    elif new.seen != old.seen and not isinstance(event.answer, ecs_task.Started):
        # that a task has started is described with the task
        yield Description(event.at, COMMAND, full_text(new), new.seen)


def command_what(command: object, database: str) -> str:
    """Say what a command is about, beside its name."""
    if isinstance(command, CreateStack | UpdateStack | UpsertStack | ScaleStack):
        return counts_text(command.counts)
    if isinstance(command, RunTask | StopTask):
        return run_text(command.run)
    return database


def full_text(pending: Pending) -> str:
    """Describe a command in a line."""
    return f"{type(pending.command).__name__} {command_what(pending.command, pending.database)}".rstrip()


def run_text(run: Run) -> str:
    """Name a run without its deployment: `orders/migrate`."""
    return f"{run.database}/{run.purpose}"


def counts_text(counts: Counts) -> str:
    """List counts: `DesiredCount=2, Workers=1`."""
    return ", ".join(f"{name}={count}" for name, count in counts)


def answer_text(answer: object) -> str:
    """Describe an answer in a line, in AWS's own words where it is AWS that answered."""
    if isinstance(answer, StackStatus):
        return f"{answer.status}: {answer.reason}" if answer.reason else answer.status
    if isinstance(answer, ecs_task.StatusStopped):
        return stopped_text(answer.exits, answer.stop_code, answer.reason)
    if isinstance(answer, ecs_task.Status):
        return answer.last_status
    if isinstance(answer, DeadlinePassed):
        return "its time is over"
    return str(getattr(answer, "reason", "")) or (
        "RUNNING" if isinstance(answer, ecs_task.Started) else "done"
    )


def stopped_text(exits: tuple[ecs_task.Exit, ...], stop_code: str, reason: str) -> str:
    """Say how a task stopped."""
    parts = [f"{e.container} exits with {e.code if e.code is not None else 'no code'}" for e in exits]
    if stop_code not in ("", ecs_task.EXITED):
        parts.append(f"{stop_code}: {reason}" if reason else stop_code)
    return ", ".join(parts) or reason or "STOPPED"


# States


def rests(steps: Microsteps) -> dict[tuple[str, str], Microstep[Any, Any]]:
    """Return the last step of each machine that came to another state, by its kind and name: where it rests."""
    found: dict[tuple[str, str], Microstep[Any, Any]] = {}
    moved: set[tuple[str, str]] = set()
    for machine, step in steps:
        subject = _subject(machine, step.state)
        if step.edge.source != step.edge.target:
            moved.add(subject)
        found.pop(subject, None)  # the order is that of the last steps
        found[subject] = step
    return {subject: step for subject, step in found.items() if subject in moved}


def _subject(machine: str, state: Any) -> tuple[str, str]:
    kind = _kind(machine)
    if kind == DEPLOYMENT:
        return kind, state.info.id
    if kind == DATABASE:
        return kind, state.database.spec.name
    return kind, run_text(state.run) if kind == TASK else ""


def _states(event: Event, steps: Microsteps) -> Iterator[Description]:
    for (kind, name), step in rests(steps).items():
        state = step.state
        if isinstance(state, ecs_task.Requested):
            continue  # its command says it
        note = getattr(state, "reason", "")
        if isinstance(state, ecs_task.Done):
            note = f"exit code {state.exit_code}"
        if isinstance(state, deployment.Failed) and state.cause is not Cause.FAILURE:
            note = f"{state.cause}: {note}"
        bad = step.edge.target in _failed()[kind]
        yield Description(event.at, kind, name, step.edge.target, note, bad)


def event_text(event: Event, command: str) -> str:
    """Describe an event in a line; `command` is the text of the command that it is about, if it is about one."""
    if isinstance(event, Requested):
        return f"{event.deployment}, {_asked_for(event)}{_who_and_why(event)}"
    if isinstance(event, Terminated):
        return f"{event.deployment}{_who_and_why(event)}"
    if isinstance(event, Repaired):
        forced = f", forced past {', '.join(event.force)}" if event.force else ""
        return f"{_who_and_why(event).lstrip()}{forced}{', ending all that wait' * event.withdraw_queue}"
    about = f"{event.command} {command}".rstrip()
    if isinstance(event, Attempted):
        resolved = "".join(f", {name}={value}" for name, value in event.resolved)
        return f"{about}: attempt {event.number}{resolved}"
    return f"{about}: {event.ref if isinstance(event, Accepted) else answer_text(event.answer)}"


def _who_and_why(event: Requested | Terminated | Repaired) -> str:
    who = f" by {event.by}" if event.by else ""
    return f"{who}: {event.reason}" if event.reason else who
