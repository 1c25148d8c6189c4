"""Errors as a person sees them: one message on stderr, and an exit code. Imported only when there is an error."""

import os
import traceback

import click

from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._screen import Screen


def report_error(error: Exception) -> ExitCode:
    """Write one message on stderr, and return the exit code."""
    text, code = _of_usage(error) or _of_work(error)
    if code is ExitCode.INTERNAL_ERROR and os.environ.get("DEPLOYER_TRACEBACK"):
        Screen().complain(traceback.format_exc())
    Screen().complain(text)
    return code


def _of_usage(error: Exception) -> tuple[str, ExitCode] | None:
    """Explain what needs no other room to be understood."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "deployer"
        return f"{error.format_message()} Try '{path} --help'.", ExitCode.BAD
    if isinstance(error, click.Abort):
        return str(error) or "interrupted", ExitCode.RUNNING
    if isinstance(error, click.ClickException):
        return error.format_message(), ExitCode.BAD
    return (str(error), ExitCode.BAD) if isinstance(error, BadInput) else None


def _of_work(error: Exception) -> tuple[str, ExitCode]:
    from deployer_aws.aws.errors import LoginNeeded

    if isinstance(error, LoginNeeded):
        return str(error), ExitCode.RUNNING
    if _is_about_input(error):
        return getattr(error, "why", "") or str(error), ExitCode.BAD
    kept = "What was journaled stays: 'deployer resume' carries on"
    if isinstance(error, OSError):
        return f"{error}. {kept}", ExitCode.BAD
    name = f"internal error, please report it: {type(error).__name__}"
    return f"{name}: {error}. {kept}. DEPLOYER_TRACEBACK=1 shows where it happened", ExitCode.INTERNAL_ERROR


def _is_about_input(error: Exception) -> bool:
    """Tell whether an error is about what the user gave."""
    from deployer_aws.aws.accounts import WrongAccount
    from deployer_aws.aws.clients import ClientsError
    from deployer_aws.documents.findings import DocumentError
    from deployer_aws.environment import WrongEnvironment
    from deployer_aws.ports import JournalError
    from deployer_core.kernel.machine import IllegalEvent
    from deployer_core.spec import SpecError

    known = ClientsError, DocumentError, IllegalEvent, JournalError, SpecError, WrongAccount, WrongEnvironment
    return isinstance(error, known)
