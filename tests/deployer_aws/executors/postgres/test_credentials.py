"""The application's credentials: made once, rotated once a command, and kept where they belong."""

import json
from copy import deepcopy
from typing import Any

import botocore.session
import psycopg
import pytest
from attrs import evolve
from moto import mock_aws
from psycopg import sql

from deployer_aws.executors.postgres.problems import DatabaseUnavailable
from deployer_aws.executors.postgres.session import compose
from deployer_core.engine.messages import token
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.executors.postgres.bench import (
    AwsError,
    Bench,
    Moments,
    Secrets,
    database,
    unique,
)
from tests.deployer_aws.executors.postgres.server import ADMIN, Server


def logins(server: Server, spec: DatabaseSpec[str]) -> list[tuple[str, bool]]:
    """Return the logins of a database, and whether they are enabled."""
    query = "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE %s ORDER BY oid"
    return server.rows(query, f"{spec.login_role}\\_%")


def enter(bench: Bench, spec: DatabaseSpec[str]) -> "psycopg.Connection[Any]":
    """Log in with what the secret holds."""
    held = bench.secrets.current(str(spec.app_secret))
    return bench.server.connect(spec.name, held["username"], held["password"])


def test_the_secret_has_all_that_an_application_needs(bench: Bench) -> None:
    """Host, port, database, user and password apart, and in one URL that libpq understands."""
    spec = database(bench.server, unique('o\'dd "name"/ü'), app_secret="shop/url", sslmode="prefer")
    assert bench.upsert(spec).good
    held = bench.secrets.current("shop/url")
    assert set(held) == {"host", "port", "dbname", "username", "password", "url"}
    assert (held["host"], held["port"], held["dbname"]) == ("127.0.0.1", bench.server.port, spec.name)
    assert held["url"].endswith("?sslmode=prefer")
    with psycopg.connect(held["url"]) as login:
        assert login.execute("SELECT session_user::text, current_database()").fetchone() == (
            held["username"],
            spec.name,
        )


def test_a_login_is_told_by_its_mark_alone(bench: Bench) -> None:
    """A role with another comment stays, whatever its name is; a disabled one with the mark of the database is dropped."""
    spec = database(bench.server, app_secret="shop/marked")
    marks = {
        "marked": f"deployer/login/1 database={spec.name}",
        "other": f"deployer/login/1 database={spec.name}2",
        "later": f"deployer/login/2 database={spec.name}",
        "said": f"made by deployer: a login of the database {spec.name}",
    }
    for name, mark in marks.items():
        role = f"{spec.login_role}_{name}"
        bench.server.run(compose("CREATE ROLE {} NOLOGIN", role), user=ADMIN)
        bench.server.run(compose("COMMENT ON ROLE {} IS {}", role, sql.Literal(mark)), user=ADMIN)
    assert bench.upsert(spec).good
    (made,) = [name for name, enabled in logins(bench.server, spec) if enabled]
    left = {name for name, enabled in logins(bench.server, spec) if not enabled}
    assert left == {f"{spec.login_role}_{name}" for name in ("other", "later", "said")}
    query = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s"
    assert bench.server.rows(query, made) == [(marks["marked"],)]
    for name in left:
        bench.server.run(compose("DROP ROLE {}", name))


def test_without_rotation_the_credentials_stay(bench: Bench) -> None:
    """A deployment that does not ask for new credentials leaves them alone."""
    spec = database(bench.server, app_secret="shop/stay")
    assert bench.upsert(spec).good
    before = bench.secrets.current("shop/stay")
    assert bench.upsert(spec).good
    assert bench.secrets.current("shop/stay") == before
    assert bench.secrets.calls == ["create"]


