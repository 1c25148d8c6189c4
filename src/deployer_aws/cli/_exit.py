"""How a command ends: its exit code, or the error that says what is wrong with its input."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit codes, each with its `meaning`: the one table of them. Those from 5 on are the causes of a FAILED one."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Make a code that knows what it means."""
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made

    DONE = 0, "done"
    FAILED = 1, "the deployment FAILED"
    BAD = 2, "bad input or usage, or nothing was requested"
    RUNNING = 3, "not over: 'deployer resume' carries on"
    TERMINATED = 5, "FAILED, since an operator terminated it"
    REFUSED = 6, "FAILED, since it cannot be carried out as asked; nothing was changed"
    SUPERSEDED = 7, "FAILED, since a newer request took its place in the queue"
    EXPIRED = 8, "FAILED, since it could not begin in time; nothing was changed"
    INTERNAL_ERROR = 70, "internal error: another try is of no use"
    INTERRUPTED = 130, "a rehearsal was interrupted, and nothing of it is left"


class BadInput(Exception):
    """Input that cannot be used; says what is wrong, and what to do."""
