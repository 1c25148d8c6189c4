"""A real PostgreSQL server for the tests: one that is installed, or the one that a wheel brings along.

DEPLOYER_TEST_POSTGRES names a folder with `initdb` and `postgres`, to test another version.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from deployer_aws.rehearsal import postgres_process
from deployer_aws.rehearsal.postgres_process import QUICK, PostgresProcess, Superuser

SUPERUSER, SUPERPASSWORD = "root_of_all", "super secret"
ADMIN, ADMINPASSWORD = "adminus", "ädmin 's secret/@:%"
HBA = """
host all +rds_iam 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""
"""As on RDS, members of rds_iam cannot use a password: here they get in by no means at all."""
SETTINGS = {**QUICK, "autovacuum": "off", "log_statement": "all"}


def found() -> Iterator[Path]:
    """Folders with PostgreSQL's programs, the newest installed one first, then the wheel's."""
    named = os.environ.get("DEPLOYER_TEST_POSTGRES")
    yield from (Path(named),) if named else postgres_process.found()


def each_kind() -> list[Path]:
    """Return the first server that there is, and the newest: from PostgreSQL 16 on roles work in another way."""
    programs = list(dict.fromkeys(found()))
    return [*programs[:1], *sorted(programs[1:], key=postgres_process.major)[-1:]]


def _roomy() -> str | None:
    """Find a folder in memory where there is room for it: each database takes 7 MB, and the disk may be slow."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2**30 else None


class Server:
    """A server that runs on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def version(self) -> int:
        """PostgreSQL's major version."""
        with self.connect() as connection:
            return connection.info.server_version // 10_000

    def connect(
        self, database: str = "postgres", user: str = SUPERUSER, password: str = SUPERPASSWORD
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection of the test's own, by default the superuser's."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            password=password,
            autocommit=True,
            connect_timeout=10,
        )

    def rows(
        self, query: LiteralString | sql.SQL | sql.Composed, *values: object, database: str = "postgres"
    ) -> list[Any]:
        """Query as the superuser."""
        with self.connect(database) as connection:
            return connection.execute(query, values or None).fetchall()

    def run(
        self,
        *statements: LiteralString | sql.SQL | sql.Composed,
        database: str = "postgres",
        user: str = SUPERUSER,
    ) -> None:
        """Run statements as the superuser, or as the administrator."""
        password = SUPERPASSWORD if user == SUPERUSER else ADMINPASSWORD
        with self.connect(database, user, password) as connection:
            for statement in statements:
                connection.execute(statement)

    def drop_databases(self) -> None:
        """Take away what tests have made; roles stay."""
        query = "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"
        for (name,) in self.rows(query):
            self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class RealServer(Server):
    """A server of its own in a folder of its own; `stop` leaves nothing behind."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="deployer-postgres-", dir=_roomy()))
        superuser = Superuser(SUPERUSER, SUPERPASSWORD)
        self._local = PostgresProcess(programs, self.folder, superuser, settings=SETTINGS)
        super().__init__(self._local.port)
        self.start, self.halt, self.stop, self.log = (
            self._local.start,
            self._local.halt,
            self._local.stop,
            self._local.log,
        )
        self._local.make(HBA)
        self.start()
        self.port = self._local.port  # somebody else may have taken the first one
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.Identifier(ADMIN), sql.Literal(ADMINPASSWORD)
                )
            )
            connection.execute("CREATE ROLE rds_iam")