def test_rotation_makes_a_new_login_once_a_command(bench: Bench) -> None:
    """The same command again changes nothing; the next command rotates again. The old login is gone."""
    spec = database(bench.server, app_secret="shop/rotate", rotate_credentials=True)
    first = bench.upsert(spec)
    pending = bench.pending(spec)
    assert first.good
    old = bench.secrets.current("shop/rotate")
    second = bench.carry_out(pending)
    new = bench.secrets.current("shop/rotate")
    assert second.good
    assert new["username"] != old["username"]
    assert f"dropped the old login {old['username']}" in second.progress[-1]
    assert bench.carry_out(pending).attempts == 0
    assert bench.secrets.current("shop/rotate") == new
    assert logins(bench.server, spec) == [(new["username"], True)]
    assert bench.secrets.calls == ["create", "put", "session", "session"]


def test_the_secret_is_written_before_the_old_login_is_disabled(bench: Bench) -> None:
    """At every moment there is one login that works with the current secret."""
    spec = database(bench.server, app_secret="shop/order")
    assert bench.upsert(spec).good

    class Trying(Moments):
        def next(self) -> None:
            enter(bench, spec).close()

    assert bench.upsert(evolve(spec, rotate_credentials=True), moments=Trying()).good


def test_an_old_login_in_use_is_dropped_later(bench: Bench) -> None:
    """Its sessions go on; nobody gets in any more; once they have ended it is dropped, by a cleanup too."""
    spec = database(bench.server, app_secret="shop/used")
    assert bench.upsert(spec).good
    old = bench.secrets.current("shop/used")["username"]
    with enter(bench, spec) as session:
        outcome = bench.upsert(evolve(spec, rotate_credentials=True))
        assert outcome.good
        assert f"{old} is disabled, and will be dropped once its sessions have ended" in outcome.progress[-1]
        assert (old, False) in logins(bench.server, spec)
        session.execute("SELECT 1")
    for _ in range(100):
        if not bench.server.rows("SELECT FROM pg_stat_activity WHERE usename = %s", old):
            break
    assert bench.cleanup(spec).progress == (f"dropped the old login {old}",)
    assert [name for name, _ in logins(bench.server, spec)] != [old]


def test_an_old_login_that_owns_something_elsewhere_is_kept(bench: Bench) -> None:
    """It stays disabled, and a person is told what is in the way."""
    spec, other = database(bench.server, app_secret="shop/owns"), database(bench.server)
    assert bench.upsert(spec).good
    assert bench.upsert(other).good
    old = bench.secrets.current("shop/owns")["username"]
    bench.server.run(
        "CREATE TABLE t (id int)", compose("ALTER TABLE t OWNER TO {}", old), database=other.name
    )
    outcome = bench.upsert(evolve(spec, rotate_credentials=True))
    assert outcome.good
    assert f"{old} is disabled, and kept because of what it owns" in outcome.progress[-1]
    assert f"database {other.name}" in outcome.progress[-1]


def test_an_old_login_whose_belongings_the_owner_may_not_have(bench: Bench) -> None:
    """The deployment goes on: what a superuser made the login's, only a superuser can give to somebody else."""
    spec = database(bench.server, app_secret="shop/server")
    assert bench.upsert(spec).good
    old = bench.secrets.current("shop/server")["username"]
    bench.server.run(
        "CREATE FOREIGN DATA WRAPPER none",
        compose("GRANT USAGE ON FOREIGN DATA WRAPPER none TO {}", old),
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER none",
        compose("ALTER SERVER nowhere OWNER TO {}", old),
        database=spec.name,
    )
    outcome = bench.upsert(evolve(spec, rotate_credentials=True))
    assert outcome.good, outcome
    assert f"{old} is disabled, and kept because of what it owns" in outcome.progress[-1]
    assert "permission denied for foreign-data wrapper none" in outcome.progress[-1]


def test_what_an_old_login_owns_goes_to_the_owner(bench: Bench) -> None:
    """Also what stands in no schema of the application's."""
    spec = database(bench.server, app_secret="shop/old")
    assert bench.upsert(spec).good
    with enter(bench, spec) as login:
        login.execute("SET ROLE NONE")
        login.execute("CREATE TABLE t (id int)")
        login.execute("SELECT lo_create(4711)")
    assert bench.upsert(evolve(spec, rotate_credentials=True)).good
    query = (
        "SELECT tableowner::text FROM pg_tables WHERE tablename = 't' UNION ALL"
        " SELECT pg_get_userbyid(lomowner) FROM pg_largeobject_metadata"
    )
    assert bench.server.rows(query, database=spec.name) == [(spec.name,), (spec.name,)]


