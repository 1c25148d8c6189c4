"""Tasks that run for real: who takes them over from the simulation, and what is handed to it.

Without a host a task's course is laid down by the script. With one, a task that gets to RUNNING is handed to it, and
stays there until the host says how it ended (`Simulator.end_task`).
"""

from collections.abc import Callable
from typing import Protocol

import attrs


class NotStarted(Exception):
    """The container cannot be started; says why, as ECS gives it for a task's reason."""


@attrs.frozen
class Container:
    """The container of a task that is run for real: the one with overrides, else the first essential one.

    `secrets` names where ECS gets a variable's value from, and `reveal` gets it, or raises NotStarted.
    """

    task: str
    name: str
    tags: dict[str, str]
    environment: dict[str, str]
    secrets: dict[str, str]
    reveal: Callable[[str], str] = attrs.field(repr=False)


class Host(Protocol):
    """Runs containers. It is called within a transaction of the account, and must not call the account back."""

    def start(self, container: Container) -> None:
        """Start it. Raises NotStarted."""
        ...

    def stop(self, task: str) -> None:
        """Begin to stop what runs of a task; nothing where nothing does."""
        ...
