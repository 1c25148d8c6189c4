"""Stacks in the simulated CloudFormation: their statuses and events in time."""

from typing import Any

import pytest

from deployer_aws.simulator import ClientError
from tests.support.conformance import CheckedSimulator

pytestmark = pytest.mark.quick

TEMPLATE = """
Parameters:
  Count: {Type: Number, Default: 2}
  Image: {Type: String, Default: 'shop:1'}
Conditions:
  Queued: !Equals [!Ref Image, 'shop:queue']
Resources:
  Cluster: {Type: AWS::ECS::Cluster, Properties: {ClusterName: main}}
  Bucket: {Type: AWS::S3::Bucket}
  Queue: {Type: AWS::SQS::Queue, Condition: Queued}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {Family: orders, ContainerDefinitions: [{Name: app, Image: !Ref Image}]}
  Service:
    Type: AWS::ECS::Service
    Properties: {ServiceName: web, Cluster: !Ref Cluster, DesiredCount: !Ref Count, TaskDefinition: !Ref Task}
Outputs:
  Service: {Value: !Ref Service, Description: the service, Export: {Name: !Sub '${AWS::StackName}-service'}}
  Queue: {Condition: Queued, Value: !GetAtt Queue.Arn}
"""


def parameters(**values: Any) -> list[dict[str, Any]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


class Environment:
    """A simulator with one stack, and short words for what is done with it."""

    def __init__(self, *rules: dict[str, Any], **script: Any) -> None:
        self.sim = CheckedSimulator({"rules": list(rules), **script})
        self.cloudformation = self.sim.client("cloudformation")
        self.ecs = self.sim.client("ecs")

    def create(self, **request: Any) -> str:
        request = {
            "StackName": "orders",
            "TemplateBody": TEMPLATE,
            "ClientRequestToken": "create-1",
            **request,
        }
        return str(self.cloudformation.create_stack(**request)["StackId"])

    def update(self, token: str = "update-1", **values: Any) -> None:
        self.cloudformation.update_stack(
            StackName="orders",
            UsePreviousTemplate=True,
            Parameters=parameters(**values),
            ClientRequestToken=token,
        )

    def settle(self, seconds: float = 300) -> str:
        self.sim.clock.sleep(seconds)
        return self.status()

    def status(self, named: str = "orders") -> str:
        return str(self.cloudformation.describe_stacks(StackName=named)["Stacks"][0]["StackStatus"])

    def statuses(self, named: str = "orders") -> list[str]:
        """Return the statuses of the stack itself, the oldest first."""
        events = self.events(named)
        return [e["ResourceStatus"] for e in events if e["PhysicalResourceId"] == e["StackId"]]

    def events(self, named: str = "orders") -> list[dict[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=named)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def desired(self) -> int:
        services = self.ecs.describe_services(cluster="main", services=["web"])["services"]
        return int(services[0]["desiredCount"])


def test_a_create_goes_through_its_resources() -> None:
    """A good create ends in CREATE_COMPLETE with outputs, each resource created after those that it refers to."""
    env = Environment()
    stack_id = env.create()
    assert env.status() == "CREATE_IN_PROGRESS"
    assert env.settle() == "CREATE_COMPLETE"
    assert env.statuses() == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    events = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in env.events()]
    assert events.index(("Service", "CREATE_IN_PROGRESS")) > events.index(("Task", "CREATE_COMPLETE"))
    stack = env.cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    (output,) = stack["Outputs"]
    assert output["OutputValue"].endswith(":service/main/web")
    assert output["ExportName"] == "orders-service"
    assert env.desired() == 2


def test_every_event_of_an_operation_bears_its_token() -> None:
    """Stack events show the ClientRequestToken of the operation that they belong to, rollback events included."""
    env = Environment({"on": "update_stack", "fail": {"resource": "Service", "reason": "no capacity"}})
    env.create()
    env.settle()
    assert {e["ClientRequestToken"] for e in env.events()} == {"create-1"}
    env.update(Count=3)
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"
    tokens = [e["ClientRequestToken"] for e in env.events()]
    first = tokens.index("update-1")
    assert set(tokens[first:]) == {"update-1"}


def test_a_good_update_passes_through_its_cleanup() -> None:
    """A good update is UPDATE_COMPLETE_CLEANUP_IN_PROGRESS before it is UPDATE_COMPLETE, and touches what changed."""
    env = Environment()
    env.create()
    env.settle()
    env.update(Count=5)
    assert env.settle() == "UPDATE_COMPLETE"
    assert env.statuses()[2:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]
    touched = {e["LogicalResourceId"] for e in env.events() if e["ResourceStatus"] == "UPDATE_COMPLETE"}
    assert touched == {"Service", "orders"}
    assert env.desired() == 5


def test_a_new_definition_replaces_the_old_one() -> None:
    """A changed task definition is a new revision, its service is updated too, and the old revision ends INACTIVE."""
    env = Environment()
    env.create()
    env.settle()
    env.update(Image="shop:2")
    assert env.settle() == "UPDATE_COMPLETE"
    service = env.ecs.describe_services(cluster="main", services=["web"])["services"][0]
    assert service["taskDefinition"].endswith(":task-definition/orders:2")
    old = env.ecs.describe_task_definition(taskDefinition="orders:1")["taskDefinition"]
    assert old["status"] == "INACTIVE"
    assert "deregisteredAt" in old


def test_resources_come_and_go_with_the_template() -> None:
    """An update creates what its conditions newly ask for, and deletes in the cleanup what they no longer do."""
    env = Environment()
    env.create()
    env.settle()
    env.update(Image="shop:queue")
    env.settle()
    summaries = env.cloudformation.list_stack_resources(StackName="orders")["StackResourceSummaries"]
    assert {s["LogicalResourceId"]: s["ResourceStatus"] for s in summaries}["Queue"] == "CREATE_COMPLETE"
    env.update("update-2", Image="shop:1")
    env.settle()
    events = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in env.events()]
    cleanup = events.index(("Queue", "DELETE_IN_PROGRESS"))
    begun = events[:cleanup][::-1].index(("orders", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    assert {name for name, _ in events[cleanup - begun : cleanup]} <= {"Task"}, "it is replaced, too"
    assert ("Queue", "DELETE_COMPLETE") in events


def test_a_failed_create_is_rolled_back() -> None:
    """A failing resource cancels its siblings, the stack is emptied, and it rests in ROLLBACK_COMPLETE."""
    env = Environment({"on": "create_stack", "fail": {"resource": "Bucket", "reason": "the name is taken"}})
    env.create()
    assert env.settle() == "ROLLBACK_COMPLETE"
    assert env.statuses() == ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    reasons = {
        e["LogicalResourceId"]: e.get("ResourceStatusReason")
        for e in env.events()
        if "FAILED" in e["ResourceStatus"]
    }
    assert reasons["Bucket"] == "the name is taken"
    assert reasons["Task"] == "Resource creation cancelled"
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        env.update(Count=1)


def test_a_failed_update_restores_what_was() -> None:
    """After a failed update the stack has its earlier parameters, and its services their counts and definitions."""
    env = Environment({"on": "update_stack", "fail": {"resource": "Service", "reason": "no capacity"}})
    env.create()
    env.settle()
    env.update(Count=0, Image="shop:queue")
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"
    assert env.statuses()[2:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    assert env.desired() == 2
    service = env.ecs.describe_services(cluster="main", services=["web"])["services"][0]
    assert service["taskDefinition"].endswith("orders:1")
    assert env.ecs.describe_task_definition(taskDefinition="orders")["taskDefinition"]["revision"] == 1
    stack = env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]} == {
        "Count": "2",
        "Image": "shop:1",
    }
    events = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in env.events()]
    assert ("Queue", "DELETE_COMPLETE") in events


