"""What a person asks for: one version of one application in one environment, as a value.

Everything is checked where it is made: a spec that exists is well formed. A `SpecError` names the field and the rule.
Values that only the stack knows are written as `Output("Name")`; `resolve` replaces them once the infrastructure is
there. Durations are whole seconds.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar, cast

from attrs import Attribute, evolve, field, fields, frozen, has

from deployer_core.tags import tagged

WEEK = 7 * 24 * 3600
Counts: TypeAlias = tuple[tuple[str, int], ...]
"""Desired counts by the stack parameter that carries them, sorted."""
Pairs: TypeAlias = tuple[tuple[str, str], ...]


class SpecError(ValueError):
    """A spec that breaks a rule: `field` says where, `rule` what was expected."""

    def __init__(self, where: str, rule: str) -> None:
        self.field, self.rule = where, rule
        super().__init__(f"{where}: {rule}")


# Validators: each names the field it stands on.


def _broken(attribute: "Attribute[Any]", rule: str, value: object) -> SpecError:
    return SpecError(attribute.name, f"{rule}, not {value!r:.80}")


def _text(pattern: str, rule: str, longest: int) -> Any:
    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, str) or len(value) > longest or not re.fullmatch(pattern, value):
            raise _broken(attribute, f"{rule}, {longest} characters at most", value)

    return check


def _whole(low: int, high: int) -> Any:
    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _broken(attribute, f"a whole number from {low} to {high}", value)

    return check


def _flag(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if type(value) is not bool:
        raise _broken(attribute, "true or false", value)


def _kind(*kinds: type) -> Any:
    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, kinds):
            raise _broken(
                attribute, " or ".join("nothing" if k is type(None) else k.__name__ for k in kinds), value
            )

    return check


def _each(check_one: Any, most: int | None = None, key: Any = None) -> Any:
    """Check a tuple's items, that it is not too long, and that no `key` (by default the item) stands twice."""

    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, tuple):
            raise _broken(attribute, "a list", value)
        items: tuple[Any, ...] = value
        for item in items:
            check_one(instance, attribute, item)
        keys = [key(item) if key else item for item in items]
        if twice := sorted({str(k) for k in keys if keys.count(k) > 1}):
            raise SpecError(attribute.name, f"{', '.join(twice)} stands there more than once")
        if most is not None and len(items) > most:
            raise SpecError(attribute.name, f"{most} at most, not {len(items)}")

    return check


def _pair(check_key: Any, check_value: Any) -> Any:
    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, tuple) or len(cast(Any, value)) != 2:
            raise _broken(attribute, "a name and a value", value)
        name, inner = cast(Any, value)
        check_key(instance, attribute, name)
        check_value(instance, attribute, inner)

    return check


def _sorted(value: Any) -> Any:
    """Order where order has no meaning, so that equal specs give equal bytes."""
    return tuple(sorted(value)) if isinstance(value, (tuple, list)) else value


def _by_key(value: Any) -> Any:
    return tuple(sorted(value, key=lambda pair: str(pair[0])))


def _by_parameter(value: Any) -> Any:
    return tuple(sorted(value, key=lambda scale: str(scale.parameter)))


def _by_database(value: Any) -> Any:
    return tuple(sorted(value, key=lambda database: str(database.name)))


def _or_output(check_text: Any) -> Any:
    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, Output):
            check_text(instance, attribute, value)

    return check


# What AWS accepts: CloudFormation's and ECS's API references, and 'Naming constraints' of Elastic Load Balancing.

