"""Passwords that a rehearsal knows, kept out of whatever a process writes."""

import json
from typing import Any
from urllib.parse import quote

HIDDEN = "****"


class Mask:
    """Takes secrets out of texts: as they are, and as URLs and JSON spell them."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, secret: str) -> None:
        """Hide this from now on; of a JSON object, as secrets often are, its password."""
        try:
            held: Any = json.loads(secret)
        except ValueError:
            held = None
        secret = str(held.get("password", "")) if isinstance(held, dict) else secret
        if secret:
            self._known |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}

    @property
    def longest(self) -> int:
        """How many characters the longest of them has; at least one."""
        return max(map(len, self._known), default=1)

    def __call__(self, text: str) -> str:
        """The text without them; the longer ones first, since one may be part of another."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
