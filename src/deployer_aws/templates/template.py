"""CloudFormation templates: parsed, checked and evaluated, as far as a simulated stack needs.

The texts of the errors are CloudFormation's own where they are known.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import attrs
import yaml

from deployer_aws.simulator.errors import invalid
from deployer_aws.simulator.rows import Json, is_list, is_map

_IAM = re.compile(
    r"AWS::IAM::(Role|User|Group|Policy|ManagedPolicy|InstanceProfile|AccessKey|UserToGroupAddition)"
)
_NAMES = {"RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"}
_SHORT = {"Ref": "Ref", "Condition": "Condition"}
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlainLoader(_Base):  # type: ignore[misc]  # its base is chosen at run time
    """A safe YAML loader that leaves dates as text and knows CloudFormation's short tags."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def _short_tag(loader: Any, suffix: str, node: Any) -> Json:
    name = _SHORT.get(suffix, f"Fn::{suffix}")
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


PlainLoader.add_multi_constructor("!", _short_tag)


@attrs.frozen
class Template:
    """A parsed template; the mappings are those of the text."""

    description: str | None
    parameters: dict[str, Json]
    mappings: Json
    conditions: Json
    resources: dict[str, Json]
    outputs: dict[str, Json]
    transforms: list[str]
    document: Json
    depth: dict[str, int]  # how deep each resource stands in the order of creation

    @property
    def capabilities(self) -> tuple[list[str], list[str]]:
        """What must be acknowledged, and the resource types that ask for it."""
        types = sorted({r["Type"] for r in self.resources.values() if _IAM.fullmatch(r["Type"])})
        if not types:
            return [], []
        iam = (r for r in self.resources.values() if _IAM.fullmatch(r["Type"]))
        named = any(_NAMES & set(r.get("Properties") or {}) for r in iam)
        return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], types


def digest(body: str) -> str:
    """The name under which a template's text is kept."""
    return hashlib.sha256(body.encode()).hexdigest()


@lru_cache(maxsize=512)
def parse(body: str) -> Template:
    """The template in a JSON or YAML text; raises CloudFormation's ValidationError."""
    try:
        document = yaml.load(body, PlainLoader)  # a safe loader; JSON is YAML
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"Template format error: YAML not well-formed.{where}") from None
    if not is_map(document):
        raise invalid("Template format error: unsupported structure.")
    sections: dict[str, Json] = {
        name: document.get(name) or {}
        for name in ("Parameters", "Mappings", "Conditions", "Resources", "Outputs")
    }
    if not sections["Resources"]:
        raise invalid("Template format error: At least one Resources member must be defined.")
    for name, resource in sections["Resources"].items():
        if not is_map(resource) or not isinstance(resource.get("Type"), str):
            raise invalid(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            )
    for name, parameter in sections["Parameters"].items():
        if not is_map(parameter) or "Type" not in parameter:
            raise invalid(
                f"Template format error: Every Parameters object must contain a Type member. [{name}]"
            )
    transform: Any = document.get("Transform") or []
    template = Template(
        description=document.get("Description"),
        parameters=sections["Parameters"],
        mappings=sections["Mappings"],
        conditions=sections["Conditions"],
        resources=sections["Resources"],
        outputs=sections["Outputs"],
        transforms=[transform] if isinstance(transform, str) else list(transform),
        document=document,
        depth=_depths(sections["Resources"]),
    )
    _check_references(template)
    return template


def _check_references(template: Template) -> None:
    known = set(template.resources) | set(template.parameters)
    used = set[str]().union(*map(needs, template.resources.values()))
    for block, names in (("Resources", used), ("Outputs", references(template.outputs))):
        missing = sorted({name for name in names if "::" not in name} - known)
        if missing:
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                f"in the {block} block of the template"
            )


