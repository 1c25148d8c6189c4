"""Hides the passwords that a rehearsal knows in the output of its processes."""

import json
from typing import Any
from urllib.parse import quote

HIDDEN = "****"


class Mask:
    """Replaces secrets in texts: as they are, and as URLs and JSON spell them."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, secret: str) -> None:
        """Hide a secret from now on; of a JSON object, its `password`."""
        try:
            held: Any = json.loads(secret)
        except ValueError:
            held = None
        secret = str(held.get("password", "")) if isinstance(held, dict) else secret
        if secret:
            self._known |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}

    @property
    def longest(self) -> int:
        """The length in characters of the longest of them; at least one."""
        return max(map(len, self._known), default=1)

    def __call__(self, text: str) -> str:
        """Return the text without them. Replace longer ones first, since one may be part of another."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
