"""The PostgreSQL server that a rehearsal works on: one of its own, or one that is given by a URL.

On a server of its own the administrator is no superuser, as on RDS; the role `rds_iam` is there, and its members get in
without a password, since there is no IAM. On a server that is given, what the rehearsal makes is dropped at its end.
"""

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from attrs import frozen
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from deployer_aws.aws.protocols import SecretsClient
from deployer_aws.executors.postgres.access import Access
from deployer_aws.executors.postgres.marks import marked_database
from deployer_aws.executors.postgres.session import Server
from deployer_aws.rehearsal.children import temporary
from deployer_aws.rehearsal.errors import RehearsalError
from deployer_aws.rehearsal.postgres_process import HOST, PostgresProcess, Superuser, suitable, unprivileged
from deployer_core.spec import DatabaseSpec

ADMIN, SUPERUSER, IAM = "rehearsal", "rehearsal_superuser", "rds_iam"
HBA = f"""
host all {ADMIN} {HOST}/32 scram-sha-256
host all +{IAM} {HOST}/32 trust
host all all {HOST}/32 scram-sha-256
"""


class LocalAccess(Access):
    """Connects as the rehearsal's administrator, whatever administrator the spec names."""

    def __init__(self, secrets: SecretsClient, server: Server) -> None:
        super().__init__(secrets, None, {})
        self._server = server
        self.seen: dict[str, DatabaseSpec[str]] = {}
        """The databases that were connected to, with their values resolved."""

    def server(self, spec: DatabaseSpec[str]) -> Server:
        """Return the rehearsal's server, and remember the database."""
        self.seen[spec.name] = spec
        return self._server


class OwnServer:
    """A server that the rehearsal has made."""

    def __init__(self, server: PostgresProcess, password: str) -> None:
        self._server, self._password = server, password

    @property
    def admin(self) -> Server:
        """How the administrator connects."""
        return Server(HOST, self._server.port, ADMIN, self._password, sslmode="disable")

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords, which must not be shown."""
        return self._password, self._server.superuser.password

    def make(self) -> None:
        """Make the server, start it, and make the administrator. Raises RehearsalError."""
        self._server.make(HBA)
        self._server.start()
        iam = sql.Identifier(IAM)
        with self._server.connect() as connection:
            verifier = connection.pgconn.encrypt_password(
                self._password.encode(), ADMIN.encode(), b"scram-sha-256"
            )
            for statement in (
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.Identifier(ADMIN), sql.Literal(verifier.decode())
                ),
                sql.SQL("CREATE ROLE {}").format(iam),
                sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(iam, sql.Identifier(ADMIN)),
            ):
                connection.execute(statement)

    def resume(self) -> None:
        """Start the server again if it no longer runs. Raises RehearsalError."""
        if not self._server.folder.is_dir():
            raise RehearsalError(
                f"the kept server's folder {self._server.folder} is gone; 'deployer rehearse --end' clears up"
            )
        if not self._server.answers():
            self._server.start()

    def kept(self) -> dict[str, Any]:
        """Return what is needed to come back to it, as JSON values."""
        return {
            "programs": str(self._server.programs),
            "folder": str(self._server.folder),
            "port": self._server.port,
            "superuser_password": self._server.superuser.password,
            "password": self._password,
        }

    def leave(self) -> None:
        """Release it, and leave everything as it is."""
        self._server.leave()

    def end(self, databases: Mapping[str, str]) -> None:
        """Remove it, with all that is in it."""
        self._server.stop()


def new_server(folder: Path, *, lasting: bool) -> OwnServer:
    """Describe a server still to be made below a folder; as root, in a temporary folder that its user can enter."""
    home = folder / "postgres"
    if unprivileged():
        home = temporary("deployer-rehearsal-postgres-")
    superuser = Superuser(SUPERUSER, secrets.token_urlsafe(24))
    server = PostgresProcess(suitable(), home, superuser, lasting=lasting)
    return OwnServer(server, secrets.token_urlsafe(24))


def kept_server(kept: Mapping[str, Any]) -> OwnServer:
    """Find the server that was kept."""
    superuser = Superuser(SUPERUSER, kept["superuser_password"])
    server = PostgresProcess(
        Path(kept["programs"]), Path(kept["folder"]), superuser, port=int(kept["port"]), lasting=True
    )
    return OwnServer(server, kept["password"])


@frozen
class Before:
    """The databases and roles of a server before the first rehearsal."""

    databases: frozenset[str]
    roles: frozenset[str]


class GivenServer:
    """A server that exists without the rehearsal."""

    def __init__(self, admin: Server, before: Before | None = None) -> None:
        self._admin = admin
        self._before = before or self._look()

    @property
    def admin(self) -> Server:
        """How the administrator connects."""
        return self._admin

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords, which must not be shown."""
        return (self._admin.password,)

    def _look(self) -> Before:
        with connect(self._admin) as connection:
            databases = connection.execute("SELECT datname FROM pg_database").fetchall()
            roles = connection.execute("SELECT rolname FROM pg_roles").fetchall()
        return Before(frozenset(name for (name,) in databases), frozenset(name for (name,) in roles))

    def kept(self) -> dict[str, Any]:
        """Return what is needed to come back to it, as JSON values, without the password."""
        return {
            "url": url(self._admin, self._admin.maintenance),
            "databases": sorted(self._before.databases),
            "roles": sorted(self._before.roles),
        }

    def leave(self) -> None:
        """Leave everything as it is."""

    def end(self, databases: Mapping[str, str]) -> None:
        """Drop the databases and roles that were not there before; keep the others. `databases` maps names to owners.

        Raises RehearsalError where not all of it can be dropped.
        """
        try:
            self._drop(databases)
        except psycopg.Error as error:
            raise RehearsalError(
                f"what the rehearsal has made on {self._admin.place} is not all dropped: {error}"
            ) from None

    def _drop(self, databases: Mapping[str, str]) -> None:
        made = {name: owner for name, owner in databases.items() if name not in self._before.databases}
        with connect(self._admin) as connection:
            for name in made:
                drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(drop.format(sql.Identifier(name)))
            roles = self._new_roles(connection)
            marks = ((role, marked_database(comment)) for role, comment in roles.items())
            logins = {role: name for role, name in marks if name is not None and name in databases}
            for login, name in logins.items():
                if name not in made:
                    self._disown(login, name, databases[name])
            for role in (*logins, *(owner for owner in dict.fromkeys(made.values()) if owner in roles)):
                with contextlib.suppress(psycopg.errors.DependentObjectsStillExist):  # it owns more than ours
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def _new_roles(self, connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, str | None]:
        """Return the roles that were not there before, with their comments."""
        query = "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname <> ALL (%s)"
        return dict(connection.execute(query, [sorted(self._before.roles)]).fetchall())

    def _disown(self, login: str, database: str, owner: str) -> None:
        """Give to the owner what a login owns in a database that stays, so that the login can be dropped."""
        who = sql.Identifier(login)
        with connect(self._admin, database) as connection:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(who))
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(who, sql.Identifier(owner)))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(who))


