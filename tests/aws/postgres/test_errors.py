"""What goes wrong between the deployer and a server, and how it is told."""

import json
import re
import shutil
import socket
import subprocess
from typing import Any, cast

import psycopg
import pytest
from attrs import evolve
from psycopg import errors, sql

from deployer_aws.executors.errors import Kind, understand
from deployer_aws.executors.postgres import Postgres
from deployer_aws.executors.postgres.access import Access
from deployer_aws.executors.postgres.job import administrator
from deployer_aws.executors.postgres.problems import DatabaseUnavailable, Trouble, understood
from deployer_aws.executors.postgres.session import Session, Timeouts, compose, session
from deployer_aws.ports import Work
from deployer_core.spec import AdminIam, AdminSecret, AdminUrl
from deployer_core.world import Progress
from tests.aws.postgres.bench import Bench, Moments, Secrets, admin, database, unique
from tests.aws.postgres.server import ADMIN, ADMINPASSWORD, RealServer, each_kind


def look(bench: Bench, spec: Any, **more: Any) -> tuple[list[Any], bool]:
    """One look at a command: what was answered, and whether it is to be tried again."""
    pending = bench.pending(spec)
    work = Work("prod/shop", "stream", evolve(pending, deadline=more.pop("deadline", 600.0)), 1.0, str)
    answers: list[Any] = []
    try:
        for event in Postgres(bench.secrets, environ=bench.environ, **more).act(work):
            answers.append(getattr(event, "answer", event))
    except DatabaseUnavailable as error:
        problem = understand(error)
        assert problem is not None
        return answers, problem.kind is Kind.TRANSIENT
    return answers, False


def closed_port() -> int:
    """A port where nobody listens."""
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
    ("change", "said"),
    [
        (
            {"variable": "WRONG_PASSWORD"},
            "password authentication failed.*correct the administrator's secret",
        ),
        ({"variable": "NO_PASSWORD"}, "the environment variable NO_PASSWORD is not set"),
        ({"user": "nobody_known"}, "password authentication failed"),
    ],
)
def test_an_administrator_that_is_refused(bench: Bench, change: dict[str, str], said: str) -> None:
    """A wrong password is an answer: it would be wrong the next time too."""
    reason = bench.upsert(evolve(database(bench.server), admin=admin(bench.server, **change))).reason
    assert re.search(said, reason)
    assert bench.environ["WRONG_PASSWORD"] not in reason


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://a@127.0.0.1:1/template1", "connects to template1, which is a template"),
        ("postgresql://127.0.0.1:1/postgres", "has to name a user and one host"),
        ("postgresql://a@one,two/postgres", "has to name a user and one host"),
        ("postgresql://a@one/postgres?no_such_option=1", "cannot be understood"),
    ],
)
def test_a_url_that_is_no_use(bench: Bench, url: str, said: str) -> None:
    """What is wrong with it is said without repeating it."""
    assert said in bench.upsert(evolve(database(bench.server), admin=AdminUrl(url))).reason


@pytest.mark.parametrize(("what", "text"), [("password", "a\0b"), ("user", "a\ud800b"), ("host", "\udcff")])
def test_what_cannot_be_sent(bench: Bench, what: str, text: str) -> None:
    """JSON can hold what no server can be told; it is said which part it is, and nothing of it is repeated."""
    held = {"username": ADMIN, "password": "s3cret", "host": "127.0.0.1", "port": bench.server.port}
    key = "username" if what == "user" else what
    bench.secrets.put("odd", json.dumps({**held, key: "s3cret" + text}))
    reason = bench.upsert(evolve(database(bench.server), admin=AdminSecret("odd"))).reason
    assert reason == f"the administrator's {what} is no UTF-8 text, or has a zero in it"


def test_a_variable_that_is_no_unicode(bench: Bench) -> None:
    """An environment may hold any bytes."""
    bench.environ = {"ADMIN_PASSWORD": b"\xff".decode(errors="surrogateescape")}
    assert "the administrator's password is no UTF-8 text" in bench.upsert(database(bench.server)).reason


