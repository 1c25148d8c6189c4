"""ECS: RunTask and StopTask.

Look before you leap: with an ARN only that task is observed; an attempt without one is looked for by its token, which
is the task's `startedBy` too; only else is it sent. ECS forgets: a client token lives 24 hours or the task's lifetime
and an hour, whichever is less, and stopped tasks are kept for an hour or so. An attempt too old to be looked for or
sent again is answered 'unknown whether it ran', and never run again.

A run that did nothing is answered `Again`: one that stopped before a container of it had started, and an evaluation,
which changes nothing, that was interrupted or has vanished.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deployer_aws.aws.definitions import TaskDefinitionReader
from deployer_aws.aws.errors import classify
from deployer_aws.aws.log_tail import LogTail
from deployer_aws.aws.protocols import EcsClient, LogsClient
from deployer_aws.aws.tasks import ENDED, describe_tasks, list_tasks, read_tasks
from deployer_aws.ports import Act, CommandId, Work
from deployer_core.engine.messages import Declined, Progress, Replied, StopTask
from deployer_core.machines.ecs_task import (
    EXITED,
    STOPPED_BY_ECS,
    Again,
    Exit,
    Purpose,
    Run,
    RunTask,
    Started,
    Status,
    StatusStopped,
)
from deployer_core.spec import Pairs

RESEND = 50 * 60.0
"""Seconds for which an attempt may be sent again with its token."""
UNSEEN = 300.0
"""Seconds after ECS accepted during which MISSING is no news: its reads are eventually consistent."""
BEYOND_RUNNING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})
CAPACITY = (
    "RESOURCE:",
    "AGENT",
    "Capacity is unavailable",
    "reached the limit on the number of tasks",
)
"""What stands in a failure's reason where a later attempt may succeed (ECS Developer Guide, 'API failure reasons')."""
INTERRUPTED = frozenset({"SpotInterruption", "TerminationNotice"})
"""Stop codes of a task whose machine was taken away (ECS API reference, Task.stopCode)."""
DEFINITION = "taskDefinition"
"""What is resolved for a run: the revision that is run, so that a resend asks for the same, and is judged by it."""


