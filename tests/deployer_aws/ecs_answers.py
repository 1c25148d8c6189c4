"""ECS's answers, and looks at tasks that it has accepted."""

from typing import Any

from deployer_aws.executors.ecs import Ecs
from deployer_aws.executors.ecs.executor import DEFINITION
from deployer_core.engine.messages import Attempt, StopTask
from deployer_core.machines.ecs_task import Purpose, Run, RunTask
from deployer_core.spec import TaskSpec
from tests.deployer_aws.stubs import NOW, Stub, answers, work

FAMILY = "arn:aws:ecs:eu-west-1:1:task-definition/migrate"
NEWEST = f"{FAMILY}:3"
ARN = "arn:aws:ecs:eu-west-1:1:task/main/0123"
TASK = TaskSpec[str]("main", "migrate")
RUN = RunTask(Run("d1", "orders", Purpose.MIGRATE, TASK, (0,)))
STOP = StopTask(RUN.run, 5, Attempt(2, NOW - 20, token="token-of-the-run"), "")
RESOLVED = ((DEFINITION, NEWEST),)


def defined(*containers: dict[str, Any]) -> dict[str, Any]:
    """DescribeTaskDefinition's answer."""
    return {
        "taskDefinition": {
            "taskDefinitionArn": NEWEST,
            "containerDefinitions": containers or ({"name": "app"},),
        }
    }


def task(status: str = "STOPPED", *containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """DescribeTasks' answer."""
    found = {
        "taskArn": ARN,
        "taskDefinitionArn": NEWEST,
        "lastStatus": status,
        "containers": list(containers),
    }
    return {"tasks": [{**found, **members}], "failures": []}


NOTHING: dict[str, Any] = {"tasks": [], "failures": [{"arn": ARN, "reason": "MISSING"}]}
NONE: dict[str, Any] = {"taskArns": []}


def observed(
    answer: dict[str, Any], *, definition: Any = None, logs: Any = None, age: float = 10, run: RunTask = RUN
) -> list[Any]:
    """Return what one look at an accepted task comes to."""
    client = Stub({"describe_tasks": [answer], "describe_task_definition": [definition or defined()]})
    pending = work(run, database="orders", attempt=Attempt(1, NOW - age, RESOLVED), ref=ARN, age=age)
    return answers(Ecs(client, logs=logs).act(pending))
