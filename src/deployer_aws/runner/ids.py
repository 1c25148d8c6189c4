"""Ids for deployments that nobody has named."""

import secrets
from datetime import UTC, datetime

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


def deployment_id(now: float) -> str:
    """`20261123-140501-x7f3`: the second in UTC, so that ids sort as the deployments began, and four random signs."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{time}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"
