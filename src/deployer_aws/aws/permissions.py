"""The permissions that the deployer needs in AWS, as data: the policy in the docs and preflight are made of it.

Actions, and the resources and condition keys that narrow them: Service Authorization Reference, 'Actions, resources,
and condition keys for' each service. An action with `*` has no resource type that could narrow it.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from string import Formatter
from typing import Any

from attrs import asdict, field, frozen


@frozen
class Scope:
    """The names, not ARNs, that a policy is for. Nothing is granted for a name that is empty."""

    account: str
    region: str
    stack: str
    partition: str = "aws"
    principal: tuple[str, ...] = ()
    stack_role: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    task_role: tuple[str, ...] = ()
    log_group: tuple[str, ...] = ()
    bucket: tuple[str, ...] = ()
    listener: tuple[str, ...] = ()
    parameter: tuple[str, ...] = ()
    database_user: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    admin_secret: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    bus: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()


@frozen
class Grant:
    """One statement. `per` is the part of the scope without which it is not needed.

    `helps` says that a deployment goes well without it, and a person only knows less.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    per: str = "stack"
    condition: Mapping[str, Mapping[str, str]] = field(factory=dict[str, Mapping[str, str]])
    helps: bool = False


def _actions(service: str, names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names.split())


_ECS = "arn:{partition}:ecs:{region}:{account}"
_ROLE = "arn:{partition}:iam::{account}:role"
_STACKS = "arn:{partition}:cloudformation:{region}:{account}:stack"
_IN_CLUSTER = {"ArnEquals": {"ecs:cluster": f"{_ECS}:cluster/{{cluster}}"}}

