"""Deployments shown as plain lines, one a change: for pipes, logs and dumb terminals. And as nothing at all."""

from typing import Self

from rich.text import Text

from deployer_aws.cli.screen import STYLES, Screen, clean, elapsed
from deployer_aws.following import Follower
from deployer_aws.history import Change
from deployer_aws.telling import COMMAND, PEOPLE, STACK, Told


class Silent:
    """Shows nothing: for --json."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def begin(self, key: str, follower: Follower) -> None:
        """See `Display`."""

    def changed(self, key: str, change: Change) -> None:
        """See `Display`."""

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """See `Display`."""


class Lines(Silent):
    """A line for each change, with the time since `start`; with the stream's name where there are several."""

    def __init__(self, screen: Screen, start: float, *, several: bool = False) -> None:
        self._screen, self._start, self._several = screen, start, several
        self._waiting: dict[str, str] = {}

    def changed(self, key: str, change: Change) -> None:
        """See `Display`."""
        for told in change.told:
            if told.kind != PEOPLE or told.name:
                self._line(key, told)

    def _line(self, key: str, told: Told) -> None:
        where = f"{key}  " if self._several else ""
        self._screen.say(Text(elapsed(told.at - self._start), "dim"), f"  {where}", told_text(told))

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """Says once for whom it waits."""
        for key, owner in waiting.items():
            if self._waiting.get(key) != owner:
                text = f"another deployer ({owner}) carries {key} on, and this one follows"
                self._screen.say(Text(elapsed(now - self._start), "dim"), f"  {text}")
        self._waiting = waiting


def told_text(told: Told) -> Text:
    """One change in a line: what kind, which one, what it is now, and why."""
    text = Text(f"{told.kind:<10}  ")
    if told.name and told.kind != STACK:
        text.append(clean(told.name) + ("  " if told.kind != COMMAND else ": "))
    style = "bold red" if told.bad else "" if told.kind in (COMMAND, PEOPLE) else STYLES.get(told.text, "cyan")
    text.append(clean(told.text), style)
    if told.note and told.note != told.text:
        text.append(f": {clean(told.note)}" if told.text else clean(told.note))
    return text


