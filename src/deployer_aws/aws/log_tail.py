"""Read the last lines that a failed container wrote to CloudWatch Logs, which often say what went wrong."""

import logging

from deployer_aws.aws.definitions import TaskDefinition
from deployer_aws.aws.errors import ErrorClass, classify
from deployer_aws.aws.protocols import LogsClient

log: logging.Logger = logging.getLogger("deployer")

LINES, LENGTH = 20, 2_000
"""How many lines are read, and how many characters of them are kept: the last ones."""


class LogTail:
    """Reads the end of a container's log. What cannot be read is left out: a log is a help, not an answer."""

    def __init__(self, client: LogsClient | None) -> None:
        self._client = client

    def read(self, definition: TaskDefinition, container: str, task: str) -> str:
        """Return the last lines of a task's container, for people; empty where there are none to be had.

        The stream is 'prefix/container/task id' (ECS Developer Guide, 'Using the awslogs log driver'); without a
        prefix its name is one that only the host knows. A log that is kept in another region is not read, but named.
        """
        options = definition.logs.get(container, {})
        group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
        if self._client is None or not group or not prefix:
            return ""
        here, region = getattr(self._client, "meta", None), options.get("awslogs-region")
        if here and region and region != here.region_name:
            return f"its log is in {group} in {region}"
        stream = f"{prefix}/{container}/{task.rsplit('/', 1)[-1]}"
        try:
            events = self._client.get_log_events(
                logGroupName=group, logStreamName=stream, limit=LINES, startFromHead=False
            )["events"]
        except Exception as error:
            problem = classify(error)
            if problem is None or problem.error_class is ErrorClass.CREDENTIALS:
                raise
            log.info("the log %s of %s cannot be read: %s", stream, group, problem)
            return ""
        text = "\n".join(event["message"].rstrip() for event in events).strip()
        if not text:
            return ""
        return f"its last lines in {group}: {text if len(text) <= LENGTH else '...' + text[-LENGTH:]}"
