"""Read whether a stack's ECS services are at zero: desired count zero, and all tasks STOPPED.

Until then the tasks that were seen are described, those of many stacks together. Once none of them runs any more, the
services are described anew, so that 'at zero' always rests on a description of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer_aws.aws.errors import classify
from deployer_aws.aws.protocols import EcsClient
from deployer_aws.aws.stacks import StackReader
from deployer_aws.aws.tasks import TaskId, describe_tasks, is_alive, list_tasks, read_tasks
from deployer_aws.ports import CommandId, Work
from deployer_core.spec import Counts

_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException"})


class NotAtZero(Exception):
    """A service that should be at zero has another desired count."""


class ServiceReader:
    """Reads the services of stacks, changes nothing."""

    def __init__(self, stacks: StackReader, ecs: EcsClient) -> None:
        self._stacks, self._ecs = stacks, ecs
        self._waiting: dict[str, tuple[CommandId, tuple[TaskId, ...]]] = {}

    def running(self, stack: str, command: CommandId) -> Counts:
        """Return the services of a stack that have tasks short of STOPPED, with how many they have.

        Raises NotAtZero for a service whose desired count is not zero, and where the stack has no service at all. What
        runs is remembered for the command that waits for it.
        """
        self._waiting.pop(stack, None)
        services = list(self.services(stack))
        if not services:
            raise NotAtZero("the stack has no ECS service to scale; say 'scaling: none' if that is meant")
        left = [self._left(service) for service in services]
        if tasks := tuple(task for _, alive in left for task in alive):
            self._waiting[stack] = command, tasks
        return tuple(count for count, _ in left if count[1])

    def still_running(self, works: Sequence[Work]) -> dict[CommandId, bool | Exception]:
        """Tell whether tasks still run, or the error that kept that from being seen, by command that waits for some."""
        waiting = {work.id: self._waiting.get(work.pending.ref, (None, ())) for work in works}
        tasks = {command: tasks for command, (waits, tasks) in waiting.items() if waits == command}
        shown = describe_tasks(self._ecs, (task for some in tasks.values() for task in some))
        return {
            command: _still([shown[task] for task in some if task in shown])
            for command, some in tasks.items()
        }

    def services(self, stack: str) -> Iterator[str]:
        """Yield the ARNs of the services of a stack and of those nested in it."""
        for resource in self._stacks.resources(stack):
            physical, kind = resource.get("PhysicalResourceId"), resource["ResourceType"]
            if not physical or resource["ResourceStatus"] == "DELETE_COMPLETE":
                continue
            if kind == "AWS::ECS::Service":
                yield physical
            elif kind == "AWS::CloudFormation::Stack":
                yield from self.services(physical)

    def _left(self, service: str) -> tuple[tuple[str, int], list[TaskId]]:
        """Return a service's name with how many of its tasks still run, and those that are known."""
        cluster, name = cluster_and_name(service)
        found = self._ecs.describe_services(cluster=cluster or "default", services=[service])["services"]
        if not found:
            if cluster:
                return (name, 0), []  # it was deleted, and has been forgotten
            raise NotAtZero(
                f"service {name} is not in the cluster default, and its ARN is of the old form, which does not say "
                "where it is: migrate it to a long ARN (ECS Developer Guide) and repair"
            )
        shown = found[0]
        if shown["status"] == "ACTIVE" and shown["desiredCount"]:
            raise NotAtZero(_why_not(name, shown))
        counted = shown.get("runningCount", 0) + shown.get("pendingCount", 0)
        tasks = self._alive(cluster or "default", name)
        return (name, max(len(tasks), counted)), tasks

    def _alive(self, cluster: str, name: str) -> list[TaskId]:
        """Return the tasks of a service short of STOPPED; a deleted service may have some, while ECS knows it."""
        try:
            tasks = [
                task
                for wanted in ("RUNNING", "STOPPED")
                for task in list_tasks(self._ecs, cluster, serviceName=name, desiredStatus=wanted)
            ]
        except Exception as error:
            problem = classify(error)
            if problem is None or problem.code not in _GONE:
                raise
            return []
        return [(cluster, task["taskArn"]) for task in read_tasks(self._ecs, tasks) if is_alive(task)]


def not_yet_stopped(running: Counts) -> str:
    """Say which services have tasks that have not yet stopped, for people."""
    return "; ".join(
        f"{alive} task{'s' if alive > 1 else ''} of service {name} not yet stopped" for name, alive in running
    )


def _still(tasks: Sequence[Mapping[str, Any] | Exception]) -> bool | Exception:
    """Return True where one is seen to run, else the first error."""
    if any(not isinstance(task, Exception) and is_alive(task) for task in tasks):
        return True
    return next((task for task in tasks if isinstance(task, Exception)), False)


def _why_not(name: str, service: Mapping[str, Any]) -> str:
    if service.get("schedulingStrategy") == "DAEMON":
        return (
            f"service {name} is a daemon, which has a task on every instance and cannot be scaled to zero: move it to "
            "a stack of its own, or say 'scaling: none', and repair"
        )
    why = "something outside of the stack has lifted it, such as auto scaling or a change by hand"
    desired = service["desiredCount"]
    return (
        f"service {name} has desired count {desired} instead of 0: its count is none of the spec's, or {why}; "
        "set it right and repair"
    )


def cluster_and_name(service: str) -> tuple[str, str]:
    """Split `arn:aws:ecs:region:account:service/cluster/name`; old ARNs lack the cluster."""
    parts = service.split("/")
    return (parts[-2], parts[-1]) if len(parts) > 2 else ("", parts[-1])
