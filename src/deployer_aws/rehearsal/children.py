"""Processes that end with this one, however it ends."""

import contextlib
import ctypes
import os
import secrets
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)


def _libc() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, TypeError):
        return ctypes.CDLL(None)
    return None


_LIBC = _libc()


class RehearsalError(Exception):
    """A rehearsal cannot begin, or go on; says what is missing, and what to do."""


def temporary(prefix: str) -> Path:
    """A name for a temporary folder. Whoever makes the folder knows the name before, and so can always remove it."""
    return Path(tempfile.gettempdir()) / f"{prefix}{secrets.token_hex(8)}"


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the signal comes when the parent is gone, on Linux; elsewhere a tidy end has to do."""

    def ask() -> None:
        with contextlib.suppress(AttributeError):
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask


def kill_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process that leads a group, and to all that it has started there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