def test_a_secret_that_somebody_else_made(bench: Bench) -> None:
    """What a template generated is replaced; what is no JSON too; the secret itself stays."""
    for text in ('{"password": "generated"}', "no JSON", '["a list"]', '{"username": 1, "password": 2}'):
        spec = database(bench.server, app_secret=f"shop/{unique()}")
        bench.secrets.put(str(spec.app_secret), text)
        assert bench.upsert(spec).good
        enter(bench, spec).close()
        assert bench.secrets.kept[str(spec.app_secret)]["first"]["stages"] == []


def test_a_secret_without_a_value(bench: Bench) -> None:
    """The first version of a secret is current at once."""
    spec = database(bench.server, app_secret="shop/empty")
    bench.secrets.kept["shop/empty"] = {}
    assert bench.upsert(spec).good
    enter(bench, spec).close()


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere"}, {"port": 1}, {"dbname": "other"}, {"username": "nobody"}]
)
def test_credentials_that_fit_no_more_are_made_anew(bench: Bench, change: dict[str, Any]) -> None:
    """A database that has moved, or whose login is gone, gets new credentials unasked."""
    spec = database(bench.server, app_secret=f"shop/{unique()}")
    assert bench.upsert(spec).good
    held = bench.secrets.current(str(spec.app_secret))
    bench.secrets.put(str(spec.app_secret), json.dumps({**held, **change}))
    assert bench.upsert(spec).good
    assert bench.secrets.current(str(spec.app_secret))["username"] != held["username"]
    enter(bench, spec).close()


def test_what_was_changed_by_hand_is_set_right(bench: Bench) -> None:
    """A login that was disabled, taken out of the owner, or given another password works again."""
    spec = database(bench.server, app_secret="shop/hand")
    assert bench.upsert(spec).good
    held = bench.secrets.current("shop/hand")
    user = held["username"]
    bench.server.run(
        compose("ALTER ROLE {} NOLOGIN PASSWORD 'another'", user),
        compose("ALTER ROLE {} RESET role", user),
    )
    bench.server.run(compose("REVOKE {} FROM {}", spec.name, user), user=ADMIN)
    outcome = bench.upsert(spec)
    assert (outcome.good, outcome.attempts) == (True, 4)
    assert bench.secrets.current("shop/hand") == held
    with enter(bench, spec) as login:
        assert login.execute("SELECT current_user::text").fetchone() == (spec.name,)


def test_a_secret_that_is_named_by_its_arn_must_be_there(bench: Bench) -> None:
    """A secret can't be made under an ARN of choice."""
    arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:gone-AbCdEf"
    assert f"there is no secret {arn}" in bench.upsert(database(bench.server, app_secret=arn)).reason


def test_a_secret_that_gives_back_something_else(bench: Bench) -> None:
    """Nothing is made with a password that the secret does not hold."""
    spec = database(bench.server, app_secret="shop/liar")
    bench.secrets.put("shop/liar", "{}")
    pending = bench.pending(spec)
    bench.secrets.kept["shop/liar"][token("stream", "d-1", pending.id, 1)] = {
        "text": "{}",
        "stages": ["AWSPENDING"],
    }
    assert "does not give back the credentials" in bench.carry_out(pending).reason


