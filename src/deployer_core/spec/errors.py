"""The error of a spec that breaks a rule, and how it shows a value."""

from typing import Any, cast


class SpecError(ValueError):
    """A spec that breaks a rule: `field` says where, `rule` what was expected."""

    def __init__(self, where: str, rule: str) -> None:
        self.field: str = where
        self.rule: str = rule
        super().__init__(where, rule)

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


def shown(value: object) -> str:
    """Describe a value in a few words: what is nested, or very long, is only named."""
    if isinstance(value, list | tuple | dict):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(cast(Any, value))}"
    return "a huge number" if isinstance(value, int) and value.bit_length() > 256 else f"{value!r:.80}"