def test_what_a_url_may_say(bench: Bench) -> None:
    """Options that libpq knows go along; those that the executor sets itself do not."""
    url = f"postgresql://{ADMIN}@127.0.0.1:{bench.server.port}/postgres?sslmode=prefer&keepalives=1&application_name=x"
    assert bench.upsert(evolve(database(bench.server), admin=AdminUrl(url, "ADMIN_PASSWORD"))).good


def test_a_maintenance_database_that_is_not_there(bench: Bench) -> None:
    """The administrator's own database is named."""
    url = f"postgresql://{ADMIN}@127.0.0.1:{bench.server.port}/gone"
    reason = bench.upsert(evolve(database(bench.server), admin=AdminUrl(url, "ADMIN_PASSWORD"))).reason
    assert 'database "gone" does not exist' in reason


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
        pytest.raises(Trouble, match=r"statement timeout \(57014\); .*statement_timeout") as raised,
    ):
        ours.run("SELECT pg_sleep(20)")
    assert raised.value.passing


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


# Access


def test_access_by_a_secret(bench: Bench) -> None:
    """In the shape that RDS writes; the host may stand in the spec, since RDS's own secrets lack it."""
    held = {"username": ADMIN, "password": ADMINPASSWORD, "engine": "postgres"}
    where = {"host": "127.0.0.1", "port": bench.server.port}
    bench.secrets.put("full", json.dumps({**held, **where}))
    bench.secrets.put("short", json.dumps(held))
    spec = database(bench.server, sslmode="prefer")
    assert bench.upsert(evolve(spec, admin=AdminSecret("full"))).good
    assert bench.upsert(evolve(spec, admin=AdminSecret("short", "127.0.0.1", bench.server.port))).good
    assert "holds no host" in bench.upsert(evolve(spec, admin=AdminSecret("short"))).reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "holds no username and no password"),
        ('{"username": "a", "password": "s3cret", "host": "h", "port": "s3cret"}', "is no number"),
        ('{"username": "s3cret"}', "holds no password"),
    ],
)
def test_a_secret_of_another_shape(bench: Bench, text: str, said: str) -> None:
    """What it lacks is named, and nothing of what it holds."""
    bench.secrets.put("odd", text)
    reason = bench.upsert(evolve(database(bench.server), admin=AdminSecret("odd"))).reason
    assert said in reason
    assert "s3cret" not in reason


def test_tls_is_required_unless_the_spec_says_otherwise(bench: Bench) -> None:
    """A secret's password and a token are not sent in the clear; this server has no TLS, and it is said what to do."""
    bench.secrets.put(
        "tls",
        json.dumps({"username": ADMIN, "password": "x", "host": "127.0.0.1", "port": bench.server.port}),
    )
    reason = bench.upsert(evolve(database(bench.server), admin=AdminSecret("tls"))).reason
    assert "does not support SSL" in reason
    assert "sslmode" in reason


class Rds:
    """Gives the administrator's password for a token."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def generate_db_auth_token(self, **parameters: Any) -> Any:
        """As boto3's `rds` client."""
        self.asked = parameters
        return ADMINPASSWORD


def test_access_by_a_token(bench: Bench) -> None:
    """A token is a password that RDS gives out; it is asked for anew at each look."""
    rds = Rds()
    spec = database(bench.server, sslmode="prefer")
    assert bench.upsert(evolve(spec, admin=AdminIam("127.0.0.1", ADMIN, bench.server.port)), rds=rds).good
    assert rds.asked == {
        "DBHostname": "127.0.0.1",
        "Port": bench.server.port,
        "DBUsername": ADMIN,
        "Region": None,
    }