@pytest.mark.parametrize("operation", ["create_stack", "update_stack"])
def test_a_rollback_can_fail(operation: str) -> None:
    """A scripted failure of the rollback leaves ROLLBACK_FAILED or UPDATE_ROLLBACK_FAILED."""
    env = Environment({"on": operation, "fail": True, "rollback_fails": "cannot go back"})
    env.create()
    env.settle()
    if operation == "update_stack":
        env.update(Count=0)
        assert env.settle() == "UPDATE_ROLLBACK_FAILED"
        with pytest.raises(ClientError, match="UPDATE_ROLLBACK_FAILED state and can not be updated"):
            env.update("update-2", Count=1)
    else:
        assert env.status() == "ROLLBACK_FAILED"
    assert "cannot go back" in {e.get("ResourceStatusReason") for e in env.events()}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED"),
        ({"DisableRollback": True}, "CREATE_FAILED"),
        ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE"),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE"),
    ],
)
def test_on_failure_decides_what_a_failed_create_becomes(request_: dict[str, Any], status: str) -> None:
    """OnFailure and DisableRollback are honoured."""
    env = Environment({"on": "create_stack", "fail": True})
    stack_id = env.create(**request_)
    env.sim.clock.sleep(300)
    assert env.status(stack_id) == status


def test_a_create_times_out() -> None:
    """A create that takes longer than TimeoutInMinutes is rolled back."""
    env = Environment({"on": "create_stack", "takes": 1000})
    env.create(TimeoutInMinutes=2)
    env.settle(121)
    stack = env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_IN_PROGRESS"
    assert "exceeded the specified timeout" in stack["StackStatusReason"]


def test_a_create_in_time_does_not_time_out_later() -> None:
    """Once a stack is complete its TimeoutInMinutes has no effect any more."""
    env = Environment()
    env.create(TimeoutInMinutes=2)
    assert env.settle(500) == "CREATE_COMPLETE"