class Ecs:
    """Carries out the tasks' commands through boto3's client, or the simulator's.

    With a `logs` client, the last lines that a failed container wrote to CloudWatch Logs are put into the reason.
    """

    commands: tuple[type, ...] = (RunTask, StopTask)

    def __init__(self, client: EcsClient, *, logs: LogsClient | None = None) -> None:
        self._client = client
        self._definitions = TaskDefinitionReader(client)
        self._log_tail = LogTail(logs)

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        command = work.pending.command
        if isinstance(command, RunTask):
            yield from self._run(work, command.run)
        elif isinstance(command, StopTask):
            yield from self._stop(work, command)

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        """See `ports.Observer.observe`. Tasks by the hundred; what ECS does not show is looked at by itself."""
        tasks = {
            work.id: (command.run.task.cluster, arn)
            for work in works
            if (arn := _arn(work)) and isinstance(command := work.pending.command, RunTask | StopTask)
        }
        seen = describe_tasks(self._client, tasks.values())
        return {command: seen[task] for command, task in tasks.items() if task in seen}

    # Running

    def _run(self, work: Work, run: Run) -> Act:
        pending = work.pending
        sent = pending.attempt
        if pending.ref:
            yield from self._observe(work, run, pending.ref)
        elif sent is None:
            definition = self._definitions.read(run.task.task_definition)
            if problem := definition.unjudgeable(run.task.container):
                yield work.fail(problem)
            else:
                yield from self._start(work, run, 1, definition.arn)
        elif sent.over:
            # The old token would replay its answer: the next attempt has a number, and so a token, of its own.
            if work.now < pending.deadline:
                yield from self._start(work, run, sent.number + 1, _revision(run, sent.resolved))
            else:
                yield work.fail(f"the task has done nothing: {pending.seen}")
        elif found := self._find(run, work.token(sent.number)):
            yield work.accept(found)
        elif work.now - sent.at > RESEND:
            minutes = round((work.now - sent.at) / 60)
            yield _lost(
                work,
                run,
                f"unknown whether it ran: {minutes} minutes ago the task was about to be started, and ECS, which "
                "forgets stopped tasks, shows no trace of it",
            )
        else:
            yield from self._start(work, run, sent.number, _revision(run, sent.resolved))

    def _start(self, work: Work, run: Run, number: int, definition: str) -> Act:
        yield work.attempt(number, ((DEFINITION, definition),))
        try:
            answer = self._client.run_task(**_request(run, definition, work.token(number)))
        except Exception as error:
            if adopted := _conflicting(error):
                yield work.accept(adopted)
            elif said := _no_capacity(error):
                yield work.reply(_refused(number, said))
            else:
                raise
            return
        if answer.get("tasks"):
            yield work.accept(answer["tasks"][0]["taskArn"])
            return
        failures = answer.get("failures", [])
        said = "; ".join(map(_failure, failures)) or "ECS gave no reason"
        if _wants_capacity(said):
            yield work.reply(_refused(number, said))
        else:
            refused = f"ECS refused to run the task {run.task.task_definition}: {said}"
            advice = "correct the task in the spec, repair the stack and deploy again"
            yield work.fail(f"{refused}; {advice}", may_still_run=not failures)

    def _observe(self, work: Work, run: Run, arn: str) -> Act:
        view: Any = work.view
        task = view or self._describe(run.task.cluster, arn)
        if task is None:
            sent = work.pending.attempt
            if work.now - (sent.at if sent else work.pending.issued) > UNSEEN:
                yield _lost(
                    work,
                    run,
                    f"the task {arn} has vanished: ECS no longer knows it, so how it ended is unknown",
                )
            return
        status = task["lastStatus"]
        if status in ENDED:
            yield work.reply(Again(_words(task)) if _did_nothing(run, task) else self._end(run, task))
            return
        if status == "RUNNING" or (status in BEYOND_RUNNING and _may_have_begun(task)):
            yield work.reply(Started(arn))
        if status != "RUNNING":
            yield work.reply(Status(status))

    # Stopping

    def _stop(self, work: Work, command: StopTask) -> Act:
        cluster = command.run.task.cluster
        arn = _arn(work)
        if not arn:
            if found := self._find(command.run, command.attempt.token):
                yield work.accept(found)
            else:
                yield work.reply(Progress("looking for the task, of which ECS shows no trace"))
            return
        view: Any = work.view
        # What is yet to be told to stop is looked at anew before it is told.
        told = view is not None and view.get("desiredStatus") == "STOPPED"
        task = view if told else self._describe(cluster, arn)
        if task is None:
            if work.now - command.attempt.at > UNSEEN:
                # ECS forgets only tasks that have stopped.
                yield work.reply(StatusStopped((), "", "ECS no longer knows the task, so it has stopped"))
            return
        if task["lastStatus"] in ENDED:
            yield work.reply(StatusStopped((), task.get("stopCode", ""), task.get("stoppedReason", "")))
            return
        if task.get("desiredStatus") != "STOPPED":
            yield work.attempt(work.pending.attempt.number if work.pending.attempt else 1)
            self._client.stop_task(cluster=cluster, task=arn, reason="its deployment no longer waits for it")
        yield work.reply(Status(task["lastStatus"]))

    # Looking

    def _describe(self, cluster: str, arn: str) -> Mapping[str, Any] | None:
        tasks = self._client.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        return tasks[0] if tasks else None

    def _find(self, run: Run, token: str) -> str | None:
        """Find the task that an attempt has started.

        By `startedBy`, which must be the only filter (ECS API reference, ListTasks), only those are found that are to
        run; the stopped ones are looked through.
        """
        cluster = run.task.cluster
        running = self._client.list_tasks(cluster=cluster, startedBy=token)["taskArns"]
        if running:
            return str(running[0])
        family = run.task.task_definition.rsplit("/", 1)[-1].split(":")[0]
        stopped = list_tasks(self._client, cluster, family=family, desiredStatus="STOPPED")
        found = (t for t in read_tasks(self._client, stopped) if t.get("startedBy") == token)
        return next((str(task["taskArn"]) for task in found), None)

    def _end(self, run: Run, task: Mapping[str, Any]) -> StatusStopped:
        """Report how the task ended, with the log tail of a judged or another essential container that failed."""
        definition = self._definitions.of_task(task["taskDefinitionArn"])
        judged = definition.judged(run.task.container)
        exits: list[Exit] = []
        for container in task.get("containers", []):
            name, code, why = container["name"], container.get("exitCode"), container.get("reason", "")
            essential = name in definition.essential
            failed = code not in run.success or task.get("stopCode", EXITED) != EXITED
            beside = essential and code not in (None, 0, *STOPPED_BY_ECS) and name not in run.task.excused
            if failed if name == judged else beside:
                why = "; ".join(filter(None, (why, self._log_tail.read(definition, name, task["taskArn"]))))
            exits.append(Exit(name, code, name == judged, why, essential))
        return StatusStopped(tuple(exits), task.get("stopCode", ""), task.get("stoppedReason", ""))


