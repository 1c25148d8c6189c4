"""How a command ends: its exit code, or the error that says what is wrong with its input."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    BAD = 2
    RUNNING = 3
    INTERNAL_ERROR = 70
    """EX_SOFTWARE of sysexits.h: unlike the others it tells a script that another try is of no use."""


class BadInput(Exception):
    """Input that cannot be used; says what is wrong, and what to do."""