_name = _text(r"[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and hyphens, a letter or digit first", 63)
_line = _text(r"[^\x00-\x1f\x7f]+", "one line of text", 2048)
_stack_name = _text(r"[A-Za-z][A-Za-z0-9-]*", "letters, digits and hyphens, a letter first", 128)
_logical_id = _text(r"[A-Za-z0-9]+", "letters and digits", 255)
_role = _text(r"arn:[\w-]+:iam::\d{12}:role/.+", "the ARN of an IAM role", 2048)
_topic = _text(r"arn:[\w-]+:sns:[\w-]+:\d{12}:.+", "the ARN of an SNS topic", 2048)
_url = _text(r"(https|s3)://[^\s/]+/\S+", "an https:// or s3:// URL", 5120)
_digest = _text(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal", 64)
_tag_key = _text(r"(?!aws:)[^\x00-\x1f]+", "text that does not begin with 'aws:'", 128)
_tag_value = _text(r"[^\x00-\x1f]*", "text", 256)
_value = _text(r"(?s).*", "text", 4096)
_container = _text(r"[A-Za-z0-9_-]+", "letters, digits, hyphens and underscores", 255)
_env_name = _text(r"[^\x00=]+", "an environment variable's name", 1024)
_secret = _text(r"[A-Za-z0-9/_+=.@:-]+", "a secret's name or ARN", 2048)
_capability = _text(r"CAPABILITY_(IAM|NAMED_IAM|AUTO_EXPAND)", "a capability of CloudFormation", 32)
_launch_type = _text(r"EC2|FARGATE|EXTERNAL|", "EC2, FARGATE or EXTERNAL", 8)
_timeout = _whole(1, WEEK)


def _identifier(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """PostgreSQL cuts longer names off without an error ('Identifiers and Key Words'), so they are refused here."""
    if not isinstance(value, str) or not 1 <= len(value.encode("utf-8", "replace")) <= 63 or "\x00" in value:
        raise _broken(attribute, "a PostgreSQL name: 1 to 63 bytes", value)


# Values


@tagged("spec.Output/1")
@frozen(order=True)
class Output:
    """An output of the stack that is being deployed, known once its infrastructure is there."""

    name: str = field(validator=_logical_id)


Text: TypeAlias = str | Output
R = TypeVar("R", bound=Text)
"""Text as the spec has it (`Text`), or as it is once outputs are resolved (`str`)."""


@tagged("spec.Previous/1")
@frozen
class Previous:
    """A parameter that keeps the value that the stack has."""


@tagged("spec.StackOutput/1")
@frozen
class StackOutput:
    """A parameter that takes another stack's output, read when the command is first sent."""

    stack: str = field(validator=_stack_name)
    name: str = field(validator=_logical_id)


@tagged("spec.ListenerPriority/1")
@frozen
class ListenerPriority:
    """A parameter that is a listener rule's priority: the one the stack has where it lies in the range, else the
    lowest free one.
    """

    listener: str = field(validator=_line)
    lowest: int = field(validator=_whole(1, 50_000))
    highest: int = field(validator=_whole(1, 50_000))

    def __attrs_post_init__(self) -> None:
        if self.lowest > self.highest:
            raise SpecError("lowest", f"not above highest, which is {self.highest}")


ParameterValue: TypeAlias = str | Previous | StackOutput | ListenerPriority


def _parameter_value(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, Previous | StackOutput | ListenerPriority):
        _value(instance, attribute, value)


@tagged("spec.TemplateBody/1")
@frozen
class TemplateBody:
    """A template whose text was read when the deployment was requested; the text is kept under its SHA-256."""

    sha256: str = field(validator=_digest)
    source: str = field(validator=_line)


@tagged("spec.TemplateUrl/1")
@frozen
class TemplateUrl:
    """A template that CloudFormation reads by itself."""

    url: str = field(validator=_url)


Template: TypeAlias = TemplateBody | TemplateUrl


@tagged("spec.Wanted/1")
@frozen
class Wanted:
    """The desired count that this version shall have, in the parameter that carries it."""

    parameter: str = field(validator=_logical_id)
    count: int = field(validator=_whole(0, 10_000))


@tagged("spec.AsBefore/1")
@frozen
class AsBefore:
    """The desired count that the stack had before, or `initial` where it had none."""

    parameter: str = field(validator=_logical_id)
    initial: int = field(validator=_whole(0, 10_000))


Scale: TypeAlias = Wanted | AsBefore


@tagged("spec.Stack/1")
@frozen
class StackSpec:
    """One CloudFormation stack. `scaling` names the parameters that carry counts; empty is 'scaling: none'."""

    name: str = field(validator=_stack_name)
    template: Template = field(validator=_kind(TemplateBody, TemplateUrl))
    parameters: tuple[tuple[str, ParameterValue], ...] = field(
        default=(),
        converter=_by_key,
        validator=_each(_pair(_logical_id, _parameter_value), 200, key=lambda p: p[0]),
    )
    scaling: tuple[Scale, ...] = field(
        default=(),
        converter=_by_parameter,
        validator=_each(_kind(Wanted, AsBefore), key=lambda s: s.parameter),
    )
    capabilities: tuple[str, ...] = field(default=(), converter=_sorted, validator=_each(_capability))
    tags: Pairs = field(
        default=(), converter=_sorted, validator=_each(_pair(_tag_key, _tag_value), 50, key=lambda p: p[0])
    )
    role: str | None = field(default=None)
    notifications: tuple[str, ...] = field(default=(), converter=_sorted, validator=_each(_topic, 5))
    timeout: int = field(default=3600, validator=_timeout)

    @role.validator
    def _check_role(self, attribute: "Attribute[Any]", value: object) -> None:
        if value is not None:
            _role(self, attribute, value)

    def __attrs_post_init__(self) -> None:
        counted = {scale.parameter for scale in self.scaling}
        if both := sorted(counted & {name for name, _ in self.parameters}):
            raise SpecError("parameters", f"{', '.join(both)} carries a count: set it under scaling alone")


@tagged("spec.Task/1")
@frozen
class TaskSpec(Generic[R]):
    """One run of one ECS task. `container` is the one that is judged; by default the only essential one."""

    cluster: R = field(validator=_or_output(_line))
    task_definition: R = field(validator=_or_output(_line))
    container: str | None = field(default=None)
    command: tuple[str, ...] = field(default=(), validator=_kind(tuple))
    environment: Pairs = field(
        default=(), converter=_sorted, validator=_each(_pair(_env_name, _value), key=lambda p: p[0])
    )
    subnets: tuple[R, ...] = field(default=(), validator=_each(_or_output(_line), 16))
    security_groups: tuple[R, ...] = field(default=(), validator=_each(_or_output(_line), 5))
    public_ip: bool = field(default=False, validator=_flag)
    launch_type: str = field(default="", validator=_launch_type)
    capacity_provider: str = field(default="", validator=_text(r"[\w-]*", "a capacity provider's name", 255))
    platform_version: str = field(default="", validator=_text(r"[\w.]*", "a platform version", 64))
    timeout: int = field(default=1800, validator=_timeout)

    @container.validator
    def _check_container(self, attribute: "Attribute[Any]", value: object) -> None:
        if value is not None:
            _container(self, attribute, value)

    def __attrs_post_init__(self) -> None:
        for word in self.command:
            if not isinstance(word, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise SpecError("command", f"a list of words, not {word!r:.80}")
        if (self.environment or self.command) and self.container is None:
            raise SpecError(
                "container", "needed where command or environment is given: they belong to one container"
            )
        if self.launch_type and self.capacity_provider:
            raise SpecError("capacity_provider", "not together with launch_type: ECS takes one of the two")


_exit_code = _whole(0, 255)


def _exit_codes(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    _each(_exit_code)(instance, attribute, value)
    if not value:
        raise SpecError(attribute.name, "one exit code at least")


@tagged("spec.Migration/1")
@frozen
class Migration(Generic[R]):
    """The task that migrates a database, and the exit codes that mean it did."""

    task: TaskSpec[R] = field(validator=_kind(TaskSpec))
    success: tuple[int, ...] = field(default=(0,), converter=_sorted, validator=_exit_codes)


@tagged("spec.Evaluation/1")
@frozen
class Evaluation(Generic[R]):
    """The task that says whether a database has changes to come: 0 and 2, as `terraform plan -detailed-exitcode`."""

    task: TaskSpec[R] = field(validator=_kind(TaskSpec))
    no_changes: tuple[int, ...] = field(default=(0,), converter=_sorted, validator=_exit_codes)
    changes: tuple[int, ...] = field(default=(2,), converter=_sorted, validator=_exit_codes)

    def __attrs_post_init__(self) -> None:
        if both := sorted(set(self.no_changes) & set(self.changes)):
            raise SpecError("changes", f"{both[0]} already means 'no changes'")


@tagged("spec.AdminSecret/1")
@frozen
class AdminSecret(Generic[R]):
    """Administrator's access by a secret in Secrets Manager, in the shape that RDS writes."""

    secret: R = field(validator=_or_output(_secret))


@tagged("spec.AdminIam/1")
@frozen
class AdminIam(Generic[R]):
    """Administrator's access by an RDS IAM token."""

    host: R = field(validator=_or_output(_line))
    user: str = field(validator=_identifier)
    port: int = field(default=5432, validator=_whole(1, 65_535))
    database: str = field(default="postgres", validator=_identifier)
    region: str = field(default="", validator=_text(r"[a-z0-9-]*", "an AWS region", 32))


@tagged("spec.AdminUrl/1")
@frozen
class AdminUrl:
    """Administrator's access by a URL without a password; `password_variable` names where the password is."""

    url: str = field(validator=_text(r"postgres(ql)?://\S+", "a postgresql:// URL", 2048))
    password_variable: str = field(default="", validator=_text(r"\w*", "an environment variable's name", 255))

    def __attrs_post_init__(self) -> None:
        authority = self.url.split("://", 1)[1].split("/", 1)[0]
        user = authority.rpartition("@")[0]
        if ":" in user or re.search(r"[?&]password=", self.url):
            raise SpecError(
                "url", "no password in it: it would be written to the journal; name a password_variable"
            )


Admin: TypeAlias = AdminSecret[R] | AdminIam[R] | AdminUrl


@tagged("spec.Database/1")
@frozen
class DatabaseSpec(Generic[R]):
    """One PostgreSQL database: how it is reached and made, and the tasks that evaluate and migrate it."""

    name: str = field(validator=_identifier)
    admin: Admin[R] = field(validator=_kind(AdminSecret, AdminIam, AdminUrl))
    extensions: tuple[str, ...] = field(default=(), converter=_sorted, validator=_each(_identifier))
    app_secret: R | None = field(default=None)
    migrate: Migration[R] | None = field(default=None, validator=_kind(Migration, type(None)))
    evaluate: Evaluation[R] | None = field(default=None, validator=_kind(Evaluation, type(None)))
    timeout: int = field(default=600, validator=_timeout)

    @app_secret.validator
    def _check_app_secret(self, attribute: "Attribute[Any]", value: object) -> None:
        if value is not None:
            _or_output(_secret)(self, attribute, value)

    def __attrs_post_init__(self) -> None:
        if self.evaluate is not None and self.migrate is None:
            raise SpecError("evaluate", "there is no migration whose changes it could evaluate")


@tagged("spec.Deployment/1")
@frozen
class DeploymentSpec:
    """One version of one application in one environment, as it was asked for."""

    environment: str = field(validator=_name)
    application: str = field(validator=_name)
    version: str = field(validator=_line)
    stack: StackSpec = field(validator=_kind(StackSpec))
    databases: tuple[DatabaseSpec[Text], ...] = field(
        default=(),
        converter=_by_database,
        validator=_each(_kind(DatabaseSpec), 50, key=lambda d: d.name),
    )
    quick: bool = field(default=False, validator=_flag)
    cancel_updates: bool = field(default=False, validator=_flag)

    @property
    def key(self) -> str:
        """The name of the stack's stream: `environment/application`."""
        return f"{self.environment}/{self.application}"


# Outputs


class MissingOutputs(LookupError):
    """Outputs that a spec names and the stack lacks."""

    def __init__(self, missing: tuple[str, ...], present: tuple[str, ...]) -> None:
        self.missing, self.present = missing, present
        has_them = ", ".join(present) or "none"
        super().__init__(f"the stack has no output {', '.join(missing)}; it has: {has_them}")


def outputs_named(value: object) -> tuple[str, ...]:
    """The names of the outputs that a spec refers to, sorted."""
    return tuple(sorted(set(_named(value))))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Output):
        yield value.name
    elif isinstance(value, tuple):
        for item in cast(Any, value):
            yield from _named(item)
    elif has(type(value)):
        for attribute in fields(type(value)):
            yield from _named(getattr(value, attribute.name))


def resolve(database: DatabaseSpec[Text], outputs: Mapping[str, str]) -> DatabaseSpec[str]:
    """The same with every `Output` replaced; a list's output may hold several values, separated by commas.

    Raises MissingOutputs with all that are missing.
    """
    if missing := tuple(name for name in outputs_named(database) if name not in outputs):
        raise MissingOutputs(missing, tuple(sorted(outputs)))
    return cast(DatabaseSpec[str], _resolved(database, outputs))


def _resolved(value: Any, outputs: Mapping[str, str]) -> Any:
    if isinstance(value, Output):
        return outputs[value.name]
    if isinstance(value, tuple):
        flat: list[Any] = []
        for item in cast(Any, value):
            resolved = _resolved(item, outputs)
            flat += [p.strip() for p in resolved.split(",")] if isinstance(item, Output) else [resolved]
        return tuple(flat)
    if has(type(value)) and outputs_named(value):
        attributes = [a.name for a in fields(type(value))]
        return evolve(value, **{a: _resolved(getattr(value, a), outputs) for a in attributes})
    return value
