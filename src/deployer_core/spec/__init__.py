"""What a person asks for: one version of one application in one environment, as a value.

Everything is checked where it is made: a spec that exists is well formed. A `SpecError` names the field and the rule.
Values that only the stack knows are written as `Output("Name")`; `resolve` replaces them once the infrastructure is
there. Durations are whole seconds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar, cast
from urllib.parse import unquote

from attrs import evolve, field, fields, frozen, has

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check

SpecError = check.SpecError
Counts: TypeAlias = tuple[tuple[str, int], ...]
"""Desired counts by the stack parameter that carries them, sorted."""
Pairs: TypeAlias = tuple[tuple[str, str], ...]


# Values


@tagged("spec.Output/1")
@frozen(order=True)
class Output:
    """An output of the stack that is being deployed, known once its infrastructure is there."""

    name: str = field(validator=check.logical_id)


Text: TypeAlias = str | Output
R = TypeVar("R", bound=Text)
"""Text as the spec has it (`Text`), or as it is once outputs are resolved (`str`)."""
_line_or_output = check.either(check.line, Output)
_secret_or_output = check.either(check.secret, Output)


@tagged("spec.Previous/1")
@frozen
class Previous:
    """A parameter that keeps the value that the stack has."""


@tagged("spec.StackOutput/1")
@frozen
class StackOutput:
    """A parameter that takes another stack's output, read when the command is first sent."""

    stack: str = field(validator=check.stack_name)
    name: str = field(validator=check.logical_id)


@tagged("spec.ListenerPriority/1")
@frozen
class ListenerPriority:
    """A parameter that is a listener rule's priority: the one the stack has where it lies in the range, else the
    lowest free one.
    """

    listener: str = field(validator=check.line)
    lowest: int = field(validator=check.whole(1, 50_000))
    highest: int = field(validator=check.whole(1, 50_000))

    def __attrs_post_init__(self) -> None:
        if self.lowest > self.highest:
            raise SpecError("lowest", f"not above highest, which is {self.highest}")


ParameterValue: TypeAlias = str | Previous | StackOutput | ListenerPriority


@tagged("spec.TemplateBody/1")
@frozen
class TemplateBody:
    """A template whose text was read when the deployment was requested; the text is kept under its SHA-256."""

    sha256: str = field(validator=check.digest)
    source: str = field(validator=check.line)


@tagged("spec.TemplateUrl/1")
@frozen
class TemplateUrl:
    """A template that CloudFormation reads by itself."""

    url: str = field(validator=check.template_url)


Template: TypeAlias = TemplateBody | TemplateUrl


@tagged("spec.FixedCount/1")
@frozen
class FixedCount:
    """The desired count that this version shall have, in the parameter that carries it."""

    parameter: str = field(validator=check.logical_id)
    count: int = field(validator=check.whole(0, 10_000))


@tagged("spec.PreviousCount/1")
@frozen
class PreviousCount:
    """The desired count that the stack had before, or `initial` where it had none."""

    parameter: str = field(validator=check.logical_id)
    initial: int = field(validator=check.whole(0, 10_000))


Scale: TypeAlias = FixedCount | PreviousCount


def _parameter_of(scale: Scale) -> str:
    return scale.parameter


@tagged("spec.Stack/2")
@frozen
class StackSpec:
    """One CloudFormation stack. `scaling` names the parameters that carry counts; empty is 'scaling: none'.

    `discard_shells` lets a stack be deleted that holds nothing, such as one whose creation was rolled back: it has the
    name, and cannot be changed.
    """

    name: str = field(validator=check.stack_name)
    template: Template = field(validator=check.kind(TemplateBody, TemplateUrl))
    parameters: tuple[tuple[str, ParameterValue], ...] = field(
        default=(),
        converter=check.by_first,
        validator=check.each(
            check.pair(
                check.logical_id, check.either(check.parameter, Previous, StackOutput, ListenerPriority)
            ),
            200,
            key=check.first,
        ),
    )
    scaling: tuple[Scale, ...] = field(
        default=(),
        converter=check.by_parameter,
        validator=check.each(check.kind(FixedCount, PreviousCount), key=_parameter_of),
    )
    capabilities: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.capability)
    )
    tags: Pairs = field(
        default=(),
        converter=check.by_first,
        validator=check.each(check.pair(check.tag_key, check.tag_value), 50, key=check.first),
    )
    role: str | None = field(default=None, validator=check.maybe(check.role))
    notifications: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.topic, 5)
    )
    timeout: int = field(default=3600, validator=check.timeout)
    discard_shells: bool = field(default=True, validator=check.flag)

    def __attrs_post_init__(self) -> None:
        counted = {scale.parameter for scale in self.scaling}
        if both := sorted(counted & {name for name, _ in self.parameters}):
            raise SpecError("parameters", f"{', '.join(both)} carries a count: set it under scaling alone")


