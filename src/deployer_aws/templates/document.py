"""Template texts, JSON or YAML with CloudFormation's short tags, as plain data.

CloudFormation takes YAML 1.1, but for some tags: AWS CloudFormation User Guide, 'CloudFormation template format'.
"""

import json
from contextlib import suppress
from typing import Any, TypeAlias, cast

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from deployer_aws.documents.findings import Finding, Wrong
from deployer_aws.documents.tree import DEEPEST, TAG, compose

Json: TypeAlias = dict[str, Any]

MOST = 500_000
"""Values in a template, once its aliases are written out too."""
_LONG_NAMES = {"Ref": "Ref", "Condition": "Condition"}


def load(text: str) -> Any:
    """Return the values in a template's text. Raises Wrong with the line and the column where it cannot be read."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        found = None  # a map in YAML's short form begins like this too
    if isinstance(found, dict):
        return cast(Json, found)
    node = _compose(text)
    if node is None:
        raise Wrong(Finding("", 0, "the template is empty"))
    try:
        _size(node, {}, 0)
        return _Constructor().construct_document(node)
    except ConstructorError as error:
        mark = error.problem_mark or node.start_mark
        raise Wrong(Finding("", mark.line + 1, f"not YAML: {error.problem:.200}", mark.column + 1)) from None


def _compose(text: str) -> yaml.Node | None:
    """Compose by libyaml where it is there, which is much faster; say what is wrong as for every other document."""
    fast: Any = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        with suppress(yaml.YAMLError, ValueError):
            return yaml.compose(text, fast)
    return compose(text, "template", MOST)


def _size(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Count the values; refuse a node that holds itself, and more values than there may be."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if depth >= DEEPEST:
        raise ConstructorError(None, None, f"nested more than {DEEPEST} deep", node.start_mark)
    known = sizes.get(id(node))
    if known is None:
        sizes[id(node)] = 0  # until it is known, it is being counted
        inner = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        known = sizes[id(node)] = 1 + sum(_size(part, sizes, depth + 1) for part in inner)
    if known == 0 or known > MOST:
        text = "contains itself, by way of an alias" if known == 0 else "more values than it may have"
        raise ConstructorError(None, None, text, node.start_mark)
    return known


class _Constructor(SafeConstructor):
    """Give values whose keys are texts, and in which a short tag is a map with the function's long name."""

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> Any:
        assert isinstance(node, yaml.MappingNode)  # `plain` sees to it
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=True) for key, value in node.value}

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ConstructorError(
                None, None, "a list or a map stands where a key should be", node.start_mark
            )
        return str(node.value)

    def plain(self, node: yaml.Node) -> Any:
        """Return a value without regard to its tag."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_mapping(node, deep=True)

    def number(self, node: yaml.ScalarNode) -> Any:
        """Return a number, or its text where it is too long for one."""
        read = self.construct_yaml_int if node.tag == f"{TAG}int" else self.construct_yaml_float
        try:
            return read(node)
        except (ValueError, OverflowError):
            return str(node.value)

    def function(self, suffix: str, node: yaml.Node) -> Json:
        """Return the long form of a short tag."""
        value = self.plain(node)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {_LONG_NAMES.get(suffix, f"Fn::{suffix}"): value}


_Constructor.yaml_constructors = {
    None: _Constructor.plain,
    f"{TAG}map": _Constructor.plain,
    f"{TAG}seq": _Constructor.plain,
    f"{TAG}int": _Constructor.number,
    f"{TAG}float": _Constructor.number,
    f"{TAG}bool": SafeConstructor.construct_yaml_bool,
    f"{TAG}null": SafeConstructor.construct_yaml_null,
}
_Constructor.yaml_multi_constructors = {"!": _Constructor.function}
