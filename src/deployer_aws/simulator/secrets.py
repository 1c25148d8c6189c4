"""The secrets of the simulated account: how they are named, and what a container is given of them."""

import json
import re
from typing import Any

from deployer_aws.simulator.rows import Secret, is_map
from deployer_aws.simulator.store import Store

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")


class NoSecret(Exception):
    """There is no such secret, version or key; says which."""


def find(store: Store, named: str) -> Secret | None:
    """Find a secret by its name, its ARN, or its ARN without the six characters that end it."""
    if not named.startswith("arn:"):
        return store.get(Secret, named)
    name = named.partition(":secret:")[2]
    found = store.get(Secret, name)
    if found is None and _SUFFIX.search(name):
        found = store.get(Secret, _SUFFIX.sub("", name))
        return found if found is not None and found.arn.endswith(f":{name}") else None
    return found


def value_from(store: Store, named: str) -> str:
    """Return what ECS gives a container for a `ValueFrom`: a secret, a key of its JSON, or a version of it.

    The form is `arn:...:secret:name:json-key:version-stage:version-id` (ECS Developer Guide, 'Pass Secrets Manager
    secrets through Amazon ECS environment variables'). Raises NoSecret.
    """
    head, separator, rest = named.partition(":secret:")
    name, *more = rest.split(":") if separator else [named]
    key, stage, version_id = [*more, "", "", ""][:3]
    secret = find(store, f"{head}{separator}{name}" if separator else name)
    if secret is None:
        raise NoSecret(f"Secrets Manager can't find the specified secret {named}")
    wanted = stage or CURRENT
    for token, version in secret.versions.items():
        if token == version_id if version_id else wanted in version["stages"]:
            return _member(version["text"], key, named)
    raise NoSecret(
        f"Secrets Manager can't find the specified secret value for {version_id or wanted} of {named}"
    )


def _member(text: str, key: str, named: str) -> str:
    if not key:
        return text
    try:
        held: Any = json.loads(text)
    except ValueError:
        held = None
    if not is_map(held) or key not in held:
        raise NoSecret(f"retrieved secret from Secrets Manager did not contain json key {key}: {named}")
    value = held[key]
    return value if isinstance(value, str) else json.dumps(value)
