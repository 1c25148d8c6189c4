"""ECS: RunTask and StopTask.

Look before you leap: with an ARN only that task is observed; an attempt without one is looked for by its token, which
is the task's `startedBy` too; only else is it sent. ECS forgets: a client token lives 24 hours or the task's lifetime
and an hour, whichever is less, and stopped tasks are kept for an hour or so. An attempt too old to be looked for or
sent again is answered 'unknown whether it ran', and never run again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deployer_aws.executors.definitions import Definitions
from deployer_aws.executors.errors import understand
from deployer_aws.executors.last_words import LastWords
from deployer_aws.executors.services import ENDED
from deployer_aws.ports import Act, CommandId, EcsClient, LogsClient, Work
from deployer_core.ecs_task import EXITED, Exit, Run, RunTask, Started, Status, StatusStopped
from deployer_core.spec import Pairs
from deployer_core.world import StopTask

RESEND = 50 * 60.0
"""Seconds for which an attempt may be sent again with its token."""
UNSEEN = 300.0
"""Seconds after ECS accepted during which MISSING is no news: its reads are eventually consistent."""
DESCRIBED = 100
"""The most tasks that one call describes (ECS API reference, DescribeTasks)."""
BEYOND_RUNNING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})
CAPACITY = (
    "RESOURCE:",
    "AGENT",
    "Capacity is unavailable",
    "capacity",
    "reached the limit on the number of tasks",
)
"""What stands in a failure's reason where a later attempt may succeed (ECS Developer Guide, 'API failure reasons')."""
DEFINITION = "taskDefinition"
"""What is resolved for a run: the revision that is run, so that a resend asks for the same, and is judged by it."""


