"""What the containers of the simulated account's tasks and services are given."""

from functools import partial

from deployer_aws.simulator.hosting import Container, NotStarted
from deployer_aws.simulator.rows import Definition, Json, Pointer, Service, Stack, Task
from deployer_aws.simulator.secrets import NoSecret, value_from
from deployer_aws.simulator.world import World


def container_of(world: World, task: Task) -> Container:
    """What there is to run of a task, and with which environment."""
    overrides: list[Json] = task.overrides.get("containerOverrides") or []
    named = overrides[0]["name"] if overrides else None
    judged = named or next((c["name"] for c in task.containers if c["essential"]), task.containers[0]["name"])
    definition = world.store.get(Definition, task.definition)
    declared = next((c for c in definition.containers if c["name"] == judged), {}) if definition else {}
    environment, secrets = _variables(declared), _secrets(declared)
    for override in overrides:
        if override["name"] == judged:
            environment |= _variables(override)
    secrets = {name: source for name, source in secrets.items() if name not in environment}
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
            given = _variables(declared), _secrets(declared)
            found.append(Container("", declared["name"], {}, *given, partial(_reveal, world)))
    return found


def _variables(declared: Json) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in declared.get("environment", [])}


def _secrets(declared: Json) -> dict[str, str]:
    return {entry["name"]: entry["valueFrom"] for entry in declared.get("secrets", [])}


def _reveal(world: World, named: str) -> str:
    try:
        return value_from(world.store, named)
    except NoSecret as missing:
        raise NotStarted(
            f"ResourceInitializationError: unable to pull secrets or registry auth: {missing}"
        ) from None
