"""Errors as a person sees them: one message on stderr, and an exit code. Imported only when there is an error."""

import os
import traceback

import click

from deployer_aws.cli._exit import BadInput, Exit
from deployer_aws.cli._screen import Screen


def report_error(error: Exception) -> Exit:
    """Write one message on stderr, and return the exit code."""
    screen = Screen()
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "deployer"
        screen.complain(f"{error.format_message()} Try '{path} --help'.")
        return Exit.BAD
    if isinstance(error, click.Abort):
        screen.complain(str(error) or "interrupted")
        return Exit.RUNNING
    if isinstance(error, click.ClickException):
        screen.complain(error.format_message())
        return Exit.BAD
    if isinstance(error, BadInput):
        screen.complain(str(error))
        return Exit.BAD
    return _report_other(screen, error)


def _report_other(screen: Screen, error: Exception) -> Exit:
    from deployer_aws.aws.errors import LoginNeeded

    if isinstance(error, LoginNeeded):
        screen.complain(str(error))
        return Exit.RUNNING
    if _is_about_input(error):
        screen.complain(_message(error))
        return Exit.BAD
    if isinstance(error, OSError):
        screen.complain(f"{error}. What was journaled stays: 'deployer resume' carries on")
        return Exit.BAD
    if os.environ.get("DEPLOYER_TRACEBACK"):
        screen.complain(traceback.format_exc())
    screen.complain(
        f"internal error, please report it: {type(error).__name__}: {error}. What was journaled stays: "
        "'deployer resume' carries on. DEPLOYER_TRACEBACK=1 shows where it happened"
    )
    return Exit.INTERNAL_ERROR


def _is_about_input(error: Exception) -> bool:
    """Tell whether an error is about what the user gave. What takes long to import is asked last."""
    from deployer_aws.aws.accounts import WrongAccount
    from deployer_aws.aws.clients import ClientsError
    from deployer_aws.environment import WrongEnvironment
    from deployer_aws.ports import JournalError
    from deployer_core.kernel.machine import IllegalEvent
    from deployer_core.spec import SpecError

    known = ClientsError, IllegalEvent, JournalError, SpecError, WrongAccount, WrongEnvironment
    if isinstance(error, known):
        return True
    from deployer_aws.specfile import SpecFileError

    if isinstance(error, SpecFileError):
        return True
    from deployer_aws.simulator import ScriptError

    return isinstance(error, ScriptError)


def _message(error: Exception) -> str:
    from deployer_core.kernel.machine import IllegalEvent

    if isinstance(error, IllegalEvent) and error.why:
        return error.why
    return str(error)
