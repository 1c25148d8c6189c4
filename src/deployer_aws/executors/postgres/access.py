"""Find out how the administrator logs in: by a secret, by an RDS IAM token, or by a URL."""

from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict

from deployer_aws.aws.protocols import RdsClient, SecretsClient
from deployer_aws.aws.secrets import read_json
from deployer_aws.executors.postgres.problems import PostgresError
from deployer_aws.executors.postgres.session import Server
from deployer_core.spec import AdminIam, AdminSecret, AdminUrl, DatabaseSpec

_MAINTENANCE = "postgres"


class Access:
    """The clients and the environment from which an administrator's password comes."""

    def __init__(
        self, secrets: SecretsClient | None, rds: RdsClient | None, environ: Mapping[str, str]
    ) -> None:
        self._secrets, self._rds, self._environ = secrets, rds, environ

    def server(self, spec: DatabaseSpec[str]) -> Server:
        """Return the database's server, with a password as fresh as it can be. Raises PostgresError."""
        admin = spec.admin
        if isinstance(admin, AdminSecret):
            found = self._by_secret(spec, admin)
        elif isinstance(admin, AdminIam):
            found = self._by_token(spec, admin)
        else:
            found = self._by_url(spec, admin)
        for what, text in (("host", found.host), ("user", found.user), ("password", found.password)):
            if not _can_be_sent(text):
                raise PostgresError(f"the administrator's {what} is no UTF-8 text, or has a zero in it")
        return found

    def secrets(self) -> SecretsClient:
        """Return the client of Secrets Manager. Raises PostgresError."""
        if self._secrets is None:
            raise PostgresError(
                "a secret is needed, and the deployer was started without access to Secrets Manager"
            )
        return self._secrets

    def _by_secret(self, spec: DatabaseSpec[str], admin: AdminSecret[str]) -> Server:
        """Read a secret in the shape that RDS writes ('JSON structure of Secrets Manager secrets', Amazon RDS)."""
        held = read_json(self.secrets().get_secret_value(SecretId=admin.secret))
        lacking = [key for key in ("username", "password") if not held.get(key)]
        host = held.get("host") or admin.host
        if lacking:
            raise PostgresError(f"the secret {admin.secret} holds no {' and no '.join(lacking)}")
        if not host:
            raise PostgresError(
                f"the secret {admin.secret} holds no host; name it as the administrator's host"
            )
        port = str(held.get("port") or admin.port)
        if not port.isdecimal():
            raise PostgresError(f"the port that the secret {admin.secret} holds is no number")
        user, password = str(held["username"]), str(held["password"])
        return Server(str(host), int(port), user, password, _MAINTENANCE, spec.sslmode or "require")

    def _by_token(self, spec: DatabaseSpec[str], admin: AdminIam[str]) -> Server:
        """Make a token, which RDS takes over TLS alone (Amazon RDS, 'IAM database authentication')."""
        if self._rds is None:
            raise PostgresError(
                "an RDS IAM token is needed, and the deployer was started without access to RDS"
            )
        token = self._rds.generate_db_auth_token(
            DBHostname=admin.host, Port=admin.port, DBUsername=admin.user, Region=admin.region or None
        )
        mode = spec.sslmode or "require"
        return Server(admin.host, admin.port, admin.user, str(token), _maintenance(admin.database), mode)

    def _by_url(self, spec: DatabaseSpec[str], admin: AdminUrl) -> Server:
        password = ""
        if admin.password_variable:
            password = self._environ.get(admin.password_variable, "")
            if not password:
                raise PostgresError(f"the environment variable {admin.password_variable} is not set")
        try:
            said = {key: str(value) for key, value in conninfo_to_dict(admin.url).items()}
        except psycopg.Error:
            raise PostgresError("the administrator's url cannot be understood") from None
        host, user, port = said.pop("host", "localhost"), said.pop("user", ""), said.pop("port", "5432")
        if not user or "," in host or not port.isdecimal():
            raise PostgresError("the administrator's url has to name a user and one host")
        database, mode = said.pop("dbname", _MAINTENANCE), said.pop("sslmode", "")
        for ours in ("password", "options", "application_name"):
            said.pop(ours, None)
        return Server(
            host,
            int(port),
            user,
            password,
            _maintenance(database),
            spec.sslmode or mode,
            tuple(sorted(said.items())),
        )


def _can_be_sent(text: str) -> bool:
    """Tell whether libpq takes a text; JSON and the environment can hold others."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _maintenance(database: str) -> str:
    """Refuse a template: sessions in one block CREATE DATABASE (PostgreSQL, 'Template Databases')."""
    if database in ("template0", "template1"):
        raise PostgresError(
            f"the administrator connects to {database}, which is a template; name postgres, say"
        )
    return database
