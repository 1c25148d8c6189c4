"""What a template tells of whether a deployment would surely fail.

What CloudFormation would refuse, or what would stop a deployment half-way, is an error; where macros may still change
the template, it is a warning.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from deployer_aws.documents.findings import Finding
from deployer_aws.documents.readers import Place
from deployer_aws.templates.template import Template, as_map, check_resources, is_list, read
from deployer_core.spec import DeploymentSpec, outputs_named

LARGEST = 1_000_000
"""Bytes of a template in S3 (CloudFormation quotas); inline, 51,200 are the limit, and the adapter uploads the rest."""


def read_leniently(text: str) -> Template:
    """Return the template in a text; raise TemplateError where it has no resources, and no macro could add one."""
    template = read(text)
    if not template.macros:
        check_resources(template)
    return template


def check(spec: DeploymentSpec, template: Template, root: Place) -> Iterator[Finding]:
    """Find what does not fit between a spec and its template."""
    yield from _parameters(spec, template, root.into("stack"))
    yield from _capabilities(spec, template, root.into("stack"))
    if not spec.quick:
        yield from _zero(spec, template, root.at("stack", "counts"))
        for database in spec.databases:
            for name in outputs_named(database):
                if name not in template.outputs:
                    text = (
                        f"names the output {name}, which the template lacks; it has {_list(template.outputs)}"
                    )
                    yield root.at("databases", database.name).finding(text)


def _parameters(spec: DeploymentSpec, template: Template, stack: Place) -> Iterator[Finding]:
    given = [name for name, _ in spec.stack.parameters]
    counted = [scale.parameter for scale in spec.stack.scaling]
    for key, names in (("parameters", given), ("counts", counted)):
        for name in names:
            if name not in template.parameters:
                text = f"the template has no such parameter; it has {_list(template.parameters)}"
                yield stack.at(key, name).finding(text)
    for name, parameter in template.parameters.items():
        if name not in (*given, *counted) and "Default" not in as_map(parameter):
            text = f"{name} is missing: the template's parameter has no default"
            yield stack.into("parameters").finding(text)


def _capabilities(spec: DeploymentSpec, template: Template, stack: Place) -> Iterator[Finding]:
    if {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(spec.stack.capabilities):
        return
    for name in template.iam_resources:
        text = f"CAPABILITY_IAM is missing: the template's {name} is an {template.type_of(name)}"
        yield stack.into("capabilities").finding(text)
        return


def _zero(spec: DeploymentSpec, template: Template, counts: Place) -> Iterator[Finding]:
    """On the full path every count goes to zero."""
    for scale in spec.stack.scaling:
        parameter = as_map(template.parameters.get(scale.parameter))
        allowed = parameter.get("AllowedValues")
        values: Sequence[object] = allowed if is_list(allowed) else [0]
        if _above_zero(parameter.get("MinValue")) or "0" not in map(str, values):
            text = "the template does not let it be 0, and it is scaled to 0 while databases are migrated"
            yield counts.into(scale.parameter).finding(text)


def _above_zero(least: Any) -> bool:
    try:
        return float(least) > 0
    except (TypeError, ValueError, OverflowError):
        return False


def _list(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)[:30]) + (", ..." if len(names) > 30 else "") or "none"
