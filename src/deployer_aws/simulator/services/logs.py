"""Amazon CloudWatch Logs: the lines that the script has its tasks write."""

from typing import ClassVar

from deployer_aws.simulator.errors import ServiceError
from deployer_aws.simulator.rows import Definition, Json, Task
from deployer_aws.simulator.service import Service, operation


class Logs(Service):
    """Just enough to show what a failed task had to say."""

    name = "logs"
    throttled: ClassVar[str] = "ThrottlingException"

    @operation
    def get_log_events(self, request: Json) -> Json:
        """Return the lines of a task's container; its stream is 'prefix/container/task id'."""
        stream = request["logStreamName"]
        parts = stream.rsplit("/", 2)
        task = self._task(parts[-1], parts[-2]) if len(parts) == 3 else None
        if task is None or "started" not in task.times:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        at = int(task.times["started"] * 1000)
        lines: list[str] = task.options.get("log") or []
        events = [{"timestamp": at, "message": line, "ingestionTime": at} for line in lines]
        limit = request.get("limit", 10_000)
        shown = events[:limit] if request.get("startFromHead") else events[-limit:]
        return {"events": shown, "nextForwardToken": f"f/{len(events)}", "nextBackwardToken": "b/0"}

    def _task(self, task_id: str, container: str) -> Task | None:
        """Find the task of an id whose definition has a container of this name."""
        for cluster_task in self.store.members(f"task-id:{task_id}"):
            task = self.store.get(Task, cluster_task)
            definition = self.store.get(Definition, task.definition) if task else None
            if task and definition and any(c["name"] == container for c in definition.containers):
                return task
        return None