def test_without_clients(bench: Bench) -> None:
    """A deployer that has no AWS says what it cannot do."""
    (token,), _ = look(bench, evolve(database(bench.server), admin=AdminIam("h", "u")))
    assert "without access to RDS" in token.reason
    work = Work(
        "prod/shop", "stream", bench.pending(evolve(database(bench.server), admin=AdminSecret("s"))), 1.0, str
    )
    (answer,) = cast(Any, Postgres().act(work))
    assert "without access to Secrets Manager" in answer.answer.reason


@pytest.fixture
def tls(server: RealServer) -> Any:
    """The server with a certificate of its own making."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = server.folder / "data/server.key", server.folder / "data/server.crt"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    owner = (server.folder / "data").stat()
    for path in (key, certificate):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    try:
        server.run("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    except errors.Error:
        pytest.skip("this PostgreSQL was built without TLS")
    server.halt()
    server.start()
    yield certificate
    server.run("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()")
    server.halt()
    server.start()


def test_tls_modes(server: RealServer, bench: Bench, tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`require` encrypts; `verify-full` wants a certificate that it can trust, and says where it looks for one."""
    assert bench.upsert(database(bench.server, sslmode="require")).good
    verified = database(bench.server, sslmode="verify-full", app_secret="shop/tls")
    monkeypatch.setenv("PGSSLROOTCERT", str(server.folder / "nothing"))
    assert "PGSSLROOTCERT" in bench.upsert(verified).reason
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    assert "weak sslmode" in bench.upsert(database(bench.server, sslmode="require")).reason
    assert "certificate verify failed" in bench.upsert(verified).reason
    monkeypatch.setenv("PGSSLROOTCERT", str(tls))
    url = f"postgresql://{ADMIN}@db.example:{server.port}/postgres?hostaddr=127.0.0.1"
    reason = bench.upsert(evolve(verified, admin=AdminUrl(url, "ADMIN_PASSWORD"))).reason
    assert 'does not match host name "db.example"; look at sslmode and PGSSLROOTCERT' in reason
    assert bench.upsert(verified).good
    assert bench.secrets.current("shop/tls")["url"].endswith("?sslmode=verify-full")


# Words


def test_what_is_not_known_is_tried_again() -> None:
    """Libpq says in words alone why it got no connection, and in the server's language."""
    trouble = understood(psycopg.OperationalError("connection failed: FATAL:  etwas anderes"), "there")
    assert (trouble.passing, str(trouble)) == (
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
    trouble = understood(psycopg.OperationalError(f"connection failed: {text}"), "there")
    assert (trouble.passing, "name the server itself" in str(trouble)) == (False, True)


@pytest.mark.parametrize("server", each_kind(), indirect=True, ids=lambda path: str(path)[-30:])
def test_a_membership_that_a_session_has_not_heard_of(bench: Bench) -> None:
    """What the server says then is tried again: the executor has looked for the membership before."""
    name = unique("unknown")
    bench.server.run(compose("CREATE ROLE {}", name))
    with (
        session(psycopg.Connection, _server(bench), "postgres") as ours,
        pytest.raises(Trouble, match="must be") as raised,
    ):
        ours.run(compose("CREATE DATABASE {} OWNER {}", name, name))
    assert raised.value.passing


@pytest.mark.parametrize("state", ["57P01", "08006", "40P01", "55P03", "53200", "53300", "42710"])
def test_passing_trouble(state: str) -> None:
    """What another look may find different is no answer."""
    assert understood(
        errors.lookup(state)("x") if state != "08006" else errors.ConnectionFailure("x"), "there"
    ).passing


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
        alone = Session(cast(Any, stubborn), "there")
        if good:
            alone.run("SELECT")
        else:
            with pytest.raises(Trouble, match="tuple concurrently updated") as raised:
                alone.run("SELECT")
            assert raised.value.passing
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

    with pytest.raises(Trouble, match="the server is PostgreSQL 14; 15 or newer is needed"):
        administrator(cast(Any, Old()))


def test_the_stand_in_refuses_what_aws_refuses() -> None:
    """A secret that is not there is no empty one."""
    with pytest.raises(Exception, match="can't find"):
        Secrets().current("gone")
