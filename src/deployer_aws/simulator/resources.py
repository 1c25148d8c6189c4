"""The resources of a stack: their names and attributes, and how they are made, changed and removed.

ECS clusters, services and task definitions, and nested stacks, exist in the simulated account; all others are names.
"""

from functools import partial
from typing import Any

import attrs

from deployer_aws.simulator import ecs_services
from deployer_aws.simulator.account import ACCOUNT_ID, REGION, Account
from deployer_aws.simulator.rows import Definition, Json, Pointer, Stack, is_list, is_map
from deployer_aws.simulator.templates import parse
from deployer_aws.templates import Evaluator

_BY_NAME = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::IAM::Role": "RoleName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Function": "FunctionName",
}
_REPLACED_BY_NAME = {
    **{kind: name for kind, name in _BY_NAME.items() if not kind.startswith("AWS::ECS::")},
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}
"""The property of each kind whose change replaces the resource: 'Update requires: Replacement' in its reference."""
_ARN_SHAPED = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing:loadbalancer/app",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "elasticloadbalancing:targetgroup",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "elasticloadbalancing:listener-rule/app",
    "AWS::ElasticLoadBalancingV2::Listener": "elasticloadbalancing:listener/app",
    "AWS::SecretsManager::Secret": "secretsmanager:secret",
    "AWS::SNS::Topic": "sns:topic",
}


@attrs.frozen
class ResourceChange:
    """A resource of a stack that is being made, changed or removed; times in seconds from now."""

    account: Account
    stack: Stack
    logical: str
    kind: str
    properties: Json
    within: float
    lasts: float | None = None  # how long stopping tasks take, where the script says so

    @property
    def given_name(self) -> str:
        """A generated name."""
        return f"{self.stack.name}-{self.logical}-{self.account.unique(12).upper()}"


def scope_of(account: Account, stack: Stack) -> Evaluator:
    """Return an evaluator of the stack's template, with the values of its names as they are now."""
    pseudo = {
        "AWS::StackName": stack.name,
        "AWS::StackId": stack.key,
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT_ID,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": "",
    }
    physical = {name: entry["physical"] for name, entry in live(stack).items() if entry["physical"]}
    return Evaluator(
        template=parse(account.text(stack.template)),
        parameters=stack.parameters,
        pseudo=pseudo,
        physical=physical,
        attributes=partial(_attribute, stack),
        exports=partial(_imported, account),
    )


def live(stack: Stack) -> dict[str, Json]:
    """Return the resources that have not left the stack."""
    gone = ("DELETE_COMPLETE", "DELETE_SKIPPED")
    return {name: entry for name, entry in stack.resources.items() if entry["status"] not in gone}


def _imported(account: Account, name: str) -> str:
    exported = account.store.get(Pointer, f"export:{name}")
    return exported.to if exported else f"imported-{name}"


def _attribute(stack: Stack, logical: str, attribute: str) -> str:
    """Return a plausible value for GetAtt: an ARN, a name, or something like a host name."""
    entry = stack.resources.get(logical, {"physical": logical, "type": ""})
    physical, kind = entry["physical"] or logical, entry["type"]
    if attribute.endswith("Arn"):
        service, noun = kind.lower().split("::")[1:] if kind.count("::") == 2 else ("unknown", "unknown")
        path = f"{noun}/{physical}"
        return physical if physical.startswith("arn:") else f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{path}"
    if attribute == "Name":
        return physical.rsplit("/", 1)[-1]
    return f"{stack.name}-{logical}-{attribute.replace('.', '-')}.simulated.internal".lower()


def make(work: ResourceChange) -> str:
    """Make the resource; return its physical id."""
    properties = work.properties
    if work.kind == "AWS::ECS::Cluster":
        name = properties.get("ClusterName") or work.given_name
        ecs_services.add_cluster(work.account, name)
        return str(name)
    if work.kind == "AWS::ECS::TaskDefinition":
        return _register(work)
    if work.kind == "AWS::ECS::Service":
        return ecs_services.create(
            work.account,
            name=str(properties.get("ServiceName") or work.given_name),
            cluster=ecs_services.cluster_arn(work.account, properties.get("Cluster")),
            definition=_definition(work),
            desired=_count(properties.get("DesiredCount", 1)),
            launch_type=str(properties.get("LaunchType", "FARGATE")),
            tags={"aws:cloudformation:stack-name": work.stack.name, **_tags(properties)},
            within=work.within,
        )
    return _name(work)


def _name(work: ResourceChange) -> str:
    if work.kind in _ARN_SHAPED:
        service, _, prefix = _ARN_SHAPED[work.kind].partition(":")
        return work.account.arn(service, f"{prefix}/{work.given_name}/{work.account.unique(16)}")
    if work.kind == "AWS::SQS::Queue":
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{work.properties.get('QueueName') or work.given_name}"
    if work.kind.startswith("AWS::EC2::"):
        return f"{work.kind.split('::')[-1].lower()}-{work.account.unique(17)}"
    named = work.properties.get(_BY_NAME.get(work.kind, ""))
    return str(named or work.given_name)


