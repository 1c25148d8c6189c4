"""Amazon ECS: tasks that are run, services that run tasks, and the definitions of both."""

import re
from collections.abc import Iterable
from typing import Any

import attrs

from deployer_aws.simulator import ecs_services, ecs_tasks
from deployer_aws.simulator.account import ACCOUNT_ID, fingerprint, moment
from deployer_aws.simulator.errors import ServiceError
from deployer_aws.simulator.outside import meanwhile
from deployer_aws.simulator.resources import definition_arn
from deployer_aws.simulator.rows import Definition, EcsService, Json, Pointer, Task, Token
from deployer_aws.simulator.service import Service, operation, page

_TOKEN = re.compile(r"[!-~]{1,64}")
_TOKEN_LIVES = 24 * 3600.0
_NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
_DESCRIBED_AT_MOST = {"services": 10, "tasks": 100}


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def _tag_list(tags: dict[str, str]) -> list[Json]:
    return [{"key": name, "value": value} for name, value in tags.items()]


class Ecs(Service):
    """The operations on tasks and services that a deployer needs."""

    name = "ecs"

    def _cluster(self, request: Json) -> str:
        """Return the ARN of the cluster that a request is about."""
        name = str(request.get("cluster") or "default").rsplit("/", 1)[-1]
        known = self.store.get(Pointer, f"cluster:{name}")
        if known is None:
            raise ServiceError("ClusterNotFoundException", "Cluster not found.")
        return known.to

    @operation
    def describe_services(self, request: Json) -> Json:
        """Describe services by name or ARN; unknown ones are among the failures."""
        cluster = self._cluster(request)
        self._check_count(request, "services")
        services: list[Json] = []
        failures: list[Json] = []
        for named in request["services"]:
            arn = (
                named if named.startswith("arn:") else f"{cluster.replace(':cluster/', ':service/')}/{named}"
            )
            service = self.store.get(EcsService, arn)
            if service is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                services.append(self._describe_service(service, "TAGS" in request.get("include", [])))
        return {"services": services, "failures": failures}

    @staticmethod
    def _check_count(request: Json, member: str) -> None:
        if not request[member]:
            raise _bad(f"{member.capitalize()} cannot be empty.")
        if len(request[member]) > _DESCRIBED_AT_MOST[member]:
            raise _bad(f"{member.capitalize()} cannot have more than {_DESCRIBED_AT_MOST[member]} elements.")

    def _describe_service(self, service: EcsService, with_tags: bool) -> Json:
        tasks = [task for task in ecs_services.tasks(self.account, service) if task.status != "STOPPED"]
        running, pending = _counts(tasks)
        described: Json = {
            "serviceArn": service.key,
            "serviceName": service.name,
            "clusterArn": service.cluster,
            "loadBalancers": [],
            "serviceRegistries": [],
            "status": service.status,
            "desiredCount": service.desired,
            "runningCount": running,
            "pendingCount": pending,
            "launchType": service.launch_type,
            "taskDefinition": service.definition,
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100},
            "deployments": self._deployments(service, tasks),
            "events": [{**entry, "createdAt": moment(entry["createdAt"])} for entry in service.news],
            "createdAt": moment(service.created),
            "placementConstraints": [],
            "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "enableECSManagedTags": False,
            "propagateTags": "NONE",
            "enableExecuteCommand": False,
        }
        if with_tags:
            described["tags"] = _tag_list(service.tags)
        return described

    def _deployments(self, service: EcsService, tasks: list[Task]) -> list[Json]:
        """Return the deployment in force, and one for each older definition that still has running tasks."""
        if service.status != "ACTIVE":
            return []
        current = [task for task in tasks if task.definition == service.definition]
        old = [task for task in tasks if task.definition != service.definition and task.desired == "RUNNING"]
        running, pending = _counts(current)
        settled = running == service.desired and pending == 0 and not old
        primary = self._deployment(service, "PRIMARY", service.definition, service.desired, current)
        primary["rolloutState"] = "COMPLETED" if settled else "IN_PROGRESS"
        primary["rolloutStateReason"] = (
            f"ECS deployment {service.deployment} {'completed' if settled else 'in progress'}."
        )
        others = [
            self._deployment(service, "ACTIVE", definition, 0, [t for t in old if t.definition == definition])
            for definition in dict.fromkeys(task.definition for task in old)
        ]
        return [primary, *others]

    @staticmethod
    def _deployment(
        service: EcsService, status: str, definition: str, desired: int, tasks: list[Task]
    ) -> Json:
        running, pending = _counts(tasks)
        return {
            "id": service.deployment if status == "PRIMARY" else (tasks[0].started_by or service.deployment),
            "status": status,
            "taskDefinition": definition,
            "desiredCount": desired,
            "pendingCount": pending,
            "runningCount": running,
            "failedTasks": 0,
            "createdAt": moment(service.deployed),
            "updatedAt": moment(service.changed),
            "launchType": service.launch_type,
        }

    @operation
    def describe_tasks(self, request: Json) -> Json:
        """Describe tasks by id or ARN; forgotten ones, and those too young to be seen, are MISSING."""
        cluster = self._cluster(request)
        self._check_count(request, "tasks")
        tasks: list[Json] = []
        failures: list[Json] = []
        for named in request["tasks"]:
            task = self._task(cluster, named)
            if task is None or task.hidden_until > self.account.now:
                failures.append({"arn": _task_arn(cluster, named), "reason": "MISSING"})
            else:
                tasks.append(self._show(task, "TAGS" in request.get("include", [])))
        return {"tasks": tasks, "failures": failures}

    def _task(self, cluster: str, named: str) -> Task | None:
        task = self.store.get(Task, _task_arn(cluster, named))
        return task if task is not None and task.cluster == cluster else None

    @staticmethod
    def _show(task: Task, with_tags: bool) -> Json:
        described = ecs_tasks.describe(task)
        shown = {
            name: moment(value) if name.endswith("At") and isinstance(value, float) else value
            for name, value in described.items()
        }
        return {**shown, "tags": _tag_list(task.tags) if with_tags else []}

    @operation
    def list_tasks(self, request: Json) -> Json:
        """List the ARNs of tasks; of those that are to run, unless desiredStatus says STOPPED."""
        cluster = self._cluster(request)
        others = [name for name in ("family", "serviceName", "containerInstance") if request.get(name)]
        if request.get("startedBy") and others:
            raise _bad(f"cannot specify startedBy together with {others[0]}")
        if request.get("startedBy"):
            owner = f"tasks:started-by:{cluster}:{request['startedBy']}"
        elif request.get("serviceName"):
            owner = self._service_owner(cluster, request["serviceName"])
        elif request.get("family"):
            owner = f"tasks:family:{cluster}:{request['family']}"
        else:
            owner = f"tasks:cluster:{cluster}"
        wanted = request.get("desiredStatus", "RUNNING")
        launch_type = request.get("launchType")
        found = [
            task.key
            for task in self._rows(self.store.members(owner))
            if task.desired == wanted and task.hidden_until <= self.account.now
            and launch_type in (None, task.launch_type) and task.cluster == cluster
        ]  # fmt: skip
        arns, more = page(found, request.get("nextToken"), request.get("maxResults", 100))
        return {"taskArns": arns} if more is None else {"taskArns": arns, "nextToken": more}

    def _service_owner(self, cluster: str, named: str) -> str:
        arn = f"{cluster.replace(':cluster/', ':service/')}/{named.rsplit('/', 1)[-1]}"
        if self.store.get(EcsService, arn) is None:
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        return f"tasks:service:{arn}"

    def _rows(self, arns: Iterable[str]) -> list[Task]:
        return [task for task in (self.store.get(Task, arn) for arn in arns) if task is not None]

    @operation
    def describe_task_definition(self, request: Json) -> Json:
        """Describe a task definition by ARN, by family and revision, or the newest active one of a family."""
        arn = definition_arn(self.account, request["taskDefinition"])
        if arn is None:
            raise ServiceError("ClientException", "Unable to describe task definition.")
        definition = self.account.need(Definition, arn)
        answer: Json = {"taskDefinition": _describe_definition(definition)}
        if "TAGS" in request.get("include", []):
            answer["tags"] = _tag_list(definition.tags)
        return answer

    @operation
    def run_task(self, request: Json) -> Json:
        """Run tasks once; with a client token at most once, within the token's life.

        'Ensuring idempotency', Amazon ECS API Reference: the same token and parameters give the answer of the
        first call, other parameters a ConflictException; a token lives 24 hours, or as long as the task and one
        hour more, whichever is less.
        """
        cluster = self._cluster(request)
        token = request.get("clientToken")
        if token is not None and not _TOKEN.fullmatch(token):
            raise _bad("clientToken must be 1 to 64 ASCII characters in the range of 33-126.")
        before = self._replay(cluster, token, request)
        if before is not None:
            return before
        definition = self._runnable(request)
        count = request.get("count", 1)
        if not 1 <= count <= 10:
            raise _bad("Count must be between 1 and 10.")
        rule = self.account.behaviour("run_task", definition=definition.family)
        if rule.capacity is not None:
            reason = _NO_CAPACITY if rule.capacity == "unavailable" else rule.capacity
            failures = [{"arn": cluster, "reason": reason} for _ in range(count)]
            return self._note(cluster, token, request, [], failures)
        tasks = [self._start(cluster, definition, request, rule) for _ in range(count)]
        for task in tasks:
            self.account.record_change("run_task", task.key, token, definition=definition.key)
        meanwhile(self.account, rule, None)
        return self._note(cluster, token, request, tasks, [])

    def _start(self, cluster: str, definition: Definition, request: Json, rule: Any) -> Task:
        options = {name: value for name, value in attrs.asdict(rule).items() if name in _TASK_OPTIONS}
        return ecs_tasks.start(
            self.account,
            cluster=cluster,
            definition=definition.key,
            group=request.get("group", f"family:{definition.family}"),
            started_by=request.get("startedBy"),
            launch_type=request.get("launchType", "FARGATE"),
            overrides=request.get("overrides"),
            tags={tag["key"]: tag["value"] for tag in request.get("tags", [])},
            options=options,
        )

    def _runnable(self, request: Json) -> Definition:
        arn = definition_arn(self.account, request["taskDefinition"])
        if arn is None:
            raise ServiceError("ClientException", "TaskDefinition not found.")
        definition = self.account.need(Definition, arn)
        if definition.status != "ACTIVE":
            raise _bad("TaskDefinition is inactive")
        if definition.network_mode == "awsvpc" and "networkConfiguration" not in request:
            raise _bad("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        names = {container["name"] for container in definition.containers}
        for override in request.get("overrides", {}).get("containerOverrides", []):
            if override.get("name") not in names:
                named = override.get("name")
                raise _bad(f"Override for container named {named} is not a container in the TaskDefinition.")
        if len(request.get("startedBy", "")) > 128:
            raise _bad("startedBy must be at most 128 characters.")
        return definition

    def _replay(self, cluster: str, token: str | None, request: Json) -> Json | None:
        seen = self.store.get(Token, f"ecs/{cluster}/{token}") if token else None
        if seen is None or not self._alive(seen):
            return None
        arns = seen.answer["tasks"]
        if seen.fingerprint != fingerprint(request):
            message = "The clientToken is already in use with a different RunTask request."
            raise ServiceError("ConflictException", message, resourceIds=arns)
        tasks = [self._show(task, True) for task in self._rows(arns)]
        return {"tasks": tasks, "failures": seen.answer["failures"]}

    def _alive(self, token: Token) -> bool:
        """Tell whether a token is still honoured."""
        if self.account.now >= token.at + _TOKEN_LIVES:
            return False
        arns = token.answer["tasks"]
        return not arns or bool(self._rows(arns))  # a task is forgotten an hour after it stopped

    def _note(
        self, cluster: str, token: str | None, request: Json, tasks: list[Task], failures: list[Json]
    ) -> Json:
        if token:
            kept = {"tasks": [task.key for task in tasks], "failures": failures}
            key = f"ecs/{cluster}/{token}"
            self.store.add(Token(key, fingerprint(request), "run_task", kept, self.account.now))
        return {"tasks": [self._show(task, True) for task in tasks], "failures": failures}

    @operation
    def stop_task(self, request: Json) -> Json:
        """Begin to stop a task; one that is stopping or stopped is left as it is."""
        cluster = self._cluster(request)
        task = self._task(cluster, request["task"])
        if task is None:
            raise _bad("The referenced task was not found.")
        if task.desired != "STOPPED":
            self.account.record_change("stop_task", task.key, None)
            takes = ecs_tasks.STOPS_IN + float(task.options.get("linger") or 0.0)
            ecs_tasks.stop(self.account, task, takes, "UserInitiated", request.get("reason"))
        return {"task": self._show(task, True)}


_TASK_OPTIONS = {
    "starts_in", "takes", "exit_code", "exit_codes", "stop_code", "reason", "no_exit_code", "no_containers", "oom",
    "vanishes", "hidden", "linger", "log",
}  # fmt: skip


def _counts(tasks: list[Task]) -> tuple[int, int]:
    """Count the tasks that run, and those on their way to running."""
    running = sum(task.status == "RUNNING" for task in tasks)
    pending = sum(task.desired == "RUNNING" and task.status != "RUNNING" for task in tasks)
    return running, pending


def _task_arn(cluster: str, named: str) -> str:
    return named if named.startswith("arn:") else f"{cluster.replace(':cluster/', ':task/')}/{named}"


def _describe_definition(definition: Definition) -> Json:
    containers: list[Json] = []
    for container in definition.containers:
        shown: Json = {
            "name": container["name"],
            "image": container["image"],
            "cpu": 0,
            "essential": container["essential"],
            "environment": container.get("environment", []),
            "mountPoints": [],
            "portMappings": [],
            "volumesFrom": [],
        }
        if container.get("secrets"):
            shown["secrets"] = container["secrets"]
        if container.get("log"):
            options = {str(name): str(value) for name, value in container["log"].items()}
            shown["logConfiguration"] = {"logDriver": "awslogs", "options": options}
        containers.append(shown)
    described: Json = {
        "taskDefinitionArn": definition.key,
        "containerDefinitions": containers,
        "family": definition.family,
        "revision": definition.revision,
        "volumes": [],
        "status": definition.status,
        "placementConstraints": [],
        "registeredAt": moment(definition.registered),
        "registeredBy": f"arn:aws:iam::{ACCOUNT_ID}:role/simulated",
        **definition.extra,
    }
    if definition.network_mode:
        described["networkMode"] = definition.network_mode
    if definition.deregistered is not None:
        described["deregisteredAt"] = moment(definition.deregistered)
    return described