@tagged("spec.Task/1")
@frozen
class TaskSpec(Generic[R]):
    """One run of one ECS task. `container` is the one that is judged; by default the only essential one."""

    cluster: R = field(validator=_line_or_output)
    task_definition: R = field(validator=_line_or_output)
    container: str | None = field(default=None, validator=check.maybe(check.container))
    command: tuple[str, ...] = field(
        default=(), converter=check.listed, validator=check.each(check.word, key=None)
    )
    environment: Pairs = field(
        default=(),
        converter=check.by_first,
        validator=check.each(check.pair(check.variable, check.variable_value), key=check.first),
    )
    subnets: tuple[R, ...] = field(
        default=(), converter=check.listed, validator=check.each(_line_or_output, 16)
    )
    security_groups: tuple[R, ...] = field(
        default=(), converter=check.listed, validator=check.each(_line_or_output, 5)
    )
    public_ip: bool = field(default=False, validator=check.flag)
    launch_type: str = field(default="", validator=check.launch_type)
    capacity_provider: str = field(default="", validator=check.capacity_provider)
    platform_version: str = field(default="", validator=check.platform_version)
    timeout: int = field(default=1800, validator=check.timeout)

    def __attrs_post_init__(self) -> None:
        if (self.environment or self.command) and self.container is None:
            raise SpecError(
                "container", "needed where command or environment is given: they belong to one container"
            )
        if self.launch_type and self.capacity_provider:
            raise SpecError("capacity_provider", "not together with launch_type: ECS takes one of the two")


@tagged("spec.Migration/1")
@frozen
class Migration(Generic[R]):
    """The task that migrates a database, and the exit codes that mean it did."""

    task: TaskSpec[R] = field(validator=check.kind(TaskSpec))
    success: tuple[int, ...] = field(default=(0,), converter=check.in_order, validator=check.exit_codes)


@tagged("spec.Evaluation/1")
@frozen
class Evaluation(Generic[R]):
    """The task that says whether a database has changes to come: 0 and 2, as `terraform plan -detailed-exitcode`."""

    task: TaskSpec[R] = field(validator=check.kind(TaskSpec))
    no_changes: tuple[int, ...] = field(default=(0,), converter=check.in_order, validator=check.exit_codes)
    changes: tuple[int, ...] = field(default=(2,), converter=check.in_order, validator=check.exit_codes)

    def __attrs_post_init__(self) -> None:
        if both := sorted(set(self.no_changes) & set(self.changes)):
            raise SpecError("changes", f"{both[0]} already means 'no changes'")


@tagged("spec.AdminSecret/1")
@frozen
class AdminSecret(Generic[R]):
    """Administrator's access by a secret in Secrets Manager, in the shape that RDS writes.

    A secret that RDS manages by itself holds no host: then `host` says where the server is. The host and the port that
    a secret holds are the ones that count.
    """

    secret: R = field(validator=_secret_or_output)
    host: R | None = field(default=None, validator=check.maybe(_line_or_output))
    port: int = field(default=5432, validator=check.whole(1, 65_535))


@tagged("spec.AdminIam/1")
@frozen
class AdminIam(Generic[R]):
    """Administrator's access by an RDS IAM token."""

    host: R = field(validator=_line_or_output)
    user: str = field(validator=check.identifier)
    port: int = field(default=5432, validator=check.whole(1, 65_535))
    database: str = field(default="postgres", validator=check.identifier)
    region: str = field(default="", validator=check.region)


@tagged("spec.AdminUrl/1")
@frozen
class AdminUrl:
    """Administrator's access by a URL without a password; `password_variable` names where the password is."""

    url: str = field(validator=check.database_url)
    password_variable: str = field(default="", validator=check.variable_or_none)

    def __attrs_post_init__(self) -> None:
        before_host = self.url.partition("://")[2].rpartition("@")[0]
        if ":" in before_host or "password=" in unquote(self.url).lower():
            raise SpecError(
                "url",
                "no password in it: it would be written to the journal; name a password_variable "
                "(an @ that ends no user name is written %40)",
            )


Admin: TypeAlias = AdminSecret[R] | AdminIam[R] | AdminUrl


