"""Events as AWS documents them, written after the examples there with names of our own.

Stacks: 'Stack Status Change event detail', CloudFormation User Guide. Tasks: 'Amazon ECS task state change events',
ECS Developer Guide. Envelopes: 'Parsing message formats', SNS Developer Guide, and 'Using Lambda with Amazon SQS',
Lambda Developer Guide.
"""

import json
from typing import Any

ACCOUNT, REGION = "111122223333", "eu-west-1"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/5d9bc630-1d8a-11ee-be56-0242ac120002"
TASK_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/main/7c1a4e0bb9a34d1c8f1c2b7e5d0f6a93"


def envelope(source: str, about: str, resource: str, detail: dict[str, Any]) -> dict[str, Any]:
    """Put around an event what EventBridge puts around every one."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": about,
        "source": source,
        "account": ACCOUNT,
        "time": "2026-03-01T18:43:48Z",
        "region": REGION,
        "resources": [resource],
        "detail": detail,
    }


def stack_event(
    status: str = "UPDATE_COMPLETE",
    *,
    stack_id: str = STACK_ID,
    token: str | None = "deployer-1",
    reason: str | None = "",
) -> dict[str, Any]:
    """Return the event that a stack has come to a status."""
    details = {"status": status} | ({} if reason is None else {"status-reason": reason})
    detail: dict[str, Any] = {"stack-id": stack_id, "status-details": details}
    if token is not None:
        detail["client-request-token"] = token
    return envelope("aws.cloudformation", "CloudFormation Stack Status Change", stack_id, detail)


def container(name: str, status: str, code: int | None = None, reason: str = "") -> dict[str, Any]:
    """Return a container of the task, as its event shows it."""
    shown: dict[str, Any] = {
        "containerArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:container/main/7c1a/{name}",
        "lastStatus": status,
        "name": name,
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop:1",
        "imageDigest": "sha256:7110eb63",
        "runtimeId": "7c1a4e0bb9a34d1c8f1c2b7e5d0f6a93-527074092",
        "taskArn": TASK_ARN,
        "networkInterfaces": [{"attachmentId": "0ea7a2c6", "privateIpv4Address": "10.0.0.7"}],
        "cpu": "0",
    }
    if code is not None:
        shown["exitCode"] = code
    return shown | ({"reason": reason} if reason else {})


def task_event(status: str = "STOPPED", *containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the event that a task has changed; members that are None are left out."""
    detail: dict[str, Any] = {
        "attachments": [{"id": "0ea7a2c6", "type": "eni", "status": "DELETED", "details": []}],
        "availabilityZone": "eu-west-1b",
        "clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/main",
        "connectivity": "CONNECTED",
        "containers": list(containers),
        "cpu": "256",
        "createdAt": "2026-03-01T18:43:00.000Z",
        "desiredStatus": "RUNNING"
        if status in ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")
        else "STOPPED",
        "group": "family:shop-migrate",
        "launchType": "FARGATE",
        "lastStatus": status,
        "memory": "512",
        "overrides": {"containerOverrides": [{"name": c["name"]} for c in containers]},
        "platformVersion": "1.4.0",
        "startedBy": "deployer-1",
        "taskArn": TASK_ARN,
        "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/shop-migrate:3",
        "updatedAt": "2026-03-01T18:43:48.000Z",
        "version": 5,
        **members,
    }
    kept = {name: value for name, value in detail.items() if value is not None}
    return envelope("aws.ecs", "ECS Task State Change", detail["taskArn"] or TASK_ARN, kept)


def stopped(*containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the event that a task has stopped by itself."""
    return task_event(
        "STOPPED",
        *containers,
        **{
            "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "version": 9,
            **members,
        },
    )


def sqs_message(event: object) -> dict[str, Any]:
    """Return an event as ReceiveMessage gives it."""
    return {"MessageId": "m-1", "ReceiptHandle": "r-1", "MD5OfBody": "", "Body": json.dumps(event)}


def lambda_batch(*events: object) -> dict[str, Any]:
    """Return events as Lambda is given a batch of SQS."""
    return {
        "Records": [
            {"messageId": "m-1", "receiptHandle": "r-1", "body": json.dumps(event), "eventSource": "aws:sqs"}
            for event in events
        ]
    }


def sns_notification(event: object) -> dict[str, Any]:
    """Return an event as SNS wraps it, where raw delivery is off."""
    return {
        "Type": "Notification",
        "MessageId": "n-1",
        "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:deployer",
        "Message": json.dumps(event),
        "Timestamp": "2026-03-01T18:43:49.000Z",
        "SignatureVersion": "1",
    }
