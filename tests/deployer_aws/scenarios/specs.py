"""What the scenarios deploy: a small service behind a count, and databases with a migration task."""

import hashlib
import json
from typing import Any

from attrs import frozen

from deployer_core.spec import (
    AdminUrl,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    Migration,
    ParameterValue,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateBody,
    Text,
)

Json = dict[str, Any]
SERVICE: Json = {
    "Cluster": {"Type": "AWS::ECS::Cluster"},
    "Definition": {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": {"Fn::Sub": "${AWS::StackName}-web"},
            "Cpu": "256",
            "Memory": "512",
            "ContainerDefinitions": [
                {"Name": "web", "Image": {"Fn::Sub": "shop:${Version}"}, "Cpu": 256, "Memory": 512}
            ],
        },
    },
    "Service": {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "ServiceName": {"Fn::Sub": "${AWS::StackName}-web"},
            "TaskDefinition": {"Ref": "Definition"},
            "DesiredCount": {"Ref": "Count"},
        },
    },
}
PARAMETERS: Json = {"Count": {"Type": "Number"}, "Version": {"Type": "String", "Default": "0"}}


def template(
    *,
    parameters: Json | None = None,
    resources: Json | None = None,
    base: Json | None = None,
    **sections: Any,
) -> str:
    """Return a template with a service whose count is a parameter, and with what is added to it."""
    return json.dumps(
        {
            **sections,
            "Parameters": {**PARAMETERS, **(parameters or {})},
            "Resources": {**(SERVICE if base is None else base), **(resources or {})},
            "Outputs": {"Cluster": {"Value": {"Ref": "Cluster"}}} if base is None else {},
        }
    )


@frozen
class Asked:
    """A spec, and the texts that it names by their hash."""

    spec: DeploymentSpec
    templates: dict[str, str]


def asked(
    stack: str,
    text: str,
    *,
    version: str = "1",
    count: int | None = 2,
    parameters: dict[str, ParameterValue] | None = None,
    databases: tuple[DatabaseSpec[Text], ...] = (),
    scaling: bool = True,
    quick: bool = False,
    cancel_updates: bool = False,
    capabilities: tuple[str, ...] = (),
    timeout: int = 3600,
    **of_deployment: Any,
) -> Asked:
    """Return a deployment of a template; a count of None is 'as before', with an initial one of 2."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    scale = PreviousCount("Count", 2) if count is None else FixedCount("Count", count)
    given: dict[str, ParameterValue] = {"Version": version, **(parameters or {})}
    of_stack = StackSpec(
        stack,
        TemplateBody(digest, "shop.json"),
        tuple(given.items()),
        (scale,) if scaling else (),
        capabilities,
        timeout=timeout,
    )
    of_deployment.setdefault("wait_timeout", timeout)
    spec = DeploymentSpec("test", stack, version, of_stack, databases, quick, cancel_updates, **of_deployment)
    return Asked(spec, {digest: text})


def database(
    name: str = "orders",
    *,
    cluster: str = "main",
    definition: str | None = None,
    container: str | None = None,
    prefix: str = "",
    evaluated: bool = False,
    subnets: tuple[str, ...] = (),
    timeout: int = 1800,
    excused: tuple[str, ...] = (),
) -> DatabaseSpec[Text]:
    """Return a database that the task definition `orders-migrate` migrates, and `orders-evaluate` evaluates."""

    def task(purpose: str) -> TaskSpec[Text]:
        return TaskSpec[Text](
            cluster,
            definition or f"{prefix}{name}-{purpose}",
            container,
            subnets=subnets,
            launch_type="FARGATE",
            timeout=timeout,
            excused=excused,
        )

    evaluation = Evaluation[Text](task("evaluate")) if evaluated else None
    admin = AdminUrl("postgresql://admin@localhost/postgres")
    return DatabaseSpec[Text](name, admin, migrate=Migration[Text](task("migrate")), evaluate=evaluation)
