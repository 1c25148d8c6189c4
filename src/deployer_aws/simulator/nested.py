"""Nested stacks: stacks of their own, with a parent whose events show them as resources.

What a nested template holds is not carried out; the nested stack has its own id, statuses and events.
"""

from deployer_aws.simulator.account import Account
from deployer_aws.simulator.resources import ResourceChange
from deployer_aws.simulator.rows import Stack
from deployer_aws.simulator.stack_events import set_status

TYPE = "AWS::CloudFormation::Stack"
_BODY = "Resources: {Content: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}"


def make(change: ResourceChange) -> str:
    """Create a nested stack; return its StackId, which is its physical id in the parent."""
    account, parent = change.account, change.stack
    name = change.given_name
    stack = Stack(
        account.arn("cloudformation", f"stack/{name}/{account.uuid()}"),
        name,
        account.now,
        template=account.remember(_BODY),
        parent=parent.key,
        token=parent.token,
    )
    account.add_stack(stack)
    set_status(account, stack, "CREATE_IN_PROGRESS", "User Initiated")
    return stack.key


def tell(account: Account, key: str, status: str) -> None:
    """Give a nested stack the status that follows from its parent's."""
    stack = account.need(Stack, key)
    parent = account.need(Stack, stack.parent or "")
    stack.token = parent.token
    if status == "UPDATE_IN_PROGRESS":
        stack.updated = account.now
    if status == "DELETE_COMPLETE":
        account.bury_stack(stack)
    set_status(account, stack, status)
