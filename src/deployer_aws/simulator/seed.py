"""How a world begins: the clusters, task definitions and stacks that a script says are there."""

from deployer_aws.simulator import outside, service_life
from deployer_aws.simulator.resources import register, world_pointer
from deployer_aws.simulator.rows import Definition, Pointer, Stack
from deployer_aws.simulator.script import DefinitionSpec, InitialStack, Rule
from deployer_aws.simulator.stack_engine import begin_create, begin_update
from deployer_aws.simulator.stack_inputs import parameters
from deployer_aws.simulator.templates import parse
from deployer_aws.simulator.world import World

PLAIN = "Resources: {Nothing: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}"


def found(world: World) -> None:
    """Make what the script has that is not there yet, and schedule its events."""
    for name in ("default", *world.script.clusters):
        service_life.add_cluster(world, name)
    for definition in world.script.task_definitions:
        _found_definition(world, definition)
    for stack in world.script.stacks:
        if world.store.get(Pointer, f"stack:{stack.name}") is None:
            _found_stack(world, stack)
    outside.plan(world, world.script.events)


def _found_definition(world: World, spec: DefinitionSpec) -> None:
    if world_pointer(world, spec.arn or f"{spec.family}:{spec.revision}") is not None:
        return
    by_name = all(container.essential for container in spec.containers) and len(spec.containers) > 1
    containers = [
        {
            "name": container.name,
            "image": container.image,
            "essential": index == 0 if by_name else container.essential,
            "log": {"awslogs-group": f"/ecs/{spec.family}", "awslogs-stream-prefix": "ecs"},
        }
        for index, container in enumerate(spec.containers)
    ] or [{"name": "app", "image": "simulated:latest", "essential": True, "log": {}}]
    arn = register(
        world, spec.family, containers, revision=spec.revision, network_mode=spec.network_mode, arn=spec.arn
    )
    if spec.status == "INACTIVE":
        definition = world.need(Definition, arn)
        definition.status, definition.deregistered = "INACTIVE", world.now
        world.store.drop(Pointer, f"family:{spec.family}")


def _found_stack(world: World, spec: InitialStack) -> None:
    """A stack is founded by creating it in no time; then it gets the status that the script gives it."""
    body = PLAIN if spec.template is None else world.template_body(spec.template)
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in spec.parameters.items()]
    stack = Stack(world.arn("cloudformation", f"stack/{spec.name}/{world.uuid()}"), spec.name, world.now)
    stack.template, stack.parameters = world.remember(body), parameters(parse(body), given, None)
    stack.tags, stack.settings = spec.tags, {"protected": spec.protected}
    world.store.add(stack)
    world.store.add(Pointer(f"stack:{spec.name}", stack.key))
    world.store.link("stacks", stack.key)
    token = f"Console-CreateStack-{world.uuid()}"
    if spec.status == "CREATE_IN_PROGRESS":
        begin_create(world, stack, token, Rule(on="create_stack"))
        return
    if spec.status not in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
        begin_create(world, stack, token, Rule(on="create_stack", takes=0.0))
        world.advance(0.0)
    stack.status = spec.status
    if spec.status == "UPDATE_IN_PROGRESS":
        target = {"template": stack.template, "parameters": stack.parameters, "tags": stack.tags}
        begin_update(world, stack, f"Console-UpdateStack-{world.uuid()}", Rule(on="update_stack"), target)