def as_text(value: Any) -> str:
    """A value as CloudFormation hands it on where text is due."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def references(value: Any) -> set[str]:
    """Every name that a part of a template refers to, pseudo parameters included."""
    if is_list(value):
        return set[str]().union(*map(references, value))
    if not is_map(value):
        return set[str]()
    found: set[str] = set()
    for name, inner in value.items():
        if name == "Ref" and isinstance(inner, str):
            found.add(inner)
        elif name == "Fn::GetAtt":
            found.add(str(inner[0] if is_list(inner) else inner.split(".", 1)[0]))
        elif name == "Fn::Sub":
            body, own = _sub_parts(inner)
            found |= {part.split(".", 1)[0] for part in _PLACEHOLDER.findall(body)} - set(own)
            found |= references(own)
        else:
            found |= references(inner)
    return found


def _sub_parts(inner: Any) -> tuple[str, Json]:
    """The text of a Sub, and the names that it brings along."""
    return (inner, {}) if isinstance(inner, str) else (inner[0], inner[1])


def needs(resource: Json) -> set[str]:
    """Every name that a resource waits for or uses."""
    depends: Any = resource.get("DependsOn") or []
    return references(resource) | ({depends} if isinstance(depends, str) else set[str](depends))


_GONE = object()


@attrs.define
class Scope:
    """What names stand for while a template is evaluated."""

    template: Template
    parameters: dict[str, str]
    pseudo: dict[str, str]
    physical: dict[str, str]
    attributes: Any = None  # (logical id, attribute) -> str
    exports: Any = None  # name -> str

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds; one that it lacks does not."""
        return bool(self.value(self.template.conditions.get(name, False)))

    def applies(self, part: Json) -> bool:
        """Whether a resource or output is wanted under its condition."""
        return "Condition" not in part or self.condition(part["Condition"])

    def value(self, part: Any) -> Any:
        """A part of the template with every function carried out that is known; unknown ones stay as they are."""
        if is_list(part):
            return [item for item in map(self.value, part) if item is not _GONE]
        if not is_map(part):
            return part
        if len(part) == 1:
            ((name, inner),) = part.items()
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(self, inner)
        evaluated = {name: self.value(inner) for name, inner in part.items()}
        return {name: inner for name, inner in evaluated.items() if inner is not _GONE}

    def ref(self, name: str) -> Any:
        """What Ref gives: a parameter, a pseudo parameter or a physical id."""
        if name == "AWS::NoValue":
            return _GONE
        if name in self.parameters:
            kind = str(self.template.parameters.get(name, {}).get("Type", ""))
            value = self.parameters[name]
            return value.split(",") if "List" in kind or kind == "CommaDelimitedList" else value
        return self.pseudo.get(name) or self.physical.get(name, name)

    def get_att(self, inner: Any) -> str:
        """Give an attribute of a resource, as text."""
        logical, attribute = (
            inner.split(".", 1) if isinstance(inner, str) else (inner[0], self.value(inner[1]))
        )
        return str(self.attributes(logical, attribute)) if self.attributes else f"{logical}.{attribute}"

    def sub(self, inner: Any) -> str:
        """Fill the `${...}` of a text."""
        body, own = _sub_parts(inner)
        own = {name: self.value(part) for name, part in own.items()}

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return as_text(own[name])
            return self.get_att(name) if "." in name else as_text(self.ref(name))

        return _PLACEHOLDER.sub(fill, body).replace("${!", "${")

    def if_(self, inner: Any) -> Any:
        """Give the first value where the condition holds, else the second."""
        return self.value(inner[1] if self.condition(inner[0]) else inner[2])

    def join(self, inner: Any) -> str:
        """Join values by a separator."""
        parts = self.value(inner[1])
        return str(inner[0]).join(map(as_text, parts if is_list(parts) else [parts]))

    def select(self, inner: Any) -> Any:
        """Give the item at an index; the empty text where there is none."""
        index, items = int(self.value(inner[0])), self.value(inner[1])
        return items[index] if is_list(items) and index < len(items) else ""

    def find_in_map(self, inner: Any) -> Any:
        """Give a mapping's value by its two keys; the empty text where there is none."""
        first, second, third = map(self.value, inner[:3])
        return self.template.mappings.get(first, {}).get(second, {}).get(third, "")

    def import_value(self, inner: Any) -> str:
        """Give what another stack exports by a name."""
        name = str(self.value(inner))
        return str(self.exports(name)) if self.exports else name


def _same(scope: Scope, inner: Any) -> bool:
    left, right = map(scope.value, inner)
    return as_text(left) == as_text(right)


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": Scope.ref,
    "Condition": lambda scope, inner: scope.condition(inner) if isinstance(inner, str) else inner,
    "Fn::GetAtt": Scope.get_att,
    "Fn::Sub": Scope.sub,
    "Fn::If": Scope.if_,
    "Fn::Join": Scope.join,
    "Fn::Select": Scope.select,
    "Fn::Split": lambda scope, inner: str(scope.value(inner[1])).split(inner[0]),
    "Fn::FindInMap": Scope.find_in_map,
    "Fn::ImportValue": Scope.import_value,
    "Fn::Base64": lambda scope, inner: base64.b64encode(str(scope.value(inner)).encode()).decode(),
    "Fn::GetAZs": lambda scope, _: [f"{scope.pseudo['AWS::Region']}{zone}" for zone in "abc"],
    "Fn::Equals": _same,
    "Fn::And": lambda scope, inner: all(map(scope.value, inner)),
    "Fn::Or": lambda scope, inner: any(map(scope.value, inner)),
    "Fn::Not": lambda scope, inner: not scope.value(inner[0]),
}


def _depths(resources: dict[str, Json]) -> dict[str, int]:
    """Resources of one depth are worked on together, once those that they refer to are done."""
    depends = {name: needs(body) & set(resources) - {name} for name, body in resources.items()}
    depth: dict[str, int] = {}

    def of(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise invalid(f"Circular dependency between resources: [{', '.join(sorted(above))}]")
        if name not in depth:
            depth[name] = 1 + max((of(other, (*above, name)) for other in depends[name]), default=-1)
        return depth[name]

    for name in resources:
        of(name, ())
    return depth
