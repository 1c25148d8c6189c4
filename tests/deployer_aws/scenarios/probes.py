"""Questions that are put to every bed: what it answers to the same calls."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deployer_aws.aws.stacks import read_description
from tests.deployer_aws.scenarios.bed import Bed
from tests.deployer_aws.scenarios.emulators import GATE
from tests.deployer_aws.scenarios.specs import template

Probe = Callable[[Bed], str]
PROBES: dict[str, Probe] = {}


def probe(question: str) -> Callable[[Probe], Probe]:
    """Register a question that is put to every bed; the answer is a few words."""

    def register(ask: Probe) -> Probe:
        PROBES[question] = ask
        return ask

    return register


# What is asked


def create(bed: Bed, body: str | None = None, **members: Any) -> dict[str, Any]:
    """Begin to create the stack."""
    parameters = [{"ParameterKey": "Count", "ParameterValue": "1"}, *members.pop("more", [])]
    text = bed.template() if body is None else body
    answer: dict[str, Any] = bed.client("cloudformation").create_stack(
        StackName=bed.stack, TemplateBody=text, Parameters=parameters, **members
    )
    return answer


def update(bed: Bed, body: str | None = None, *, version: str = "2", **members: Any) -> dict[str, Any]:
    """Begin to update the stack."""
    given = {"Count": "1", "Version": version}
    answer: dict[str, Any] = bed.client("cloudformation").update_stack(
        StackName=bed.stack,
        TemplateBody=bed.template() if body is None else body,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        **members,
    )
    return answer


def settle(bed: Bed, name: str | None = None) -> str:
    """Wait until the stack is at rest."""
    for _ in range(300):
        found = bed.client("cloudformation").describe_stacks(StackName=name or bed.stack)["Stacks"][0][
            "StackStatus"
        ]
        if not found.endswith("IN_PROGRESS"):
            return str(found)
        bed.clock.sleep(1 if bed.name == "simulator" else 0.05)
    raise AssertionError(f"{bed.stack} never came to rest")


def refused(bed: Bed, call: Callable[[], object]) -> str:
    """Return the code and the words of a refusal, with the stack's name left out; or 'accepted'."""
    try:
        call()
    except ClientError as error:
        said: Any = error.response.get("Error")
        words = said["Message"].rstrip(".")
        for name in (bed.stack, bed.key):
            words = words.replace(name, "x")
        return f"{said['Code']}: {words}"
    return "accepted"


def code(bed: Bed, call: Callable[[], object]) -> str:
    """Return the code alone of a refusal, or 'accepted'."""
    return refused(bed, call).split(":")[0]


@probe("DescribeStacks of no stack")
def _(bed: Bed) -> str:
    return refused(bed, lambda: bed.client("cloudformation").describe_stacks(StackName=bed.stack))


@probe("DescribeStackEvents of no stack")
def _(bed: Bed) -> str:
    return refused(bed, lambda: bed.client("cloudformation").describe_stack_events(StackName=bed.stack))


@probe("a create that has to wait")
def _(bed: Bed) -> str:
    create(bed, bed.template(resources=GATE))
    time.sleep(0.1 if bed.name != "simulator" else 0)
    return str(bed.describe()["StackStatus"])


@probe("CreateStack again with its token")
def _(bed: Bed) -> str:
    first = create(bed, ClientRequestToken="one")["StackId"]
    try:
        again = create(bed, ClientRequestToken="one")["StackId"]
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code"))
    return "the same StackId" if again == first else "another StackId"


@probe("tokens in stack events")
def _(bed: Bed) -> str:
    create(bed, ClientRequestToken="one")
    settle(bed)
    found = bed.client("cloudformation").describe_stack_events(StackName=bed.stack)["StackEvents"]
    bear = sum(event.get("ClientRequestToken") == "one" for event in found)
    return "every one" if bear == len(found) else "none" if not bear else "some"


@probe("resources in stack events")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    found = bed.client("cloudformation").describe_stack_events(StackName=bed.stack)["StackEvents"]
    return "yes" if any(e["PhysicalResourceId"] != e["StackId"] for e in found) else "no"


