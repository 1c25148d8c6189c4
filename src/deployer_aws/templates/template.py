"""A template as a model: its sections, and the rules by which CloudFormation refuses one.

The texts of the errors are CloudFormation's own where they are known.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeGuard

import attrs

from deployer_aws.documents.findings import Wrong
from deployer_aws.templates.document import Json, load

_SECTIONS = ("Parameters", "Mappings", "Conditions", "Resources", "Outputs")
_IAM = re.compile(
    r"AWS::IAM::(Role|User|Group|Policy|ManagedPolicy|InstanceProfile|AccessKey|UserToGroupAddition)"
)
"""Resources that have to be acknowledged (CloudFormation API Reference, CreateStack, Capabilities)."""
_NAMES = {"RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"}
PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
"""A name in the text of an `Fn::Sub`."""


class TemplateError(ValueError):
    """CloudFormation would refuse this template. The text is CloudFormation's own; `problem` says it in ours."""

    def __init__(self, text: str, problem: str = "") -> None:
        self.problem: str = problem or text
        super().__init__(text)


@attrs.frozen
class Template:
    """A parsed template; the mappings are those of the text.

    `depth` says how deep each resource stands in the order of creation, where `parse` has read the template.
    """

    description: str | None
    parameters: dict[str, Any]
    mappings: Json
    conditions: Json
    resources: dict[str, Any]
    outputs: dict[str, Any]
    transforms: list[str]
    document: Json
    depth: dict[str, int] = attrs.field(factory=dict[str, int])

    @property
    def macros(self) -> bool:
        """Whether a macro may still change what the template says."""
        sections = (self.document, self.parameters, self.outputs, self.resources)
        return "Transform" in self.document or any(name.startswith("Fn::") for s in sections for name in s)

    @property
    def capabilities(self) -> tuple[list[str], list[str]]:
        """What must be acknowledged, and the resource types that ask for it."""
        iam = [self.resources[name] for name in self.iam_resources]
        if not iam:
            return [], []
        named = any(_NAMES & set(resource.get("Properties") or {}) for resource in iam)
        types = sorted({resource["Type"] for resource in iam})
        return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], types

    @property
    def iam_resources(self) -> Iterator[str]:
        """The names of the resources that have to be acknowledged."""
        return (name for name in self.resources if _IAM.fullmatch(self.type_of(name)))

    def type_of(self, name: str) -> str:
        """Return a resource's type; the empty text where it has none."""
        resource = self.resources[name]
        kind = resource.get("Type") if is_map(resource) else None
        return kind if isinstance(kind, str) else ""

    def properties(self, type_: str) -> dict[str, Json]:
        """Return the properties of each resource of a type."""
        found = {name: self.resources[name] for name in self.resources if self.type_of(name) == type_}
        return {name: as_map(resource.get("Properties")) for name, resource in found.items()}


def is_map(value: object) -> TypeGuard[Json]:
    """Return whether this is a map."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether this is a list."""
    return isinstance(value, list)


def as_map(value: object) -> Json:
    """Return a map, the empty one where the value is none."""
    return value if is_map(value) else {}


def digest(text: str) -> str:
    """Return the name under which a template's text is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(text: str) -> Template:
    """Return the template in a JSON or YAML text, whatever stands in its sections. Raises TemplateError."""
    try:
        document = load(text)
    except Wrong as wrong:
        (problem,) = wrong.findings
        at = f" (line {problem.line}, column {problem.column})" if problem.line else ""
        line = f" (line {problem.line} of the template)" if problem.line else ""
        raise TemplateError(
            f"Template format error: YAML not well-formed.{at}", f"{problem.text}{line}"
        ) from None
    if not is_map(document):
        raise TemplateError("Template format error: unsupported structure.", "the template is no map")
    for name in _SECTIONS:
        if not is_map(document.get(name, {})):
            raise TemplateError(
                f"Template format error: unsupported structure in the {name} block.",
                f"the template's {name} are no map",
            )
    parameters, mappings, conditions, resources, outputs = (document.get(name, {}) for name in _SECTIONS)
    transform: Any = document.get("Transform") or []
    return Template(
        description=document.get("Description"),
        parameters=parameters,
        mappings=mappings,
        conditions=conditions,
        resources=resources,
        outputs=outputs,
        transforms=list(transform) if is_list(transform) else [transform],
        document=document,
    )


@lru_cache(maxsize=512)
def parse(text: str) -> Template:
    """Return the template in a text, as CloudFormation would accept it. Raises TemplateError."""
    template = read(text)
    check_resources(template)
    for name in template.resources:
        if not template.type_of(name):
            raise TemplateError(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            )
    for name, parameter in template.parameters.items():
        if not is_map(parameter) or "Type" not in parameter:
            raise TemplateError(
                f"Template format error: Every Parameters object must contain a Type member. [{name}]"
            )
    _check_references(template)
    return attrs.evolve(template, depth=_depths(template.resources))


def check_resources(template: Template) -> None:
    """Refuse a template without resources. Raises TemplateError."""
    if not template.resources:
        raise TemplateError(
            "Template format error: At least one Resources member must be defined.",
            "the template has no Resources, so CloudFormation refuses it",
        )


def _check_references(template: Template) -> None:
    known = set(template.resources) | set(template.parameters)
    used = set[str]().union(*map(needs, template.resources.values()))
    for block, names in (("Resources", used), ("Outputs", references(template.outputs))):
        missing = sorted({name for name in names if "::" not in name} - known)
        if missing:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                f"in the {block} block of the template"
            )


def references(value: Any) -> set[str]:
    """Return every name that a part of a template refers to, pseudo parameters included."""
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
            body, own = substitution(inner)
            found |= {part.split(".", 1)[0] for part in PLACEHOLDER.findall(body)} - set(own)
            found |= references(own)
        else:
            found |= references(inner)
    return found


def substitution(inner: Any) -> tuple[str, Json]:
    """Return the text of an `Fn::Sub`, and the names that it brings along."""
    return (inner, {}) if isinstance(inner, str) else (inner[0], inner[1])


def needs(resource: Json) -> set[str]:
    """Return every name that a resource waits for or uses."""
    depends: Any = resource.get("DependsOn") or []
    return references(resource) | ({depends} if isinstance(depends, str) else set[str](depends))


def _depths(resources: dict[str, Json]) -> dict[str, int]:
    """Return how deep each resource stands: those of one depth are made together, once what they refer to is there."""
    depends = {name: needs(body) & set(resources) - {name} for name, body in resources.items()}
    depth: dict[str, int] = {}

    def of(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise TemplateError(f"Circular dependency between resources: [{', '.join(sorted(above))}]")
        if name not in depth:
            depth[name] = 1 + max((of(other, (*above, name)) for other in depends[name]), default=-1)
        return depth[name]

    for name in resources:
        of(name, ())
    return depth
