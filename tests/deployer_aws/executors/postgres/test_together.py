"""Several at once, and names that were made to break things."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployer_core.spec import SpecError
from tests.deployer_aws.executors.postgres.bench import Bench, Outcome, database, unique
from tests.deployer_aws.executors.postgres.server import RealServer
from tests.deployer_aws.executors.postgres.states import state


def test_two_upserts_of_one_database_at_once(bench: Bench) -> None:
    """One waits for the other; there is one login then, and the secret holds it."""
    spec = database(bench.server, app_secret="shop/twice", rotate_credentials=True)
    commands = [bench.pending(spec) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(bench.carry_out, commands))
    assert all(outcome.good for outcome in outcomes), outcomes
    held = bench.secrets.current("shop/twice")
    query = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE %s"
    assert bench.server.rows(query, f"{spec.name}_app%") == [(held["username"],)]
    bench.server.connect(spec.name, held["username"], held["password"]).close()


def test_one_command_carried_out_twice_at_once(bench: Bench) -> None:
    """Two runners that both believe that it is theirs end where one would."""
    spec = database(bench.server, app_secret="shop/double")
    pending = bench.pending(spec)
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(bench.carry_out, [pending, pending]))
    assert all(outcome.good for outcome in outcomes), outcomes
    assert len(bench.secrets.kept["shop/double"]) == 1


def test_ten_databases_at_once(bench: Bench) -> None:
    """They share the server's catalogs and nothing else; each ends as it would alone."""
    specs = [database(bench.server, unique("ten"), app_secret=f"shop/ten-{i}") for i in range(10)]
    commands = [bench.pending(spec) for spec in specs]
    with ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(bench.carry_out, commands))
    assert all(outcome.good for outcome in outcomes), outcomes
    states = [state(bench.server, spec) for spec in specs]
    assert states == states[:1] * 10


def test_ten_databases_of_one_owner_at_once(bench: Bench) -> None:
    """Each grants that owner to the administrator where no other has; a session that has not heard of it looks again."""
    owner = unique("shared")
    specs = [database(bench.server, owner=owner, app_secret=f"shop/shared-{i}") for i in range(10)]
    commands = [bench.pending(spec) for spec in specs]
    with ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(bench.carry_out, commands))
    assert all(outcome.good for outcome in outcomes), outcomes


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, owner=st.none() | NAMES, login=st.none() | NAMES)
@example(name='"; DROP ROLE adminus; --', owner="'; DROP ROLE adminus; --", login='a"b')
@example(name="%s %(x)s {} {0} %", owner="{owner}", login="%")
@example(name="host=elsewhere port=1", owner="postgresql://elsewhere", login="\\ \n\t'")
@example(name="SELECT", owner="Größe", login="CURRENT_USER")
@example(name="x" * 63, owner="é" * 31, login="ü" * 31)
@example(name="postgresql://a:b@elsewhere/c", owner=" ", login="$1 $$ ; \\connect")
def test_any_name_will_do(server: RealServer, name: str, owner: str | None, login: str | None) -> None:
    """Whatever stands in a name is a name: roles, database and login are made with it, and nothing is injected."""
    bench = Bench(server)
    try:
        spec = database(server, name, owner=owner, login=login, app_secret="shop/name")
    except SpecError:
        return
    if server.rows("SELECT FROM pg_roles WHERE rolname = ANY (%s)", [spec.owner_role]):
        return
    before = set(server.rows("SELECT rolname FROM pg_roles"))
    databases = set(server.rows("SELECT datname FROM pg_database"))
    outcome: Outcome = bench.upsert(spec)
    assert outcome.good, outcome
    held = bench.secrets.current("shop/name")
    made = set(server.rows("SELECT rolname FROM pg_roles")) - before
    assert made == {(spec.owner_role,), (held["username"],)}
    assert before <= set(server.rows("SELECT rolname FROM pg_roles"))
    assert set(server.rows("SELECT datname FROM pg_database")) == {*databases, (name,)}
    with server.connect(name, held["username"], held["password"]) as session:
        assert session.execute("SELECT current_database(), current_user::text").fetchone() == (
            name,
            spec.owner_role,
        )
    assert bench.upsert(spec).attempts == 0
    rotated = bench.upsert(evolve(spec, rotate_credentials=True))
    assert rotated.good, rotated
    assert bench.cleanup(spec).attempts == 0


def test_the_longest_names_stay_apart(bench: Bench) -> None:
    """What PostgreSQL would cut off is cut off before, so that the token's part is always in the name."""
    spec = database(bench.server, "n" * 62 + "1", app_secret="shop/longest", rotate_credentials=True)
    usernames = set[str]()
    for _ in range(2):
        assert bench.upsert(spec).good
        usernames.add(bench.secrets.current("shop/longest")["username"])
    assert {len(name) for name in usernames} == {63}
    assert len(usernames) == 2


@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32, "a\0b", "\ud800"])
def test_names_that_postgresql_cannot_have(server: RealServer, name: str) -> None:
    """They are refused before anything is asked for."""
    with pytest.raises(SpecError):
        database(server, name or "ok", owner=name)
