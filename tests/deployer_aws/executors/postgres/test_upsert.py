"""UpsertDatabase on a real server: what is made, what is found, and what is refused."""

from typing import Any

import pytest
from attrs import evolve
from psycopg import sql

from deployer_aws.executors.postgres import Postgres
from deployer_aws.executors.postgres.session import compose
from deployer_aws.ports import Work
from tests.deployer_aws.executors.postgres.bench import Bench, Moments, Secrets, database, unique
from tests.deployer_aws.executors.postgres.server import ADMIN, SUPERUSER, Server


def owner_of(server: Server, name: str) -> str:
    """Who owns a database."""
    return str(server.rows("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", name)[0][0])


def whose(server: Server, name: str) -> list[tuple[str]]:
    """Who owns a database, or anything that was made in it."""
    query = """
        SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
        UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'own'
        UNION SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'S')
        UNION SELECT pg_get_userbyid(defaclrole) FROM pg_default_acl
    """
    return server.rows(query, database=name)


def extension(server: Server, *names: str) -> str:
    """Return the first of some extensions that the server has; skip where it has none."""
    for name in names:
        if server.rows("SELECT FROM pg_available_extensions WHERE name = %s", name):
            return name
    pytest.skip(f"this PostgreSQL has none of the extensions {', '.join(names)} (Debian: postgresql-contrib)")


def test_the_administrator_is_no_superuser(server: Server) -> None:
    """All that is proved here is proved with CREATEROLE and CREATEDB alone, as on RDS."""
    query = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s"
    assert server.rows(query, ADMIN) == [(False, True, True)]


def test_owner_database_and_login(bench: Bench) -> None:
    """The owner cannot log in and owns the database; what the login makes belongs to the owner."""
    spec = database(bench.server, app_secret="shop/made")
    assert bench.upsert(spec).good
    assert owner_of(bench.server, spec.name) == spec.name
    assert bench.server.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", spec.name) == [(False,)]
    held = bench.secrets.current("shop/made")
    with bench.server.connect(spec.name, held["username"], held["password"]) as login:
        login.execute("CREATE TABLE t (id int)")
        login.execute("CREATE SCHEMA mine")
        made = login.execute("SELECT tableowner FROM pg_tables WHERE tablename = 't'").fetchall()
    assert made == [(spec.name,)]


def test_the_owner_may_have_another_name(bench: Bench) -> None:
    """One owner may own several databases, each with logins of its own."""
    owner = unique("owner")
    one = database(bench.server, owner=owner, app_secret="shop/one", login=unique("app"))
    two = database(bench.server, owner=owner, app_secret="shop/two")
    assert bench.upsert(one).good
    assert bench.upsert(two).good
    assert {owner_of(bench.server, one.name), owner_of(bench.server, two.name)} == {owner}
    assert bench.secrets.current("shop/one")["username"].startswith(f"{one.login}_")
    assert bench.upsert(evolve(two, rotate_credentials=True)).good
    held = bench.secrets.current("shop/one")
    bench.server.connect(one.name, held["username"], held["password"]).close()


def test_the_second_time_nothing_is_changed(bench: Bench) -> None:
    """A look that finds all as it should be changes nothing, and says nothing."""
    spec = database(bench.server, app_secret="shop/again")
    first = bench.upsert(spec)
    assert (first.attempts, len(first.progress)) == (5, 1)
    moments = Moments()
    second = bench.upsert(spec, moments=moments)
    assert (second.good, second.attempts, second.progress) == (True, 0, ())
    assert [said for said in moments.said if not said.lstrip().startswith(("SELECT", "WITH"))] == []


def test_without_credentials_no_login_is_made(bench: Bench) -> None:
    """A spec that keeps no credentials has a database and an owner alone."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    assert bench.server.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", f"{spec.name}%") == [
        (spec.name,)
    ]


def test_extensions_also_later_ones(bench: Bench) -> None:
    """An extension that is named later is made then, with those that it needs."""
    name = extension(bench.server, "earthdistance", "vector")
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run(compose("ALTER ROLE {} SUPERUSER", ADMIN))
    outcome = bench.upsert(evolve(spec, extensions=(name, "plpgsql")))
    bench.server.run(compose("ALTER ROLE {} NOSUPERUSER", ADMIN))
    assert outcome.good, outcome
    there = {one for (one,) in bench.server.rows("SELECT extname FROM pg_extension", database=spec.name)}
    assert {name, *(["cube"] if name == "earthdistance" else [])} <= there


def test_a_trusted_extension_needs_no_superuser(bench: Bench) -> None:
    """CREATE on the database is enough, and comes from the owner; the extension stays the administrator's."""
    name = extension(bench.server, "citext")
    spec = database(bench.server, extensions=(name,))
    outcome = bench.upsert(spec)
    assert outcome.progress[-1].endswith(f"made the extension {name}")
    query = "SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE extname = %s"
    assert bench.server.rows(query, name, database=spec.name) == [(ADMIN,)]


