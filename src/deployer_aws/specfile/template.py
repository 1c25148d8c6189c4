"""What a template says of itself, as far as it tells whether a deployment would surely fail.

Templates are read leniently: tags such as `!Ref` are left out, and only the top of the file is looked at. What
CloudFormation would refuse, or what would stop a deployment half-way, is an error; where macros may still change the
template, it is a warning.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

import yaml
from attrs import frozen

from deployer_aws.documents.findings import Finding, Wrong
from deployer_aws.documents.kinds import Place
from deployer_aws.documents.tree import compose
from deployer_core.spec import DeploymentSpec, outputs_named

LARGEST = 1_000_000
"""Bytes of a template in S3 (CloudFormation quotas); inline, 51,200 are the limit, and the adapter uploads the rest."""
MOST = 500_000
"""Values in a template."""
_IAM = frozenset(
    f"AWS::IAM::{kind}"
    for kind in (
        "AccessKey",
        "Group",
        "InstanceProfile",
        "ManagedPolicy",
        "Policy",
        "Role",
        "User",
        "UserToGroupAddition",
    )
)
"""Resources that have to be acknowledged (CloudFormation API reference, CreateStack, Capabilities)."""


@frozen
class TemplateFacts:
    """The template's sections by name; `macros` where they may still change."""

    parameters: dict[str, Any]
    outputs: dict[str, Any]
    resources: dict[str, Any]
    macros: bool


def read(text: str, depth: int = 4) -> TemplateFacts:
    """What the template says, so many levels deep. Raises Wrong where it is no template."""
    top = _load(text, depth)
    parameters, outputs, resources = (_section(top, name) for name in ("Parameters", "Outputs", "Resources"))
    keys = (*top, *parameters, *outputs, *resources)
    macros = "Transform" in top or any(key.startswith("Fn::") for key in keys)
    if not resources and not macros:
        raise Wrong(Finding("", 0, "the template has no Resources, so CloudFormation refuses it"))
    return TemplateFacts(parameters, outputs, resources, macros)


def _section(top: dict[str, Any], name: str) -> dict[str, Any]:
    section = top.get(name, {})
    if not isinstance(section, dict):
        raise Wrong(Finding("", 0, f"the template's {name} are no map"))
    return cast(dict[str, Any], section)


def check(spec: DeploymentSpec, facts: TemplateFacts, root: Place) -> Iterator[Finding]:
    """What does not fit between a spec and its template."""
    yield from _parameters(spec, facts, root.into("stack"))
    yield from _capabilities(spec, facts, root.into("stack"))
    if not spec.quick:
        yield from _zero(spec, facts, root.at("stack", "counts"))
        for database in spec.databases:
            for name in outputs_named(database):
                if name not in facts.outputs:
                    text = f"names the output {name}, which the template lacks; it has {_list(facts.outputs)}"
                    yield root.at("databases", database.name).finding(text)


def _load(text: str, depth: int) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        found = None  # a map in YAML's short form begins like this too
    if not isinstance(found, dict):
        try:
            found = _plain(compose(text, "template", MOST), depth)
        except Wrong as wrong:
            (problem,) = wrong.findings
            line = f" (line {problem.line} of the template)" if problem.line else ""
            raise Wrong(Finding("", 0, f"{problem.text}{line}")) from None
    if not isinstance(found, dict):
        raise Wrong(Finding("", 0, "the template is no map"))
    return cast(dict[str, Any], found)


def _plain(node: yaml.Node, depth: int) -> Any:
    """Values without tags, so many levels deep."""
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if depth == 0:
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, depth - 1) for item in node.value]
    pairs = cast(list[tuple[yaml.Node, yaml.Node]], node.value)
    return {str(key.value): _plain(value, depth - 1) for key, value in pairs}


def _parameters(spec: DeploymentSpec, facts: TemplateFacts, stack: Place) -> Iterator[Finding]:
    given = [name for name, _ in spec.stack.parameters]
    counted = [scale.parameter for scale in spec.stack.scaling]
    for key, names in (("parameters", given), ("counts", counted)):
        for name in names:
            if name not in facts.parameters:
                text = f"the template has no such parameter; it has {_list(facts.parameters)}"
                yield stack.at(key, name).finding(text)
    for name, parameter in facts.parameters.items():
        if name not in (*given, *counted) and "Default" not in _map(parameter):
            text = f"{name} is missing: the template's parameter has no default"
            yield stack.into("parameters").finding(text)


def _capabilities(spec: DeploymentSpec, facts: TemplateFacts, stack: Place) -> Iterator[Finding]:
    if {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(spec.stack.capabilities):
        return
    for name, resource in facts.resources.items():
        if (kind := str(_map(resource).get("Type"))) in _IAM:
            text = f"CAPABILITY_IAM is missing: the template's {name} is an {kind}"
            yield stack.into("capabilities").finding(text)
            return


def _zero(spec: DeploymentSpec, facts: TemplateFacts, counts: Place) -> Iterator[Finding]:
    """On the full path every count goes to zero."""
    for scale in spec.stack.scaling:
        parameter = _map(facts.parameters.get(scale.parameter))
        allowed = parameter.get("AllowedValues")
        values = cast(Sequence[object], allowed) if isinstance(allowed, list) else [0]
        if _above_zero(parameter.get("MinValue")) or "0" not in map(str, values):
            text = "the template does not let it be 0, and it is scaled to 0 while databases are migrated"
            yield counts.into(scale.parameter).finding(text)


def _map(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _above_zero(least: Any) -> bool:
    try:
        return float(least) > 0
    except (TypeError, ValueError, OverflowError):
        return False


def _list(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)[:30]) + (", ..." if len(names) > 30 else "") or "none"
