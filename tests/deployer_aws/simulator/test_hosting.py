"""Tasks that a host runs for real."""

from pathlib import Path
from typing import Any

import pytest

from deployer_aws.simulator import Container, NotStarted, Simulator
from tests.support.conformance import CheckedSimulator

SCRIPT = "task_definitions: [{family: work, containers: [app, sidecar]}]"


class Host:
    """Remembers what it was told; with `refuses` it starts nothing."""

    def __init__(self, refuses: str = "") -> None:
        self.started: list[Container] = []
        self.stopped: list[str] = []
        self.refuses = refuses

    def start(self, container: Container) -> None:
        """See `hosting.Host`."""
        if self.refuses:
            raise NotStarted(self.refuses)
        self.started.append(container)

    def stop(self, task: str) -> None:
        """See `hosting.Host`."""
        self.stopped.append(task)


def begin(sim: Simulator, **overrides: Any) -> str:
    """Run a task, and let it get to RUNNING."""
    override = {"name": "app", **overrides}
    answer = sim.client("ecs").run_task(
        taskDefinition="work",
        overrides={"containerOverrides": [override]},
        tags=[{"key": "who", "value": "me"}],
    )
    sim.clock.sleep(60)
    return str(answer["tasks"][0]["taskArn"])


def look(sim: Simulator, arn: str) -> Any:
    """Return the task as it is now."""
    return sim.client("ecs").describe_tasks(tasks=[arn])["tasks"][0]


def test_a_hosted_task_ends_when_its_host_says_so() -> None:
    """It runs however much time passes; then it stops with the exit code, and the log is what was written."""
    sim, host = CheckedSimulator(SCRIPT), Host()
    sim.attach(host)
    arn = begin(sim, environment=[{"name": "A", "value": "b"}])
    sim.clock.sleep(10_000)
    assert look(sim, arn)["lastStatus"] == "RUNNING"
    (container,) = host.started
    assert (container.task, container.name, container.tags) == (arn, "app", {"who": "me"})
    assert container.environment == {"A": "b"}
    sim.end_task(arn, {"app": 7}, ["one", "two"])
    sim.clock.sleep(0)
    ended = look(sim, arn)
    assert (ended["lastStatus"], ended["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert {c["name"]: c["exitCode"] for c in ended["containers"]} == {"app": 7, "sidecar": 137}
    stream = f"ecs/app/{arn.rsplit('/', 1)[-1]}"
    events = sim.client("logs").get_log_events(logGroupName="/ecs/work", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["one", "two"]
    sim.end_task(arn, {"app": 1}, [])
    assert look(sim, arn)["containers"][0]["exitCode"] == 7


def test_a_hosted_task_that_is_stopped_waits_for_its_host() -> None:
    """StopTask tells the host; the task is STOPPED once what ran has ended, and not before."""
    sim, host = CheckedSimulator(SCRIPT), Host()
    sim.attach(host)
    arn = begin(sim)
    sim.client("ecs").stop_task(task=arn)
    sim.clock.sleep(1_000)
    assert host.stopped == [arn]
    assert look(sim, arn)["lastStatus"] == "STOPPING"
    sim.end_task(arn, {"app": 143}, [])
    sim.clock.sleep(0)
    ended = look(sim, arn)
    assert (ended["lastStatus"], ended["stopCode"]) == ("STOPPED", "UserInitiated")
    assert ended["containers"][0]["exitCode"] == 143


def test_what_cannot_be_started_never_ran() -> None:
    """It is a task that failed to start, with the host's reason and no exit codes."""
    sim = CheckedSimulator(SCRIPT)
    sim.attach(Host(refuses="CannotStartContainerError: no such program"))
    ended = look(sim, begin(sim))
    assert (ended["lastStatus"], ended["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert ended["stoppedReason"] == "CannotStartContainerError: no such program"
    assert "startedAt" not in ended
    assert not any("exitCode" in container for container in ended["containers"])


def test_a_new_host_finds_no_task_of_the_old_one(tmp_path: Path) -> None:
    """What a host that is gone was running has stopped, without an exit code; what had ended stays as it was."""
    with Simulator.open(tmp_path / "account", SCRIPT) as sim:
        sim.attach(Host())
        over, left = begin(sim), begin(sim)
        sim.end_task(over, {"app": 0}, [])
    with Simulator.open(tmp_path / "account") as sim:
        sim.attach(Host())
        sim.clock.sleep(0)
        ended = look(sim, left)
        assert (ended["lastStatus"], ended["stopCode"]) == ("STOPPED", "TerminationNotice")
        assert "ended together with the one that had started it" in ended["stoppedReason"]
        assert not any("exitCode" in container for container in ended["containers"])
        assert look(sim, over)["containers"][0]["exitCode"] == 0


def test_tasks_of_services_are_simulated() -> None:
    """A host is given what is run by RunTask, and nothing else."""
    sim, host = Simulator(SCRIPT), Host()
    sim.attach(host)
    template = """
    Resources:
      Service: {Type: AWS::ECS::Service, Properties: {TaskDefinition: App, DesiredCount: 1}}
    """
    sim.client("cloudformation").create_stack(StackName="shop", TemplateBody=template)
    sim.clock.sleep(600)
    assert host.started == []


def test_the_application_is_what_the_services_run() -> None:
    """The containers of a stack's services, with variables and secrets as their definition has them."""
    sim = Simulator()
    template = """
    Resources:
      App:
        Type: AWS::ECS::TaskDefinition
        Properties:
          ContainerDefinitions:
            - Name: app
              Environment: [{Name: A, Value: b}]
              Secrets: [{Name: C, ValueFrom: d}]
      Service: {Type: AWS::ECS::Service, Properties: {TaskDefinition: !Ref App, DesiredCount: 0}}
    """
    assert sim.application("shop") == []
    sim.client("cloudformation").create_stack(StackName="shop", TemplateBody=template)
    sim.clock.sleep(600)
    (container,) = sim.application("shop")
    assert (container.environment, container.secrets) == ({"A": "b"}, {"C": "d"})
    with pytest.raises(NotStarted, match="can't find the specified secret d"):
        container.reveal("d")


def test_a_definition_of_another_account() -> None:
    """It is declared with its ARN, and run by it."""
    arn = "arn:aws:ecs:eu-central-1:111111111111:task-definition/work:3"
    sim = Simulator(f"task_definitions: [{{family: work, revision: 3, arn: '{arn}'}}]")
    assert sim.client("ecs").run_task(taskDefinition=arn)["tasks"][0]["taskDefinitionArn"] == arn
