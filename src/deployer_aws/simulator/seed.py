"""Seeding an account with the clusters, task definitions and stacks of a script."""

from deployer_aws.simulator import ecs_services, outside
from deployer_aws.simulator.account import Account
from deployer_aws.simulator.resources import definition_arn, register
from deployer_aws.simulator.rows import Definition, Pointer, Stack
from deployer_aws.simulator.script import DefinitionSpec, InitialStack, Rule
from deployer_aws.simulator.stack_engine import begin_create, begin_update
from deployer_aws.simulator.stack_inputs import parameters
from deployer_aws.simulator.templates import parse

PLAIN = "Resources: {Nothing: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}"


def seed_account(account: Account) -> None:
    """Make what the script has and the account has not, and schedule the script's events."""
    for name in ("default", *account.script.clusters):
        ecs_services.add_cluster(account, name)
    for definition in account.script.task_definitions:
        _seed_definition(account, definition)
    for stack in account.script.stacks:
        if account.living_stack(stack.name) is None:
            _seed_stack(account, stack)
    outside.plan(account, account.script.events)


def _seed_definition(account: Account, spec: DefinitionSpec) -> None:
    if definition_arn(account, spec.arn or f"{spec.family}:{spec.revision}") is not None:
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
        account, spec.family, containers, revision=spec.revision, network_mode=spec.network_mode, arn=spec.arn
    )
    if spec.status == "INACTIVE":
        definition = account.need(Definition, arn)
        definition.status, definition.deregistered = "INACTIVE", account.now
        account.store.drop(Pointer, f"family:{spec.family}")


def _seed_stack(account: Account, spec: InitialStack) -> None:
    """Create a stack in no time, then give it the status that the script says."""
    body = PLAIN if spec.template is None else account.template_body(spec.template)
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in spec.parameters.items()]
    stack = Stack(
        account.arn("cloudformation", f"stack/{spec.name}/{account.uuid()}"), spec.name, account.now
    )
    stack.template, stack.parameters = account.remember(body), parameters(parse(body), given, None)
    stack.tags, stack.settings = spec.tags, {"protected": spec.protected}
    account.add_stack(stack)
    token = spec.token or f"Console-CreateStack-{account.uuid()}"
    if spec.status == "CREATE_IN_PROGRESS":
        begin_create(account, stack, token, Rule(on="create_stack"))
        return
    if spec.status not in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
        begin_create(account, stack, token, Rule(on="create_stack", takes=0.0))
        account.advance(0.0)
    stack.status = spec.status
    if spec.status == "UPDATE_IN_PROGRESS":
        target = {"template": stack.template, "parameters": stack.parameters, "tags": stack.tags}
        begin_update(account, stack, f"Console-UpdateStack-{account.uuid()}", Rule(on="update_stack"), target)
