"""The error that a rehearsal raises."""


class RehearsalError(Exception):
    """A rehearsal cannot begin, or go on; says what is missing, and what to do."""
