"""Digests of specs: short texts by which two specs are told apart, in every process and version of this library."""

import hashlib
import json
from functools import lru_cache
from typing import Any

from attrs import fields, has

from deployer_core.kernel.tags import tag_of
from deployer_core.spec.deployment import DeploymentSpec

RULE = "spec/1"
"""The rule that `digest` follows. Another way to make digests is another rule: digests of two rules never compare."""


def digest(spec: DeploymentSpec) -> str:
    """Return the rule's name and sixteen hexadecimal digits that stand for a spec.

    It is made of the names in the classes' wire tags, without their versions, and of the fields that do not have
    their defaults: renaming a class, and adding a field with a default, change no digest.
    """
    return _digest(spec)


@lru_cache(maxsize=1024)
def _digest(spec: DeploymentSpec) -> str:
    text = json.dumps(_plain(spec), sort_keys=True, separators=(",", ":"))
    return f"{RULE}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not has(type(value)):
        return value
    held = {a.name: getattr(value, a.name) for a in fields(type(value))}
    defaults = {a.name: a.default for a in fields(type(value))}
    name = tag_of(type(value)).partition("/")[0]
    return [name, {field: _plain(one) for field, one in held.items() if one != defaults[field]}]
