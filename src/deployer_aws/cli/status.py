"""Show how the stacks stand."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from rich.text import Text

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._options import journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._report import (
    asked_text,
    database_state,
    half_way_text,
    how_ended,
    outcome_text,
    print_unresolved,
    put_back_text,
    typed,
)
from deployer_aws.cli._screen import Screen, duration, moment, state
from deployer_aws.environment import current_time
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.views import history as histories
from deployer_aws.views.history import CommandRecord, DeploymentHistory, read_history
from deployer_aws.views.status import StackOverview, summarise_stack


@command("deployer status", "deployer status staging/orders --json")
@stack_argument(required=False)
@journal_option
@json_option
def status(stack: str | None, journal: Path, as_json: bool) -> ExitCode:
    """Show how all stacks stand, or one STACK: what runs, what waits, what is broken and what to do about it."""
    screen = Screen()
    with closing(SqliteJournal(journal, create=False)) as opened:
        keys = known_stacks(opened, stack, journal)
        now = current_time(opened, journal)
        found = [summarise_stack(key, read_history(opened, key)) for key in keys]
    if as_json:
        screen.data({"now": now, "stacks": [_status_data(one) for one in found]})
        return ExitCode.DONE
    for one in found:
        _print_status(screen, one, now, journal)
    if not found:
        screen.say("Nothing was deployed yet.")
    return ExitCode.DONE


def _status_data(one: StackOverview) -> dict[str, Any]:
    deployments = {
        "current": histories.as_data(one.current) if one.current else None,
        "last": histories.as_data(one.last) if one.last else None,
        "queue": [histories.as_data(waiting) for waiting in one.queue],
    }
    running = histories.as_data(one.running) if one.running else None
    return {**attrs.asdict(one), **deployments, "running": running, "baseline": dict(one.baseline)}


def _print_status(screen: Screen, one: StackOverview, now: float, journal: Path) -> None:
    screen.say(Text(one.key, "bold"), "  ", state(one.state), f"  after {one.events} events")
    rows: list[tuple[str | Text, ...]] = []
    if one.current is not None:
        rows += _current(one.current, one, now)
    elif one.last is not None:
        rows += _last(one.last)
    rows += [("pending", _pending(record, now)) for record in one.pending]
    rows += [
        ("queue", f"{number}  version {waiting.version}  {waiting.id}{_since(waiting)}")
        for number, waiting in enumerate(one.queue, 1)
    ]
    rows += _remembered(one)
    if one.broken:
        rows.append(("next", typed(journal, "repair", one.key)))
        if one.running is not None and not one.half_way:  # over those it would be refused
            rows.append(("or", typed(journal, "rollback", one.key)))
    screen.rows(rows, indent=2)
    print_unresolved(screen, one, journal)


def _current(current: DeploymentHistory, one: StackOverview, now: float) -> Iterator[tuple[str | Text, ...]]:
    interval = current.intervals[-1]
    text = (
        f" for {duration(now - interval.since)}  version {current.version}  {current.id}{asked_text(current)}"
    )
    yield "deployment", state(interval.state).append(text, "default")
    tasks = {task.database: task for task in one.tasks}
    for database in current.databases:
        stands = database_state(database, tasks.get(database.name))
        yield "database", Text(f"{database.name}  ").append_text(stands)


def _last(ended: DeploymentHistory) -> Iterator[tuple[str | Text, ...]]:
    text = f"  version {ended.version}  {ended.id}{how_ended(ended)}{asked_text(ended)}"
    yield "last", outcome_text(ended).append(text, "default")
    if ended.reason:
        yield "", ended.reason
    if put_back := put_back_text(ended):
        yield "", put_back


def _since(waiting: DeploymentHistory) -> str:
    until = f", to begin by {moment(waiting.start_by)}" if waiting.start_by is not None else ""
    return f"  since {moment(waiting.requested)}{until}{asked_text(waiting)}"


def _remembered(one: StackOverview) -> Iterator[tuple[str | Text, ...]]:
    """Yield what the stack remembers: the version that was DONE last, and what is not as that left it."""
    if one.running is not None and one.running != one.last:
        yield "running", f"version {one.running.version}  {one.running.id}, which was DONE last"
    if one.services:
        yield "services", Text(one.services, "yellow")
    if one.half_way:
        yield "half-way", Text(half_way_text(one), "yellow")
    if one.suspended:
        yield "scaling", Text(f"suspended for {', '.join(one.suspended)}", "yellow")


def _pending(record: CommandRecord, now: float) -> Text:
    within = f"{duration(now - record.issued)} of {duration(record.deadline - record.issued)}"
    parts = [record.text, within, f"attempt {record.attempts}" if record.attempts else "not sent yet"]
    return Text("  ".join(part for part in (*parts, record.seen, record.ref) if part))
