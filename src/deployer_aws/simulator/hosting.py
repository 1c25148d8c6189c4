"""Tasks that run for real: who may take one over from the simulation, and what its container is given.

Without a host a task's course is laid down by the script. With one, a task that gets to RUNNING is handed to it, and
stays there until the host says how it ended (`Simulator.end_task`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs

from .rows import Definition, Json, Pointer, Service, Stack, Task
from .secrets import NoSecret, value_from
from .world import World


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
    """Runs containers. It is called within a transaction of the world, and must not call the world back."""

    def start(self, container: Container) -> None:
        """Start it. Raises NotStarted."""
        ...

    def stop(self, task: str) -> None:
        """Begin to stop what runs of a task; nothing where nothing does."""
        ...


def container_of(world: World, task: Task) -> Container:
    """What there is to run of a task, and with which environment."""
    overrides: list[Json] = task.overrides.get("containerOverrides") or []
    named = overrides[0]["name"] if overrides else None
    judged = named or next((c["name"] for c in task.containers if c["essential"]), task.containers[0]["name"])
    definition = world.store.get(Definition, task.definition)
    declared = next((c for c in definition.containers if c["name"] == judged), {}) if definition else {}
    environment = {e["name"]: e["value"] for e in declared.get("environment", [])}
    for override in overrides:
        if override["name"] == judged:
            environment |= {e["name"]: e["value"] for e in override.get("environment", [])}
    secrets = {s["name"]: s["valueFrom"] for s in declared.get("secrets", []) if s["name"] not in environment}
    return Container(task.key, judged, dict(task.tags), environment, secrets, partial(_reveal, world))


def containers_of_services(world: World, stack: str) -> list[Container]:
    """What the services of a stack would run, as if in a task of theirs."""
    pointer = world.store.get(Pointer, f"stack:{stack}")
    entries = world.need(Stack, pointer.to).resources.values() if pointer else ()
    services = [
        world.store.get(Service, str(e["physical"])) for e in entries if e["type"] == "AWS::ECS::Service"
    ]
    found: list[Container] = []
    for service in services:
        definition = (
            world.store.get(Definition, service.definition)
            if service and service.status == "ACTIVE"
            else None
        )
        for declared in definition.containers if definition else ():
            environment = {e["name"]: e["value"] for e in declared.get("environment", [])}
            secrets = {s["name"]: s["valueFrom"] for s in declared.get("secrets", [])}
            found.append(Container("", declared["name"], {}, environment, secrets, partial(_reveal, world)))
    return found


def _reveal(world: World, named: str) -> str:
    try:
        return value_from(world.store, named)
    except NoSecret as missing:
        raise NotStarted(
            f"ResourceInitializationError: unable to pull secrets or registry auth: {missing}"
        ) from None