@probe("a service's DesiredCount by Ref")
def _(bed: Bed) -> str:
    create(bed, template())
    if settle(bed) != "CREATE_COMPLETE":
        return "the create fails"
    return f"desired count {bed.service()['desiredCount']}"


@probe("tasks of a service")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    service = bed.service()
    tasks = bed.client("ecs").list_tasks(cluster=service["clusterArn"], serviceName=service["serviceName"])[
        "taskArns"
    ]
    return f"{len(tasks)} of {service['desiredCount']}"


@probe("UpdateStack that changes nothing")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    update(bed)
    settle(bed)
    return refused(bed, lambda: update(bed))


@probe("UpdateStack while another runs")
def _(bed: Bed) -> str:
    create(bed, bed.template(resources=GATE))
    time.sleep(0.1 if bed.name != "simulator" else 0)
    said = refused(bed, lambda: update(bed))
    return said if "accepted" in said else f"{said.split(':')[0]}: ...{said[said.index(' is in') :]}"


@probe("CancelUpdateStack")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    update(bed, bed.template(resources=GATE))
    time.sleep(0.2 if bed.name != "simulator" else 0)
    try:
        bed.client("cloudformation").cancel_update_stack(StackName=bed.stack)
    except Exception as error:
        return f"{type(error).__name__}"
    time.sleep(0.2 if bed.name != "simulator" else 0)
    at_once = bed.describe()["StackStatus"] != "UPDATE_IN_PROGRESS"
    return "rolls back at once" if at_once else "rolls back once the resource in hand is done"


@probe("a resource that fails")
def _(bed: Bed) -> str:
    if bed.name == "moto":
        return "does not occur"
    body, _ = bed.failing("create_stack")
    create(bed, body)
    return settle(bed)


@probe("LastUpdatedTime after an update")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    update(bed)
    settle(bed)
    return "given" if "LastUpdatedTime" in bed.describe() else "not given"


@probe("a NoEcho parameter's value")
def _(bed: Bed) -> str:
    body = bed.template(parameters={"Secret": {"Type": "String", "NoEcho": True}})
    create(bed, body, more=[{"ParameterKey": "Secret", "ParameterValue": "hunter2"}])
    settle(bed)
    return bed.parameters()["Secret"]


@probe("a parameter that the template lacks")
def _(bed: Bed) -> str:
    return code(bed, lambda: create(bed, more=[{"ParameterKey": "Color", "ParameterValue": "blue"}]))


ROLE: dict[str, Any] = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


@probe("IAM resources without a capability")
def _(bed: Bed) -> str:
    return code(bed, lambda: create(bed, bed.template(resources={"Role": ROLE})))


@probe("Capabilities in DescribeStacks")
def _(bed: Bed) -> str:
    create(bed, bed.template(resources={"Role": ROLE}), Capabilities=["CAPABILITY_IAM"])
    settle(bed)
    return "given" if bed.describe().get("Capabilities") else "not given"


@probe("DeclaredTransforms in GetTemplateSummary")
def _(bed: Bed) -> str:
    body = bed.template(Transform="AWS::LanguageExtensions")
    found = bed.client("cloudformation").get_template_summary(TemplateBody=body)
    return "given" if found.get("DeclaredTransforms") else "not given"


@probe("DeleteStack of a protected stack")
def _(bed: Bed) -> str:
    create(bed, EnableTerminationProtection=True)
    settle(bed)
    return code(bed, lambda: bed.client("cloudformation").delete_stack(StackName=bed.stack))


@probe("DescribeStacks of a deleted stack by its StackId")
def _(bed: Bed) -> str:
    stack = create(bed)["StackId"]
    settle(bed)
    bed.client("cloudformation").delete_stack(StackName=bed.stack)
    return settle(bed, stack)