@tagged("spec.Database/1")
@frozen
class DatabaseSpec(Generic[R]):
    """One PostgreSQL database: how it is reached and made, and the tasks that evaluate and migrate it.

    `owner` (by default the database's name) owns it and cannot log in; `login` names the application's login, or what
    the names of its successive logins begin with. An `iam_login` has no password, and so no secret. An empty `sslmode`
    is `require`, but for access by URL, which says by itself. `statement_timeout` and `lock_timeout` hold for each
    statement that prepares or cleans up the database.
    """

    name: str = field(validator=check.identifier)
    admin: Admin[R] = field(validator=check.kind(AdminSecret, AdminIam, AdminUrl))
    extensions: tuple[str, ...] = field(
        default=(), converter=check.in_order, validator=check.each(check.identifier)
    )
    app_secret: R | None = field(default=None, validator=check.maybe(_secret_or_output))
    migrate: Migration[R] | None = field(default=None, validator=check.maybe(check.kind(Migration)))
    evaluate: Evaluation[R] | None = field(default=None, validator=check.maybe(check.kind(Evaluation)))
    timeout: int = field(default=600, validator=check.timeout)
    owner: str | None = field(default=None, validator=check.maybe(check.database_role))
    login: str | None = field(default=None, validator=check.maybe(check.database_role))
    iam_login: bool = field(default=False, validator=check.flag)
    rotate_credentials: bool = field(default=False, validator=check.flag)
    sslmode: str = field(default="", validator=check.sslmode)
    statement_timeout: int = field(default=30, validator=check.whole(1, 30))
    lock_timeout: int = field(default=5, validator=check.whole(1, 30))

    def __attrs_post_init__(self) -> None:
        if self.evaluate is not None and self.migrate is None:
            raise SpecError("evaluate", "there is no migration whose changes it could evaluate")
        if self.name in ("postgres", "template0", "template1", "rdsadmin"):
            raise SpecError(
                "name", f"{self.name} belongs to the server; name a database of the application's own"
            )
        if self.iam_login and self.app_secret is not None:
            raise SpecError("iam_login", "not together with app_secret: such a login has no password to keep")
        if isinstance(self.admin, AdminSecret) and self.admin.secret == self.app_secret:
            raise SpecError(
                "app_secret", "not the administrator's, which the application's credentials would overwrite"
            )
        if self.rotate_credentials and self.app_secret is None:
            raise SpecError(
                "rotate_credentials", "there is no app_secret that new credentials could be kept in"
            )
        if not check.is_database_role(self.owner_role):
            raise SpecError("owner", f"needed: PostgreSQL keeps the role name {self.name!r:.80} to itself")
        if self.iam_login and len(self.login_role.encode()) > 63:
            raise SpecError("login", "needed: a name made from the database's would be longer than 63 bytes")
        if (self.app_secret is not None or self.iam_login) and not check.is_database_role(self.login_role):
            raise SpecError(
                "login", f"needed: PostgreSQL keeps the role name {self.login_role!r:.80} to itself"
            )
        if self.login_role == self.owner_role:
            raise SpecError("login", "not the owner, which cannot log in")

    @property
    def owner_role(self) -> str:
        """The role that owns the database and all that is in it."""
        return self.owner or self.name

    @property
    def login_role(self) -> str:
        """The name of an IAM login, and what the name of a login with a password begins with."""
        return self.login or f"{self.name}_{'iam' if self.iam_login else 'app'}"


def _name_of(database: DatabaseSpec[Any]) -> str:
    return database.name


@tagged("spec.Deployment/1")
@frozen
class DeploymentSpec:
    """One version of one application in one environment, as it was asked for."""

    environment: str = field(validator=check.name)
    application: str = field(validator=check.name)
    version: str = field(validator=check.line)
    stack: StackSpec = field(validator=check.kind(StackSpec))
    databases: tuple[DatabaseSpec[Text], ...] = field(
        default=(),
        converter=check.by_name,
        validator=check.each(check.kind(DatabaseSpec), 50, key=_name_of),
    )
    quick: bool = field(default=False, validator=check.flag)
    cancel_updates: bool = field(default=False, validator=check.flag)

    def __attrs_post_init__(self) -> None:
        taken = {one.admin.secret for one in self.databases if isinstance(one.admin, AdminSecret)}
        for database in self.databases:
            if database.app_secret in taken:
                raise SpecError(
                    "databases",
                    f"{database.name!r:.80} has the app_secret of another one, or an administrator's; "
                    "each would overwrite it",
                )
            if database.app_secret is not None:
                taken.add(database.app_secret)

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
    elif has(value.__class__):
        for attribute in fields(value.__class__):
            yield from _named(getattr(value, attribute.name))


def resolve(database: DatabaseSpec[Text], outputs: Mapping[str, str]) -> DatabaseSpec[str]:
    """The same with every `Output` replaced; a list's output may hold several values, separated by commas.

    What several outputs have in common stands in a list once. Raises MissingOutputs with all that are missing, and
    SpecError where a value breaks a rule of its field.
    """
    if missing := tuple(name for name in outputs_named(database) if name not in outputs):
        raise MissingOutputs(missing, tuple(sorted(outputs)))
    return cast(DatabaseSpec[str], _resolved(database, outputs))


def _resolved(value: Any, outputs: Mapping[str, str]) -> Any:
    if isinstance(value, Output):
        return outputs[value.name]
    if value.__class__ is tuple and outputs_named(value):
        return tuple(dict.fromkeys(part for item in value for part in _parts(item, outputs)))
    if has(value.__class__) and outputs_named(value):
        attributes = [a.name for a in fields(value.__class__)]
        return evolve(value, **{a: _resolved(getattr(value, a), outputs) for a in attributes})
    return value


def _parts(item: Any, outputs: Mapping[str, str]) -> list[Any]:
    if isinstance(item, Output):
        return [part.strip() for part in outputs[item.name].split(",")]
    return [_resolved(item, outputs)]
