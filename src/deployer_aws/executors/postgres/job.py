"""The state that the steps of one command share: spec, server, administrator's session, and what was changed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

from attrs import define, field, frozen

from deployer_aws.executors.postgres.problems import PostgresError
from deployer_aws.executors.postgres.session import Connection, DatabaseSession, Server, Timeouts, session
from deployer_core.spec import DatabaseSpec

Steps: TypeAlias = Iterator[str]
"""What is about to be changed, in words, each time before it is: a step looks first, and says nothing where nothing
differs. What stands behind a `yield` happens only if the command is still to be carried out."""

OLDEST = 150_000


class Taking(str):
    """A change that takes something from who was there: an owner, a password, a right."""

    __slots__ = ()


@frozen
class Administrator:
    """The executor's user on the server, and its rights. `version` is PostgreSQL's, 160002 say."""

    name: str
    version: int
    superuser: bool
    may_create_roles: bool
    may_create_databases: bool

    @property
    def needs_options(self) -> bool:
        """From 16 on a membership says by itself whether it inherits and lets SET ROLE ('Role Membership')."""
        return self.version >= 160_000


@define
class DatabaseJob:
    """One command under way. `token` is what its login and its secret's version are named after."""

    spec: DatabaseSpec[str]
    server: Server
    session: DatabaseSession
    administrator: Administrator
    token: str
    connection_class: type[Connection]
    changed: Counter[str] = field(factory=Counter[str])
    """What was set right, by kind, and how many of it."""
    notes: list[str] = field(factory=list[str])
    """What else a person should know: what was made, and what could not be set right."""
    took: bool = False
    """Whether something was taken from who was there, by this look or an earlier one."""

    def open(self, server: Server | None = None) -> AbstractContextManager[DatabaseSession]:
        """Open a session in the database itself, as the administrator or as who else is named."""
        timeouts = Timeouts(self.spec.statement_timeout, self.spec.lock_timeout)
        return session(self.connection_class, server or self.server, self.spec.name, timeouts)

    def report(self) -> str:
        """Say in one line what was done; empty where nothing was."""
        counts = [f"{count} {kind}" for kind, count in sorted(self.changed.items())]
        right = [f"set right: {', '.join(counts)}"] if counts else []
        return "; ".join([*dict.fromkeys(self.notes), *right])


def administrator(session: DatabaseSession) -> Administrator:
    """Read who the session's user is. Raises PostgresError for a server that is too old."""
    ((name, version, superuser, roles, databases),) = session.rows(
        "SELECT rolname, current_setting('server_version_num')::int, rolsuper, rolcreaterole, rolcreatedb"
        " FROM pg_roles WHERE rolname = session_user"
    )
    if version < OLDEST:
        raise PostgresError(f"the server is PostgreSQL {version // 10_000}; 15 or newer is needed")
    return Administrator(name, version, superuser, superuser or roles, superuser or databases)
