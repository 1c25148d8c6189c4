"""Passwords are in Secrets Manager, and on their way to a server encrypted or as a verifier; nowhere else."""

import logging
from typing import Any

import psycopg
import pytest
from attrs import evolve

from deployer_aws.executors.postgres.access import Access
from deployer_aws.executors.postgres.credentials import Credentials, Version
from deployer_aws.executors.postgres.session import compose
from tests.deployer_aws.executors.postgres.bench import Bench, Moments, admin, database
from tests.deployer_aws.executors.postgres.server import ADMINPASSWORD, RealServer


def test_no_password_is_told(server: RealServer, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Not in answers, not in any log at any level, not in the statements, not in the server's own log."""
    caplog.set_level(logging.DEBUG)
    moments = Moments()
    spec = database(bench.server, app_secret="shop/secrecy", rotate_credentials=True)
    told = [bench.upsert(spec, moments=moments), bench.upsert(spec, moments=moments)]
    user = bench.secrets.current("shop/secrecy")["username"]
    bench.server.run(compose("ALTER ROLE {} PASSWORD 'another'", user))
    told.append(bench.upsert(evolve(spec, rotate_credentials=False), moments=moments))
    told.append(
        bench.upsert(evolve(spec, admin=admin(bench.server, variable="WRONG_PASSWORD")), moments=moments)
    )
    told.append(bench.cleanup(spec, moments=moments))
    passwords = [*bench.secrets.texts(), ADMINPASSWORD, bench.environ["WRONG_PASSWORD"]]
    assert len(passwords) == 4
    everywhere = [repr(told), caplog.text, "\n".join(moments.said)]
    server_log = server.log()
    for password in passwords:
        assert all(password not in text for text in everywhere)
    for password in bench.secrets.texts():
        assert password not in server_log
    assert "SCRAM-SHA-256$" in server_log


def test_errors_repeat_no_statement(bench: Bench) -> None:
    """Whichever statement fails, and however: neither it nor the verifier in it is in the error."""
    spec = database(bench.server, app_secret="shop/errors", rotate_credentials=True)
    seen: list[str] = []

    class Failing(Moments):
        def next(self) -> None:
            if len(self.said) == self.fatal:
                self.said.append("")
                raise psycopg.errors.SyntaxError(f"failed at {self.said[-1:]}")

    for moment in range(2, 22):
        outcome = bench.carry_out(bench.pending(spec), Failing(moment))
        seen.append(repr(outcome))
    assert any("42601" in text for text in seen)
    assert not any("SCRAM" in text or "CREATE" in text for text in seen)
    assert not any(password in text for text in seen for password in bench.secrets.texts())


def test_records_do_not_show_what_they_hold(bench: Bench) -> None:
    """A traceback with local variables shows no password."""
    server = Access(None, None, bench.environ).server(database(bench.server))
    shown: list[Any] = [
        server,
        Credentials("user", "hidden"),
        Version("id", (), {"username": "user", "password": "hidden"}),
        Version("id", (), {"username": "user", "password": "hidden"}).credentials(),
    ]
    assert server.password == ADMINPASSWORD
    assert all(word not in repr(shown) for word in ("hidden", ADMINPASSWORD))
