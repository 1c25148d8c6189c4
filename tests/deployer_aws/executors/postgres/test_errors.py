"""What goes wrong between the deployer and a server, and how it is told."""

import socket
from typing import Any, cast

import psycopg
import pytest
from attrs import evolve
from psycopg import errors, sql

from deployer_aws.aws.errors import ErrorClass, classify
from deployer_aws.executors.postgres import Postgres
from deployer_aws.executors.postgres.access import Access
from deployer_aws.executors.postgres.job import administrator
from deployer_aws.executors.postgres.problems import DatabaseUnavailable, PostgresError, postgres_error
from deployer_aws.executors.postgres.session import DatabaseSession, Timeouts, compose, session
from deployer_aws.ports import Work
from deployer_core.engine.messages import Progress
from deployer_core.spec import AdminUrl
from tests.deployer_aws.executors.postgres.bench import Bench, Moments, Secrets, admin, database, unique
from tests.deployer_aws.executors.postgres.server import RealServer, each_kind


def look(bench: Bench, spec: Any, **more: Any) -> tuple[list[Any], bool]:
    """One look at a command: what was answered, and whether it is to be tried again."""
    pending = bench.pending(spec)
    work = Work("prod/shop", "stream", evolve(pending, deadline=more.pop("deadline", 600.0)), 1.0, str)
    answers: list[Any] = []
    try:
        for event in Postgres(bench.secrets, environ=bench.environ, **more).act(work):
            answers.append(getattr(event, "answer", event))
    except DatabaseUnavailable as error:
        problem = classify(error)
        assert problem is not None
        return answers, problem.error_class is ErrorClass.TRANSIENT
    return answers, False


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_cannot_be_reached(bench: Bench) -> None:
    """It is tried again with backoff, since it may be restarting; the reason is journaled for the deadline's answer."""
    spec = evolve(
        database(bench.server), admin=AdminUrl(f"postgresql://a@127.0.0.1:{closed_port()}/postgres")
    )
    (answer,), again = look(bench, spec)
    assert again
    assert isinstance(answer, Progress)
    assert "cannot be reached" in answer.text
    assert "Connection refused" in answer.text


def test_past_the_deadline_nothing_is_tried_again(bench: Bench) -> None:
    """The runner then answers with what was seen last."""
    spec = evolve(
        database(bench.server), admin=AdminUrl(f"postgresql://a@127.0.0.1:{closed_port()}/postgres")
    )
    (answer,), again = look(bench, spec, deadline=0.5)
    assert (type(answer), again) == (Progress, False)


@pytest.mark.parametrize(
    ("right", "said"), [("CREATEDB", "may not create databases"), ("CREATEROLE", "may not create roles")]
)
def test_an_administrator_that_lacks_a_right(bench: Bench, right: Any, said: str) -> None:
    """Which right is missing is said before anything is tried."""
    name = unique("weak")
    other = {"CREATEDB": "CREATEROLE", "CREATEROLE": "CREATEDB"}[right]
    bench.server.run(compose("CREATE ROLE {} LOGIN PASSWORD 'weak'", name))
    bench.server.run(
        compose("ALTER ROLE {} CREATEROLE" if other == "CREATEROLE" else "ALTER ROLE {} CREATEDB", name)
    )
    spec = evolve(database(bench.server), admin=admin(bench.server, name, "WEAK"))
    bench.environ = {**bench.environ, "WEAK": "weak"}
    reason = bench.upsert(spec).reason
    assert f"the administrator {name} {said}" in reason
    assert right in reason


def test_the_owner_of_another_administrator(bench: Bench) -> None:
    """From 16 on only who made a role may grant it; the server says so, and the documentation is named."""
    name = unique()
    bench.server.run(compose("CREATE ROLE {}", name))
    outcome = bench.upsert(database(bench.server, name))
    if bench.server.version < 16:
        assert outcome.good
    else:
        assert "Only roles with the ADMIN option" in outcome.reason
        assert "docs/postgresql.md" in outcome.reason


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("UPDATE pg_database SET datconnlimit = -2 WHERE datname = {}", "half dropped; drop it to the end"),
        (
            "UPDATE pg_database SET datallowconn = false WHERE datname = {}",
            "is not currently accepting connections; allow connections to it again",
        ),
    ],
)
def test_a_database_that_lets_nobody_in(bench: Bench, broken: Any, said: str) -> None:
    """Nothing is tried on it again and again; the reason says what a person has to do."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run(compose(broken, sql.Literal(spec.name)))
    assert said in bench.upsert(spec).reason


def test_how_the_sessions_are_set_up(bench: Bench) -> None:
    """They bear a name that a person finds them by, and the spec's timeouts."""
    query = "SELECT current_setting(s) FROM unnest(%s::text[]) AS s"
    names = ["application_name", "statement_timeout", "lock_timeout", "search_path"]
    with session(psycopg.Connection, _server(bench), "postgres", Timeouts(7, 3)) as ours:
        assert [value for (value,) in ours.rows(query, names)] == ["deployer", "7s", "3s", "pg_catalog"]


