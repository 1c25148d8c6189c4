"""How the administrator gets in: by a secret, a token or a URL, with or without TLS; and what is said where it does not."""

import json
import re
import shutil
import subprocess
from typing import Any, cast

import pytest
from attrs import evolve
from psycopg import errors

from deployer_aws.executors.postgres import Postgres
from deployer_aws.ports import Work
from deployer_core.spec import AdminIam, AdminSecret, AdminUrl
from tests.deployer_aws.executors.postgres.bench import Bench, admin, database
from tests.deployer_aws.executors.postgres.server import ADMIN, ADMINPASSWORD, RealServer


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
    by_token = evolve(database(bench.server), admin=AdminIam("h", "u"))
    assert "without access to RDS" in bench.upsert(by_token).reason
    work = Work(
        "prod/shop", "stream", bench.pending(evolve(database(bench.server), admin=AdminSecret("s"))), 1.0, str
    )
    (answer,) = cast(Any, Postgres().act(work))
    assert "without access to Secrets Manager" in answer.answer.reason


@pytest.fixture
def tls(server: RealServer) -> Any:
    """Start the server with a certificate of its own making."""
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
