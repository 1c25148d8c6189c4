"""The resources of a stack: what they are called, what can be asked of them, and which of them really do something.

ECS clusters, services and task definitions, and nested stacks, exist in the simulated world; all others are names.
"""

from functools import partial
from typing import Any

import attrs

from deployer_aws.simulator import service_life
from deployer_aws.simulator.rows import Definition, Json, Pointer, Stack, is_list, is_map
from deployer_aws.simulator.templates import parse
from deployer_aws.simulator.world import ACCOUNT, REGION, World
from deployer_aws.templates import Evaluator

_BY_NAME = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::IAM::Role": "RoleName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Function": "FunctionName",
}
_ARN_SHAPED = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing:loadbalancer/app",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "elasticloadbalancing:targetgroup",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "elasticloadbalancing:listener-rule/app",
    "AWS::ElasticLoadBalancingV2::Listener": "elasticloadbalancing:listener/app",
    "AWS::SecretsManager::Secret": "secretsmanager:secret",
    "AWS::SNS::Topic": "sns:topic",
}


@attrs.frozen
class Work:
    """One resource of a stack being made, changed or removed; times in seconds from now."""

    world: World
    stack: Stack
    logical: str
    kind: str
    properties: Json
    within: float
    lasts: float | None = None  # how long stopping tasks take, where the script says so

    @property
    def given_name(self) -> str:
        """A name for what has no name of its own."""
        return f"{self.stack.name}-{self.logical}-{self.world.unique(12).upper()}"


def scope_of(world: World, stack: Stack) -> Evaluator:
    """What the names in the stack's template stand for just now."""
    pseudo = {
        "AWS::StackName": stack.name,
        "AWS::StackId": stack.key,
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": "",
    }
    physical = {name: entry["physical"] for name, entry in live(stack).items() if entry["physical"]}
    return Evaluator(
        template=parse(world.text(stack.template)),
        parameters=stack.parameters,
        pseudo=pseudo,
        physical=physical,
        attributes=partial(_attribute, stack),
        exports=partial(_imported, world),
    )


def live(stack: Stack) -> dict[str, Json]:
    """The resources that have not been deleted."""
    return {name: entry for name, entry in stack.resources.items() if entry["status"] != "DELETE_COMPLETE"}


def _imported(world: World, name: str) -> str:
    exported = world.store.get(Pointer, f"export:{name}")
    return exported.to if exported else f"imported-{name}"


def _attribute(stack: Stack, logical: str, attribute: str) -> str:
    """A plausible value for GetAtt: ARNs look like ARNs, names like names, the rest like host names."""
    entry = stack.resources.get(logical, {"physical": logical, "type": ""})
    physical, kind = entry["physical"] or logical, entry["type"]
    if attribute.endswith("Arn"):
        service, noun = kind.lower().split("::")[1:] if kind.count("::") == 2 else ("unknown", "unknown")
        path = f"{noun}/{physical}"
        return physical if physical.startswith("arn:") else f"arn:aws:{service}:{REGION}:{ACCOUNT}:{path}"
    if attribute == "Name":
        return physical.rsplit("/", 1)[-1]
    return f"{stack.name}-{logical}-{attribute.replace('.', '-')}.simulated.internal".lower()


def make(work: Work) -> str:
    """Make the resource; the answer is its physical id."""
    properties = work.properties
    if work.kind == "AWS::ECS::Cluster":
        name = properties.get("ClusterName") or work.given_name
        service_life.add_cluster(work.world, name)
        return str(name)
    if work.kind == "AWS::ECS::TaskDefinition":
        return _register(work)
    if work.kind == "AWS::ECS::Service":
        return service_life.create(
            work.world,
            name=str(properties.get("ServiceName") or work.given_name),
            cluster=service_life.cluster_arn(work.world, properties.get("Cluster")),
            definition=_definition(work),
            desired=_count(properties.get("DesiredCount", 1)),
            launch_type=str(properties.get("LaunchType", "FARGATE")),
            tags={"aws:cloudformation:stack-name": work.stack.name, **_tags(properties)},
            within=work.within,
        )
    return _name(work)


def _name(work: Work) -> str:
    if work.kind in _ARN_SHAPED:
        service, _, prefix = _ARN_SHAPED[work.kind].partition(":")
        return work.world.arn(service, f"{prefix}/{work.given_name}/{work.world.unique(16)}")
    if work.kind == "AWS::SQS::Queue":
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{work.properties.get('QueueName') or work.given_name}"
    if work.kind.startswith("AWS::EC2::"):
        return f"{work.kind.split('::')[-1].lower()}-{work.world.unique(17)}"
    named = work.properties.get(_BY_NAME.get(work.kind, ""))
    return str(named or work.given_name)


def change(work: Work, physical: str) -> str:
    """Bring the resource to its new properties; the answer is its physical id, a new one if it was replaced."""
    if work.kind == "AWS::ECS::TaskDefinition":
        return _register(work)
    _follow(work, physical, work.stack.resources[work.logical]["properties"])
    return physical


