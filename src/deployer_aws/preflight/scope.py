"""What the deployer needs for one spec, as far as its names are known: the scope of its IAM policy."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.errors import Problem
from deployer_aws.aws.permissions import Scope, Statement, statements
from deployer_aws.preflight.context import CheckContext, Unverifiable, known
from deployer_aws.templates import as_map
from deployer_core.spec import AdminIam, AdminSecret, ListenerPriority, StackOutput, Text

_ANY, _SUFFIX = "*", "-??????"
"""What is not known here: the id of a database, and what AWS puts behind a secret's name."""


def is_guess(arn: str) -> bool:
    """Return whether a part of it is not known, so that a policy may allow it by its real name and not by this one."""
    return arn.endswith(_SUFFIX) or f":dbuser:{_ANY}/" in arn


def needed_statements(context: CheckContext) -> Iterator[Statement]:
    """Return the statements of the IAM policy that this spec needs, as far as its names are known by now."""
    return iter(statements(_scope(context)))


def _scope(context: CheckContext) -> Scope:
    spec, tasks = context.spec, list(context.tasks)
    databases = () if spec.quick else spec.databases
    admins = [d.admin for d in databases]
    options, identity = context.options, known(context.facts.identity)
    definitions = [d for d in context.facts.definitions.values() if not isinstance(d, Problem)]
    told = Address.parse(options.notify) if options.notify else None
    return Scope(
        account=str(identity["Account"]),
        region=context.facts.region,
        stack=spec.stack.name,
        partition=str(identity["Arn"]).split(":")[1],
        stack_role=(_role(spec.stack.role),) if spec.stack.role else (),
        source=tuple(v.stack for _, v in spec.stack.parameters if isinstance(v, StackOutput)),
        cluster=_names((*(_value(context, task.cluster) for _, task in tasks), *context.facts.clusters)),
        family=_names(_value(context, task.task_definition) for _, task in tasks)
        if all(_value(context, task.cluster) for _, task in tasks)
        else (),
        task_role=_all(_role(d.get(key)) for d in definitions for key in ("taskRoleArn", "executionRoleArn")),
        log_group=_all(_log_group(c) for d in definitions for c in d["containerDefinitions"]),
        bucket=_all([options.template_bucket]),
        queue=_all([_last(options.queue)]),
        bus=_all([_last(told.name or "default")]) if told and told.kind == "eventbridge" else (),
        topic=_all([_last(told.name)]) if told and told.kind == "sns" else (),
        listener=tuple(v.listener for _, v in spec.stack.parameters if isinstance(v, ListenerPriority)),
        parameter=_all(_stored_parameters(context)),
        database_user=tuple(f"{_ANY}/{admin.user}" for admin in admins if isinstance(admin, AdminIam)),
        admin_secret=_all(_secret(context, a.secret) for a in admins if isinstance(a, AdminSecret)),
        secret=_all(_secret(context, d.app_secret) for d in databases),
    )


def _value(context: CheckContext, value: Text) -> str | None:
    """Return a value of the spec; None where it is an output that the stack lacks, or does not show to the caller."""
    try:
        return context.value(value)
    except Unverifiable:
        return None


def _all(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, names)))


def _last(name: str) -> str:
    """Return the name at the end of a URL or an ARN."""
    return re.split("[/:]", name)[-1]


def _role(arn: str | None) -> str:
    return (arn or "").partition(":role/")[2]


def _secret(context: CheckContext, named: Text | None) -> str:
    """Return it as its ARN ends. That of another account or region has another policy too."""
    name = _value(context, named) if named is not None else None
    if name is None:
        return ""
    if not name.startswith("arn:"):
        return f"{name}{_SUFFIX}"
    account = known(context.facts.identity)["Account"]
    here = f":{context.facts.region}:{account}:secret:"
    return name.partition(here)[2]


def _log_group(container: Mapping[str, Any]) -> str:
    log = container.get("logConfiguration") or {}
    return str(log.get("options", {}).get("awslogs-group", "")) if log.get("logDriver") == "awslogs" else ""


def _stored_parameters(context: CheckContext) -> Iterator[str]:
    """Return what CloudFormation reads in the Parameter Store: what parameters of an SSM type are set to."""
    given = dict(context.spec.stack.parameters)
    for name, declared in (context.template.parameters if context.template else {}).items():
        parameter = as_map(declared)
        value = given.get(name, parameter.get("Default"))
        if str(parameter.get("Type")).startswith("AWS::SSM::Parameter::Value") and isinstance(value, str):
            yield value.lstrip("/").split(":")[0]


def _names(values: Iterable[str | None]) -> tuple[str, ...]:
    """Return names without ARNs around them and revisions behind them."""
    return tuple(dict.fromkeys(value.rsplit("/", 1)[-1].split(":")[0] for value in values if value))
