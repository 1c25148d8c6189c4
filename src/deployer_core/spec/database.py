"""A PostgreSQL database of a deployment, and how its administrator reaches the server."""

from typing import Generic, TypeAlias
from urllib.parse import unquote

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check
from deployer_core.spec.errors import SpecError
from deployer_core.spec.task import Evaluation, Migration
from deployer_core.spec.text import R, line_or_output, secret_or_output


@tagged("spec.AdminSecret/1")
@frozen
class AdminSecret(Generic[R]):
    """Administrator's access by a secret in Secrets Manager, in the shape that RDS writes.

    A secret that RDS manages by itself holds no host: then `host` says where the server is. The host and the port that
    a secret holds are the ones that count.
    """

    secret: R = field(validator=secret_or_output)
    host: R | None = field(default=None, validator=check.maybe(line_or_output))
    port: int = field(default=5432, validator=check.whole(1, 65_535))


@tagged("spec.AdminIam/1")
@frozen
class AdminIam(Generic[R]):
    """Administrator's access by an RDS IAM token."""

    host: R = field(validator=line_or_output)
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


SERVER_DATABASES = ("postgres", "template0", "template1", "rdsadmin")
"""Databases that PostgreSQL, or RDS, keeps to itself."""
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
    app_secret: R | None = field(default=None, validator=check.maybe(secret_or_output))
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
        if self.name in SERVER_DATABASES:
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