def test_an_extension_that_is_not_available(bench: Bench) -> None:
    """The error names it, and those that the server has."""
    spec = database(bench.server, extensions=("no such thing", "plpgsql"))
    reason = bench.upsert(spec).reason
    assert "the server has no extension no such thing; it has: " in reason
    assert "plpgsql" in reason
    assert reason.endswith(f"; before that: made the owner {spec.name}; made the database {spec.name}")


def test_an_extension_without_a_schema_for_it(bench: Bench) -> None:
    """The error says where extensions are made."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run("DROP SCHEMA public", "DROP EXTENSION plpgsql", database=spec.name)
    reason = bench.upsert(evolve(spec, extensions=(extension(bench.server, "citext", "plpgsql"),))).reason
    assert "extensions are made in the schema public; make one" in reason


def test_an_extension_that_only_a_superuser_may_make(bench: Bench) -> None:
    """The server's own words say why it is refused."""
    name = extension(bench.server, "pageinspect", "pg_buffercache", "vector")
    reason = bench.upsert(database(bench.server, extensions=(name,))).reason
    assert f'permission denied to create extension "{name}"' in reason
    assert "42501" in reason


def test_a_database_that_belongs_to_the_administrator_is_taken_over(bench: Bench) -> None:
    """A database that was made by hand becomes the owner's, with what is in it."""
    name = unique()
    bench.server.run(compose("CREATE DATABASE {}", name), user=ADMIN)
    bench.server.run("CREATE TABLE t (id int)", database=name, user=ADMIN)
    outcome = bench.upsert(database(bench.server, name))
    assert outcome.good
    assert f"the database belonged to {ADMIN}" in outcome.progress[-1]
    assert f"set right: 1 table of {ADMIN}" in outcome.progress[-1]
    assert bench.server.rows("SELECT tableowner FROM pg_tables WHERE tablename = 't'", database=name) == [
        (name,)
    ]


def test_a_database_of_another_login_is_taken_over(bench: Bench) -> None:
    """With the schemas of that login, all that is in them, and its default privileges."""
    name, before = unique(), unique("before")
    bench.server.run(
        compose("CREATE ROLE {} LOGIN", before), compose("CREATE DATABASE {} OWNER {}", name, before)
    )
    if bench.server.version >= 16:
        bench.server.run(compose("GRANT {} TO {} WITH ADMIN OPTION", before, ADMIN))
    bench.server.run(
        compose("SET ROLE {}", before),
        "CREATE TABLE public.t (id serial)",
        "CREATE SCHEMA own CREATE TABLE u (id int)",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA own GRANT SELECT ON TABLES TO PUBLIC",
        database=name,
    )
    spec = database(bench.server, name)
    outcome = bench.upsert(spec)
    assert outcome.good
    assert f"the database belonged to {before}" in outcome.progress[-1]
    assert whose(bench.server, name) == [(name,)]
    assert bench.upsert(spec).attempts == 0


def test_a_new_owner_gets_all_that_the_old_one_had(bench: Bench) -> None:
    """A spec may name another owner later; the application's login then works as that one."""
    spec = database(bench.server, app_secret="shop/new-owner")
    assert bench.upsert(spec).good
    held = bench.secrets.current("shop/new-owner")
    with bench.server.connect(spec.name, held["username"], held["password"]) as login:
        login.execute("CREATE SCHEMA own CREATE TABLE t (id int)")
        login.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    changed = evolve(spec, owner=unique("new_owner"))
    assert bench.upsert(changed).good
    assert whose(bench.server, spec.name) == [(changed.owner_role,)]
    with bench.server.connect(spec.name, held["username"], held["password"]) as login:
        assert login.execute("SELECT current_user::text").fetchone() == (changed.owner_role,)
    assert bench.upsert(changed).attempts == 0


def test_a_database_of_a_superuser_is_refused(bench: Bench) -> None:
    """It is said whose it is, and who has to give it away."""
    name = unique()
    bench.server.run(compose("CREATE DATABASE {}", name))
    reason = bench.upsert(database(bench.server, name)).reason
    assert f"the database {name} belongs to {SUPERUSER}, for whom the administrator may not act" in reason
    assert f"has to give it to {name}" in reason


def test_an_administrator_whose_role_is_set(bench: Bench) -> None:
    """It works as itself: else it would make the other role a member of the owner, again at each deployment."""
    other = unique("other")
    bench.server.run(
        compose("CREATE ROLE {} CREATEROLE CREATEDB", other),
        compose("GRANT {} TO {}", other, ADMIN),
        compose("ALTER ROLE {} SET role TO {}", ADMIN, sql.Literal(other)),
    )
    spec = database(bench.server, app_secret="shop/set")
    try:
        assert bench.upsert(spec).good
        assert bench.upsert(spec).attempts == 0
    finally:
        bench.server.run(compose("ALTER ROLE {} RESET role", ADMIN))
    query = "SELECT pg_has_role(%s, %s, 'MEMBER')"
    assert bench.server.rows(query, other, spec.owner_role) == [(False,)]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("CREATE ROLE {} LOGIN", "is a role that can log in"),
        ("CREATE ROLE {} SUPERUSER", "is a superuser"),
    ],
)
def test_an_owner_that_must_not_be_one(bench: Bench, make: Any, why: str) -> None:
    """Whoever can log in, or may do anything, is no owner."""
    name = unique()
    bench.server.run(compose(make, name))
    assert why in bench.upsert(database(bench.server, name)).reason


