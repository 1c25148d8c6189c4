"""ECS services in the simulated account: counts, tasks that follow them, and those that linger."""

from typing import Any

import pytest

from deployer_aws.simulator import ClientError
from tests.deployer_aws.simulator.test_stacks import Environment


def service(env: Environment) -> dict[str, Any]:
    return dict(env.ecs.describe_services(cluster="main", services=["web"])["services"][0])


def listed(env: Environment, desired: str = "RUNNING") -> list[dict[str, Any]]:
    arns = env.ecs.list_tasks(cluster="main", serviceName="web", desiredStatus=desired)["taskArns"]
    return list(env.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"]) if arns else []


@pytest.fixture
def env() -> Environment:
    made = Environment()
    made.create()
    made.settle()
    return made


def test_tasks_follow_the_desired_count(env: Environment) -> None:
    """The tasks of a service start and stop over time, and all do as they should when the stack is complete."""
    assert [task["lastStatus"] for task in listed(env)] == ["RUNNING", "RUNNING"]
    env.update(Count=4)
    env.settle(6)
    now = service(env)
    assert (now["desiredCount"], now["runningCount"], now["pendingCount"]) == (4, 2, 2)
    assert now["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    env.settle()
    now = service(env)
    assert (now["runningCount"], now["pendingCount"], len(now["deployments"])) == (4, 0, 1)
    assert now["deployments"][0]["rolloutState"] == "COMPLETED"
    assert now["events"][0]["message"].startswith("(service web)")
    env.update("update-2", Count=0)
    env.settle(4)
    assert (service(env)["desiredCount"], service(env)["runningCount"]) == (0, 4)
    assert listed(env) == []
    assert {task["stopCode"] for task in listed(env, "STOPPED")} == {"ServiceSchedulerInitiated"}
    env.settle(42)
    assert service(env)["runningCount"] == 0
    assert {task["lastStatus"] for task in listed(env, "STOPPED")} == {"STOPPED"}


def test_tasks_may_linger_after_the_stack_is_complete() -> None:
    """A scripted linger leaves tasks short of STOPPED while the stack is complete and nothing runs."""
    env = Environment({"on": "update_stack", "linger": 60})
    env.create()
    env.settle()
    env.update(Count=0)
    assert env.settle(51) == "UPDATE_COMPLETE"
    assert service(env)["runningCount"] == 0
    assert {task["lastStatus"] for task in listed(env, "STOPPED")} == {"STOPPING"}
    env.settle(60)
    assert {task["lastStatus"] for task in listed(env, "STOPPED")} == {"STOPPED"}


def test_a_new_definition_is_rolled_out(env: Environment) -> None:
    """While tasks of the old definition run, the service has two deployments; afterwards only the new one's run."""
    env.update(Image="shop:2")
    env.settle(24)
    assert [d["status"] for d in service(env)["deployments"]] == ["PRIMARY", "ACTIVE"]
    env.settle()
    assert [d["status"] for d in service(env)["deployments"]] == ["PRIMARY"]
    assert {task["taskDefinitionArn"].rsplit("/", 1)[-1] for task in listed(env)} == {"orders:2"}


def test_a_deleted_service_is_inactive(env: Environment) -> None:
    """With its stack a service goes: it is INACTIVE, without deployments, and its tasks stop; its cluster goes too."""
    stack_id = env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["StackId"]
    arn = service(env)["serviceArn"]
    env.cloudformation.delete_stack(StackName="orders")
    env.sim.clock.sleep(4)
    gone = env.ecs.describe_services(cluster="main", services=[arn], include=["TAGS"])["services"][0]
    assert (gone["status"], gone["desiredCount"], gone["deployments"]) == ("DRAINING", 0, [])
    env.sim.clock.sleep(5)
    gone = env.ecs.describe_services(cluster="main", services=[arn], include=["TAGS"])["services"][0]
    assert (gone["status"], gone["runningCount"]) == ("INACTIVE", 0)
    assert {"key": "aws:cloudformation:stack-name", "value": "orders"} in gone["tags"]
    env.sim.clock.sleep(100)
    assert env.status(stack_id) == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Cluster not found"):
        env.ecs.list_tasks(cluster="main")


def test_services_that_are_not_there_are_missing(env: Environment) -> None:
    """Unknown services are failures of DescribeServices, and errors of ListTasks."""
    answer = env.ecs.describe_services(cluster="main", services=["web", "none"])
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    assert answer["failures"][0]["arn"].endswith(":service/main/none")
    with pytest.raises(ClientError, match="Service not found"):
        env.ecs.list_tasks(cluster="main", serviceName="none")
    with pytest.raises(ClientError, match="more than 10"):
        env.ecs.describe_services(cluster="main", services=["web"] * 11)


def test_a_count_that_others_lifted_stays() -> None:
    """CloudFormation sends only what changed: a count set past it outlives an update of something else."""
    env = Environment(
        events=[{"at": 300, "stack": "orders", "desired_count": {"service": "Service", "count": 6}}]
    )
    env.create()
    env.settle()
    env.settle()
    assert service(env)["runningCount"] == 6
    env.update(Image="shop:2")
    env.settle()
    assert (service(env)["desiredCount"], service(env)["runningCount"]) == (6, 6)
    env.update("update-2", Image="shop:2", Count=0)
    env.settle()
    assert service(env)["desiredCount"] == 0


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
    env = Environment()
    env.create(TemplateBody=template)
    env.settle()
    outputs = {
        o["OutputKey"]: o["OutputValue"]
        for o in env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["Outputs"]
    }
    assert outputs["Service"].endswith(outputs["Service2"])
    assert ":loadbalancer/app/" in outputs["Balancer"]
    definition = env.ecs.describe_task_definition(taskDefinition=outputs["Task"])["taskDefinition"]
    assert (definition["cpu"], definition["networkMode"]) == ("256", "awsvpc")
    assert env.ecs.describe_services(services=[outputs["Service"]])["services"][0]["runningCount"] == 1
