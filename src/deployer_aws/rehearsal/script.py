"""The script of the simulated account that specs are rehearsed in: it has what they refer to by name."""

import json
import time
from collections.abc import Iterable
from typing import Any

from attrs import evolve

from deployer_aws.simulator import Script, load_script
from deployer_core.spec import DeploymentSpec, TaskSpec, Text


def script_for(specs: Iterable[DeploymentSpec], script: Script | None) -> Script:
    """Add the clusters and task definitions that the specs name literally to a script; its time begins now."""
    made = load_script(script)
    data: dict[str, Any] = json.loads(made.source)
    tasks = [task for spec in specs for task in _tasks(spec)]
    clusters = [task.cluster.rpartition("/")[2] for task in tasks if isinstance(task.cluster, str)]
    data["clusters"] = list(dict.fromkeys([*made.clusters, *clusters]))
    known = {definition.family for definition in made.task_definitions}
    entries: list[Any] = data.setdefault("task_definitions", [])
    entries += [entry for entry in _definitions(tasks) if entry["family"] not in known]
    return evolve(load_script(data), start=time.time())


def _tasks(spec: DeploymentSpec) -> list[TaskSpec[Text]]:
    return [
        part.task for database in spec.databases for part in (database.migrate, database.evaluate) if part
    ]


def _definitions(tasks: list[TaskSpec[Text]]) -> list[dict[str, Any]]:
    """Return each definition once, with all containers that the tasks name."""
    named: dict[str, dict[str, None]] = {}
    for task in tasks:
        if isinstance(task.task_definition, str):
            containers = named.setdefault(task.task_definition, {})
            containers |= {task.container: None} if task.container else {}
    return [_definition(name, list(containers)) for name, containers in named.items()]


def _definition(named: str, containers: list[str]) -> dict[str, Any]:
    family, _, revision = named.rpartition("/")[2].partition(":")
    entry: dict[str, Any] = {"family": family, "containers": containers or ["app"]}
    if revision.isdecimal():
        entry["revision"] = int(revision)
    if named.startswith("arn:"):
        entry["arn"] = named
    return entry
