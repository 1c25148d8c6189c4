"""What an update replaces or removes in the simulated CloudFormation: when, with which events, and what a policy keeps."""

import json
from typing import Any

import pytest

from tests.support.conformance import CheckedSimulator

pytestmark = pytest.mark.quick

OLD = "orders-1"


class Environment:
    """A stack with a bucket of a given name, a queue, and policies."""

    def __init__(self, *rules: dict[str, Any], **policies: str) -> None:
        self.sim = CheckedSimulator({"rules": list(rules)})
        self.cloudformation: Any = self.sim.client("cloudformation")
        self.policies = policies
        self.cloudformation.create_stack(StackName="orders", TemplateBody=self.template(OLD))
        self.sim.clock.sleep(1_000)

    def template(self, name: str, *, queue: bool = True) -> str:
        bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, **self.policies}
        more = {"Queue": {"Type": "AWS::SQS::Queue", **self.policies}} if queue else {}
        return json.dumps({"Resources": {"Bucket": bucket, **more}})

    def update(self, name: str, **more: Any) -> list[tuple[str, str, str]]:
        """Update the stack; return the events that came of it: who, what, and the physical id of a bucket."""
        before = len(self.events())
        self.cloudformation.update_stack(StackName="orders", TemplateBody=self.template(name, **more))
        self.sim.clock.sleep(1_000)
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", "")[:16])
            if e["LogicalResourceId"] != "Bucket"
            else ("Bucket", e["ResourceStatus"], e["PhysicalResourceId"])
            for e in self.events()[before:]
        ]

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.cloudformation.describe_stack_events(StackName="orders", **token)
            found += page["StackEvents"]
            if "NextToken" not in page:
                return found[::-1]
            token = {"NextToken": page["NextToken"]}


def test_a_new_name_is_a_new_bucket() -> None:
    """The new one is made first; the old one is deleted in the cleanup, under the same logical id."""
    assert Environment().update("orders-2") == [
        ("orders", "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Bucket", "UPDATE_IN_PROGRESS", OLD),
        ("Bucket", "UPDATE_IN_PROGRESS", "orders-2"),
        ("Bucket", "UPDATE_COMPLETE", "orders-2"),
        ("orders", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("Bucket", "DELETE_IN_PROGRESS", OLD),
        ("Bucket", "DELETE_COMPLETE", OLD),
        ("orders", "UPDATE_COMPLETE", ""),
    ]


def test_a_policy_keeps_what_is_replaced() -> None:
    """With UpdateReplacePolicy the old one is left where it is, which its event says."""
    kept = Environment(UpdateReplacePolicy="Retain").update("orders-2")
    assert ("Bucket", "DELETE_SKIPPED", OLD) in kept
    assert ("Bucket", "DELETE_COMPLETE", OLD) not in kept


@pytest.mark.parametrize(
    ("policies", "expected"), [({}, "DELETE_COMPLETE"), ({"DeletionPolicy": "Retain"}, "DELETE_SKIPPED")]
)
def test_what_leaves_the_template_leaves_the_stack(policies: dict[str, str], expected: str) -> None:
    """It is deleted in the cleanup, or kept where the template that had it says so."""
    env = Environment(**policies)
    assert [what for who, what, _ in env.update(OLD, queue=False) if who == "Queue"][-1] == expected
    assert [what for who, what, _ in env.update("orders-2", queue=False) if who == "Queue"] == []


def test_a_rollback_keeps_the_old_one() -> None:
    """An update that fails after a replacement has replaced nothing in the end."""
    env = Environment({"on": "update_stack", "fail": {"resource": "Queue"}})
    found = env.update("orders-2")
    assert found[-1] == ("orders", "UPDATE_ROLLBACK_COMPLETE", "")
    assert ("Bucket", "DELETE_COMPLETE", OLD) not in found
    resources = env.cloudformation.list_stack_resources(StackName="orders")["StackResourceSummaries"]
    assert [r["PhysicalResourceId"] for r in resources if r["LogicalResourceId"] == "Bucket"] == [OLD]


def test_a_deleted_stack_leaves_what_a_policy_keeps() -> None:
    """DeletionPolicy counts for the whole stack too."""
    env = Environment(DeletionPolicy="Retain")
    stack = env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["StackId"]
    env.cloudformation.delete_stack(StackName="orders")
    env.sim.clock.sleep(1_000)
    events = env.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    last = {e["LogicalResourceId"]: e["ResourceStatus"] for e in reversed(events)}
    assert last == {"orders": "DELETE_COMPLETE", "Bucket": "DELETE_SKIPPED", "Queue": "DELETE_SKIPPED"}


def test_a_seeded_stack_may_be_somebody_elses() -> None:
    """The events of a stack that is there from the start bear the token that the script names."""
    sim = CheckedSimulator({"stacks": [{"name": "orders", "token": "mine-1"}]})
    client: Any = sim.client("cloudformation")
    events = client.describe_stack_events(StackName="orders")["StackEvents"]
    assert {e["ClientRequestToken"] for e in events} == {"mine-1"}