def _did_nothing(run: Run, task: Mapping[str, Any]) -> bool:
    """Tell whether a stopped task never began, or only looked at something and was interrupted."""
    return not _may_have_begun(task) or (
        run.purpose is Purpose.EVALUATE and task.get("stopCode") in INTERRUPTED
    )


def _may_have_begun(task: Mapping[str, Any]) -> bool:
    """Tell whether a container of a task may have been at work.

    `startedAt` is set once the task is RUNNING, and a container that was made has a runtimeId (ECS API reference, Task
    and Container). TaskFailedToStart alone says that none has run, though it was made.
    """
    containers = task.get("containers", [])
    if any(container.get("exitCode") is not None for container in containers):
        return True
    if task.get("stopCode") == "TaskFailedToStart":
        return False
    return bool(task.get("startedAt")) or any(container.get("runtimeId") for container in containers)


def _words(task: Mapping[str, Any]) -> str:
    """Say how a task stopped, in ECS's own words."""
    said = ": ".join(filter(None, (task.get("stopCode"), task.get("stoppedReason"))))
    containers = [
        f"container {c['name']} has no exit code" + (f" ({c['reason']})" if c.get("reason") else "")
        for c in task.get("containers", [])
        if c.get("exitCode") is None
    ]
    return "; ".join(filter(None, (said, *containers))) or "the task stopped without a word of ECS"


def _lost(work: Work, run: Run, why: str) -> Replied:
    """Return what it means that nobody knows how a run ended: an evaluation can be run again."""
    if run.purpose is Purpose.EVALUATE:
        return work.reply(Again(why))
    return work.fail(f"{why}; look at the database, then repair")


def _arn(work: Work) -> str:
    """Return the ARN of a command's task, empty where it is not known."""
    return work.pending.ref or str(getattr(work.pending.command, "arn", ""))


def _revision(run: Run, resolved: Pairs) -> str:
    return dict(resolved).get(DEFINITION, run.task.task_definition)


def _request(run: Run, definition: str, token: str) -> dict[str, Any]:
    task = run.task
    environment = [{"name": name, "value": value} for name, value in task.environment]
    override = {"name": task.container, "command": list(task.command), "environment": environment}
    network = {
        "subnets": list(task.subnets),
        "securityGroups": list(task.security_groups),
        "assignPublicIp": "ENABLED" if task.public_ip else "DISABLED",
    }
    provider = {"capacityProvider": task.capacity_provider}
    overridden = task.container and (task.command or task.environment)
    request: dict[str, Any] = {
        "cluster": task.cluster,
        "taskDefinition": definition,
        "clientToken": token,
        "startedBy": token,
        "count": 1,
        "tags": [{"key": "deployer:run", "value": run.id}],
        "launchType": task.launch_type,
        "capacityProviderStrategy": [provider] if task.capacity_provider else None,
        "platformVersion": task.platform_version,
        "networkConfiguration": {"awsvpcConfiguration": network} if task.subnets else None,
        "overrides": {"containerOverrides": [_given(override)]} if overridden else None,
    }
    return _given(request)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _failure(failure: Mapping[str, Any]) -> str:
    detail = failure.get("detail", "")
    return f"{failure.get('reason', '')}{f': {detail}' if detail else ''}"


def _refused(attempt: int, said: str) -> Declined:
    return Declined(attempt, f"attempt {attempt} was refused for want of capacity: {said}")


def _wants_capacity(said: str) -> bool:
    return any(reason in said for reason in CAPACITY)


def _no_capacity(error: Exception) -> str:
    """Return the words of a refusal for want of capacity, which Fargate gives as an error; empty for any other."""
    problem = classify(error)
    refused = problem is not None and problem.code == "ClientException" and _wants_capacity(problem.message)
    return problem.message if problem is not None and refused else ""


def _conflicting(error: Exception) -> str | None:
    """Return the task that a conflict names: this very token started it (ECS API reference, ConflictException)."""
    problem = classify(error)
    if problem is None or problem.code != "ConflictException":
        return None
    ids: Any = getattr(error, "response", {}).get("resourceIds") or []
    return str(ids[0]) if ids else None
