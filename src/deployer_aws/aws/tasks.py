"""Describe and list ECS tasks, as many in one call as ECS allows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from deployer_aws.aws.pages import pages
from deployer_aws.aws.protocols import EcsClient

ENDED = frozenset({"STOPPED", "DELETED"})
"""Statuses of a task that holds no connection any more (ECS Developer Guide, 'Amazon ECS task lifecycle')."""
AT_ONCE = 100
"""The most tasks that one call describes (ECS API reference, DescribeTasks)."""
TaskId: TypeAlias = tuple[str, str]
"""A cluster, as it was named, and a task's ARN."""


def describe_tasks(client: EcsClient, tasks: Iterable[TaskId]) -> dict[TaskId, Mapping[str, Any] | Exception]:
    """Describe many tasks in few calls. Left out is what ECS does not show.

    A client's error stands in the place of each task that it kept from being seen.
    """
    clusters: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for cluster, arn in tasks:
        clusters[cluster][arn] = None
    found: dict[TaskId, Mapping[str, Any] | Exception] = {}
    for cluster, wanted in clusters.items():
        arns = list(wanted)
        for start in range(0, len(arns), AT_ONCE):
            some = arns[start : start + AT_ONCE]
            try:
                shown = client.describe_tasks(cluster=cluster, tasks=some)["tasks"]
            except Exception as error:
                found.update(((cluster, arn), error) for arn in some)
            else:
                found.update(((cluster, task["taskArn"]), task) for task in shown)
    return found


def read_tasks(client: EcsClient, tasks: Iterable[TaskId]) -> Iterator[Mapping[str, Any]]:
    """Yield the descriptions of tasks. Raises the client's error."""
    for shown in describe_tasks(client, tasks).values():
        if isinstance(shown, Exception):
            raise shown
        yield shown


def list_tasks(client: EcsClient, cluster: str, **which: str) -> Iterator[TaskId]:
    """Yield the tasks of a cluster that match ListTasks' filters."""
    for page in pages(client.list_tasks, "nextToken", cluster=cluster, **which):
        yield from ((cluster, arn) for arn in page["taskArns"])


def is_alive(task: Mapping[str, Any]) -> bool:
    """Tell whether a task is short of STOPPED."""
    return task["lastStatus"] not in ENDED
