"""Deployments shown live on a terminal: the states of the four machines, and each command with its elapsed time."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Self

from attrs import evolve, frozen
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer_aws.cli._plain_display import Display
from deployer_aws.cli._report import database_state
from deployer_aws.cli._screen import Screen, clean, duration, state
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import (
    ENDS,
    CommandRecord,
    DatabaseHistory,
    DeploymentHistory,
    HistoryOutcome,
    StateInterval,
    StreamChange,
)
from deployer_aws.views.status import StackOverview, summarise_stack
from deployer_core.analysis.preview import preview
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import name_of
from deployer_core.machines import deployment, postgres_migration


@frozen
class Signs:
    """The signs in front of a step."""

    done: str = "✔"
    failed: str = "✘"
    ahead: str = "·"
    spinner: str = "dots"


_DB_MIGRATING = name_of(deployment.DbMigrating)
_BEFORE = name_of(deployment.Queued), name_of(deployment.Waiting)
_MIGRATED = (*postgres_migration.MACHINE.failed, *postgres_migration.MACHINE.ends)
PLAIN = Signs("+", "x", ".", "line")


@frozen
class Picture:
    """All that is drawn of one stream: it is made anew when something has changed."""

    status: StackOverview
    ahead: tuple[str, ...]
    now: float
    shown: DeploymentHistory | None
    owner: str = ""


class LiveDisplay(Display):
    """A picture for each stream, drawn several times a second. `clock` gives the time between two changes."""

    def __init__(
        self, screen: Screen, simulated: bool, now: float, clock: Callable[[], float] | None = None
    ) -> None:
        self._screen, self._simulated, self._clock, self._now = screen, simulated, clock, now
        self._signs = Signs() if screen.fancy else PLAIN
        self._followers: dict[str, Follower] = {}
        self._pictures: dict[str, Picture] = {}
        self._spinners: dict[str, Spinner] = {}
        self._live = Live(
            console=screen.out, get_renderable=self._draw, refresh_per_second=8, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._spinners.clear()
        self._live.stop()

    def begin(self, key: str, follower: Follower) -> None:
        """See `Display`."""
        self._followers[key] = follower
        self._look(key)

    def changed(self, key: str, change: StreamChange) -> None:
        """See `Display`."""
        self._now = max(self._now, change.event.at)
        if key in self._followers:
            self._look(key)

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """See `Display`."""
        self._now = now
        for key, picture in self._pictures.items():
            self._pictures[key] = evolve(picture, now=now, owner=waiting.get(key, ""))

    def _look(self, key: str) -> None:
        known = self._followers[key].history
        status = summarise_stack(key, known)
        shown = status.current or status.last
        owner = self._pictures[key].owner if key in self._pictures else ""
        self._pictures[key] = Picture(status, _ahead(known.state, shown), self._now, shown, owner)

    def _draw(self) -> RenderableType:
        now = self._clock() if self._clock else None
        pictures = [evolve(p, now=now) if now else p for p in tuple(self._pictures.values())]
        return Group(*(self._panel(picture) for picture in pictures))

    # One stream

    def _panel(self, picture: Picture) -> Panel:
        status, shown = picture.status, picture.shown
        parts: list[RenderableType] = [_head(status, shown), Text()]
        if shown is not None:
            parts.append(self._steps(picture, shown))
        if status.pending:
            parts += [Text(), self._commands(picture)]
        parts += _queue(status)
        if picture.owner:
            owner = f"another deployer ({picture.owner}) carries it on, and this one follows"
            parts.append(Text(owner, "yellow"))
        world = " · simulated" if self._simulated else ""
        border = "red" if status.broken else "green" if status.current is None else "cyan"
        title = Text(f"{status.key}{world}")
        return Panel(Group(*parts), title=title, title_align="left", border_style=border)

    def _steps(self, picture: Picture, shown: DeploymentHistory) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        rested = [interval for interval in shown.intervals if interval.state not in ENDS]
        for interval in rested:
            last = interval is rested[-1]
            text, note = state(interval.state), _command_of(interval, shown)
            if not (last and shown.ended is None):
                text.stylize("default")
            if interval.state == _DB_MIGRATING:
                note = Text(
                    f"{sum(d.state in _MIGRATED for d in shown.databases)} of {len(shown.databases)}",
                    "dim",
                )
            table.add_row(self._mark(shown, last), text, _time(interval, picture.now), note)
            if interval.state == _DB_MIGRATING:
                for row in self._databases(picture, shown):
                    table.add_row(*row)
        for ahead in picture.ahead:
            table.add_row(Text(self._signs.ahead, "dim"), Text(ahead, "dim"), "", "")
        return table

    def _mark(self, shown: DeploymentHistory, last: bool) -> RenderableType:
        if not last or shown.outcome is HistoryOutcome.DONE:
            return Text(self._signs.done, "green")
        return (
            Text(self._signs.failed, "bold red")
            if shown.outcome is HistoryOutcome.FAILED
            else self._spinner("step")
        )

    def _databases(self, picture: Picture, shown: DeploymentHistory) -> Iterator[tuple[RenderableType, ...]]:
        tasks = {task.database: task for task in picture.status.tasks if shown.ended is None}
        for database in shown.databases:
            yield (
                "",
                Text("  ").append(clean(database.name)),
                _total(database, picture.now),
                database_state(database, tasks.get(database.name)),
            )

    def _commands(self, picture: Picture) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        for record in picture.status.pending:
            table.add_row(self._spinner(f"command {record.id}"), *_command(record, picture.now))
        return table

    def _spinner(self, name: str) -> RenderableType:
        return self._spinners.setdefault(name, Spinner(self._signs.spinner, style="cyan"))


def _ahead(state: DeployerState, shown: DeploymentHistory | None) -> tuple[str, ...]:
    """Return the steps still to come if all goes well; none before it is known whether the stack exists."""
    current = next(iter(state.deployments), None)
    if current is None or shown is None or current.info.id != shown.id or shown.step in (*_BEFORE, ""):
        return ()
    created = any(interval.state == name_of(deployment.Creating) for interval in shown.intervals)
    plan = preview(current.info.spec, exists=not created)
    names = list(dict.fromkeys(step.command.state for step in plan.steps if step.command.state not in ENDS))
    passed = list(takewhile(lambda name: name != name_of(type(current)), names))
    return tuple(names[len(passed) + 1 :])


def _command_of(interval: StateInterval, shown: DeploymentHistory) -> Text:
    """Return the CloudFormation command of a step that is over; one that is under way stands below."""
    steps = [s for s in shown.intervals if s.state not in (name_of(deployment.Queued), _DB_MIGRATING, *ENDS)]
    commands = dict(zip(steps, (c for c in shown.commands if not c.database), strict=False))
    own = commands.get(interval)
    return Text(f"{own.text}: {clean(own.end)}" if own is not None and own.end else "", "dim")


def _head(status: StackOverview, shown: DeploymentHistory | None) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("stack", state(status.state))
    if shown is not None:
        quick = ", quick" if shown.quick else ""
        now = shown.intervals[-1].state if shown.intervals else ""
        table.add_row(
            "deployment", state(now).append(f"  version {clean(shown.version)}{quick}  {shown.id}", "default")
        )
        if shown.reason:
            table.add_row("", Text(clean(shown.reason), "red"))
    return table


def _time(interval: StateInterval, now: float) -> Text:
    return Text(
        duration((interval.until or max(now, interval.since)) - interval.since), "dim", justify="right"
    )


def _total(database: DatabaseHistory, now: float) -> Text:
    ended = database.state in _MIGRATED
    until = database.intervals[-1].since if ended else max(now, database.intervals[-1].since)
    return Text(duration(until - database.intervals[0].since), "dim", justify="right")


def _command(record: CommandRecord, now: float) -> tuple[Text, Text, Text]:
    within = f"{duration(max(0, now - record.issued))} of {duration(record.deadline - record.issued)}"
    seen = clean(record.seen)
    if record.attempts > 1:
        seen = f"attempt {record.attempts}  {seen}"
    return Text(clean(record.text)), Text(within, "dim"), Text(seen, "cyan")


def _queue(status: StackOverview) -> Iterator[RenderableType]:
    for number, waiting in enumerate(status.queue, 1):
        yield Text(f"in the queue, {number}: version {clean(waiting.version)}  {waiting.id}", "dim")
    if status.services:
        yield Text(status.services, "yellow")