@pytest.mark.parametrize("rotate", [False, True])
def test_a_secret_that_is_not_shown_at_once(
    bench: Bench, rotate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets Manager shows a write only later: it is waited for, and what was written counts."""
    spec = database(bench.server, app_secret=f"shop/{unique('late')}", rotate_credentials=rotate)
    if rotate:
        assert bench.upsert(evolve(spec, rotate_credentials=False)).good
    written = len(bench.secrets.calls)
    hidden, read, describe = 5, bench.secrets.get_secret_value, bench.secrets.describe_secret

    def late(look: Any) -> Any:
        def looking(_: object, **parameters: Any) -> Any:
            nonlocal hidden
            if len(bench.secrets.calls) > written and hidden and parameters.get("VersionStage") is None:
                hidden -= 1
                raise AwsError("ResourceNotFoundException", "can't find it")
            return look(**parameters)

        return looking

    monkeypatch.setattr(type(bench.secrets), "get_secret_value", late(read))
    if not rotate:
        monkeypatch.setattr(type(bench.secrets), "describe_secret", late(describe))
    outcome = bench.upsert(spec)
    assert outcome.good, outcome
    assert any("Secrets Manager does not show yet what was written" in told for told in outcome.progress)
    assert hidden == 0
    assert len(bench.secrets.kept[str(spec.app_secret)]) == 1 + rotate
    enter(bench, spec).close()


def test_a_stage_that_is_not_shown_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off behind a change that is not shown yet, a command waits for it, and ends as it would have."""
    spec = database(bench.server, app_secret="shop/stale")
    assert bench.upsert(spec).good
    session, read, before, stale = (
        bench.secrets.update_secret_version_stage,
        Secrets.get_secret_value,
        Secrets(),
        4,
    )

    def break_off(_: object, **parameters: Any) -> Any:
        if not before.kept:
            before.kept = deepcopy(bench.secrets.kept)
            session(**parameters)
            raise DatabaseUnavailable
        return session(**parameters)

    def late(secrets: Secrets, **parameters: Any) -> Any:
        nonlocal stale
        if before.kept and stale:
            stale -= 1
            secrets = before
        return read(secrets, **parameters)

    monkeypatch.setattr(Secrets, "update_secret_version_stage", break_off)
    monkeypatch.setattr(Secrets, "get_secret_value", late)
    outcome = bench.upsert(evolve(spec, rotate_credentials=True))
    assert outcome.good, outcome
    assert any("Secrets Manager does not show yet" in told for told in outcome.progress)
    assert stale == 0
    assert [version["stages"] for version in bench.secrets.kept["shop/stale"].values()] == [
        [],
        ["AWSCURRENT"],
    ]
    enter(bench, spec).close()


def test_a_rotation_on_moto(bench: Bench) -> None:
    """Through boto3: what the stand-in takes and gives has AWS's shapes."""
    with mock_aws():
        client: Any = botocore.session.get_session().create_client("secretsmanager", "eu-west-1")
        on_aws = evolve(bench, secrets=client)
        client.create_secret(Name="shop/moto", SecretString='{"password": "generated"}')
        spec = database(bench.server, app_secret="shop/moto", rotate_credentials=True)
        for _ in range(2):
            outcome = on_aws.upsert(spec)
            assert outcome.good, outcome
        stages = client.describe_secret(SecretId="shop/moto")["VersionIdsToStages"]
        assert sorted(stages.values()) == [[], ["AWSCURRENT"], ["AWSPREVIOUS"]]
        held = json.loads(
            client.get_secret_value(SecretId="shop/moto", VersionStage="AWSCURRENT")["SecretString"]
        )
    bench.server.connect(spec.name, held["username"], held["password"]).close()


@pytest.mark.parametrize("call", ["get_secret_value", "describe_secret"])
def test_an_error_of_aws_is_left_to_the_runner(
    bench: Bench, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether to log in or to try again is decided in one place, for all of AWS."""

    def refuse(*_: object, **__: object) -> None:
        raise AwsError("ExpiredTokenException", "expired")

    monkeypatch.setattr(type(bench.secrets), call, refuse)
    with pytest.raises(AwsError):
        bench.upsert(database(bench.server, app_secret="shop/error"))


def test_a_login_that_works_as_somebody_else(bench: Bench) -> None:
    """A setting for one database goes before the login's own, so its work would belong to the login."""
    spec = database(bench.server, app_secret="shop/as")
    assert bench.upsert(spec).good
    user = bench.secrets.current("shop/as")["username"]
    bench.server.run(compose("ALTER ROLE {} IN DATABASE {} SET role TO 'none'", user, spec.name))
    assert f"{user} works as {user}, not as the owner {spec.name}" in bench.upsert(spec).reason
