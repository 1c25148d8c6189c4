"""Task definitions: which container's exit code counts, and where its log is."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from deployer_aws.aws.errors import ErrorClass, classify
from deployer_aws.aws.protocols import EcsClient

log: logging.Logger = logging.getLogger("deployer")


@frozen
class TaskDefinition:
    """One revision of a task definition; `logs` are the options of the containers that use awslogs."""

    arn: str
    containers: tuple[str, ...]
    essential: tuple[str, ...]
    logs: Mapping[str, Mapping[str, str]]

    def judged(self, named: str | None) -> str | None:
        """Return the container whose exit code counts: the one that the spec names, else the only essential one."""
        return named or (self.essential[0] if len(self.essential) == 1 else None)

    def unjudgeable(self, named: str | None) -> str:
        """Say why no run of it could be judged; empty where it can."""
        if named is not None and named not in self.containers:
            return (
                f"the task definition {self.arn} has no container {named}; it has: {', '.join(self.containers)}; "
                "correct the task's container"
            )
        if self.judged(named) is None:
            return (
                f"the task definition {self.arn} has several essential containers, and the spec names none of them; "
                "name the one whose exit code counts as the task's container"
            )
        return ""


class TaskDefinitionReader:
    """Reads task definitions; a revision never changes, so it is read once."""

    def __init__(self, client: EcsClient) -> None:
        self._client = client
        self._known: dict[str, TaskDefinition] = {}

    def read(self, named: str) -> TaskDefinition:
        """Read the definition of this family (its newest revision), family:revision, or ARN."""
        if named not in self._known:
            found = self._client.describe_task_definition(taskDefinition=named)["taskDefinition"]
            definition = _definition(found)
            self._known[definition.arn] = definition
            if not re.search(r":\d+$", named):
                return definition
            self._known[named] = definition
        return self._known[named]

    def of_task(self, arn: str) -> TaskDefinition:
        """Read the definition that a task was run from; one without containers where AWS no longer has it."""
        try:
            return self.read(arn)
        except Exception as error:
            problem = classify(error)
            if problem is None or problem.error_class is not ErrorClass.PERMANENT:
                raise
            log.info("the task definition %s cannot be read: %s", arn, problem)
            return TaskDefinition(arn, (), (), {})


def _definition(found: Mapping[str, Any]) -> TaskDefinition:
    containers = found["containerDefinitions"]
    logs: dict[str, dict[str, Any]] = {c["name"]: c.get("logConfiguration") or {} for c in containers}
    return TaskDefinition(
        found["taskDefinitionArn"],
        tuple(c["name"] for c in containers),
        tuple(c["name"] for c in containers if c.get("essential", True)),
        {name: log.get("options", {}) for name, log in logs.items() if log.get("logDriver") == "awslogs"},
    )
