"""CloudFormation's answers, and looks at changes that it has accepted."""

from datetime import UTC, datetime
from typing import Any

from deployer_aws.executors.cloudformation import CloudFormation
from deployer_core.engine.messages import Attempt
from deployer_core.machines.deployment import UpsertStack
from deployer_core.spec import StackSpec, TemplateBody
from tests.deployer_aws.stubs import NOW, Refused, Stub, answers, work

ID = "arn:aws:cloudformation:eu-west-1:1:stack/shop/1"
NESTED = "arn:aws:cloudformation:eu-west-1:1:stack/shop-Nested/2"
SPEC = StackSpec("shop", TemplateBody("0" * 64, "shop.json"))
COUNTS = (("Count", 2),)
MISSING = Refused("ValidationError", "Stack with id shop does not exist")


def at(seconds: float) -> datetime:
    """Return a time as boto3 gives it."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def shown(status: str = "CREATE_COMPLETE", **members: Any) -> dict[str, Any]:
    """DescribeStacks' answer."""
    found = {"StackId": ID, "StackName": "shop", "StackStatus": status, "CreationTime": at(-900)}
    return {
        "Stacks": [{**found, "Parameters": [{"ParameterKey": "Count", "ParameterValue": "1"}], **members}]
    }


def event(status: str, token: str | None, when: float = 0, *, of: str = ID, **members: Any) -> dict[str, Any]:
    """One of a stack's own events."""
    found = {
        "StackId": of,
        "PhysicalResourceId": of,
        "LogicalResourceId": "shop",
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
        "Timestamp": at(when),
    }
    return {**found, **({"ClientRequestToken": token} if token else {}), **members}


def resource(
    status: str, reason: str, token: str | None, *, name: str = "Topic", **members: Any
) -> dict[str, Any]:
    """Return an event of a resource."""
    about: dict[str, Any] = {
        "PhysicalResourceId": f"{name}-1",
        "LogicalResourceId": name,
        "ResourceType": "AWS::SNS::Topic",
    }
    return event(status, token, ResourceStatusReason=reason, **{**about, **members})


def page(*found: dict[str, Any], more: str = "") -> dict[str, Any]:
    """DescribeStackEvents' answer, newest first."""
    return {"StackEvents": list(found), **({"NextToken": more} if more else {})}


def observed(*pages: Any, status: str, command: Any = None, **members: Any) -> list[Any]:
    """Return what one look at an accepted change comes to."""
    client = Stub({"describe_stacks": [shown(status, **members)], "describe_stack_events": list(pages)})
    pending = work(command or UpsertStack("d1", SPEC, COUNTS), attempt=Attempt(1, NOW - 10), ref=ID, age=10)
    return answers(CloudFormation(client, Stub({})).act(pending))


TOKEN = work(None).token(1)
