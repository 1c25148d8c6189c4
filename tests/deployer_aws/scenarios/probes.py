"""Questions that are put to every test environment: what it answers to the same calls."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deployer_aws.aws.stacks import read_description
from tests.deployer_aws.scenarios.emulators import GATE
from tests.deployer_aws.scenarios.environment import Environment
from tests.deployer_aws.scenarios.specs import template

Probe = Callable[[Environment], str]
PROBES: dict[str, Probe] = {}


def probe(question: str) -> Callable[[Probe], Probe]:
    """Register a question that is put to every test environment; the answer is a few words."""

    def register(ask: Probe) -> Probe:
        PROBES[question] = ask
        return ask

    return register


# What is asked


def create(env: Environment, body: str | None = None, **members: Any) -> dict[str, Any]:
    """Begin to create the stack."""
    parameters = [{"ParameterKey": "Count", "ParameterValue": "1"}, *members.pop("more", [])]
    text = env.template() if body is None else body
    answer: dict[str, Any] = env.client("cloudformation").create_stack(
        StackName=env.stack, TemplateBody=text, Parameters=parameters, **members
    )
    return answer


def update(
    env: Environment, body: str | None = None, *, version: str = "2", **members: Any
) -> dict[str, Any]:
    """Begin to update the stack."""
    given = {"Count": "1", "Version": version}
    answer: dict[str, Any] = env.client("cloudformation").update_stack(
        StackName=env.stack,
        TemplateBody=env.template() if body is None else body,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        **members,
    )
    return answer


def settle(env: Environment, name: str | None = None) -> str:
    """Wait until the stack is at rest."""
    for _ in range(300):
        found = env.client("cloudformation").describe_stacks(StackName=name or env.stack)["Stacks"][0][
            "StackStatus"
        ]
        if not found.endswith("IN_PROGRESS"):
            return str(found)
        env.clock.sleep(1 if env.name == "simulator" else 0.05)
    raise AssertionError(f"{env.stack} never came to rest")


def refused(env: Environment, call: Callable[[], object]) -> str:
    """Return the code and the words of a refusal, with the stack's name left out; or 'accepted'."""
    try:
        call()
    except ClientError as error:
        said: Any = error.response.get("Error")
        words = said["Message"].rstrip(".")
        for name in (env.stack, env.key):
            words = words.replace(name, "x")
        return f"{said['Code']}: {words}"
    return "accepted"


def code(env: Environment, call: Callable[[], object]) -> str:
    """Return the code alone of a refusal, or 'accepted'."""
    return refused(env, call).split(":")[0]


@probe("DescribeStacks of no stack")
def _(env: Environment) -> str:
    return refused(env, lambda: env.client("cloudformation").describe_stacks(StackName=env.stack))


@probe("DescribeStackEvents of no stack")
def _(env: Environment) -> str:
    return refused(env, lambda: env.client("cloudformation").describe_stack_events(StackName=env.stack))


@probe("a create that has to wait")
def _(env: Environment) -> str:
    create(env, env.template(resources=GATE))
    time.sleep(0.1 if env.name != "simulator" else 0)
    return str(env.describe()["StackStatus"])


@probe("CreateStack again with its token")
def _(env: Environment) -> str:
    first = create(env, ClientRequestToken="one")["StackId"]
    try:
        again = create(env, ClientRequestToken="one")["StackId"]
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code"))
    return "the same StackId" if again == first else "another StackId"


@probe("tokens in stack events")
def _(env: Environment) -> str:
    create(env, ClientRequestToken="one")
    settle(env)
    found = env.client("cloudformation").describe_stack_events(StackName=env.stack)["StackEvents"]
    bear = sum(event.get("ClientRequestToken") == "one" for event in found)
    return "every one" if bear == len(found) else "none" if not bear else "some"


@probe("resources in stack events")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    found = env.client("cloudformation").describe_stack_events(StackName=env.stack)["StackEvents"]
    return "yes" if any(e["PhysicalResourceId"] != e["StackId"] for e in found) else "no"


