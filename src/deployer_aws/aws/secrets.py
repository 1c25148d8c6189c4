"""Read what a secret in Secrets Manager holds."""

import json
from collections.abc import Mapping
from typing import Any


def read_json(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object in GetSecretValue's answer; an empty one where it holds none."""
    try:
        held: Any = json.loads(answer.get("SecretString") or "{}")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
