"""The events, statuses and outputs of stacks."""

from deployer_aws.simulator.account import Account, iso
from deployer_aws.simulator.resources import scope_of
from deployer_aws.simulator.rows import Json, Pointer, Stack
from deployer_aws.templates import as_text


def set_status(account: Account, stack: Stack, status: str, reason: str | None = None) -> None:
    """Set the stack's status; add an event to its own, and emit one to EventBridge."""
    stack.status, stack.reason = status, reason
    _append(
        account, stack, stack.name, stack.key, "AWS::CloudFormation::Stack", status, reason, account.uuid()
    )
    detail: Json = {
        "stack-id": stack.key,
        "status-details": {"status": status, "status-reason": reason or ""},
    }
    if stack.token:
        detail["client-request-token"] = stack.token
    account.emit("aws.cloudformation", "CloudFormation Stack Status Change", [stack.key], detail)


def old_resource_status(account: Account, stack: Stack, logical: str, old: Json, status: str) -> None:
    """Add an event of a resource that another one has replaced under its logical id."""
    event_id = f"{logical}-{status}-{iso(account.now)}-{old['physical']}"
    _append(account, stack, logical, old["physical"], old["type"], status, None, event_id)


def resource_status(
    account: Account, stack: Stack, logical: str, status: str, reason: str | None = None
) -> None:
    """Set the status of one of the stack's resources."""
    entry = stack.resources[logical]
    entry.update(status=status, reason=reason, at=account.now)
    event_id = f"{logical}-{status}-{iso(account.now)}"
    _append(account, stack, logical, entry["physical"], entry["type"], status, reason, event_id)


def _append(
    account: Account,
    stack: Stack,
    logical: str,
    physical: str,
    kind: str,
    status: str,
    reason: str | None,
    event_id: str,
) -> None:
    event: Json = {
        "StackId": stack.key,
        "EventId": event_id,
        "StackName": stack.name,
        "LogicalResourceId": logical,
        "PhysicalResourceId": physical,
        "ResourceType": kind,
        "Timestamp": account.now,
        "ResourceStatus": status,
    }
    if reason:
        event["ResourceStatusReason"] = reason
    if stack.token:
        event["ClientRequestToken"] = stack.token
    account.store.append(f"events:{stack.key}", event)


def publish_outputs(account: Account, stack: Stack) -> None:
    """Evaluate the outputs of the template in force, and export those that are exported."""
    retract_exports(account, stack)
    scope = scope_of(account, stack)
    stack.outputs = []
    for name, output in scope.template.outputs.items():
        if not scope.applies(output):
            continue
        shown: Json = {"OutputKey": name, "OutputValue": as_text(scope.value(output.get("Value", "")))}
        if "Description" in output:
            shown["Description"] = output["Description"]
        if "Export" in output:
            shown["ExportName"] = str(scope.value(output["Export"]["Name"]))
            account.store.add(Pointer(f"export:{shown['ExportName']}", shown["OutputValue"]))
        stack.outputs.append(shown)


def retract_exports(account: Account, stack: Stack) -> None:
    """Remove the stack's exports."""
    for output in stack.outputs:
        if "ExportName" in output:
            account.store.drop(Pointer, f"export:{output['ExportName']}")
