"""Hosts, which run the containers of simulated tasks for real, and what they are given.

Without a host a task's course is laid down by the script. With one, a task that gets to RUNNING is handed to it, and
stays there until the host says how it ended (`Simulator.end_task`).
"""

from collections.abc import Callable
from typing import Protocol

import attrs


class NotStarted(Exception):
    """A container cannot be started; the text is the task's reason, as ECS words it."""


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
        """Start a container. Raises NotStarted."""
        ...

    def stop(self, task: str) -> None:
        """Begin to stop the container of a task, if it runs."""
        ...