def given_server(text: str, kept: Mapping[str, Any] | None = None) -> GivenServer:
    """Connect to the server that a URL names, as libpq understands it. Raises RehearsalError."""
    admin = _server(text)
    if kept is None:
        return GivenServer(admin)
    if url(admin, admin.maintenance) != kept["url"]:
        raise RehearsalError(
            f"the kept rehearsal is on another server: give --database-url {kept['url']}, or first "
            "'deployer rehearse --end'"
        )
    before = Before(frozenset(kept["databases"]), frozenset(kept["roles"]))
    with connect(admin):
        return GivenServer(admin, before)


def _server(text: str) -> Server:
    """Resolve a URL as libpq does, with libpq's environment variables and password files."""
    try:
        said = conninfo_to_dict(text)
        if not text.startswith(("postgresql://", "postgres://")):
            raise psycopg.ProgrammingError
    except psycopg.Error:
        raise RehearsalError(
            "--database-url: a postgresql:// URL, such as postgresql://admin@127.0.0.1/postgres"
        ) from None
    try:
        with psycopg.connect(text, connect_timeout=10) as connection:
            info = connection.info
            more = {
                name: str(value)
                for name, value in said.items()
                if name not in ("host", "port", "user", "password", "dbname", "sslmode")
            }
            host, mode = info.host or str(said.get("host") or HOST), str(said.get("sslmode") or "")
            return Server(
                host, info.port, info.user, info.password, info.dbname, mode, tuple(sorted(more.items()))
            )
    except psycopg.OperationalError as error:
        raise RehearsalError(f"--database-url: {error}") from None


def connect(server: Server, database: str = "") -> psycopg.Connection[tuple[Any, ...]]:
    """Connect as the administrator. Raises RehearsalError."""
    more: dict[str, Any] = dict(server.more)
    try:
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password or None,
            dbname=database or server.maintenance,
            sslmode=server.sslmode or None,
            autocommit=True,
            connect_timeout=10,
            **more,
        )
    except psycopg.OperationalError as error:
        raise RehearsalError(f"the PostgreSQL server {server.place}: {error}") from None


def url(server: Server, database: str) -> str:
    """Return the administrator's URL, without a password."""
    host = f"[{server.host}]" if ":" in server.host else quote(server.host, safe="")
    return f"postgresql://{quote(server.user, safe='')}@{host}:{server.port}/{quote(database, safe='')}"
