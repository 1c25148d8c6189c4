"""`deployer status`, `deployer history` and `deployer verify`: what the journal knows. Nothing is changed."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
from rich.text import Text

from deployer_aws.cli._program import example, journal_option, json_option, program, stack_argument
from deployer_aws.cli._report import Exit, say_unresolved, typed
from deployer_aws.cli._screen import Screen, duration, moment, state
from deployer_aws.cli.run import among
from deployer_aws.environment import now_of
from deployer_aws.journals.replay import verify as verify_stream
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Journal, JournalError
from deployer_aws.views import history as histories
from deployer_aws.views.history import DeploymentHistory, Sending, chronicle
from deployer_aws.views.status import StackStatus, stack_status


@contextmanager
def reading(path: Path) -> Generator[Journal]:
    """An existing journal."""
    journal = SqliteJournal(path, create=False)
    try:
        yield journal
    finally:
        journal.close()


# Status


@program.command(
    short_help="Show how the stacks stand.",
    epilog=example("deployer status", "deployer status staging/orders --json"),
)
@stack_argument(required=False)
@journal_option
@json_option
def status(stack: str | None, journal: Path, as_json: bool) -> Exit:
    """Show how all stacks stand, or one STACK: what runs, what waits, what is broken and what to do about it."""
    screen = Screen()
    with reading(journal) as opened:
        streams = opened.streams()
        keys = [among(streams, stack, journal)] if stack else streams
        now = now_of(opened, journal)
        found = [stack_status(key, chronicle(opened, key)) for key in keys]
    if as_json:
        screen.data({"now": now, "stacks": [_status_data(one) for one in found]})
        return Exit.DONE
    for one in found:
        _say_status(screen, one, now, journal)
    if not found:
        screen.say("Nothing was deployed yet.")
    return Exit.DONE


def _status_data(one: StackStatus) -> dict[str, Any]:
    deployments = {
        "current": histories.as_data(one.current) if one.current else None,
        "last": histories.as_data(one.last) if one.last else None,
        "queue": [histories.as_data(waiting) for waiting in one.queue],
    }
    return {**attrs.asdict(one), **deployments, "baseline": dict(one.baseline)}


def _say_status(screen: Screen, one: StackStatus, now: float, journal: Path) -> None:
    screen.say(Text(one.key, "bold"), "  ", state(one.state), f"  after {one.events} events")
    rows: list[tuple[str | Text, ...]] = []
    if one.current is not None:
        rows += _current(one.current, one, now)
    elif one.last is not None:
        ended = one.last
        where = f" in {ended.step}" if ended.outcome == "FAILED" else ""
        took = f" after {duration(ended.duration)}" if ended.duration is not None else ""
        rows.append(
            (
                "last",
                state(ended.outcome).append(f"  version {ended.version}  {ended.id}{took}{where}", "default"),
            )
        )
        if ended.reason:
            rows.append(("", Text(ended.reason)))
    rows += [("pending", _pending(sending, now)) for sending in one.pending]
    rows += [
        ("queue", f"{number}  version {waiting.version}  {waiting.id}  since {moment(waiting.requested)}")
        for number, waiting in enumerate(one.queue, 1)
    ]
    if one.services:
        rows.append(("services", Text(one.services, "yellow")))
    if one.broken:
        rows.append(("next", typed(journal, "repair", one.key)))
    screen.rows(rows, indent=2)
    say_unresolved(screen, one, journal)


def _current(current: DeploymentHistory, one: StackStatus, now: float) -> Iterator[tuple[str | Text, ...]]:
    spell = current.spells[-1]
    text = f" for {duration(now - spell.since)}  version {current.version}  {current.id}"
    yield "deployment", state(spell.state).append(text, "default")
    tasks = {task.run.partition("/")[0]: task for task in one.tasks}
    for database in current.databases:
        line = Text(f"{database.name}  ").append_text(state(database.state))
        if (task := tasks.get(database.name)) is not None:
            line.append(f"  task {task.run.partition('/')[2]} ", "default").append_text(state(task.state))
        yield "database", line.append(f"  {database.reason}" if database.reason else "", "default")


def _pending(sending: Sending, now: float) -> Text:
    within = f"{duration(now - sending.issued)} of {duration(sending.deadline - sending.issued)}"
    parts = [sending.text, within, f"attempt {sending.attempts}" if sending.attempts else "not sent yet"]
    return Text("  ".join(part for part in (*parts, sending.seen, sending.ref) if part))


# History


@program.command(
    short_help="Show what became of each deployment.",
    epilog=example("deployer history staging/orders", "deployer history staging/orders --events"),
)
@stack_argument(required=True)
@journal_option
@click.option("--events", is_flag=True, help="List every event instead.")
@json_option
def history(stack: str, journal: Path, events: bool, as_json: bool) -> Exit:
    """Show every deployment that was ever requested of STACK, and what became of it."""
    screen = Screen()
    with reading(journal) as opened:
        key = among(opened.streams(), stack, journal)
        if events:
            _events(screen, histories.lines(opened, key), key, as_json)
            return Exit.DONE
        found = chronicle(opened, key).deployments
    if as_json:
        screen.data({"stack": key, "deployments": [histories.as_data(one) for one in found]})
        return Exit.DONE
    say_history(screen, found)
    return Exit.DONE


def say_history(screen: Screen, found: Sequence[DeploymentHistory]) -> None:
    """A line for each deployment."""
    head = [
        tuple(
            Text(name, "bold") for name in ("deployment", "version", "", "requested", "took", "outcome", "")
        )
    ]
    rows = [
        (
            one.id,
            one.version,
            "quick" if one.quick else "",
            moment(one.requested),
            duration(one.duration),
            state(one.outcome if one.ended is not None or not one.spells else one.spells[-1].state),
            f"{one.step}: {one.reason}" if one.reason and one.step else one.reason,
        )
        for one in found
    ]
    screen.rows([*head, *rows])


def _events(screen: Screen, found: tuple[histories.Line, ...], key: str, as_json: bool) -> None:
    if as_json:
        screen.data({"stack": key, "events": [attrs.asdict(line) for line in found]})
        return
    screen.rows([(str(line.version), moment(line.at), line.event, line.text) for line in found])


# Verify


@program.command(
    short_help="Replay the journal and check it.",
    epilog=example("deployer verify", "deployer verify staging/orders"),
)
@stack_argument(required=False)
@journal_option
@json_option
def verify(stack: str | None, journal: Path, as_json: bool) -> Exit:
    """Replay the journal, of all stacks or of one STACK, and hold what comes of it against the states that it keeps."""
    screen = Screen()
    results: list[dict[str, Any]] = []
    with reading(journal) as opened:
        streams = opened.streams()
        for key in [among(streams, stack, journal)] if stack else streams:
            problem = ""
            try:
                verify_stream(opened, key)
                events = opened.head(key).version
            except JournalError as error:
                problem, events = str(error), 0
            results.append({"stack": key, "events": events, "agrees": not problem, "problem": problem})
    if as_json:
        screen.data({"stacks": results})
    else:
        for one in results:
            screen.say(
                f"{one['stack']}: {one['events']} events give the state that is kept"
                if one["agrees"]
                else one["problem"]
            )
    return Exit.DONE if all(one["agrees"] for one in results) else Exit.FAILED
