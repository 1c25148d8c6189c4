"""The values of a template: its intrinsic functions carried out.

AWS CloudFormation Template Reference, 'Intrinsic function reference'.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

import attrs

from deployer_aws.templates.document import Json
from deployer_aws.templates.template import PLACEHOLDER, Template, is_list, is_map, substitution


def as_text(value: Any) -> str:
    """Return a value as CloudFormation hands it on where text is due."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_GONE = object()


@attrs.define
class Evaluator:
    """Carries out the functions of a template, given what its names stand for."""

    template: Template
    parameters: dict[str, str]
    pseudo: dict[str, str]
    physical: dict[str, str]
    attributes: Any = None  # (logical id, attribute) -> str
    exports: Any = None  # name -> str

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds; one that it lacks does not."""
        return bool(self.value(self.template.conditions.get(name, False)))

    def applies(self, part: Json) -> bool:
        """Return whether a resource or output is made under its condition."""
        return "Condition" not in part or self.condition(part["Condition"])

    def value(self, part: Any) -> Any:
        """Evaluate a part of the template. A function that is not known stays as it is."""
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
        """Return a parameter, a pseudo parameter or a physical id."""
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
        body, own = substitution(inner)
        own = {name: self.value(part) for name, part in own.items()}

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return as_text(own[name])
            return self.get_att(name) if "." in name else as_text(self.ref(name))

        return PLACEHOLDER.sub(fill, body).replace("${!", "${")

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


def _same(evaluator: Evaluator, inner: Any) -> bool:
    left, right = map(evaluator.value, inner)
    return as_text(left) == as_text(right)


_FUNCTIONS: dict[str, Callable[[Evaluator, Any], Any]] = {
    "Ref": Evaluator.ref,
    "Condition": lambda evaluator, inner: evaluator.condition(inner) if isinstance(inner, str) else inner,
    "Fn::GetAtt": Evaluator.get_att,
    "Fn::Sub": Evaluator.sub,
    "Fn::If": Evaluator.if_,
    "Fn::Join": Evaluator.join,
    "Fn::Select": Evaluator.select,
    "Fn::Split": lambda evaluator, inner: str(evaluator.value(inner[1])).split(inner[0]),
    "Fn::FindInMap": Evaluator.find_in_map,
    "Fn::ImportValue": Evaluator.import_value,
    "Fn::Base64": lambda evaluator, inner: base64.b64encode(str(evaluator.value(inner)).encode()).decode(),
    "Fn::GetAZs": lambda evaluator, _: [f"{evaluator.pseudo['AWS::Region']}{zone}" for zone in "abc"],
    "Fn::Equals": _same,
    "Fn::And": lambda evaluator, inner: all(map(evaluator.value, inner)),
    "Fn::Or": lambda evaluator, inner: any(map(evaluator.value, inner)),
    "Fn::Not": lambda evaluator, inner: not evaluator.value(inner[0]),
}
