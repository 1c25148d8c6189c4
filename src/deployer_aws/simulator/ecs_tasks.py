"""ECS tasks, from PROVISIONING to STOPPED, and for the hour that ECS remembers them.

The order of statuses is that of 'Amazon ECS task lifecycle' in the ECS Developer Guide.
"""

from typing import Any

from deployer_aws.simulator.account import Account, due, iso
from deployer_aws.simulator.containers import container_of
from deployer_aws.simulator.hosting import NotStarted
from deployer_aws.simulator.rows import Definition, Json, Task

REMEMBERED = 3600.0  # stopped tasks can be described for at least an hour: DescribeTasks, API Reference
STARTS_IN = 15.0
TAKES = 20.0
STOPS_IN = 10.0

Steps = tuple[tuple[float, str], ...]
_STARTING = ((0.2, "PENDING"), (0.7, "ACTIVATING"), (1.0, "RUNNING"))
_STOPPING = ((0.1, "DEACTIVATING"), (0.3, "STOPPING"), (0.8, "DEPROVISIONING"), (1.0, "STOPPED"))
_ON_ITS_OWN = "EssentialContainerExited"
_REASONS = {
    _ON_ITS_OWN: "Essential container in task exited",
    "TaskFailedToStart": "ResourceInitializationError: unable to pull secrets or registry auth",
    "UserInitiated": "Task stopped by user",
    "SpotInterruption": "Your Spot Task was interrupted.",
    "TerminationNotice": "Your Spot Task was interrupted.",
    "ServiceSchedulerInitiated": "Scaling activity initiated by deployment",
    "InfrastructureHealth": "The infrastructure that the task ran on was unhealthy.",
}


def start(
    account: Account,
    *,
    cluster: str,
    definition: str,
    group: str,
    options: Json,
    started_by: str | None = None,
    service: str | None = None,
    launch_type: str = "FARGATE",
    overrides: Json | None = None,
    tags: dict[str, str] | None = None,
) -> Task:
    """Start a task; the options decide its course, and are the behaviours of a rule of the script."""
    arn = account.arn("ecs", f"task/{cluster.rsplit('/', 1)[-1]}/{account.unique()}")
    task = Task(
        arn, cluster, definition, account.now, group,
        launch_type=launch_type, started_by=started_by, service=service, overrides=overrides or {}, tags=tags or {},
        options=options, hidden_until=account.now + float(options.get("hidden") or 0.0),
    )  # fmt: skip
    known = account.store.get(Definition, definition)
    task.containers = [
        {"name": container["name"], "image": container["image"], "essential": container["essential"],
         "id": account.uuid(), "status": "PENDING"}
        for container in (known.containers if known else [{"name": "app", "image": "", "essential": True}])
    ]  # fmt: skip
    account.store.add(task)
    for owner in _owners(task):
        account.store.link(owner, arn)
    _emit(account, task)
    _schedule_start(account, task)
    if options.get("vanishes") is not None:
        account.after(float(options["vanishes"]), "task.forget", task=arn)
    return task


def _owners(task: Task) -> list[str]:
    of = family(task.definition)
    owners = [f"tasks:cluster:{task.cluster}", f"tasks:family:{task.cluster}:{of}", f"tasks:of:{of}"]
    owners.append(f"task-id:{task.key.rsplit('/', 1)[-1]}")
    if task.service:
        owners.append(f"tasks:service:{task.service}")
    if task.started_by:
        owners.append(f"tasks:started-by:{task.cluster}:{task.started_by}")
    return owners


def family(definition: str) -> str:
    """Return the family in a task definition's ARN."""
    return definition.rsplit("/", 1)[-1].split(":")[0]


def _schedule_start(account: Account, task: Task) -> None:
    starts_in = _seconds(task, "starts_in", STARTS_IN)
    for share, status in _STARTING:
        if status == "RUNNING" and task.options.get("stop_code") == "TaskFailedToStart":
            account.after(starts_in * share, "task.end", task=task.key, epoch=task.epoch)
            return
        account.after(starts_in * share, "task.status", task=task.key, epoch=task.epoch, status=status)


def _seconds(task: Task, name: str, default: float) -> float:
    value = task.options.get(name)
    return default if value is None else float(value)