@probe("a service's DesiredCount by Ref")
def _(env: Environment) -> str:
    create(env, template())
    if settle(env) != "CREATE_COMPLETE":
        return "the create fails"
    return f"desired count {env.service()['desiredCount']}"


@probe("tasks of a service")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    service = env.service()
    tasks = env.client("ecs").list_tasks(cluster=service["clusterArn"], serviceName=service["serviceName"])[
        "taskArns"
    ]
    return f"{len(tasks)} of {service['desiredCount']}"


@probe("UpdateStack that changes nothing")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    update(env)
    settle(env)
    return refused(env, lambda: update(env))


@probe("UpdateStack while another runs")
def _(env: Environment) -> str:
    create(env, env.template(resources=GATE))
    time.sleep(0.1 if env.name != "simulator" else 0)
    said = refused(env, lambda: update(env))
    return said if "accepted" in said else f"{said.split(':')[0]}: ...{said[said.index(' is in') :]}"


@probe("CancelUpdateStack")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    update(env, env.template(resources=GATE))
    time.sleep(0.2 if env.name != "simulator" else 0)
    try:
        env.client("cloudformation").cancel_update_stack(StackName=env.stack)
    except Exception as error:
        return f"{type(error).__name__}"
    time.sleep(0.2 if env.name != "simulator" else 0)
    at_once = env.describe()["StackStatus"] != "UPDATE_IN_PROGRESS"
    return "rolls back at once" if at_once else "rolls back once the resource in hand is done"


@probe("a resource that fails")
def _(env: Environment) -> str:
    if env.name == "moto":
        return "does not occur"
    body, _ = env.failing("create_stack")
    create(env, body)
    return settle(env)


@probe("LastUpdatedTime after an update")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    update(env)
    settle(env)
    return "given" if "LastUpdatedTime" in env.describe() else "not given"


@probe("a NoEcho parameter's value")
def _(env: Environment) -> str:
    body = env.template(parameters={"Secret": {"Type": "String", "NoEcho": True}})
    create(env, body, more=[{"ParameterKey": "Secret", "ParameterValue": "hunter2"}])
    settle(env)
    return env.parameters()["Secret"]


@probe("a parameter that the template lacks")
def _(env: Environment) -> str:
    return code(env, lambda: create(env, more=[{"ParameterKey": "Color", "ParameterValue": "blue"}]))


ROLE: dict[str, Any] = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


@probe("IAM resources without a capability")
def _(env: Environment) -> str:
    return code(env, lambda: create(env, env.template(resources={"Role": ROLE})))


@probe("Capabilities in DescribeStacks")
def _(env: Environment) -> str:
    create(env, env.template(resources={"Role": ROLE}), Capabilities=["CAPABILITY_IAM"])
    settle(env)
    return "given" if env.describe().get("Capabilities") else "not given"


@probe("DeclaredTransforms in GetTemplateSummary")
def _(env: Environment) -> str:
    body = env.template(Transform="AWS::LanguageExtensions")
    found = env.client("cloudformation").get_template_summary(TemplateBody=body)
    return "given" if found.get("DeclaredTransforms") else "not given"


@probe("DeleteStack of a protected stack")
def _(env: Environment) -> str:
    create(env, EnableTerminationProtection=True)
    settle(env)
    return code(env, lambda: env.client("cloudformation").delete_stack(StackName=env.stack))


@probe("DescribeStacks of a deleted stack by its StackId")
def _(env: Environment) -> str:
    stack = create(env)["StackId"]
    settle(env)
    env.client("cloudformation").delete_stack(StackName=env.stack)
    return settle(env, stack)


@probe("DescribeStacks of all, a page at a time")
def _(env: Environment) -> str:
    create(env)
    settle(env)
    alone, more, pages = env.describe(), dict[str, str](), 0
    while True:
        page = env.client("cloudformation").describe_stacks(**more)
        pages += 1
        for stack in page["Stacks"]:
            if stack["StackName"] == env.stack:
                return (
                    "as by its name"
                    if read_description(stack) == read_description(alone)
                    else "differs from that by its name"
                )
        if not page.get("NextToken"):
            return f"not in {pages} pages"
        more = {"NextToken": page["NextToken"]}


