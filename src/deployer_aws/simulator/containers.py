"""The containers of tasks and services, with the environment and the secrets that they are given."""

from functools import partial

from deployer_aws.simulator.account import Account
from deployer_aws.simulator.hosting import Container, NotStarted
from deployer_aws.simulator.rows import Definition, EcsService, Json, Task
from deployer_aws.simulator.secrets import NoSecret, value_from


def container_of(account: Account, task: Task) -> Container:
    """Return the container of a task that a host runs."""
    overrides: list[Json] = task.overrides.get("containerOverrides") or []
    named = overrides[0]["name"] if overrides else None
    judged = named or next((c["name"] for c in task.containers if c["essential"]), task.containers[0]["name"])
    definition = account.store.get(Definition, task.definition)
    declared = next((c for c in definition.containers if c["name"] == judged), {}) if definition else {}
    environment, secrets = _variables(declared), _secrets(declared)
    for override in overrides:
        if override["name"] == judged:
            environment |= _variables(override)
    secrets = {name: source for name, source in secrets.items() if name not in environment}
    return Container(task.key, judged, dict(task.tags), environment, secrets, partial(_reveal, account))


def containers_of_services(account: Account, stack: str) -> list[Container]:
    """Return the containers that the services of a stack run."""
    living = account.living_stack(stack)
    entries = living.resources.values() if living else ()
    services = [
        account.store.get(EcsService, str(e["physical"])) for e in entries if e["type"] == "AWS::ECS::Service"
    ]
    found: list[Container] = []
    for service in services:
        definition = (
            account.store.get(Definition, service.definition)
            if service and service.status == "ACTIVE"
            else None
        )
        for declared in definition.containers if definition else ():
            given = _variables(declared), _secrets(declared)
            found.append(Container("", declared["name"], {}, *given, partial(_reveal, account)))
    return found


def _variables(declared: Json) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in declared.get("environment", [])}


def _secrets(declared: Json) -> dict[str, str]:
    return {entry["name"]: entry["valueFrom"] for entry in declared.get("secrets", [])}


def _reveal(account: Account, named: str) -> str:
    try:
        return value_from(account.store, named)
    except NoSecret as missing:
        raise NotStarted(
            f"ResourceInitializationError: unable to pull secrets or registry auth: {missing}"
        ) from None