def stop(account: Account, task: Task, takes: float, code: str, reason: str | None = None) -> None:
    """Begin to stop a task, unless it is stopping; what was scheduled for it is void."""
    if task.desired == "STOPPED":
        return
    task.epoch += 1
    task.desired = "STOPPED"
    task.stop_code, task.reason = code, reason or _REASONS[code]
    task.times["stopping"] = account.now
    task.version += 1
    _emit(account, task)
    steps: Steps = _STOPPING
    if task.hosted and account.host is not None:
        account.host.stop(task.key)
        steps = _STOPPING[:2]  # the rest follows once its process has ended
    _take(account, task, takes, steps)


def _take(account: Account, task: Task, takes: float, steps: Steps) -> None:
    for share, status in steps:
        if status == "DEACTIVATING" and task.status != "RUNNING":
            continue
        account.after(takes * share, "task.status", task=task.key, epoch=task.epoch, status=status)


def end_hosted(
    account: Account,
    arn: str,
    exits: dict[str, int],
    lines: list[str],
    code: str = _ON_ITS_OWN,
    reason: str | None = None,
) -> None:
    """End a task that a host ran, with the exit codes that are known, and what it had written."""
    account.store.unlink("hosted", arn)
    task = account.store.get(Task, arn)
    if task is None or not task.hosted:
        return
    task.hosted = False
    task.options = {**task.options, "log": lines, "exits": exits}
    if task.desired == "STOPPED":
        task.epoch += 1
        _take(account, task, 0.0, _STOPPING[2:])
    else:
        stop(account, task, 0.0, code, reason)


def stop_later(account: Account, task: Task, delay: float, takes: float, code: str, reason: str) -> None:
    """Begin to stop a task after a while."""
    account.after(delay, "task.stop", task=task.key, takes=takes, code=code, reason=reason)


def live_task(account: Account, payload: Json) -> Task | None:
    """Return the task of a scheduled step, unless it was forgotten or the step is void."""
    task = account.store.get(Task, payload["task"])
    return task if task is not None and payload.get("epoch", task.epoch) == task.epoch else None


@due("task.stop")
def _stop(account: Account, payload: Json) -> None:
    task = live_task(account, payload)
    if task is not None:
        stop(account, task, payload["takes"], payload["code"], payload["reason"])


@due("task.end")
def _end(account: Account, payload: Json) -> None:
    """End a task as its options say."""
    task = live_task(account, payload)
    if task is not None:
        code = task.options.get("stop_code") or _ON_ITS_OWN
        stop(account, task, STOPS_IN + _seconds(task, "linger", 0.0), code, task.options.get("reason"))


@due("task.status")
def _advance(account: Account, payload: Json) -> None:
    task = live_task(account, payload)
    if task is None or (payload["status"] == "RUNNING" and not _handed_over(account, task)):
        return
    task.status = payload["status"]
    task.version += 1
    {"PENDING": _pull, "RUNNING": _run, "DEPROVISIONING": _exit, "STOPPED": _rest}.get(task.status, _pass)(
        account, task
    )
    _emit(account, task)


def _handed_over(account: Account, task: Task) -> bool:
    """Give a running task to the host, where there is one; return False where it cannot be started."""
    if account.host is None or task.service is not None:
        return True
    try:
        account.host.start(container_of(account, task))
    except NotStarted as refusal:
        stop(account, task, STOPS_IN, "TaskFailedToStart", str(refusal))
        return False
    task.hosted = True
    account.store.link("hosted", task.key)
    return True


def _pass(account: Account, task: Task) -> None:
    """Nothing changes but the status."""


def _pull(account: Account, task: Task) -> None:
    task.times["pull_started"] = account.now


def _run(account: Account, task: Task) -> None:
    task.times["pull_stopped"] = task.times["started"] = account.now
    for container in task.containers:
        container["status"] = "RUNNING"
    if not task.options.get("forever") and not task.hosted:
        account.after(_seconds(task, "takes", TAKES), "task.end", task=task.key, epoch=task.epoch)


