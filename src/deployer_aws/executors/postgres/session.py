"""One connection to PostgreSQL: every statement of the executor passes through here.

Statements are composed with `psycopg.sql` alone, each is a transaction of its own unless it says otherwise, and names
in them are found in pg_catalog only, so that nothing that an application defines is called by mistake.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeAlias

import psycopg
from attrs import field, frozen
from psycopg import sql

from deployer_aws.executors.postgres.problems import is_concurrent, postgres_error

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Query: TypeAlias = LiteralString | sql.SQL | sql.Composed
CONNECT_TIMEOUT = 10
"""Seconds that making a connection may take."""
_TRIES = 5


@frozen
class Server:
    """A server's address and login. The password is in no text that is made of it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    maintenance: str = "postgres"
    sslmode: str = ""
    more: tuple[tuple[str, str], ...] = ()
    """Other parameters of a URL for libpq."""
    as_itself: bool = True
    """Whether the user works as itself, even where its role is set to another one."""

    @property
    def place(self) -> str:
        """The server as errors name it."""
        return f"{self.host}:{self.port}"


@frozen
class Timeouts:
    """Seconds that a statement may take, and that it may wait for a lock."""

    statement: int = 30
    lock: int = 5


class DatabaseSession:
    """An open connection to one database."""

    def __init__(self, connection: Connection, where: str) -> None:
        self._connection, self._where = connection, where

    def rows(self, query: Query, *values: object) -> list[tuple[Any, ...]]:
        """Run a query. Raises PostgresError."""
        try:
            return self._connection.execute(query, values or None).fetchall()
        except psycopg.Error as error:
            raise postgres_error(error, self._where) from None

    def run(self, query: Query) -> None:
        """Run a change; retry what another session has just changed too. Raises PostgresError."""
        for again in range(_TRIES):
            try:
                self._connection.execute(query)
                return
            except psycopg.Error as error:
                if not is_concurrent(error) or again == _TRIES - 1 or not self._alone():
                    raise postgres_error(error, self._where) from None
            time.sleep(0.02 * 2**again)

    def _alone(self) -> bool:
        """Tell whether the next statement would be a transaction of its own."""
        return self._connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run all or nothing of what is within. Raises PostgresError."""
        try:
            with self._connection.transaction():
                yield
        except psycopg.Error as error:
            raise postgres_error(error, self._where) from None

    def try_lock(self, database: str) -> bool:
        """Take the advisory lock for work on a database; this session keeps it until it ends.

        Such locks are known within one database only (PostgreSQL, 'Advisory Locks'), so it has to be a fixed one.
        """
        digest = hashlib.sha256(f"deployer\n{database}".encode()).digest()
        ((taken,),) = self.rows("SELECT pg_try_advisory_lock(%s)", int.from_bytes(digest[:8], signed=True))
        return bool(taken)

    def verifier(self, user: str, password: str) -> str:
        """Return the SCRAM verifier of a password (RFC 5803), which the server is told instead."""
        encrypted = self._connection.pgconn.encrypt_password(
            password.encode(), user.encode(), b"scram-sha-256"
        )
        return encrypted.decode()


@contextmanager
def session(
    connect: type[Connection], server: Server, database: str, timeouts: Timeouts | None = None
) -> Iterator[DatabaseSession]:
    """Connect to a database of a server, and let go of it at the end. Raises PostgresError."""
    limits = timeouts or Timeouts()
    where = f"database {database} at {server.place}"
    parameters: dict[str, Any] = {
        **dict(server.more),
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password or None,
        "dbname": database,
        "sslmode": server.sslmode or None,
        "application_name": "deployer",
        "client_encoding": "UTF8",
        "connect_timeout": CONNECT_TIMEOUT,
        "tcp_user_timeout": 1000 * (limits.statement + 5),
        "options": f"-c statement_timeout={limits.statement}s -c lock_timeout={limits.lock}s"
        " -c idle_in_transaction_session_timeout=60s -c search_path=pg_catalog"
        + (" -c role=none" if server.as_itself else ""),
    }
    try:
        connection = connect.connect(autocommit=True, prepare_threshold=None, **parameters)
    except psycopg.Error as error:
        raise postgres_error(error, where) from None
    try:
        yield DatabaseSession(connection, where)
    finally:
        connection.close()


def compose(
    template: LiteralString, *parts: str | sql.Composable, **named: str | sql.Composable
) -> sql.Composed:
    """Put names in the places of a statement: texts become quoted names, so nothing can be injected."""
    return sql.SQL(template).format(*map(_part, parts), **{key: _part(part) for key, part in named.items()})


def _part(part: str | sql.Composable) -> sql.Composable:
    return sql.Identifier(part) if isinstance(part, str) else part