def restore(work: Work, physical: str, before: Json) -> None:
    """Bring a resource back to what it was before the change, for a rollback; `before` is what it is now."""
    _follow(work, physical, before)


def _follow(work: Work, physical: str, before: Json) -> None:
    """Have a service follow its new properties. CloudFormation sends what changed: a count lifted by others stays."""
    if work.kind != "AWS::ECS::Service":
        return
    desired = work.properties.get("DesiredCount")
    changed = desired is not None and desired != before.get("DesiredCount")
    service_life.apply(
        work.world,
        physical,
        desired=_count(desired) if changed else None,
        definition=_definition(work),
        within=work.within,
        lasts=work.lasts,
    )


def remove(work: Work, physical: str) -> None:
    """Do away with the resource."""
    if work.kind == "AWS::ECS::TaskDefinition":
        deregister(work.world, physical)
    elif work.kind == "AWS::ECS::Service" and physical:
        service_life.remove(work.world, physical, within=work.within, lasts=work.lasts)
    elif work.kind == "AWS::ECS::Cluster" and physical:
        service_life.drop_cluster(work.world, physical)


def deregister(world: World, arn: str) -> None:
    """A task definition becomes INACTIVE: it can be described, but nothing more is run from it."""
    definition = world.store.get(Definition, arn)
    if definition is not None and definition.status == "ACTIVE":
        definition.status, definition.deregistered = "INACTIVE", world.now
        _point_to_newest(world, definition.family)


def _point_to_newest(world: World, family: str) -> None:
    active = [
        arn
        for arn in world.store.members(f"family:{family}")
        if world.need(Definition, arn).status == "ACTIVE"
    ]
    if active:
        world.store.add(Pointer(f"family:{family}", active[-1]))
    else:
        world.store.drop(Pointer, f"family:{family}")


def _log_options(configuration: Any) -> Json:
    return configuration.get("Options", {}) if is_map(configuration) else {}


def _pairs(declared: Any, member: str, shown: str) -> list[Json]:
    """The variables that a container is given, in the shape of the ECS API."""
    entries: list[Json] = declared if is_list(declared) else []
    return [{"name": str(one.get("Name", "")), shown: str(one.get(member, ""))} for one in entries]


def _register(work: Work) -> str:
    family = str(work.properties.get("Family") or f"{work.stack.name}{work.logical}{work.world.unique(8)}")
    declared: list[Json] = work.properties.get("ContainerDefinitions") or [{}]
    containers: list[Json] = [
        {
            "name": str(container.get("Name", "app")),
            "image": str(container.get("Image", "")),
            "essential": str(container.get("Essential", True)).lower() == "true",
            "log": _log_options(container.get("LogConfiguration")),
            "environment": _pairs(container.get("Environment"), "Value", "value"),
            "secrets": _pairs(container.get("Secrets"), "ValueFrom", "valueFrom"),
        }
        for container in declared
    ]
    sizes = {
        name: str(work.properties[key])
        for name, key in (("cpu", "Cpu"), ("memory", "Memory"))
        if key in work.properties
    }
    return register(
        work.world,
        family,
        containers,
        network_mode=work.properties.get("NetworkMode"),
        extra=sizes,
        tags={"aws:cloudformation:stack-name": work.stack.name, **_tags(work.properties)},
    )


def register(
    world: World,
    family: str,
    containers: list[Json],
    *,
    revision: int | None = None,
    network_mode: str | None = None,
    extra: Json | None = None,
    tags: dict[str, str] | None = None,
    arn: str | None = None,
) -> str:
    """A new revision of a family; the answer is its ARN, which is one of this account unless it is given."""
    if revision is None:
        known = world.store.members(f"family:{family}")
        revision = 1 + max((world.need(Definition, arn).revision for arn in known), default=0)
    arn = arn or world.arn("ecs", f"task-definition/{family}:{revision}")
    definition = Definition(
        arn,
        family,
        revision,
        world.now,
        containers,
        network_mode=network_mode,
        extra=extra or {},
        tags=tags or {},
    )
    world.store.add(definition)
    world.store.link(f"family:{family}", arn)
    world.store.add(Pointer(f"family:{family}", arn))
    return arn


def _definition(work: Work) -> str:
    """The ARN behind a service's TaskDefinition property; one that nobody knows is taken as it stands."""
    named = str(work.properties.get("TaskDefinition", ""))
    pointer = world_pointer(work.world, named)
    return pointer or named


def world_pointer(world: World, named: str) -> str | None:
    """The ARN that 'family', 'family:revision' or an ARN stands for, if there is such a definition."""
    if named.startswith("arn:"):
        found = named
    elif ":" in named:
        found = world.arn("ecs", f"task-definition/{named}")
    else:
        pointer = world.store.get(Pointer, f"family:{named}")
        return pointer.to if pointer else None
    return found if world.store.get(Definition, found) else None


def _count(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


def _tags(properties: Json) -> dict[str, str]:
    tags = properties.get("Tags")
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags} if is_list(tags) else {}