@probe("DescribeTaskDefinition of none")
def _(env: Environment) -> str:
    return refused(env, lambda: env.client("ecs").describe_task_definition(taskDefinition="nothing"))


def run(env: Environment, token: str = "one", **members: Any) -> dict[str, Any]:
    """Run the migration's task."""
    migration = env.database().migrate
    assert migration is not None
    task = migration.task
    network = {"awsvpcConfiguration": {"subnets": list(task.subnets) or ["subnet-1"], "securityGroups": []}}
    answer: dict[str, Any] = env.client("ecs").run_task(
        **{
            "cluster": env.cluster,
            "taskDefinition": task.task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "clientToken": token,
            "startedBy": token,
            **members,
        }
    )
    return answer


@probe("RunTask of no task definition")
def _(env: Environment) -> str:
    return code(env, lambda: run(env, taskDefinition="nothing"))


@probe("RunTask in no cluster")
def _(env: Environment) -> str:
    env.task_definition("orders-migrate")
    return code(env, lambda: run(env, cluster="nowhere"))


@probe("RunTask again with its token")
def _(env: Environment) -> str:
    env.task_definition("orders-migrate")
    first, second = (run(env)["tasks"][0]["taskArn"] for _ in range(2))
    return "the same task" if first == second else "another task"


@probe("RunTask with the token of another request")
def _(env: Environment) -> str:
    env.task_definition("orders-migrate")
    run(env)
    return code(env, lambda: run(env, group="other"))


@probe("a task left to itself")
def _(env: Environment) -> str:
    env.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(env)["tasks"]]
    task: dict[str, Any] = {}
    for _ in range(60):
        task = env.client("ecs").describe_tasks(cluster=env.cluster, tasks=[arn])["tasks"][0]
        env.clock.sleep(1 if env.name == "simulator" else 0.01)
    return f"{task['lastStatus']} {task['containers'][0].get('exitCode', '')}".strip()


def stop(env: Environment) -> dict[str, Any]:
    """Return a task that was stopped, as ECS describes it."""
    env.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(env)["tasks"]]
    env.client("ecs").stop_task(cluster=env.cluster, task=arn, reason="because")
    env.clock.sleep(30 if env.name == "simulator" else 0.1)
    found: dict[str, Any] = env.client("ecs").describe_tasks(cluster=env.cluster, tasks=[arn])["tasks"][0]
    return found


@probe("stop code after StopTask")
def _(env: Environment) -> str:
    return stop(env).get("stopCode") or "none"


@probe("ListTasks by startedBy of a stopped task")
def _(env: Environment) -> str:
    stop(env)
    found = env.client("ecs").list_tasks(cluster=env.cluster, startedBy="one", desiredStatus="STOPPED")
    return "found" if found["taskArns"] else "not found"


@probe("ListTasks by startedBy of a task that ended by itself")
def _(env: Environment) -> str:
    if "tasks that end" in env.lacks:
        return "does not occur"
    env.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(env)["tasks"]]
    for _ in range(60):
        env.client("ecs").describe_tasks(cluster=env.cluster, tasks=[arn])
        env.clock.sleep(1 if env.name == "simulator" else 0.01)
    found = env.client("ecs").list_tasks(cluster=env.cluster, startedBy="one", desiredStatus="STOPPED")
    return "under STOPPED" if found["taskArns"] else "under RUNNING"


@probe("DescribeTasks of no task")
def _(env: Environment) -> str:
    env.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(env)["tasks"]]
    answer = env.client("ecs").describe_tasks(cluster=env.cluster, tasks=[arn[:-4] + "0000"])
    return str([f["reason"] for f in answer["failures"]] or "an empty answer")
