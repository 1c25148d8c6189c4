"""The deployer's log on stderr: warnings as such, and the notices that were asked for there."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager

from deployer_aws.cli._screen import Screen

NOTICES = "deployer.notices"


class _ToScreen(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """One line; a traceback is for those who ask for it."""
        if record.name == NOTICES:
            self._screen.note(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._screen.warn(record.getMessage())
            if record.exc_info and os.environ.get("DEPLOYER_TRACEBACK"):
                self._screen.complain(logging.Formatter().formatException(record.exc_info))


@contextmanager
def logged_on(screen: Screen) -> Generator[None]:
    """Show on this screen what is logged meanwhile."""
    logger, notices, handler = logging.getLogger("deployer"), logging.getLogger(NOTICES), _ToScreen(screen)
    before = notices.level
    logger.addHandler(handler)
    notices.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        notices.setLevel(before)