@probe("DescribeStacks of all, a page at a time")
def _(bed: Bed) -> str:
    create(bed)
    settle(bed)
    alone, more, pages = bed.describe(), dict[str, str](), 0
    while True:
        page = bed.client("cloudformation").describe_stacks(**more)
        pages += 1
        for stack in page["Stacks"]:
            if stack["StackName"] == bed.stack:
                return (
                    "as by its name"
                    if read_description(stack) == read_description(alone)
                    else "differs from that by its name"
                )
        if not page.get("NextToken"):
            return f"not in {pages} pages"
        more = {"NextToken": page["NextToken"]}


@probe("DescribeTaskDefinition of none")
def _(bed: Bed) -> str:
    return refused(bed, lambda: bed.client("ecs").describe_task_definition(taskDefinition="nothing"))


def run(bed: Bed, token: str = "one", **members: Any) -> dict[str, Any]:
    """Run the migration's task."""
    migration = bed.database().migrate
    assert migration is not None
    task = migration.task
    network = {"awsvpcConfiguration": {"subnets": list(task.subnets) or ["subnet-1"], "securityGroups": []}}
    answer: dict[str, Any] = bed.client("ecs").run_task(
        **{
            "cluster": bed.cluster,
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
def _(bed: Bed) -> str:
    return code(bed, lambda: run(bed, taskDefinition="nothing"))


@probe("RunTask in no cluster")
def _(bed: Bed) -> str:
    bed.task_definition("orders-migrate")
    return code(bed, lambda: run(bed, cluster="nowhere"))


@probe("RunTask again with its token")
def _(bed: Bed) -> str:
    bed.task_definition("orders-migrate")
    first, second = (run(bed)["tasks"][0]["taskArn"] for _ in range(2))
    return "the same task" if first == second else "another task"


@probe("RunTask with the token of another request")
def _(bed: Bed) -> str:
    bed.task_definition("orders-migrate")
    run(bed)
    return code(bed, lambda: run(bed, group="other"))


@probe("a task left to itself")
def _(bed: Bed) -> str:
    bed.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(bed)["tasks"]]
    task: dict[str, Any] = {}
    for _ in range(60):
        task = bed.client("ecs").describe_tasks(cluster=bed.cluster, tasks=[arn])["tasks"][0]
        bed.clock.sleep(1 if bed.name == "simulator" else 0.01)
    return f"{task['lastStatus']} {task['containers'][0].get('exitCode', '')}".strip()


def stop(bed: Bed) -> dict[str, Any]:
    """Return a task that was stopped, as ECS describes it."""
    bed.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(bed)["tasks"]]
    bed.client("ecs").stop_task(cluster=bed.cluster, task=arn, reason="because")
    bed.clock.sleep(30 if bed.name == "simulator" else 0.1)
    found: dict[str, Any] = bed.client("ecs").describe_tasks(cluster=bed.cluster, tasks=[arn])["tasks"][0]
    return found


@probe("stop code after StopTask")
def _(bed: Bed) -> str:
    return stop(bed).get("stopCode") or "none"


@probe("ListTasks by startedBy of a stopped task")
def _(bed: Bed) -> str:
    stop(bed)
    found = bed.client("ecs").list_tasks(cluster=bed.cluster, startedBy="one", desiredStatus="STOPPED")
    return "found" if found["taskArns"] else "not found"


@probe("ListTasks by startedBy of a task that ended by itself")
def _(bed: Bed) -> str:
    if "tasks that end" in bed.lacks:
        return "does not occur"
    bed.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(bed)["tasks"]]
    for _ in range(60):
        bed.client("ecs").describe_tasks(cluster=bed.cluster, tasks=[arn])
        bed.clock.sleep(1 if bed.name == "simulator" else 0.01)
    found = bed.client("ecs").list_tasks(cluster=bed.cluster, startedBy="one", desiredStatus="STOPPED")
    return "under STOPPED" if found["taskArns"] else "under RUNNING"


@probe("DescribeTasks of no task")
def _(bed: Bed) -> str:
    bed.task_definition("orders-migrate")
    (arn,) = [task["taskArn"] for task in run(bed)["tasks"]]
    answer = bed.client("ecs").describe_tasks(cluster=bed.cluster, tasks=[arn[:-4] + "0000"])
    return str([f["reason"] for f in answer["failures"]] or "an empty answer")