class Ecs:
    """Carries out the tasks' commands through boto3's client, or the simulator's.

    With a `logs` client, the last lines that a failed container wrote to CloudWatch Logs are put into the reason.
    """

    commands: tuple[type, ...] = (RunTask, StopTask)

    def __init__(self, client: EcsClient, *, logs: LogsClient | None = None) -> None:
        self._client = client
        self._definitions = Definitions(client)
        self._last_words = LastWords(logs)

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        command = work.pending.command
        if isinstance(command, RunTask):
            yield from self._run(work, command.run)
        elif isinstance(command, StopTask):
            yield from self._stop(work, command)

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        """See `ports.Observer.observe`. Tasks by the hundred; what ECS does not show is looked at by itself."""
        wanted: defaultdict[str, dict[str, CommandId]] = defaultdict(dict)
        for work in works:
            command: Any = work.pending.command
            if arn := _arn(work):
                wanted[command.run.task.cluster][arn] = work.id
        seen: dict[CommandId, object] = {}
        for cluster, commands in wanted.items():
            arns = list(commands)
            for start in range(0, len(arns), DESCRIBED):
                seen |= self._describe_all(
                    cluster, {arn: commands[arn] for arn in arns[start : start + DESCRIBED]}
                )
        return seen

    def _describe_all(self, cluster: str, commands: Mapping[str, CommandId]) -> Mapping[CommandId, object]:
        try:
            tasks = self._client.describe_tasks(cluster=cluster, tasks=list(commands))["tasks"]
        except Exception as error:
            return dict.fromkeys(commands.values(), error)
        return {commands[task["taskArn"]]: task for task in tasks if task["taskArn"] in commands}

    # Running

    def _run(self, work: Work, run: Run) -> Act:
        pending = work.pending
        sent = pending.sent
        if pending.ref:
            yield from self._observe(work, run, pending.ref)
        elif sent is None:
            definition = self._definitions.read(run.task.task_definition)
            if problem := definition.unjudgeable(run.task.container):
                yield work.fail(problem)
            else:
                yield from self._start(work, run, 1, definition.arn)
        elif pending.seen.startswith(_refused(sent.attempt)):
            # The old token would replay the refusal: the next attempt has a number, and so a token, of its own.
            if work.now < pending.deadline:
                yield from self._start(work, run, sent.attempt + 1, _revision(run, sent.resolved))
            else:
                yield work.fail(f"the task never ran: {pending.seen}")
        elif found := self._find(run.task.cluster, work.token(sent.attempt)):
            yield work.accept(found)
        elif work.now - sent.at > RESEND:
            minutes = round((work.now - sent.at) / 60)
            yield work.fail(
                f"unknown whether it ran: {minutes} minutes ago the task was about to be started, and ECS, which "
                "forgets stopped tasks, shows no trace of it; look at the database, then repair"
            )
        else:
            yield from self._start(work, run, sent.attempt, _revision(run, sent.resolved))

    def _start(self, work: Work, run: Run, number: int, definition: str) -> Act:
        yield work.attempt(number, ((DEFINITION, definition),))
        try:
            answer = self._client.run_task(**_request(run, definition, work.token(number)))
        except Exception as error:
            adopted = _conflicting(error)
            if adopted is None:
                raise
            yield work.accept(adopted)
            return
        if answer.get("tasks"):
            yield work.accept(answer["tasks"][0]["taskArn"])
            return
        failures = answer.get("failures", [])
        said = "; ".join(map(_failure, failures)) or "ECS gave no reason"
        if any(reason in said for reason in CAPACITY):
            yield work.reply(Status(f"{_refused(number)} for want of capacity: {said}"))
        else:
            refused = f"ECS refused to run the task {run.task.task_definition}: {said}"
            advice = "correct the task in the spec, repair the stack and deploy again"
            yield work.fail(f"{refused}; {advice}", may_still_run=not failures)

    def _observe(self, work: Work, run: Run, arn: str) -> Act:
        view: Any = work.view
        task = view or self._describe(run.task.cluster, arn)
        if task is None:
            sent = work.pending.sent
            if work.now - (sent.at if sent else work.pending.issued) > UNSEEN:
                yield work.fail(
                    f"the task {arn} has vanished: ECS no longer knows it, so how it ended is unknown; "
                    "look at the database, then repair"
                )
            return
        status = task["lastStatus"]
        if status in ENDED:
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
        arn = _arn(work)
        if not arn:
            if found := self._find(cluster, work.token(command.sent.attempt, command.command)):
                yield work.accept(found)
            else:
                yield work.reply(Status("looking for the task, of which ECS shows no trace"))
            return
        view: Any = work.view
        # What is yet to be told to stop is looked at anew before it is told.
        told = view is not None and view.get("desiredStatus") == "STOPPED"
        task = view if told else self._describe(cluster, arn)
        if task is None:
            if work.now - command.sent.at > UNSEEN:
                # ECS forgets only tasks that have stopped.
                yield work.reply(StatusStopped((), "", "ECS no longer knows the task, so it has stopped"))
            return
        if task["lastStatus"] in ENDED:
            yield work.reply(StatusStopped((), task.get("stopCode", ""), task.get("stoppedReason", "")))
            return
        if task.get("desiredStatus") != "STOPPED":
            yield work.attempt(work.pending.sent.attempt if work.pending.sent else 1)
            self._client.stop_task(cluster=cluster, task=arn, reason="its deployment no longer waits for it")
        yield work.reply(Status(task["lastStatus"]))

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
        """How the task ended; where it failed, with what its judged container had to say."""
        definition = self._definitions.of_task(task["taskDefinitionArn"])
        judged = definition.judged(run.task.container)
        exits: list[Exit] = []
        for container in task.get("containers", []):
            name, code, why = container["name"], container.get("exitCode"), container.get("reason", "")
            failed = code not in run.success or task.get("stopCode", EXITED) != EXITED
            if name == judged and failed:
                why = "; ".join(filter(None, (why, self._last_words.of(definition, name, task["taskArn"]))))
            exits.append(Exit(name, code, name == judged, why))
        return StatusStopped(tuple(exits), task.get("stopCode", ""), task.get("stoppedReason", ""))


def _arn(work: Work) -> str:
    """The task that a command is about, empty where it is not known."""
    return work.pending.ref or str(getattr(work.pending.command, "arn", ""))


def _revision(run: Run, resolved: Pairs) -> str:
    return dict(resolved).get(DEFINITION, run.task.task_definition)


def _refused(attempt: int) -> str:
    """How the journal remembers that an attempt was refused, so that its task certainly never ran."""
    return f"attempt {attempt} was refused"


def _request(run: Run, definition: str, token: str) -> dict[str, Any]:
    task = run.task
    request: dict[str, Any] = {
        "cluster": task.cluster,
        "taskDefinition": definition,
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
    if problem is None or problem.code != "ConflictException":
        return None
    ids: Any = getattr(error, "response", {}).get("resourceIds") or []
    return str(ids[0]) if ids else None
