"""Nested stacks: stacks of their own, with a parent whose events show them as resources.

What a nested template holds is not carried out; the nested stack has its own id, statuses and events.
"""

from deployer_aws.simulator.resources import Work
from deployer_aws.simulator.rows import Pointer, Stack
from deployer_aws.simulator.stack_events import set_status
from deployer_aws.simulator.world import World

TYPE = "AWS::CloudFormation::Stack"
_BODY = "Resources: {Content: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}"


def make(work: Work) -> str:
    """A nested stack in the making; its physical id in the parent is its StackId."""
    world, parent = work.world, work.stack
    name = work.given_name
    stack = Stack(
        world.arn("cloudformation", f"stack/{name}/{world.uuid()}"),
        name,
        world.now,
        template=world.remember(_BODY),
        parent=parent.key,
        token=parent.token,
    )
    world.store.add(stack)
    world.store.add(Pointer(f"stack:{name}", stack.key))
    world.store.link("stacks", stack.key)
    set_status(world, stack, "CREATE_IN_PROGRESS", "User Initiated")
    return stack.key


def tell(world: World, key: str, status: str) -> None:
    """The nested stack follows its parent into a status."""
    stack = world.need(Stack, key)
    parent = world.need(Stack, stack.parent or "")
    stack.token = parent.token
    if status == "UPDATE_IN_PROGRESS":
        stack.updated = world.now
    if status == "DELETE_COMPLETE":
        stack.deleted = world.now
        world.store.drop(Pointer, f"stack:{stack.name}")
        world.store.unlink("stacks", key)
    set_status(world, stack, status)