def is_replaced(kind: str, before: Json, properties: Json) -> bool:
    """Tell whether a change of properties takes a new resource in the place of the old one."""
    if kind == "AWS::ECS::TaskDefinition":
        return True
    name = _REPLACED_BY_NAME.get(kind, "")
    return before.get(name) != properties.get(name)


def change(work: ResourceChange, physical: str) -> str:
    """Change the resource to its new properties; return its physical id, a new one if it was replaced."""
    if is_replaced(work.kind, work.stack.resources[work.logical]["properties"], work.properties):
        return make(work)
    _follow(work, physical, work.stack.resources[work.logical]["properties"])
    return physical


def restore(work: ResourceChange, physical: str, before: Json) -> None:
    """Change a resource back, for a rollback; `before` are its properties now."""
    _follow(work, physical, before)


def _follow(work: ResourceChange, physical: str, before: Json) -> None:
    """Apply a service's new properties. CloudFormation sends what changed: a count raised by others stays."""
    if work.kind != "AWS::ECS::Service":
        return
    desired = work.properties.get("DesiredCount")
    changed = desired is not None and desired != before.get("DesiredCount")
    ecs_services.apply(
        work.account,
        physical,
        desired=_count(desired) if changed else None,
        definition=_definition(work),
        within=work.within,
        lasts=work.lasts,
    )


def remove(work: ResourceChange, physical: str) -> None:
    """Remove the resource."""
    if work.kind == "AWS::ECS::TaskDefinition":
        deregister(work.account, physical)
    elif work.kind == "AWS::ECS::Service" and physical:
        ecs_services.remove(work.account, physical, within=work.within, lasts=work.lasts)
    elif work.kind == "AWS::ECS::Cluster" and physical:
        ecs_services.drop_cluster(work.account, physical)


def deregister(account: Account, arn: str) -> None:
    """Make a task definition INACTIVE: it can be described, but nothing more is run from it."""
    definition = account.store.get(Definition, arn)
    if definition is not None and definition.status == "ACTIVE":
        definition.status, definition.deregistered = "INACTIVE", account.now
        _point_to_newest(account, definition.family)


def _point_to_newest(account: Account, family: str) -> None:
    active = [
        arn
        for arn in account.store.members(f"family:{family}")
        if account.need(Definition, arn).status == "ACTIVE"
    ]
    if active:
        account.store.add(Pointer(f"family:{family}", active[-1]))
    else:
        account.store.drop(Pointer, f"family:{family}")


def _log_options(configuration: Any) -> Json:
    return configuration.get("Options", {}) if is_map(configuration) else {}


def _pairs(declared: Any, member: str, shown: str) -> list[Json]:
    """Return a container's variables in the shape of the ECS API."""
    entries: list[Json] = declared if is_list(declared) else []
    return [{"name": str(one.get("Name", "")), shown: str(one.get(member, ""))} for one in entries]


def _register(work: ResourceChange) -> str:
    family = str(work.properties.get("Family") or f"{work.stack.name}{work.logical}{work.account.unique(8)}")
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
        work.account,
        family,
        containers,
        network_mode=work.properties.get("NetworkMode"),
        extra=sizes,
        tags={"aws:cloudformation:stack-name": work.stack.name, **_tags(work.properties)},
    )


def register(
    account: Account,
    family: str,
    containers: list[Json],
    *,
    revision: int | None = None,
    network_mode: str | None = None,
    extra: Json | None = None,
    tags: dict[str, str] | None = None,
    arn: str | None = None,
) -> str:
    """Register a new revision of a family; return its ARN, which is made unless it is given."""
    if revision is None:
        known = account.store.members(f"family:{family}")
        revision = 1 + max((account.need(Definition, arn).revision for arn in known), default=0)
    arn = arn or account.arn("ecs", f"task-definition/{family}:{revision}")
    definition = Definition(
        arn,
        family,
        revision,
        account.now,
        containers,
        network_mode=network_mode,
        extra=extra or {},
        tags=tags or {},
    )
    account.store.add(definition)
    account.store.link(f"family:{family}", arn)
    account.store.add(Pointer(f"family:{family}", arn))
    return arn


def _definition(work: ResourceChange) -> str:
    """Return the ARN of a service's TaskDefinition property; an unknown one is taken as it stands."""
    named = str(work.properties.get("TaskDefinition", ""))
    pointer = definition_arn(work.account, named)
    return pointer or named


def definition_arn(account: Account, named: str) -> str | None:
    """Return the ARN of 'family', 'family:revision' or an ARN, if there is such a definition."""
    if named.startswith("arn:"):
        found = named
    elif ":" in named:
        found = account.arn("ecs", f"task-definition/{named}")
    else:
        pointer = account.store.get(Pointer, f"family:{named}")
        return pointer.to if pointer else None
    return found if account.store.get(Definition, found) else None


def _count(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


def _tags(properties: Json) -> dict[str, str]:
    tags = properties.get("Tags")
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags} if is_list(tags) else {}
