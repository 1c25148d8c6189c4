"""Child processes: they end with this process however it ends, or can be found and ended later."""

import contextlib
import ctypes
import fcntl
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deployer_aws.rehearsal.errors import RehearsalError

_PR_SET_PDEATHSIG = 1  # prctl(2)


def _libc() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, TypeError):
        return ctypes.CDLL(None)
    return None


_LIBC = _libc()


def temporary(prefix: str) -> Path:
    """Return a name for a temporary folder: known before the folder is made, so that it can always be removed."""
    return Path(tempfile.gettempdir()) / f"{prefix}{secrets.token_hex(8)}"


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the child sent a signal when its parent ends; only Linux can do so."""
    parent = os.getpid()

    def ask() -> None:
        with contextlib.suppress(AttributeError):
            asked = _LIBC is not None and _LIBC.prctl(_PR_SET_PDEATHSIG, int(number)) == 0
            if asked and os.getppid() != parent:  # it ended before we could ask, so no signal will come
                os._exit(128 + number)

    return ask


def kill_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process that leads a group, and to all that it has started there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


class ProcessFile:
    """A file that tells later processes whether the process that it stands for runs, and which one it is.

    The process and all that it starts hold a lock on the file for as long as they live (flock(2)), from before the
    process exists; and before it becomes its program it has written its number. So there is no moment at which it
    runs and is not known, and no other process is ever taken for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(
        self, command: Sequence[str], before: Callable[[], None] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start the process, as the leader of a session of its own. Raises BlockingIOError where it runs already."""
        handle = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)

        def mark() -> None:
            os.write(handle, str(os.getpid()).encode())
            if before is not None:
                before()

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            return subprocess.Popen[bytes](
                command, pass_fds=(handle,), preexec_fn=mark, start_new_session=True, **options
            )
        finally:
            os.close(handle)

    def runs(self) -> bool:
        """Tell whether the process, or anything that it has started, runs."""
        try:
            handle = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def end(self, number: signal.Signals, patience: float) -> None:
        """Send a signal, and SIGKILL after so many seconds; return when nothing of the process is left.

        Raises RehearsalError where that does not come to be.
        """
        started, sent = time.monotonic(), False
        while self.runs():
            waited = time.monotonic() - started
            if waited > 2 * patience:
                raise RehearsalError(f"the process {self._leader()} of {self._path.parent} does not end")
            late = waited > patience
            leader = self._leader()
            if leader and (late or not sent):
                kill_group(leader, signal.SIGKILL if late else number)
                sent = True
            time.sleep(0.02)

    def _leader(self) -> int:
        """Return its number; 0 in the moment between its start and its first deed."""
        return int(self._path.read_text() or 0)
