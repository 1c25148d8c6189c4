"""ECS services in the simulated account: counts, tasks that follow them, and those that linger."""

from typing import Any

import pytest

from deployer_aws.simulator import ClientError
from tests.deployer_aws.simulator.test_stacks import Bed


def service(bed: Bed) -> dict[str, Any]:
    return dict(bed.ecs.describe_services(cluster="main", services=["web"])["services"][0])


def listed(bed: Bed, desired: str = "RUNNING") -> list[dict[str, Any]]:
    arns = bed.ecs.list_tasks(cluster="main", serviceName="web", desiredStatus=desired)["taskArns"]
    return list(bed.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"]) if arns else []


@pytest.fixture
def bed() -> Bed:
    made = Bed()
    made.create()
    made.settle()
    return made


def test_tasks_follow_the_desired_count(bed: Bed) -> None:
    """The tasks of a service start and stop over time, and all do as they should when the stack is complete."""
    assert [task["lastStatus"] for task in listed(bed)] == ["RUNNING", "RUNNING"]
    bed.update(Count=4)
    bed.settle(6)
    now = service(bed)
    assert (now["desiredCount"], now["runningCount"], now["pendingCount"]) == (4, 2, 2)
    assert now["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    bed.settle()
    now = service(bed)
    assert (now["runningCount"], now["pendingCount"], len(now["deployments"])) == (4, 0, 1)
    assert now["deployments"][0]["rolloutState"] == "COMPLETED"
    assert now["events"][0]["message"].startswith("(service web)")
    bed.update("update-2", Count=0)
    bed.settle(4)
    assert (service(bed)["desiredCount"], service(bed)["runningCount"]) == (0, 4)
    assert listed(bed) == []
    assert {task["stopCode"] for task in listed(bed, "STOPPED")} == {"ServiceSchedulerInitiated"}
    bed.settle(42)
    assert service(bed)["runningCount"] == 0
    assert {task["lastStatus"] for task in listed(bed, "STOPPED")} == {"STOPPED"}


def test_tasks_may_linger_after_the_stack_is_complete() -> None:
    """A scripted linger leaves tasks short of STOPPED while the stack is complete and nothing runs."""
    bed = Bed({"on": "update_stack", "linger": 60})
    bed.create()
    bed.settle()
    bed.update(Count=0)
    assert bed.settle(51) == "UPDATE_COMPLETE"
    assert service(bed)["runningCount"] == 0
    assert {task["lastStatus"] for task in listed(bed, "STOPPED")} == {"STOPPING"}
    bed.settle(60)
    assert {task["lastStatus"] for task in listed(bed, "STOPPED")} == {"STOPPED"}


def test_a_new_definition_is_rolled_out(bed: Bed) -> None:
    """While tasks of the old definition run, the service has two deployments; afterwards only the new one's run."""
    bed.update(Image="shop:2")
    bed.settle(24)
    assert [d["status"] for d in service(bed)["deployments"]] == ["PRIMARY", "ACTIVE"]
    bed.settle()
    assert [d["status"] for d in service(bed)["deployments"]] == ["PRIMARY"]
    assert {task["taskDefinitionArn"].rsplit("/", 1)[-1] for task in listed(bed)} == {"orders:2"}


def test_a_deleted_service_is_inactive(bed: Bed) -> None:
    """With its stack a service goes: it is INACTIVE, without deployments, and its tasks stop; its cluster goes too."""
    stack_id = bed.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["StackId"]
    arn = service(bed)["serviceArn"]
    bed.cloudformation.delete_stack(StackName="orders")
    bed.sim.clock.sleep(4)
    gone = bed.ecs.describe_services(cluster="main", services=[arn], include=["TAGS"])["services"][0]
    assert (gone["status"], gone["desiredCount"], gone["deployments"]) == ("DRAINING", 0, [])
    bed.sim.clock.sleep(5)
    gone = bed.ecs.describe_services(cluster="main", services=[arn], include=["TAGS"])["services"][0]
    assert (gone["status"], gone["runningCount"]) == ("INACTIVE", 0)
    assert {"key": "aws:cloudformation:stack-name", "value": "orders"} in gone["tags"]
    bed.sim.clock.sleep(100)
    assert bed.status(stack_id) == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Cluster not found"):
        bed.ecs.list_tasks(cluster="main")


def test_services_that_are_not_there_are_missing(bed: Bed) -> None:
    """Unknown services are failures of DescribeServices, and errors of ListTasks."""
    answer = bed.ecs.describe_services(cluster="main", services=["web", "none"])
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    assert answer["failures"][0]["arn"].endswith(":service/main/none")
    with pytest.raises(ClientError, match="Service not found"):
        bed.ecs.list_tasks(cluster="main", serviceName="none")
    with pytest.raises(ClientError, match="more than 10"):
        bed.ecs.describe_services(cluster="main", services=["web"] * 11)


def test_a_count_that_others_lifted_stays() -> None:
    """CloudFormation sends only what changed: a count set past it outlives an update of something else."""
    bed = Bed(events=[{"at": 300, "stack": "orders", "desired_count": {"service": "Service", "count": 6}}])
    bed.create()
    bed.settle()
    bed.settle()
    assert service(bed)["runningCount"] == 6
    bed.update(Image="shop:2")
    bed.settle()
    assert (service(bed)["desiredCount"], service(bed)["runningCount"]) == (6, 6)
    bed.update("update-2", Image="shop:2", Count=0)
    bed.settle()
    assert service(bed)["desiredCount"] == 0


def test_stack_resources_without_properties_are_taken_as_they_are() -> None:
    """A service with next to nothing said about it runs one task of whatever it names."""
    template = """
    Resources:
      Service: {Type: AWS::ECS::Service, Properties: {TaskDefinition: elsewhere, DesiredCount: [odd]}}
      Task: {Type: AWS::ECS::TaskDefinition, Properties: {Cpu: 256, NetworkMode: awsvpc, ContainerDefinitions: [{Name: a, DependsOn: [{ContainerName: b}]}]}}
      Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer}
    Outputs:
      Service: {Value: !Ref Service}
      Task: {Value: !Ref Task}
      Balancer: {Value: !GetAtt Balancer.LoadBalancerArn}
      Service2: {Value: !GetAtt Service.Name}
    """
    bed = Bed()
    bed.create(TemplateBody=template)
    bed.settle()
    outputs = {
        o["OutputKey"]: o["OutputValue"]
        for o in bed.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["Outputs"]
    }
    assert outputs["Service"].endswith(outputs["Service2"])
    assert ":loadbalancer/app/" in outputs["Balancer"]
    definition = bed.ecs.describe_task_definition(taskDefinition=outputs["Task"])["taskDefinition"]
    assert (definition["cpu"], definition["networkMode"]) == ("256", "awsvpc")
    assert bed.ecs.describe_services(services=[outputs["Service"]])["services"][0]["runningCount"] == 1
