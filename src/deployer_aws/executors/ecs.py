"""ECS: RunTask and StopTask.

Look before you leap: with an ARN only that task is observed; an attempt without one is looked for by its token, which
is the task's `startedBy` too; only else is it sent. ECS forgets: a client token lives 24 hours or the task's lifetime
and an hour, whichever is less, and stopped tasks are kept for an hour or so. An attempt too old to be looked for or
sent again is answered 'unknown whether it ran', and never run again.
"""

from collections.abc import Mapping
from typing import Any

from deployer_aws.executors.errors import Kind, understand
from deployer_aws.ports import Act, EcsClient, Work
from deployer_core.ecs_task import Exit, Run, RunTask, Started, Status, StatusStopped
from deployer_core.spec import TaskSpec
from deployer_core.world import StopTask

RESEND = 50 * 60.0
"""Seconds for which an attempt may be sent again with its token."""
UNSEEN = 300.0
"""Seconds after ECS accepted during which MISSING is no news: its reads are eventually consistent."""
BEYOND_RUNNING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})
CAPACITY = ("RESOURCE", "AGENT", "Capacity is unavailable", "capacity")
"""What a failure's reason begins with or has in it where a later attempt may succeed (ECS, 'API failure reasons')."""


class Ecs:
    """Carries out the tasks' commands through boto3's client, or the simulator's."""

    commands: tuple[type, ...] = (RunTask, StopTask)

    def __init__(self, client: EcsClient) -> None:
        self._client = client
        self._essential: dict[str, str | None] = {}

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        command = work.pending.command
        if isinstance(command, RunTask):
            yield from self._run(work, command.run)
        elif isinstance(command, StopTask):
            yield from self._stop(work, command)

    # Running

    def _run(self, work: Work, run: Run) -> Act:
        pending = work.pending
        if pending.ref:
            yield from self._observe(work, run, pending.ref)
            return
        sent = pending.sent
        if sent is not None and pending.seen.startswith(_refused(sent.attempt)):
            # The old token would replay the refusal: the next attempt has a number, and so a token, of its own.
            if work.now < pending.deadline:
                yield from self._start(work, run, sent.attempt + 1)
            else:
                yield work.fail(f"the task never ran: {pending.seen}")
            return
        if sent is not None:
            if found := self._find(run.task.cluster, work.token(sent.attempt)):
                yield work.accept(found)
                return
            if work.now - sent.at > RESEND:
                minutes = round((work.now - sent.at) / 60)
                yield work.fail(
                    f"unknown whether it ran: {minutes} minutes ago the task was about to be started, and ECS, which "
                    "forgets stopped tasks, shows no trace of it; look at the database, then repair"
                )
                return
        problem = self._unjudgeable(run)
        if problem:
            yield work.fail(problem)
            return
        yield from self._start(work, run, sent.attempt if sent else 1)

    def _start(self, work: Work, run: Run, number: int) -> Act:
        yield work.attempt(number)
        try:
            answer = self._client.run_task(**_request(run, work.token(number)))
        except Exception as error:
            adopted = _conflicting(error)
            if adopted is None:
                raise
            yield work.accept(adopted)
            return
        if answer.get("tasks"):
            yield work.accept(answer["tasks"][0]["taskArn"])
            return
        reasons = (
            "; ".join(_failure(failure) for failure in answer.get("failures", [])) or "ECS gave no reason"
        )
        if any(reason in reasons for reason in CAPACITY):
            yield work.reply(Status(f"{_refused(number)} for want of capacity: {reasons}"))
        else:
            yield work.fail(f"ECS refused to run the task: {reasons}")

    def _observe(self, work: Work, run: Run, arn: str) -> Act:
        task = self._describe(run.task.cluster, arn)
        if task is None:
            sent = work.pending.sent
            if work.now - (sent.at if sent else work.pending.issued) > UNSEEN:
                yield work.fail(
                    f"the task {arn} has vanished: ECS no longer knows it, so how it ended is unknown; "
                    "look at the database, then repair"
                )
            return
        status = task["lastStatus"]
        if status in ("STOPPED", "DELETED"):
            yield work.reply(self._end(run, task))
        elif status == "RUNNING" or status in BEYOND_RUNNING:
            yield work.reply(Started(arn))
            if status != "RUNNING":
                yield work.reply(Status(status))
        else:
            yield work.reply(Status(status))

    # Stopping

    def _stop(self, work: Work, command: StopTask) -> Act:
        cluster = command.run.task.cluster
        arn = work.pending.ref or command.arn
        if not arn:
            if found := self._find(cluster, work.token(command.sent.attempt, command.command)):
                yield work.accept(found)
            else:
                yield work.reply(Status("looking for the task, of which ECS shows no trace"))
            return
        task = self._describe(cluster, arn)
        if task is None:
            if work.now - command.sent.at > UNSEEN:
                # ECS forgets only tasks that have stopped.
                yield work.reply(StatusStopped((), "", "ECS no longer knows the task, so it has stopped"))
        elif task["lastStatus"] in ("STOPPED", "DELETED"):
            yield work.reply(self._end(command.run, task))
        else:
            yield work.reply(Status(task["lastStatus"]))
            if task.get("desiredStatus") != "STOPPED":
                yield work.attempt(work.pending.sent.attempt if work.pending.sent else 1)
                self._client.stop_task(
                    cluster=cluster, task=arn, reason="its deployment no longer waits for it"
                )

    # Looking

    def _describe(self, cluster: str, arn: str) -> Mapping[str, Any] | None:
        tasks = self._client.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        return tasks[0] if tasks else None

    def _find(self, cluster: str, token: str) -> str | None:
        for desired in ("RUNNING", "STOPPED"):
            found = self._client.list_tasks(cluster=cluster, startedBy=token, desiredStatus=desired)[
                "taskArns"
            ]
            if found:
                return str(found[0])
        return None

    def _end(self, run: Run, task: Mapping[str, Any]) -> StatusStopped:
        judged = run.task.container or self._only_essential(run.task)
        exits = tuple(
            Exit(c["name"], c.get("exitCode"), c["name"] == judged, c.get("reason", ""))
            for c in task.get("containers", [])
        )
        return StatusStopped(exits, task.get("stopCode", ""), task.get("stoppedReason", ""))

    def _unjudgeable(self, run: Run) -> str:
        if run.task.container is None and self._only_essential(run.task) is None:
            return (
                f"the task definition {run.task.task_definition} has several essential containers, and the spec "
                "names none of them; name the one whose exit code counts as the task's container"
            )
        return ""

    def _only_essential(self, task: TaskSpec[str]) -> str | None:
        """The one essential container of the task's definition, or None where there are several."""
        name = task.task_definition
        if name not in self._essential:
            answer = self._client.describe_task_definition(taskDefinition=name)
            containers = answer["taskDefinition"]["containerDefinitions"]
            essential = [c["name"] for c in containers if c.get("essential", True)]
            self._essential[name] = essential[0] if len(essential) == 1 else None
        return self._essential[name]


