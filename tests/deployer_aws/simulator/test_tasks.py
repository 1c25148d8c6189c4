"""Tasks in the simulated ECS: how they run, stop, and are forgotten."""

from datetime import datetime
from typing import Any

import pytest

from deployer_aws.simulator import ClientError
from tests.support.conformance import CheckedSimulator, check_shape

DEFINITIONS: list[dict[str, Any]] = [
    {"family": "migrate", "revision": 3, "containers": ["migrate", "log-router"]},
    {"family": "old", "revision": 1, "status": "INACTIVE", "containers": ["app"]},
    {"family": "inside", "network_mode": "awsvpc"},
]
LIFE = [
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]


class Environment:
    """A simulator with task definitions, and short words for running them."""

    def __init__(self, *rules: dict[str, Any], **script: Any) -> None:
        about_tasks = [{"on": "run_task", **rule} if "on" not in rule else rule for rule in rules]
        self.sim = CheckedSimulator({"task_definitions": DEFINITIONS, "rules": about_tasks, **script})
        self.ecs = self.sim.client("ecs")

    def run(self, definition: str = "migrate", **request: Any) -> str:
        return str(self.ecs.run_task(taskDefinition=definition, **request)["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        (task,) = self.ecs.describe_tasks(tasks=[arn], include=["TAGS"])["tasks"]
        return dict(task)

    def end(self, arn: str, seconds: float = 200) -> dict[str, Any]:
        self.sim.clock.sleep(seconds)
        return self.task(arn)

    def refusal(self, method: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            getattr(self.ecs, method)(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


def codes(task: dict[str, Any]) -> dict[str, int | None]:
    return {container["name"]: container.get("exitCode") for container in task["containers"]}


def test_a_task_lives_through_every_status() -> None:
    """A good task passes through the whole lifecycle in order, ends with 0, and its sidecar is killed."""
    env = Environment()
    arn = env.run()
    task = env.end(arn)
    changes = [e["detail"] for e in env.sim.emitted if e["detail-type"] == "ECS Task State Change"]
    assert list(dict.fromkeys(detail["lastStatus"] for detail in changes)) == LIFE
    assert [detail["version"] for detail in changes] == list(range(1, len(changes) + 1))
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert task["stoppedReason"] == "Essential container in task exited"
    assert codes(task) == {"migrate": 0, "log-router": 137}
    times = ("createdAt", "pullStartedAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt")
    assert [task[name] for name in times] == sorted(task[name] for name in times)


def test_emitted_tasks_have_the_shape_of_the_api() -> None:
    """The detail of a task event is the API's Task, with times as texts and one member of its own."""
    env = Environment()
    env.end(env.run())
    for event in env.sim.emitted:
        detail = {k: datetime.fromisoformat(v) if k.endswith("At") else v for k, v in event["detail"].items()}
        assert detail.pop("updatedAt")
        check_shape("ecs", "Task", detail)


@pytest.mark.parametrize(
    ("rule", "stop_code", "exit_codes"),
    [
        ({"exit_code": 1}, "EssentialContainerExited", {"migrate": 1, "log-router": 137}),
        (
            {"exit_codes": {"migrate": 2, "log-router": 0}},
            "EssentialContainerExited",
            {"migrate": 2, "log-router": 0},
        ),
        ({"stop_code": "SpotInterruption"}, "SpotInterruption", {"migrate": 143, "log-router": 137}),
        (
            {"stop_code": "TerminationNotice", "exit_code": 9},
            "TerminationNotice",
            {"migrate": 9, "log-router": 137},
        ),
        ({"no_exit_code": True}, "EssentialContainerExited", {"migrate": None, "log-router": None}),
        ({"no_containers": True}, "EssentialContainerExited", {}),
        ({"oom": True}, "EssentialContainerExited", {"migrate": 137, "log-router": 137}),
        ({"stop_code": "TaskFailedToStart"}, "TaskFailedToStart", {"migrate": None, "log-router": None}),
    ],
)
def test_a_script_says_how_a_task_ends(
    rule: dict[str, Any], stop_code: str, exit_codes: dict[str, int | None]
) -> None:
    """Exit codes, stop codes, missing exit codes and missing containers are as scripted."""
    env = Environment({"definition": "migrate", "reason": "as scripted", **rule})
    task = env.end(env.run())
    assert (task["stopCode"], task["stoppedReason"], codes(task)) == (stop_code, "as scripted", exit_codes)
    assert ("startedAt" in task) == (stop_code != "TaskFailedToStart")
    if "oom" in rule:
        assert task["containers"][0]["reason"].startswith("OutOfMemoryError")


def test_times_are_scripted() -> None:
    """How long a task takes to start, to run and to stop is as scripted."""
    env = Environment({"starts_in": 100, "takes": 50, "linger": 30})
    arn = env.run()
    assert env.end(arn, 99)["lastStatus"] == "ACTIVATING"
    assert env.end(arn, 1)["lastStatus"] == "RUNNING"
    assert env.end(arn, 49)["lastStatus"] == "RUNNING"
    assert env.end(arn, 25)["desiredStatus"] == "STOPPED"
    assert env.task(arn)["lastStatus"] != "STOPPED"
    assert env.end(arn, 25)["lastStatus"] == "STOPPED"


def test_a_token_runs_a_task_once() -> None:
    """The same token and request give the same task; another request with it is a conflict that names the task."""
    env = Environment()
    arn = env.run(clientToken="t1", startedBy="d1")
    assert env.run(clientToken="t1", startedBy="d1") == arn
    assert [(c.action, c.target, c.token) for c in env.sim.changes] == [("run_task", arn, "t1")]
    with pytest.raises(ClientError) as caught:
        env.run(clientToken="t1", startedBy="d2")
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["resourceIds"]) == ("ConflictException", [arn])
    assert env.run(clientToken="t1" * 2) != arn
    assert (
        env.refusal("run_task", taskDefinition="migrate", clientToken="a b")[0] == "InvalidParameterException"
    )


def test_a_token_is_forgotten_an_hour_after_the_task() -> None:
    """A token lives as long as its task and an hour; sent again later, it runs another task."""
    env = Environment()
    arn = env.run(clientToken="t1")
    env.sim.clock.sleep(3000)
    assert env.run(clientToken="t1") == arn
    env.sim.clock.sleep(1000)
    assert env.run(clientToken="t1") != arn


def test_a_token_lives_24_hours_at_most() -> None:
    """The token of a task that runs for days is forgotten after a day."""
    env = Environment({"takes": 10**6})
    arn = env.run(clientToken="t1")
    env.sim.clock.sleep(24 * 3600 - 10)
    assert env.run(clientToken="t1") == arn
    env.sim.clock.sleep(20)
    assert env.run(clientToken="t1") != arn


def test_capacity_is_refused_in_the_answer() -> None:
    """A lack of capacity is no error but a failure in the answer; its token repeats the refusal, another one runs."""
    env = Environment({"nth": 1, "capacity": "unavailable"}, {"nth": 2, "capacity": "RESOURCE:MEMORY"})
    first = env.ecs.run_task(taskDefinition="migrate", clientToken="t1")
    assert first["tasks"] == []
    assert first["failures"][0]["reason"].startswith("Capacity is unavailable at this time")
    assert env.ecs.run_task(taskDefinition="migrate", clientToken="t1")["failures"] == first["failures"]
    second = env.ecs.run_task(taskDefinition="migrate", clientToken="t2")
    assert second["failures"][0]["reason"] == "RESOURCE:MEMORY"
    assert env.run(clientToken="t3")


def test_stopping_takes_its_time() -> None:
    """StopTask begins to stop a task; the stop code is UserInitiated, and the exit codes are those of signals."""
    env = Environment({"takes": 10**6, "exit_code": 5})
    arn = env.run()
    env.sim.clock.sleep(60)
    stopping = env.ecs.stop_task(task=arn, reason="enough")["task"]
    assert (stopping["desiredStatus"], stopping["lastStatus"]) == ("STOPPED", "RUNNING")
    env.ecs.stop_task(task=arn)
    task = env.end(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert codes(task) == {"migrate": 143, "log-router": 137}
    assert [c.action for c in env.sim.changes] == ["run_task", "stop_task"]
    assert env.refusal("stop_task", task="none") == (
        "InvalidParameterException",
        "The referenced task was not found.",
    )


def test_a_task_is_stopped_before_it_runs() -> None:
    """A task that is stopped while it starts never runs, and its containers have no exit codes."""
    env = Environment()
    arn = env.run()
    env.ecs.stop_task(task=arn)
    task = env.end(arn)
    assert "startedAt" not in task
    assert codes(task) == {"migrate": None, "log-router": None}


def test_stopped_tasks_are_forgotten() -> None:
    """A stopped task is described for an hour, and then MISSING; so is one that the script lets vanish."""
    env = Environment({"nth": 2, "vanishes": 5})
    arn = env.run()
    env.sim.clock.sleep(3600)
    assert env.task(arn)["lastStatus"] == "STOPPED"
    env.sim.clock.sleep(100)
    answer = env.ecs.describe_tasks(tasks=[arn])
    assert (answer["tasks"], answer["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])
    vanishing = env.run()
    env.sim.clock.sleep(6)
    assert env.ecs.describe_tasks(tasks=[vanishing.rsplit("/", 1)[-1]])["failures"][0]["arn"] == vanishing
    assert env.ecs.list_tasks(desiredStatus="STOPPED")["taskArns"] == []


def test_a_young_task_may_not_be_seen_yet() -> None:
    """Reads are eventually consistent: for a scripted time a task that was run is MISSING."""
    env = Environment({"hidden": 10})
    arn = env.run()
    assert env.ecs.describe_tasks(tasks=[arn])["failures"]
    assert env.ecs.list_tasks()["taskArns"] == []
    env.sim.clock.sleep(10)
    assert env.task(arn)
    assert env.ecs.list_tasks()["taskArns"] == [arn]


def test_tasks_are_listed_by_what_is_asked() -> None:
    """ListTasks shows RUNNING unless STOPPED is asked for, and filters by starter, family and launch type; in pages."""
    env = Environment({"definition": "migrate", "takes": 10**6})
    first = env.run(startedBy="d1")
    second = env.run(
        "inside", startedBy="d2", networkConfiguration={"awsvpcConfiguration": {"subnets": ["s"]}}
    )
    listed = env.ecs.list_tasks
    assert listed(startedBy="d1")["taskArns"] == [first]
    assert listed(family="inside")["taskArns"] == [second]
    assert listed(launchType="EC2")["taskArns"] == []
    env.sim.clock.sleep(100)
    assert listed(startedBy="d2")["taskArns"] == []
    assert listed(startedBy="d2", desiredStatus="STOPPED")["taskArns"] == [second]
    assert env.refusal("list_tasks", startedBy="d1", family="migrate")[0] == "InvalidParameterException"
    for _ in range(3):
        env.run()
    pages = list(env.ecs.get_paginator("list_tasks").paginate(maxResults=3))
    assert [len(page["taskArns"]) for page in pages] == [3, 1]


def test_what_was_asked_for_is_shown() -> None:
    """Group, starter, tags and overrides come back as they were given, tags only when they are asked for."""
    env = Environment()
    overrides = {"containerOverrides": [{"name": "migrate", "command": ["up"]}]}
    arn = env.run(
        "migrate:3",
        startedBy="d1",
        group="migrations",
        overrides=overrides,
        tags=[{"key": "a", "value": "b"}],
        count=1,
    )
    task = env.task(arn)
    assert (task["startedBy"], task["group"], task["overrides"]) == ("d1", "migrations", overrides)
    assert task["tags"] == [{"key": "a", "value": "b"}]
    assert env.ecs.describe_tasks(tasks=[arn])["tasks"][0]["tags"] == []


def test_bad_runs_are_refused() -> None:
    """Unknown and inactive definitions, unknown clusters and containers, and bad counts are refused, in AWS's words."""
    env = Environment()
    inactive = "arn:aws:ecs:eu-west-1:123456789012:task-definition/old:1"
    override = {"containerOverrides": [{"name": "app"}]}
    for request, code, message in [
        ({"taskDefinition": "none"}, "ClientException", "TaskDefinition not found."),
        ({"taskDefinition": "migrate:9"}, "ClientException", "TaskDefinition not found."),
        ({"taskDefinition": inactive}, "InvalidParameterException", "TaskDefinition is inactive"),
        ({"taskDefinition": "migrate", "cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
        (
            {"taskDefinition": "migrate", "count": 11},
            "InvalidParameterException",
            "Count must be between 1 and 10.",
        ),
        ({"taskDefinition": "migrate", "startedBy": "x" * 129}, "InvalidParameterException", None),
        ({"taskDefinition": "inside"}, "InvalidParameterException", None),
        ({"taskDefinition": "migrate", "overrides": override}, "InvalidParameterException", None),
    ]:
        refused = env.refusal("run_task", **request)  # type: ignore[arg-type]  # mixed values
        assert refused[0] == code
        assert message in (None, refused[1])
    assert env.sim.changes == []


def test_definitions_are_described() -> None:
    """A definition is found by family, family and revision, or ARN; an inactive one by these last two alone."""
    env = Environment()
    described = env.ecs.describe_task_definition(taskDefinition="migrate", include=["TAGS"])
    definition = described["taskDefinition"]
    assert (definition["revision"], definition["status"], described["tags"]) == (3, "ACTIVE", [])
    assert [c["essential"] for c in definition["containerDefinitions"]] == [True, False]
    assert env.ecs.describe_task_definition(taskDefinition="old:1")["taskDefinition"]["status"] == "INACTIVE"
    assert (
        env.ecs.describe_task_definition(taskDefinition="inside")["taskDefinition"]["networkMode"] == "awsvpc"
    )
    unknown = ("ClientException", "Unable to describe task definition.")
    assert env.refusal("describe_task_definition", taskDefinition="old") == unknown
    assert env.refusal("describe_tasks", tasks=[])[0] == "InvalidParameterException"
    assert env.refusal("describe_tasks", tasks=["x"] * 101)[0] == "InvalidParameterException"


def test_a_task_leaves_a_log() -> None:
    """The scripted lines are in the stream of the task's container, once it has run."""
    env = Environment({"log": ["one", "two"]})
    logs = env.sim.client("logs")
    arn = env.run()
    stream = f"ecs/migrate/{arn.rsplit('/', 1)[-1]}"
    with pytest.raises(ClientError, match="does not exist"):
        logs.get_log_events(logGroupName="/ecs/migrate", logStreamName=stream)
    env.sim.clock.sleep(60)
    events = logs.get_log_events(logGroupName="/ecs/migrate", logStreamName=stream, limit=1)["events"]
    assert [event["message"] for event in events] == ["two"]
    head = logs.get_log_events(logGroupName="/ecs/migrate", logStreamName=stream, startFromHead=True)[
        "events"
    ]
    assert [event["message"] for event in head] == ["one", "two"]
    for wrong in ("odd", stream.replace("migrate", "other"), stream + "0"):
        with pytest.raises(ClientError, match="does not exist"):
            logs.get_log_events(logGroupName="/ecs/migrate", logStreamName=wrong)