GRANTS = (
    Grant(
        "ChangeTheStack",
        _actions("cloudformation", "CancelUpdateStack CreateStack DeleteStack UpdateStack"),
        (f"{_STACKS}/{{stack}}/*",),
        "DeleteStack only ever deletes a stack that holds nothing, so that its name can be used again.",
    ),
    Grant(
        "ObserveTheStack",
        _actions(
            "cloudformation",
            "DescribeStackEvents DescribeStacks GetTemplate GetTemplateSummary ListStackResources",
        ),
        (f"{_STACKS}/{{stack}}/*", f"{_STACKS}/{{stack}}-*/*"),
        "The second resource is the stack's nested stacks, whose events say why it failed. With DescribeStacks on "
        "`*` as well, many stacks are seen by the page; without it they are asked for one by one.",
    ),
    Grant(
        "ReadOutputsOfOthers",
        ("cloudformation:DescribeStacks",),
        (f"{_STACKS}/{{source}}/*",),
        "Where a parameter is another stack's output.",
        "source",
    ),
    Grant(
        "SeeManyStacksAtOnce",
        ("cloudformation:DescribeStacks",),
        (f"{_STACKS}/{{many}}",),
        "Where one deployer carries many stacks on at once: a page of all the account's stacks is one call. Without it "
        "each stack is looked at by itself.",
        "many",
        helps=True,
    ),
    Grant(
        "PassTheStacksRole",
        ("iam:PassRole",),
        (f"{_ROLE}/{{stack_role}}",),
        "The spec's `role`, with which CloudFormation works. Without one CloudFormation does everything with the "
        "deployer's own permissions, and it needs all of those that the template's resources need.",
        "stack_role",
        {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
    ),
    Grant(
        "ObserveServices",
        ("ecs:DescribeServices",),
        (f"{_ECS}:service/{{cluster}}/*",),
        "Whether the services are at zero before databases are migrated.",
        "cluster",
    ),
    Grant(
        "ListTasks",
        ("ecs:ListTasks",),
        ("*",),
        "The tasks of a service, and those that an attempt may have started.",
        "cluster",
        _IN_CLUSTER,
    ),
    Grant(
        "ObserveAndStopTasks",
        ("ecs:DescribeTasks", "ecs:StopTask"),
        (f"{_ECS}:task/{{cluster}}/*",),
        "A task is stopped when its deployment was terminated or its time is over.",
        "cluster",
    ),
    Grant(
        "RunTasks",
        ("ecs:RunTask",),
        (f"{_ECS}:task-definition/{{family}}:*",),
        "The tasks that evaluate and migrate databases.",
        "family",
        _IN_CLUSTER,
    ),
    Grant(
        "TagTasks",
        ("ecs:TagResource",),
        (f"{_ECS}:task/{{cluster}}/*",),
        "Each task is started with a tag that says which run it is.",
        "family",
        {"StringEquals": {"ecs:CreateAction": "RunTask"}},
    ),
    Grant(
        "PassTheTasksRoles",
        ("iam:PassRole",),
        (f"{_ROLE}/{{task_role}}",),
        "The task role and the execution role of those tasks' definitions.",
        "task_role",
        {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    ),
    Grant(
        "ReadTaskDefinitions",
        ("ecs:DescribeTaskDefinition",),
        ("*",),
        "Which container is judged.",
        "family",
    ),
    Grant(
        "ReadLastLogLines",
        ("logs:GetLogEvents",),
        ("arn:{partition}:logs:{region}:{account}:log-group:{log_group}:log-stream:*",),
        "The last lines of a task that failed; without it the reason lacks them.",
        "log_group",
        helps=True,
    ),
    Grant(
        "Templates",
        ("s3:GetObject", "s3:PutObject"),
        ("arn:{partition}:s3:::{bucket}/deployer/templates/*",),
        "Templates of more than 51,200 bytes. CloudFormation reads a template with the permissions of who sends it, so "
        "a template by URL needs GetObject on its own bucket.",
        "bucket",
    ),
    Grant(
        "ListenerPriorities",
        ("elasticloadbalancing:DescribeRules",),
        ("*",),
        "Where a parameter is the free priority of a listener.",
        "listener",
    ),
    Grant(
        "ParametersFromParameterStore",
        ("ssm:GetParameters",),
        ("arn:{partition}:ssm:{region}:{account}:parameter/{parameter}",),
        "Where the template has parameters of an SSM type: CloudFormation reads them with the caller's permissions.",
        "parameter",
    ),
    Grant(
        "ReadAdministratorsSecrets",
        ("secretsmanager:GetSecretValue",),
        ("arn:{partition}:secretsmanager:{region}:{account}:secret:{admin_secret}",),
        "Where a database's administrator logs in by a secret.",
        "admin_secret",
    ),
    Grant(
        "KeepApplicationsSecrets",
        _actions(
            "secretsmanager",
            "CreateSecret DescribeSecret GetSecretValue PutSecretValue UpdateSecretVersionStage",
        ),
        ("arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}",),
        "The application's secret, which is made and rotated.",
        "secret",
    ),
    Grant(
        "ConnectToDatabases",
        ("rds-db:connect",),
        ("arn:{partition}:rds-db:{region}:{account}:dbuser:{database_user}",),
        "Where a database's administrator logs in by an RDS IAM token.",
        "database_user",
    ),
    Grant(
        "UseYourKeys",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("arn:{partition}:kms:{region}:{account}:key/{key}",),
        "Where the bucket, the parameters or the secrets are encrypted by a key of your own; what is written needs a "
        "data key of it.",
        "key",
    ),
    Grant(
        "ReceiveEvents",
        ("sqs:DeleteMessage", "sqs:ReceiveMessage"),
        ("arn:{partition}:sqs:{region}:{account}:{queue}",),
        "Where events come by a queue.",
        "queue",
    ),
    Grant(
        "SendNoticesToEventBridge",
        ("events:PutEvents",),
        ("arn:{partition}:events:{region}:{account}:event-bus/{bus}",),
        "Where notices are events.",
        "bus",
    ),
    Grant(
        "SendNoticesToSns",
        ("sns:Publish",),
        ("arn:{partition}:sns:{region}:{account}:{topic}",),
        "Where notices are messages.",
        "topic",
    ),
    Grant(
        "CheckTemplates",
        ("cloudformation:ValidateTemplate",),
        ("*",),
        "`deployer preflight`, and the checks before each `deployer run`.",
        helps=True,
    ),
    Grant(
        "CheckPermissions",
        ("iam:GetRole", "iam:SimulatePrincipalPolicy"),
        (f"{_ROLE}/{{principal}}",),
        "The same checks, on the deployer's own role. Without it, permissions are 'not verifiable'.",
        "principal",
        helps=True,
    ),
    Grant(
        "CheckTheServiceLinkedRole",
        ("iam:GetRole",),
        (f"{_ROLE}/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",),
        "The same checks.",
        helps=True,
    ),
)


@frozen
class Statement:
    """A grant for a scope."""

    grant: Grant
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, Any]]


def statements(scope: Scope) -> Iterator[Statement]:
    """Yield the statements that a scope needs."""
    for grant in GRANTS:
        if getattr(scope, grant.per):
            condition = {
                operator: {key: _one(_expanded(value, scope)) for key, value in keys.items()}
                for operator, keys in grant.condition.items()
            }
            yield Statement(grant, tuple(r for t in grant.resources for r in _expanded(t, scope)), condition)


def _expanded(template: str, scope: Scope) -> tuple[str, ...]:
    """Fill a template in once for each value of the names in it."""
    values = asdict(scope, recurse=False)
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    lists = [values[name] if isinstance(values[name], tuple) else (values[name],) for name in names]
    return tuple(template.format(**dict(zip(names, chosen, strict=True))) for chosen in product(*lists))


def _one(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
