"""The mark that a login bears as its role's comment: who made it, and for which database."""

_LOGIN = "deployer/login/1 database="
"""A literal, versioned tag. It is stored on servers and compared: another form is another version."""


def login_mark(database: str) -> str:
    """Return the mark of a login of a database."""
    return f"{_LOGIN}{database}"


def marked_database(comment: str | None) -> str | None:
    """Return the database that a role's comment marks it a login of; None for any other comment."""
    return comment.removeprefix(_LOGIN) if comment and comment.startswith(_LOGIN) else None