def _exit(account: Account, task: Task) -> None:
    """Stop the containers; those that ran have exit codes."""
    task.times["execution_stopped"] = account.now
    for container in task.containers:
        container["status"] = "STOPPED"
        if "started" in task.times and _has_code(task):
            container["exit_code"] = _exit_code(task, container)
    options = task.options
    if options.get("oom") and task.stop_code == _ON_ITS_OWN:
        judged = next((c for c in task.containers if c["essential"]), task.containers[0])
        judged.update(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")
    if options.get("no_exit_code") or task.stop_code == "TaskFailedToStart":
        for container in task.containers:
            container.pop("exit_code", None)
            container.setdefault("reason", task.reason)
    if options.get("no_containers"):
        task.containers = []


def _has_code(task: Task) -> bool:
    """Tell whether there is an exit code: there is none of a hosted container that nobody saw end."""
    exits: Json | None = task.options.get("exits")
    return exits is None or bool(exits)


def _exit_code(task: Task, container: Json) -> int:
    """Return the real exit code or the script's, else 0 if the container ended by itself, and a signal's if not."""
    exits: Json = task.options.get("exits") or {}
    if container["name"] in exits:
        return int(exits[container["name"]])
    codes: Json = task.options.get("exit_codes") or {}
    given: Any = codes.get(container["name"])
    if given is None and container["essential"]:
        given = task.options.get("exit_code")
    if task.stop_code not in (_ON_ITS_OWN, task.options.get("stop_code")):
        given = None  # it was stopped before it could end as scripted
    if given is not None:
        return int(given)
    if not container["essential"]:
        return 137
    return 0 if task.stop_code == _ON_ITS_OWN else 143


def _rest(account: Account, task: Task) -> None:
    task.times["stopped"] = account.now
    account.after(REMEMBERED, "task.forget", task=task.key)


@due("task.forget")
def _forget(account: Account, payload: Json) -> None:
    task = account.store.get(Task, payload["task"])
    if task is not None:
        for owner in _owners(task):
            account.store.unlink(owner, task.key)
        account.store.drop(Task, task.key)


_TIMES = {
    "pull_started": "pullStartedAt",
    "pull_stopped": "pullStoppedAt",
    "started": "startedAt",
    "stopping": "stoppingAt",
    "execution_stopped": "executionStoppedAt",
    "stopped": "stoppedAt",
}


def describe(task: Task) -> Json:
    """Return the task in the shape of the ECS API, but with times as numbers."""
    described: Json = {
        "attachments": [],
        "attributes": [],
        "availabilityZone": "eu-west-1a",
        "clusterArn": task.cluster,
        "connectivity": "CONNECTED",
        "containers": [_describe_container(task, container) for container in task.containers],
        "cpu": "256",
        "createdAt": task.created,
        "desiredStatus": task.desired,
        "enableExecuteCommand": False,
        "group": task.group,
        "lastStatus": task.status,
        "launchType": task.launch_type,
        "memory": "512",
        "overrides": {"containerOverrides": [], **task.overrides},
        "taskArn": task.key,
        "taskDefinitionArn": task.definition,
        "version": task.version,
    }
    optional = {"startedBy": task.started_by, "stopCode": task.stop_code, "stoppedReason": task.reason}
    described.update({name: value for name, value in optional.items() if value is not None})
    described.update({member: task.times[name] for name, member in _TIMES.items() if name in task.times})
    return described


def _describe_container(task: Task, container: Json) -> Json:
    described: Json = {
        "containerArn": task.key.replace(":task/", ":container/") + "/" + container["id"],
        "taskArn": task.key,
        "name": container["name"],
        "image": container["image"],
        "lastStatus": container["status"],
        "networkInterfaces": [],
    }
    if "started" in task.times:
        described["runtimeId"] = container["id"]
    if "exit_code" in container:
        described["exitCode"] = container["exit_code"]
    if container.get("reason"):
        described["reason"] = container["reason"]
    return described


def _emit(account: Account, task: Task) -> None:
    """Emit 'ECS Task State Change' in the shape of the ECS Developer Guide's example, with times as ISO texts."""
    detail = describe(task)
    for member in (*_TIMES.values(), "createdAt"):
        if member in detail:
            detail[member] = iso(detail[member])
    detail["updatedAt"] = iso(account.now)
    account.emit("aws.ecs", "ECS Task State Change", [task.key], detail)
