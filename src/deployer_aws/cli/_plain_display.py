"""Deployments shown as plain lines, one a change, for pipes, logs and dumb terminals; or not at all."""

from typing import Self

from rich.text import Text

from deployer_aws.cli._screen import STYLES, Screen, duration, elapsed
from deployer_aws.views.describe import COMMAND, DEPLOYMENT, PEOPLE, Description
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import StreamChange
from deployer_aws.views.status import summarise_stack


class Display:
    """Shows deployments while they go on; this one shows nothing, for --json."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def begin(self, key: str, follower: Follower) -> None:
        """Begin to show a stream."""

    def changed(self, key: str, change: StreamChange) -> None:
        """Show a change in it."""

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """Show that time has passed; `waiting` names who holds the leases that are waited for, by stream."""


class PlainDisplay(Display):
    """A line for each change, with the time since `start`; with the stream's name where there are several."""

    def __init__(self, screen: Screen, start: float, *, several: bool = False) -> None:
        self._screen, self._start, self._several = screen, start, several
        self._waiting: dict[str, str] = {}

    def begin(self, key: str, follower: Follower) -> None:
        """Print what is under way already."""
        status = summarise_stack(key, follower.history)
        for deployment in (*([status.current] if status.current else []), *status.queue):
            at = deployment.intervals[-1].state
            told = Description(self._start, DEPLOYMENT, deployment.id, f"{at}, version {deployment.version}")
            self._line(key, told)

    def changed(self, key: str, change: StreamChange) -> None:
        """See `Display`."""
        for told in change.descriptions:
            self._line(key, told)

    def _line(self, key: str, told: Description) -> None:
        where = f"{key}  " if self._several else ""
        self._screen.say(Text(elapsed(told.at - self._start), "dim"), f"  {where}", told_text(told))

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """Print once for whom it waits."""
        for key, owner in waiting.items():
            if self._waiting.get(key) != owner:
                text = f"another deployer ({owner}) carries {key} on, and this one follows"
                self._screen.say(Text(elapsed(now - self._start), "dim"), f"  {text}")
        self._waiting = waiting


def told_text(told: Description) -> Text:
    """Return one change in a line: what kind, which one, what it is now, and why."""
    text = Text(f"{told.kind:<10}  ")
    if told.name:
        text.append(told.name + "  " * bool(told.text))
    style = "bold red" if told.bad else _STYLES.get(told.kind, "cyan")
    text.append(told.text, STYLES.get(told.text, style))
    if told.since is not None:
        text.append(f" after {duration(told.at - told.since)}")
    return text.append(f": {told.note}" if told.note and told.note != told.text else "")


_STYLES = {COMMAND: "", PEOPLE: ""}