def test_the_administrator_is_no_owner(bench: Bench) -> None:
    """Else an application could do what the administrator can."""
    assert "is the administrator" in bench.upsert(database(bench.server, owner=ADMIN)).reason


def test_a_template_is_no_database_of_an_application(bench: Bench) -> None:
    """Who connects to a template is in the way of everybody who makes a database."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run(compose("ALTER DATABASE {} IS_TEMPLATE true", spec.name))
    assert f"the database {spec.name} is a template" in bench.upsert(spec).reason
    bench.server.run(compose("ALTER DATABASE {} IS_TEMPLATE false", spec.name))


def test_rights_that_were_taken_away_are_given_back(bench: Bench) -> None:
    """The owner may connect, and use the schema public, also on a server that was upgraded from 14."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run(
        compose("REVOKE CONNECT ON DATABASE {} FROM PUBLIC, {}", spec.name, spec.name),
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner",
        database=spec.name,
    )
    assert bench.upsert(spec).attempts == 2
    query = "SELECT has_database_privilege(%s, %s, 'CONNECT'), has_schema_privilege(%s, 'public', 'CREATE, USAGE')"
    assert bench.server.rows(query, spec.name, spec.name, spec.name, database=spec.name) == [(True, True)]


def test_rights_that_the_administrator_cannot_give_are_told(bench: Bench) -> None:
    """PostgreSQL only warns where a GRANT grants nothing."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner",
        "ALTER SCHEMA public OWNER TO CURRENT_USER",
        database=spec.name,
    )
    outcome = bench.upsert(spec)
    said = outcome.progress[-1] if outcome.good else outcome.reason
    assert "schema public" in said


def test_a_database_without_a_public_schema(bench: Bench) -> None:
    """Nothing has to be granted on what is not there."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    bench.server.run("DROP SCHEMA public", database=spec.name)
    assert bench.upsert(spec).good


def test_a_superuser_as_administrator(bench: Bench) -> None:
    """A superuser needs no memberships, and gets none."""
    spec = database(bench.server, app_secret="shop/super")
    bench.server.run(compose("ALTER ROLE {} SUPERUSER", ADMIN))
    try:
        assert bench.upsert(spec).good
        assert bench.upsert(evolve(spec, rotate_credentials=True)).good
    finally:
        bench.server.run(compose("ALTER ROLE {} NOSUPERUSER", ADMIN))
    query = "SELECT FROM pg_auth_members WHERE member = %s::regrole AND roleid = %s::regrole"
    assert bench.server.rows(query, ADMIN, f'"{spec.name}"') == []


def test_a_long_command_gives_way(bench: Bench) -> None:
    """Past its share a look says what comes next, and the next look carries on there."""
    ticks = iter(range(10_000))
    spec = database(bench.server, app_secret="shop/long")
    outcome = bench.upsert(spec, share=1.5, monotonic=lambda: float(next(ticks)))
    assert outcome.good
    assert (
        outcome.progress[0] == f"made the owner {spec.name}; next: let the administrator act for {spec.name}"
    )
    assert len(outcome.progress) >= 4


def test_other_commands_are_not_meant(bench: Bench) -> None:
    """What is no command of a database is left alone."""
    pending = evolve(bench.pending(database(bench.server)), command=None)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="no end after 1 looks"):
        bench.carry_out(pending, looks=1)


def test_a_command_that_is_no_longer_pending_changes_nothing(bench: Bench) -> None:
    """The runner lets an executor go on behind an attempt only while its command is pending."""
    spec = database(bench.server)
    act: Any = Postgres(Secrets(), environ=bench.environ).act(
        Work("prod/shop", "stream", bench.pending(spec), 1.0, str)
    )
    next(act)
    act.close()
    assert bench.server.rows("SELECT FROM pg_roles WHERE rolname = %s", spec.name) == []
    query = "SELECT FROM pg_locks WHERE locktype = 'advisory'"
    assert bench.server.rows(query) == []


def test_a_schema_public_that_is_somebody_elses(bench: Bench) -> None:
    """PostgreSQL only warns where a GRANT grants nothing: a person is told, and the database is made all the same."""
    spec, other = database(bench.server), unique("other")
    assert bench.upsert(spec).good
    bench.server.run(compose("CREATE ROLE {}", other))
    bench.server.run(
        compose("ALTER SCHEMA public OWNER TO {}", other),
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner",
        compose("GRANT USAGE ON SCHEMA public TO {}", ADMIN),
        database=spec.name,
    )
    told = bench.upsert(spec)
    assert told.good
    assert (
        f"{spec.name} may not use the schema public, and the administrator cannot let it" in told.progress[-1]
    )
