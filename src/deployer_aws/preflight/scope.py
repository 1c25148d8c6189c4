"""What the deployer needs for one spec, as far as its names are known: the scope of its IAM policy."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.errors import understand
from deployer_aws.aws.permissions import Scope
from deployer_aws.aws.services import ServiceReader, cluster_and_name
from deployer_aws.aws.stacks import StackReader
from deployer_aws.preflight.context import Case
from deployer_core.spec import AdminIam, AdminSecret, ListenerPriority, StackOutput, Text

_ANY, _SUFFIX = "*", "-??????"
"""What is not known here: the id of a database, and what AWS puts behind a secret's name."""


def is_guess(arn: str) -> bool:
    """Whether a part of it is not known, so that a policy may allow it by its real name though not by this one."""
    return arn.endswith(_SUFFIX) or f":dbuser:{_ANY}/" in arn


def scope(case: Case) -> Scope:
    """What this spec needs, as far as its names are known by now."""
    spec, tasks = case.spec, list(case.tasks)
    databases = () if spec.quick else spec.databases
    admins = [d.admin for d in databases]
    definitions, options = list(case.readable_definitions), case.options
    told = Address.parse(options.notify) if options.notify else None
    return Scope(
        account=str(case.identity["Account"]),
        region=case.clients.region,
        stack=spec.stack.name,
        partition=str(case.identity["Arn"]).split(":")[1],
        stack_role=(_role(spec.stack.role),) if spec.stack.role else (),
        source=tuple(v.stack for _, v in spec.stack.parameters if isinstance(v, StackOutput)),
        cluster=_names((*(_known(case, task.cluster) for _, task in tasks), *_clusters_of_services(case))),
        family=_names(_known(case, task.task_definition) for _, task in tasks)
        if all(_known(case, task.cluster) for _, task in tasks)
        else (),
        task_role=_all(_role(d.get(key)) for d in definitions for key in ("taskRoleArn", "executionRoleArn")),
        log_group=_all(_log_group(c) for d in definitions for c in d["containerDefinitions"]),
        bucket=_all([options.template_bucket]),
        queue=_all([_last(options.queue)]),
        bus=_all([_last(told.name or "default")]) if told and told.kind == "eventbridge" else (),
        topic=_all([_last(told.name)]) if told and told.kind == "sns" else (),
        listener=tuple(v.listener for _, v in spec.stack.parameters if isinstance(v, ListenerPriority)),
        parameter=_all(_stored_parameters(case)),
        database_user=tuple(f"{_ANY}/{admin.user}" for admin in admins if isinstance(admin, AdminIam)),
        admin_secret=_all(_secret(case, a.secret) for a in admins if isinstance(a, AdminSecret)),
        secret=_all(_secret(case, d.app_secret) for d in databases),
    )


def _clusters_of_services(case: Case) -> Iterator[str]:
    """Where the services run that are scaled to zero, as far as the stack is there and may be looked into."""
    if case.spec.quick or not case.spec.stack.scaling:
        return
    services = ServiceReader(StackReader(case.clients.cloudformation), case.clients.ecs)
    try:
        if case.stack is not None:
            yield from [cluster_and_name(arn)[0] for arn in services.services(case.spec.stack.name)]
    except Exception as error:
        if understand(error) is None:
            raise


def _known(case: Case, value: Text) -> str | None:
    """A value of the spec; None where it is an output that the stack does not have yet, or does not show to us."""
    try:
        return case.known(value)
    except Exception as error:
        if understand(error) is None:
            raise
        return None


def _all(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, names)))


def _last(name: str) -> str:
    """The name at the end of a URL or an ARN."""
    return re.split("[/:]", name)[-1]


def _role(arn: str | None) -> str:
    return (arn or "").partition(":role/")[2]


def _secret(case: Case, named: Text | None) -> str:
    """As its ARN ends. That of another account or region has another policy too."""
    known = _known(case, named) if named is not None else None
    if known is None:
        return ""
    if not known.startswith("arn:"):
        return f"{known}{_SUFFIX}"
    here = f":{case.clients.region}:{case.identity['Account']}:secret:"
    return known.partition(here)[2]


def _log_group(container: Mapping[str, Any]) -> str:
    log = container.get("logConfiguration") or {}
    return str(log.get("options", {}).get("awslogs-group", "")) if log.get("logDriver") == "awslogs" else ""


def _stored_parameters(case: Case) -> Iterator[str]:
    """What CloudFormation reads in the Parameter Store for us: what parameters of an SSM type are set to."""
    given = dict(case.spec.stack.parameters)
    for name, declared in (case.facts.parameters if case.facts else {}).items():
        parameter: dict[str, Any] = declared if isinstance(declared, dict) else {}
        value = given.get(name, parameter.get("Default"))
        if str(parameter.get("Type")).startswith("AWS::SSM::Parameter::Value") and isinstance(value, str):
            yield value.lstrip("/").split(":")[0]


def _names(values: Iterable[str | None]) -> tuple[str, ...]:
    """Names without ARNs around them and revisions behind them."""
    return tuple(dict.fromkeys(value.rsplit("/", 1)[-1].split(":")[0] for value in values if value))