def _refused(attempt: int) -> str:
    """How the journal remembers that an attempt was refused, so that its task certainly never ran."""
    return f"attempt {attempt} was refused"


def _request(run: Run, token: str) -> dict[str, Any]:
    task = run.task
    request: dict[str, Any] = {
        "cluster": task.cluster,
        "taskDefinition": task.task_definition,
        "clientToken": token,
        "startedBy": token,
        "count": 1,
        "tags": [{"key": "deployer:run", "value": run.id}],
    }
    if task.launch_type:
        request["launchType"] = task.launch_type
    if task.capacity_provider:
        request["capacityProviderStrategy"] = [{"capacityProvider": task.capacity_provider}]
    if task.platform_version:
        request["platformVersion"] = task.platform_version
    if task.subnets:
        request["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": list(task.subnets),
                "securityGroups": list(task.security_groups),
                "assignPublicIp": "ENABLED" if task.public_ip else "DISABLED",
            }
        }
    if task.container and (task.command or task.environment):
        override: dict[str, Any] = {"name": task.container}
        if task.command:
            override["command"] = list(task.command)
        if task.environment:
            override["environment"] = [{"name": name, "value": value} for name, value in task.environment]
        request["overrides"] = {"containerOverrides": [override]}
    return request


def _failure(failure: Mapping[str, Any]) -> str:
    detail = failure.get("detail", "")
    return f"{failure.get('reason', '')}{f': {detail}' if detail else ''}"


def _conflicting(error: Exception) -> str | None:
    """The task that a conflict names: it was started by this very token (ECS API reference, ConflictException)."""
    problem = understand(error)
    if problem is None or problem.kind is not Kind.ACCEPTED_BEFORE:
        return None
    response: Any = getattr(error, "response", {})
    ids: Any = response.get("resourceIds") or response.get("Error", {}).get("resourceIds") or []
    return str(ids[0]) if ids else None
