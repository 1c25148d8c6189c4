"""Class PostgreSQL's errors, final or transient, and put them in words without a secret.

SQLSTATEs: PostgreSQL, appendix 'PostgreSQL Error Codes'. While a connection is made libpq hands on a text alone, so
those are known by their texts; a text that nothing here knows is tried again until the command's deadline.
"""

import re

import psycopg


class PostgresError(Exception):
    """An error that keeps a command from its end, in words for a person.

    A `transient` one is tried again until the command's deadline; any other is the answer. `password` says that the
    server refused the password, `took` that something was taken before from who was there.
    """

    def __init__(
        self, text: str, *, transient: bool = False, password: bool = False, took: bool = False
    ) -> None:
        self.transient: bool = transient
        self.password: bool = password
        self.took: bool = took
        super().__init__(text)

    def after(self, report: str, took: bool) -> "PostgresError":
        """Return the error with what was done before it."""
        text = f"{self}; before that: {report}" if report else str(self)
        return PostgresError(text, transient=self.transient, password=self.password, took=took)


class DatabaseUnavailable(Exception):
    """A transient error, for the runner, which tries again with backoff (`aws.errors`)."""


_TRANSIENT = {
    **dict.fromkeys(("40001", "40P01", "53200", "53300", "55006"), ""),
    **dict.fromkeys(("42710", "42P04", "23505"), "somebody else has just made it"),
    "25006": "the server is read-only: it may be failing over",
    "55P03": "another session holds the lock that is needed",
    "57014": "the statement took longer than statement_timeout",
}
"""SQLSTATEs of what may be different next time; with them class 08, and 57P (the server stops or starts)."""
_ADVICE = {
    "42501": "the administrator lacks a right; docs/postgresql.md says which ones it needs",
    "3F000": "extensions are made in the schema public; make one",
}
_STALE = re.compile(r"must be (a )?member of role|must be able to SET ROLE")
"""The words of a session that does not know yet a membership that another has just granted: the executor looks for
the membership before whatever needs it."""
_PASSWORD = r"password authentication failed"
_CONNECTING = {
    _PASSWORD: "the server refused the password; correct the administrator's secret, variable or user",
    r"PAM authentication failed": "so IAM authentication refuses: it takes rds-db:connect, and no member of rds_iam can"
    " use a password",
    r"no pg_hba.conf entry|pg_hba.conf rejects": "the server does not let this user in from here",
    r'role ".*" (does not exist|is not permitted to log in)': "name another user",
    r"permission denied for database": "the administrator needs CONNECT on it",
    r"does not support SSL": "let sslmode be prefer, or switch TLS on at the server",
    r"certificate verify failed|root certificate|does not match host name|weak sslmode": "look at sslmode and "
    "PGSSLROOTCERT",
    r"support command-line options|unsupported startup parameter": "name the server itself: a proxy or pooler keeps no "
    "session, and so no lock",
    r'database ".*" does not exist': "the administrator connects to a maintenance database, usually postgres",
    r"cannot connect to invalid database": "it was being dropped; drop it to the end, then deploy again",
    r"not currently accepting connections": "allow connections to it again",
    r"invalid (connection option|integer value|sslmode|port)|missing \"=\"": "correct the administrator's url",
}
"""The words of libpq where trying again is no use, with what to do."""


def postgres_error(error: psycopg.Error, where: str) -> PostgresError:
    """Class an error of PostgreSQL or libpq. Only the server's message is told, never the statement."""
    code = error.sqlstate or ""
    if not code:
        return _connecting(_one_line(str(error)), where)
    said = f"{where}: {_told(error)} ({code})"
    primary = error.diag.message_primary or ""
    concurrent = (code == "XX000" and is_concurrent(error)) or (code == "42501" and _STALE.match(primary))
    transient = bool(code in _TRANSIENT or code[:2] == "08" or code[:3] == "57P" or concurrent)
    advice = (_TRANSIENT if transient else _ADVICE).get(code, "")
    return PostgresError(f"{said}; {advice}" if advice else said, transient=transient)


def is_concurrent(error: psycopg.Error) -> bool:
    """Tell whether two sessions changed one row of a catalog: PostgreSQL refuses the later one, instead of waiting."""
    return "tuple concurrently" in (error.diag.message_primary or "")


def _told(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)
    return _one_line(" ".join(part if part.endswith(".") else f"{part}." for part in parts if part)).rstrip(
        "."
    )


def _connecting(text: str, where: str) -> PostgresError:
    text = re.sub(r"^(connection failed: )?connection to server at .*? failed: ", "", text)
    for known, advice in _CONNECTING.items():
        if re.search(known, text):
            return PostgresError(f"{where}: {text}; {advice}", password=known == _PASSWORD)
    return PostgresError(f"{where} cannot be reached: {text}", transient=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