def test_a_statement_that_takes_too_long(bench: Bench) -> None:
    """It is given up after the spec's time, and tried again."""
    with (
        session(psycopg.Connection, _server(bench), "postgres", Timeouts(1, 1)) as ours,
        pytest.raises(PostgresError, match=r"statement timeout \(57014\); .*statement_timeout") as raised,
    ):
        ours.run("SELECT pg_sleep(20)")
    assert raised.value.transient


def test_a_server_that_restarts_meanwhile(bench: Bench, server: RealServer) -> None:
    """Sessions that are cut off, and a server that is down for a while, only delay a command."""
    spec = database(server, app_secret="shop/restart")

    class Restarting(Moments):
        def next(self) -> None:
            super().next()
            if self.passed in (4, 14):
                server.halt()
                server.start()

    moments = Restarting()
    outcome = bench.upsert(spec, moments=moments)
    assert outcome.good
    assert any("trying again" in told for told in outcome.progress)


def test_a_server_that_is_down(server: RealServer, bench: Bench) -> None:
    """While it is down each look says so; once it is back the command is carried out."""
    spec = database(server)
    server.halt()
    (answer,), again = look(bench, spec)
    server.start()
    assert again
    assert "cannot be reached" in answer.text
    assert bench.upsert(spec).good


def test_somebody_else_works_on_the_database(bench: Bench) -> None:
    """The advisory lock is waited for without holding up other commands."""
    spec = database(bench.server)
    with session(psycopg.Connection, _server(bench), "postgres") as other:
        assert other.try_lock(spec.name)
        (answer,), again = look(bench, spec)
    assert (answer, again) == (Progress(f"somebody else works on the database {spec.name}; waiting"), False)
    assert bench.upsert(spec).good


def _server(bench: Bench) -> Any:
    return Access(None, None, bench.environ).server(database(bench.server))


# Words


def test_what_is_not_known_is_tried_again() -> None:
    """Libpq says in words alone why it got no connection, and in the server's language."""
    trouble = postgres_error(psycopg.OperationalError("connection failed: FATAL:  etwas anderes"), "there")
    assert (trouble.transient, str(trouble)) == (
        True,
        "there cannot be reached: connection failed: FATAL: etwas anderes",
    )


@pytest.mark.parametrize(
    "text",
    [
        "FATAL:  Feature not supported: RDS Proxy currently doesn't support command-line options.",
        "FATAL:  unsupported startup parameter: options",
    ],
)
def test_a_proxy_is_no_server(text: str) -> None:
    """RDS Proxy and PgBouncer say so in these words; a session that they share out could hold no lock."""
    trouble = postgres_error(psycopg.OperationalError(f"connection failed: {text}"), "there")
    assert (trouble.transient, "name the server itself" in str(trouble)) == (False, True)


@pytest.mark.parametrize("server", each_kind(), indirect=True, ids=lambda path: str(path)[-30:])
def test_a_membership_that_a_session_has_not_heard_of(bench: Bench) -> None:
    """What the server says then is tried again: the executor has looked for the membership before."""
    name = unique("unknown")
    bench.server.run(compose("CREATE ROLE {}", name))
    with (
        session(psycopg.Connection, _server(bench), "postgres") as ours,
        pytest.raises(PostgresError, match="must be") as raised,
    ):
        ours.run(compose("CREATE DATABASE {} OWNER {}", name, name))
    assert raised.value.transient


@pytest.mark.parametrize("state", ["57P01", "08006", "40P01", "55P03", "53200", "53300", "42710"])
def test_passing_trouble(state: str) -> None:
    """What another look may find different is no answer."""
    assert postgres_error(
        errors.lookup(state)("x") if state != "08006" else errors.ConnectionFailure("x"), "there"
    ).transient


def test_changes_at_once_to_one_row_are_tried_again(bench: Bench) -> None:
    """'tuple concurrently updated' comes where PostgreSQL does not wait: at most so many times."""

    class Stubborn:
        def __init__(self, times: int) -> None:
            self.times, self.tried = times, 0
            self.info = type("Info", (), {"transaction_status": psycopg.pq.TransactionStatus.IDLE})

        def execute(self, _: object) -> None:
            self.tried += 1
            if self.tried <= self.times:
                raise _Concurrent

    for times, good in ((2, True), (9, False)):
        stubborn = Stubborn(times)
        alone = DatabaseSession(cast(Any, stubborn), "there")
        if good:
            alone.run("SELECT")
        else:
            with pytest.raises(PostgresError, match="tuple concurrently updated") as raised:
                alone.run("SELECT")
            assert raised.value.transient
    assert stubborn.tried == 5


class _Concurrent(errors.InternalError_):
    """As the server sends it."""

    @property
    def diag(self) -> Any:
        """The server's fields."""
        return type(
            "Diagnostic",
            (),
            {
                "message_primary": "tuple concurrently updated",
                "message_detail": None,
                "message_hint": None,
            },
        )


def test_an_old_server() -> None:
    """A version that nothing was tried on is refused."""

    class Old:
        def rows(self, _: object) -> Any:
            return [("a", 140_009, False, True, True)]

    with pytest.raises(PostgresError, match="the server is PostgreSQL 14; 15 or newer is needed"):
        administrator(cast(Any, Old()))


def test_the_stand_in_refuses_what_aws_refuses() -> None:
    """A secret that is not there is no empty one."""
    with pytest.raises(Exception, match="can't find"):
        Secrets().current("gone")
