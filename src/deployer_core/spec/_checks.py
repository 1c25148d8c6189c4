"""What a spec's fields may hold: validators, which name the field in their errors, and converters."""

import re
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, cast

from attrs import Attribute

from deployer_core.spec.errors import SpecError, shown

Check: TypeAlias = Callable[[object, "Attribute[Any]", object], None]

WEEK = 7 * 24 * 3600


def _broken(attribute: "Attribute[Any]", rule: str, value: object) -> SpecError:
    return SpecError(attribute.name, f"{rule}, not {shown(value)}")


# Validators made to order


def text(pattern: str, rule: str, longest: int) -> Check:
    """Accept a string of the pattern (ASCII classes) that UTF-8 can hold."""
    compiled = re.compile(pattern, re.ASCII)

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if type(value) is not str or len(value) > longest or not compiled.fullmatch(value):
            raise _broken(attribute, f"{rule}, {longest} characters at most", value)
        if _lone_surrogate(value):
            raise _broken(attribute, "text that UTF-8 can hold", value)

    return check


def _lone_surrogate(value: str) -> bool:
    return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)


def secretive(pattern: str, rule: str, longest: int) -> Check:
    """Accept as `text` does, for what may hold a password by mistake: the error does not repeat the value."""
    inner = text(pattern, rule, longest)

    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        try:
            inner(instance, attribute, value)
        except SpecError:
            raise SpecError(attribute.name, f"{rule}, {longest} characters at most") from None

    return check


def whole(low: int, high: int) -> Check:
    """Accept a whole number in a range; true and false are none."""

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _broken(attribute, f"a whole number from {low} to {high}", value)

    return check


def kind(*kinds: type) -> Check:
    """Accept an instance of one of these classes."""
    rule = " or ".join(one.__name__ for one in kinds)

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if type(value) not in kinds:
            raise _broken(attribute, rule, value)

    return check


def either(check_other: Check, *kinds: type) -> Check:
    """Accept an instance of one of these classes, or what the check accepts."""

    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if type(value) not in kinds:
            check_other(instance, attribute, value)

    return check


def maybe(check_value: Check) -> Check:
    """Accept None, or what the check accepts."""
    return either(check_value, type(None))


def each(
    check_one: Check,
    most: int | None = None,
    key: Callable[[Any], object] | None = lambda item: item,
    least: int = 0,
) -> Check:
    """Accept a tuple with `least` to `most` items, no two of one `key` (by default the item itself; None: no rule)."""

    def check(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
        if value.__class__ is not tuple:
            raise _broken(attribute, "a list", value)
        items: tuple[Any, ...] = value
        for item in items:
            check_one(instance, attribute, item)
        keys = [key(item) for item in items] if key else []
        if twice := sorted({str(k) for k in keys if keys.count(k) > 1}):
            raise SpecError(attribute.name, f"{', '.join(twice)} stands there more than once")
        if most is not None and len(items) > most:
            raise SpecError(attribute.name, f"{most} at most, not {len(items)}")
        if len(items) < least:
            raise SpecError(attribute.name, f"{least} at least")

    return check


def pair(check_name: Check, check_value: Check) -> Check:
    """Accept a tuple of a name and a value."""

    def check(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
        if value.__class__ is not tuple or len(value) != 2:
            raise _broken(attribute, "a name and a value", value)
        for one, check_one in zip(value, (check_name, check_value), strict=True):
            check_one(instance, attribute, one)

    return check


first = itemgetter(0)
"""The name in a pair."""


# Converters: they never fail; a value that they cannot make sense of is left to the validator


def listed(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make a list a tuple."""
    return tuple(value) if isinstance(cast(object, value), list) else value


def _by(key: Callable[[Any], Any], value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort where order has no meaning, so that equal specs give equal bytes."""
    value = listed(value)
    try:
        return tuple(sorted(value, key=key)) if isinstance(cast(object, value), tuple) else value
    except (TypeError, AttributeError, LookupError):
        return value


def in_order(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort the items."""
    return _by(lambda item: item, value)


def by_first(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort pairs by their names."""
    return _by(first, value)


def by_parameter(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort counts by their parameters."""
    return _by(attrgetter("parameter"), value)


def by_name(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort databases by their names."""
    return _by(attrgetter("name"), value)


# What AWS accepts: CloudFormation's and ECS's API references, and 'Naming constraints' of Elastic Load Balancing


def flag(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Accept true or false."""
    if type(value) is not bool:
        raise _broken(attribute, "true or false", value)


def identifier(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse names that PostgreSQL would cut off without an error ('Identifiers and Key Words')."""
    if (
        type(value) is not str
        or _lone_surrogate(value)
        or "\x00" in value
        or not 1 <= len(value.encode()) <= 63
    ):
        raise _broken(attribute, "a PostgreSQL name: 1 to 63 bytes", value)


def is_database_role(value: str) -> bool:
    """Tell whether a role may have this name: 'pg_', 'public' and 'none' are reserved (PostgreSQL, 'CREATE ROLE')."""
    return not value.startswith("pg_") and value not in ("public", "none")


def database_role(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    """Accept a PostgreSQL name that a role may have."""
    identifier(instance, attribute, value)
    if not is_database_role(cast(str, value)):
        raise _broken(
            attribute, "a role's name, which is not public or none and does not begin with pg_", value
        )


name = text(r"[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and hyphens, a letter or digit first", 63)
line = text(r"[^\x00-\x1f\x7f]+", "one line of text", 2048)
stack_name = text(r"[A-Za-z][A-Za-z0-9-]*", "letters, digits and hyphens, a letter first", 128)
logical_id = text(r"[A-Za-z0-9]+", "letters and digits", 255)
role = text(r"arn:[\w-]+:iam::\d{12}:role/[!-~]+", "the ARN of an IAM role", 2048)
topic = text(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[!-~]+", "the ARN of an SNS topic", 2048)
template_url = text(r"(https|s3)://[!-.0-~]+/[!-~]+", "an https:// or s3:// URL", 5120)
digest = text(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal", 64)
tag_key = text(r"(?!(?i:aws:))[^\x00-\x1f]+", "text that does not begin with 'aws:'", 128)
tag_value = text(r"[^\x00-\x1f]*", "text", 256)
parameter = text(r"(?s:.*)", "text", 4096)
word = text(r"[^\x00]*", "a word of a command", 8192)
container = text(r"[A-Za-z0-9_-]+", "letters, digits, hyphens and underscores", 255)
variable = text(r"[^\x00=]+", "an environment variable's name", 1024)
variable_value = text(r"[^\x00]*", "an environment variable's value", 4096)
variable_or_none = text(r"\w*", "an environment variable's name", 255)
secret = text(r"[A-Za-z0-9/_+=.@:-]+", "a secret's name or ARN", 2048)
capability = text(r"CAPABILITY_(IAM|NAMED_IAM|AUTO_EXPAND)", "a capability of CloudFormation", 32)
launch_type = text(r"EC2|FARGATE|EXTERNAL|", "EC2, FARGATE or EXTERNAL", 8)
capacity_provider = text(r"[\w-]*", "a capacity provider's name", 255)
platform_version = text(r"[\w.]*", "a platform version", 64)
region = text(r"[a-z0-9-]*", "an AWS region", 32)
sslmode = text(
    r"disable|allow|prefer|require|verify-ca|verify-full|",
    "disable, allow, prefer, require, verify-ca or verify-full",
    16,
)
database_url = secretive(r"postgres(ql)?://[!-~]+", "a postgresql:// URL", 2048)
timeout = whole(1, WEEK)
exit_codes = each(whole(0, 255), least=1)
