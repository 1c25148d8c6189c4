"""Whether a stack's ECS services are at zero: wanted at zero, and with no task short of STOPPED."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployer_aws.executors.errors import understand
from deployer_aws.executors.stacks import StackReader
from deployer_aws.ports import EcsClient

ENDED = frozenset({"STOPPED", "DELETED"})
"""Statuses of a task that holds no connection any more (ECS Developer Guide, 'Amazon ECS task lifecycle')."""

_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException"})


class NotAtZero(Exception):
    """A service that should have nothing running is wanted to run something."""


class ServiceReader:
    """Looks at the services of stacks, changes nothing."""

    def __init__(self, stacks: StackReader, ecs: EcsClient) -> None:
        self._stacks, self._ecs = stacks, ecs

    def running(self, stack: str) -> str:
        """What of the stack's services still runs, in words; empty when no task of theirs is short of STOPPED.

        Raises NotAtZero for a service whose desired count is not zero, and where the stack has no service at all.
        """
        services = list(self.services(stack))
        if not services:
            raise NotAtZero("the stack has no ECS service to scale; say 'scaling: none' if that is meant")
        return "; ".join(words for service in services if (words := self._left(service)))

    def services(self, stack: str) -> Iterator[str]:
        """The ARNs of the services of a stack and of those nested in it."""
        for resource in self._stacks.resources(stack):
            physical, kind = resource.get("PhysicalResourceId"), resource["ResourceType"]
            if not physical or resource["ResourceStatus"] == "DELETE_COMPLETE":
                continue
            if kind == "AWS::ECS::Service":
                yield physical
            elif kind == "AWS::CloudFormation::Stack":
                yield from self.services(physical)

    def _left(self, service: str) -> str:
        cluster, name = cluster_and_name(service)
        found = self._ecs.describe_services(cluster=cluster or "default", services=[service])["services"]
        if not found:
            if cluster:
                return ""  # it was deleted, and has been forgotten
            raise NotAtZero(
                f"service {name} is not in the cluster default, and its ARN is of the old form, which does not say "
                "where it is: migrate it to a long ARN (ECS Developer Guide) and repair"
            )
        shown = found[0]
        if shown["status"] == "ACTIVE" and shown["desiredCount"]:
            raise NotAtZero(_why_not(name, shown))
        counted = shown.get("runningCount", 0) + shown.get("pendingCount", 0)
        alive = max(self._alive(cluster or "default", name), counted)
        return f"{alive} task{'s' if alive > 1 else ''} of service {name} not yet stopped" if alive else ""

    def _alive(self, cluster: str, name: str) -> int:
        """How many tasks of a service are short of STOPPED. One that was deleted may have some, while it is known."""
        try:
            arns = [arn for wanted in ("RUNNING", "STOPPED") for arn in self._tasks(cluster, name, wanted)]
        except Exception as error:
            problem = understand(error)
            if problem is None or problem.code not in _GONE:
                raise
            return 0
        alive = 0
        for start in range(0, len(arns), 100):
            tasks = self._ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + 100])["tasks"]
            alive += sum(task["lastStatus"] not in ENDED for task in tasks)
        return alive

    def _tasks(self, cluster: str, service: str, desired: str) -> Iterator[str]:
        more: dict[str, Any] = {}
        while True:
            page = self._ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus=desired, **more)
            yield from page["taskArns"]
            if not page.get("nextToken"):
                return
            more = {"nextToken": page["nextToken"]}


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
    """`arn:aws:ecs:region:account:service/cluster/name`; old ARNs lack the cluster."""
    parts = service.split("/")
    return (parts[-2], parts[-1]) if len(parts) > 2 else ("", parts[-1])
