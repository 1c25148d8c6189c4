"""The executor of PostgreSQL passes the contract of executors, on a real server."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from attrs import evolve

from deployer_aws.executors.postgres import Postgres
from deployer_aws.ports import Executor
from deployer_aws.testing import Calls, ExecutorContract, World, streams
from deployer_core.spec import DatabaseSpec, Text
from tests.deployer_aws.executors.postgres.bench import ENVIRON, admin, unique
from tests.deployer_aws.executors.postgres.server import RealServer


def counting(calls: Calls) -> Any:
    """Return the class of connections whose statements are calls."""

    class Counting(psycopg.Connection[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            execute: Any = super().execute
            return calls.call(execute, query, *args, **kwargs)

    return Counting


class Databases(World):
    """A database of its own on a real server, by a new name in each world."""

    outputs = streams.OUTPUTS

    def __init__(self, server: RealServer) -> None:
        super().__init__()
        self._server, self._name = server, unique("contract")
        whole = streams.spec("1", databases=1)
        (migrated,) = whole.databases
        database = DatabaseSpec[Text](self._name, admin(server), migrate=migrated.migrate)
        self.specs = [evolve(whole, version=version, databases=(database,)) for version in ("1", "2")]

    def executor(self, calls: Calls) -> Executor:
        return Postgres(environ=ENVIRON, connect=counting(calls))

    def changes(self) -> Sequence[object]:
        roles = "SELECT rolname, rolcanlogin, rolconfig FROM pg_roles WHERE rolname LIKE %s ORDER BY 1"
        databases = (
            "SELECT datname, datacl::text, pg_get_userbyid(datdba) FROM pg_database WHERE datname LIKE %s"
        )
        found = [self._server.rows(query, f"{self._name}%") for query in (roles, databases)]
        return [repr(row).replace(self._name, "DB") for rows in found for row in rows]


class TestPostgres(ExecutorContract):
    @pytest.fixture
    def new_world(self, server: RealServer) -> Iterator[Callable[[], World]]:
        yield lambda: Databases(server)
        server.drop_databases()

    def transient(self) -> Exception:
        return psycopg.OperationalError("the connection was lost")

    def refusal(self) -> Exception:
        return psycopg.errors.InsufficientPrivilege("permission denied")

    def among(self, points: range) -> Iterable[int]:
        return points[::12]