def test_a_cancel_rolls_the_update_back() -> None:
    """A cancel is taken in UPDATE_IN_PROGRESS only; the events after it bear its own token."""
    env = Environment()
    env.create()
    env.settle()
    with pytest.raises(ClientError, match="cannot be called from current stack status"):
        env.cloudformation.cancel_update_stack(StackName="orders")
    env.update(Count=0)
    env.settle(10)
    env.cloudformation.cancel_update_stack(StackName="orders", ClientRequestToken="cancel-1")
    env.cloudformation.cancel_update_stack(StackName="orders", ClientRequestToken="cancel-1")
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"
    assert env.events()[-1]["ClientRequestToken"] == "cancel-1"
    assert env.desired() == 2
    assert [c.action for c in env.sim.changes] == ["create_stack", "update_stack", "cancel_update_stack"]


def test_a_delete_frees_the_name() -> None:
    """A deleted stack is found by its id alone; its name can be used again; deleting what is not there is no error."""
    env = Environment()
    stack_id = env.create()
    env.settle()
    env.cloudformation.delete_stack(StackName="orders", ClientRequestToken="delete-1")
    env.cloudformation.delete_stack(StackName="orders", ClientRequestToken="delete-1")
    env.sim.clock.sleep(100)
    with pytest.raises(ClientError, match="Stack with id orders does not exist"):
        env.status()
    assert env.status(stack_id) == "DELETE_COMPLETE"
    env.cloudformation.delete_stack(StackName="orders")
    assert env.cloudformation.describe_stacks()["Stacks"] == []
    assert env.create(ClientRequestToken="create-2") != stack_id
    assert [c.action for c in env.sim.changes] == ["create_stack", "delete_stack", "create_stack"]


def test_a_delete_can_fail() -> None:
    """A resource that cannot be deleted leaves DELETE_FAILED; a second delete may retain it."""
    env = Environment({"on": "delete_stack", "nth": 1, "fail": {"resource": "Bucket", "reason": "not empty"}})
    stack_id = env.create()
    env.settle()
    env.cloudformation.delete_stack(StackName="orders")
    assert env.settle() == "DELETE_FAILED"
    env.cloudformation.delete_stack(StackName="orders", RetainResources=["Bucket"])
    env.sim.clock.sleep(100)
    assert env.status(stack_id) == "DELETE_COMPLETE"


def test_deletes_are_refused_where_aws_refuses_them() -> None:
    """A protected stack, and one that is being updated, is not deleted."""
    env = Environment()
    env.create(EnableTerminationProtection=True)
    env.settle()
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        env.cloudformation.delete_stack(StackName="orders")
    env = Environment()
    env.create()
    env.settle()
    env.update(Count=0)
    with pytest.raises(ClientError, match="cannot be deleted while in status UPDATE_IN_PROGRESS"):
        env.cloudformation.delete_stack(StackName="orders")


def test_nested_stacks_show_in_the_parent() -> None:
    """A nested stack's own id is the physical id of its events in the parent, which are not the parent's own."""
    template = "{Resources: {Inner: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: !Ref 'AWS::StackName'}}}}"
    env = Environment({"on": "update_stack", "fail": {"resource": "Inner", "reason": "inner trouble"}})
    stack_id = env.create(TemplateBody=template)
    env.settle()
    inner = next(
        e
        for e in env.events()
        if e["LogicalResourceId"] == "Inner" and e["ResourceStatus"] == "CREATE_COMPLETE"
    )
    assert inner["ResourceType"] == "AWS::CloudFormation::Stack"
    nested = inner["PhysicalResourceId"]
    described = env.cloudformation.describe_stacks(StackName=nested)["Stacks"][0]
    assert (described["ParentId"], described["StackStatus"]) == (stack_id, "CREATE_COMPLETE")
    assert env.statuses(nested) == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    tags = [{"Key": "a", "Value": "b"}]
    env.cloudformation.update_stack(StackName="orders", UsePreviousTemplate=True, Tags=tags)
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"
    assert env.status(nested) == "UPDATE_COMPLETE"
    env.cloudformation.delete_stack(StackName="orders")
    env.sim.clock.sleep(100)
    assert env.status(nested) == "DELETE_COMPLETE"


def test_status_changes_are_emitted() -> None:
    """Each status of the stack is emitted as EventBridge has it, with its token."""
    env = Environment()
    stack_id = env.create()
    env.settle()
    events = [e for e in env.sim.emitted if e["detail-type"] == "CloudFormation Stack Status Change"]
    assert [e["detail"]["status-details"]["status"] for e in events] == env.statuses()
    assert events[0]["detail"]["client-request-token"] == "create-1"
    assert (events[0]["source"], events[0]["resources"]) == ("aws.cloudformation", [stack_id])
