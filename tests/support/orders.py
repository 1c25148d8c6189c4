"""The example `orders` as values: a stack with a service and two databases, one of them evaluated."""

import hashlib

from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    Migration,
    Output,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateBody,
    Text,
)
from tests.support.project import ROOT

TEMPLATE = (ROOT / "examples/orders/template.yaml").read_text(encoding="utf-8")
SHA256 = hashlib.sha256(TEMPLATE.encode()).hexdigest()
TEMPLATES = {SHA256: TEMPLATE}
KEY = "staging/orders"
_SECRET = "arn:aws:secretsmanager:eu-west-1:111111111111:secret"


def task(definition: str) -> TaskSpec[Text]:
    """Return a task in the stack's own cluster and network."""
    return TaskSpec(
        Output("Cluster"),
        Output(definition),
        container="migrate",
        subnets=(Output("Subnets"),),
        security_groups=(Output("MigrationSecurityGroup"),),
        launch_type="FARGATE",
        timeout=900,
    )


def orders(tag: str, *, quick: bool = False) -> DeploymentSpec:
    """Return a version of the example, by its image tag: `orders` is evaluated, `billing` is not."""
    databases = (
        DatabaseSpec[Text](
            "orders",
            AdminSecret(Output("OrdersAdminSecret")),
            migrate=Migration(task("OrdersMigration")),
            evaluate=Evaluation(task("OrdersMigration")),
        ),
        DatabaseSpec[Text](
            "billing", AdminSecret(Output("BillingAdminSecret")), migrate=Migration(task("BillingMigration"))
        ),
    )
    parameters = {
        "Image": "111111111111.dkr.ecr.eu-west-1.amazonaws.com/orders",
        "ImageTag": tag,
        "VpcId": "vpc-1",
        "Subnets": "subnet-1,subnet-2",
        "OrdersAdminSecretArn": f"{_SECRET}:orders-abcdef",
        "BillingAdminSecretArn": f"{_SECRET}:billing-abcdef",
    }
    stack = StackSpec(
        "staging-orders",
        TemplateBody(SHA256, "template.yaml"),
        parameters=tuple(parameters.items()),
        scaling=(PreviousCount("DesiredCount", 2),),
        capabilities=("CAPABILITY_IAM",),
    )
    return DeploymentSpec("staging", "orders", tag, stack, databases, quick=quick)
