"""CleanupDatabase on a real server: whose everything is afterwards, and what is left alone."""

from typing import Any

import pytest
from attrs import evolve

from deployer_aws.executors.postgres import cleanup
from deployer_aws.executors.postgres.session import compose
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.executors.postgres.bench import Bench, Moments, database, unique
from tests.deployer_aws.executors.postgres.server import ADMIN, SUPERUSER, each_kind

KINDS = {
    "aggregate": ["CREATE AGGREGATE a.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')"],
    "collation": ['CREATE COLLATION a.c FROM "C"'],
    "composite type": ["CREATE TYPE a.pair AS (x int, y int)"],
    "conversion": ["CREATE CONVERSION a.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"],
    "domain": ["CREATE DOMAIN a.positive AS int CHECK (value > 0)"],
    "enum": ["CREATE TYPE a.mood AS ENUM ('good')"],
    "foreign table": ["CREATE FOREIGN TABLE a.far (id int) SERVER nowhere"],
    "function": [
        "CREATE FUNCTION a.f(int[], \"char\", variadic text[]) RETURNS int LANGUAGE sql AS 'SELECT 1'"
    ],
    "identity": ["CREATE TABLE a.counted (id int GENERATED ALWAYS AS IDENTITY)"],
    "materialized view": ["CREATE MATERIALIZED VIEW a.kept AS SELECT 1 AS one"],
    "large object": ["SELECT lo_create(0)"],
    "operator": [
        "CREATE OPERATOR a.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = OPERATOR(a.<=>))",
        "CREATE OPERATOR a.@#%^&|`? (RIGHTARG = int, FUNCTION = int4um)",
    ],
    "ordered-set aggregate": [
        """CREATE AGGREGATE a.pick (float8 ORDER BY float8)
        (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA)"""
    ],
    "partitioned table": [
        "CREATE TABLE a.parts (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE a.part_1 PARTITION OF a.parts FOR VALUES FROM (1) TO (2)",
    ],
    "procedure": ["CREATE PROCEDURE a.p(x int, OUT y int) LANGUAGE sql AS 'SELECT 1'"],
    "routines of one name": [
        "CREATE FUNCTION a.r(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE a.r(x int, OUT y int) LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE a.r(OUT y int) LANGUAGE sql AS 'SELECT 1'",
    ],
    "range": ["CREATE TYPE a.span AS RANGE (subtype = float8)"],
    "schema": ['CREATE SCHEMA "b ""quoted"""', 'CREATE TABLE "b ""quoted"""."t.u" (id int)'],
    "sequence": ["CREATE SEQUENCE a.alone"],
    "serial": ["CREATE TABLE a.counting (id serial)"],
    "statistics object": ["CREATE TABLE a.st (x int, y int)", "CREATE STATISTICS a.stats ON x, y FROM a.st"],
    "text search configuration": ["CREATE TEXT SEARCH CONFIGURATION a.tsc (COPY = simple)"],
    "text search dictionary": ["CREATE TEXT SEARCH DICTIONARY a.tsd (TEMPLATE = simple)"],
    "view": ["CREATE VIEW a.seen AS SELECT 1 AS one"],
}
OWNERS = """
    SELECT DISTINCT pg_get_userbyid(owner) FROM (
        SELECT relowner, relnamespace FROM pg_class
        UNION ALL SELECT proowner, pronamespace FROM pg_proc WHERE oid NOT IN
            (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'i')
        UNION ALL SELECT typowner, typnamespace FROM pg_type
        UNION ALL SELECT nspowner, oid FROM pg_namespace
        UNION ALL SELECT collowner, collnamespace FROM pg_collation
        UNION ALL SELECT conowner, connamespace FROM pg_conversion
        UNION ALL SELECT stxowner, stxnamespace FROM pg_statistic_ext
        UNION ALL SELECT cfgowner, cfgnamespace FROM pg_ts_config
        UNION ALL SELECT dictowner, dictnamespace FROM pg_ts_dict
        UNION ALL SELECT oprowner, oprnamespace FROM pg_operator
        UNION ALL SELECT lomowner, 'a'::regnamespace FROM pg_largeobject_metadata
    ) AS o (owner, namespace) JOIN pg_namespace n ON n.oid = namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
"""


@pytest.fixture
def made(bench: Bench) -> DatabaseSpec[str]:
    """Make a database as a deployment finds it before its migration runs."""
    spec = database(bench.server)
    assert bench.upsert(spec).good
    return spec


def fill(bench: Bench, name: str, *statements: Any) -> None:
    """Migrate, as the administrator."""
    bench.server.run(*statements, database=name, user=ADMIN)


def test_every_kind_of_object_goes_to_the_owner(bench: Bench, made: DatabaseSpec[str]) -> None:
    """Whatever a migration has made in a schema of the application belongs to the owner afterwards."""
    bench.server.run(
        "CREATE FOREIGN DATA WRAPPER none",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER none",
        compose("GRANT USAGE ON FOREIGN SERVER nowhere TO {}", ADMIN),
        database=made.name,
    )
    fill(bench, made.name, "CREATE SCHEMA a")
    for kind, statements in KINDS.items():
        if kind != "ordered-set aggregate":
            fill(bench, made.name, *statements)
    assert bench.server.rows(OWNERS, database=made.name) == [(ADMIN,)]
    outcome = bench.cleanup(made)
    assert outcome.good, outcome
    assert bench.server.rows(OWNERS, database=made.name) == [(made.name,)]
    said = outcome.progress[-1]
    for told in (
        f"1 domain of {ADMIN}",
        f"1 foreign table of {ADMIN}",
        f"2 schema of {ADMIN}",
        f"1 sequence of {ADMIN}",
    ):
        assert told in said
    assert bench.cleanup(made).attempts == 0


def test_what_only_a_superuser_makes(bench: Bench, made: DatabaseSpec[str]) -> None:
    """Operator classes, base types and ordered-set aggregates, where the administrator is a superuser."""
    bench.server.run(compose("ALTER ROLE {} SUPERUSER", ADMIN))
    try:
        fill(
            bench,
            made.name,
            "CREATE SCHEMA a",
            *KINDS["ordered-set aggregate"],
            "CREATE OPERATOR CLASS a.oc FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)",
            "CREATE TYPE a.shell",
            "CREATE FUNCTION a.inn(cstring) RETURNS a.shell LANGUAGE internal STRICT IMMUTABLE AS 'int4in'",
            "CREATE FUNCTION a.outt(a.shell) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out'",
            "CREATE TYPE a.shell (INPUT = a.inn, OUTPUT = a.outt, LIKE = int)",
        )
        outcome = bench.cleanup(made)
    finally:
        bench.server.run(compose("ALTER ROLE {} NOSUPERUSER", ADMIN))
    assert outcome.good, outcome
    assert bench.server.rows(OWNERS, database=made.name) == [(made.name,)]
    query = (
        "SELECT pg_get_userbyid(opcowner), pg_get_userbyid(opfowner) FROM pg_opclass JOIN pg_opfamily f"
        " ON f.oid = opcfamily WHERE opcname = 'oc'"
    )
    assert bench.server.rows(query, database=made.name) == [(made.name, made.name)]


def test_what_belongs_to_an_extension_is_left_to_it(bench: Bench, made: DatabaseSpec[str]) -> None:
    """Its functions and types stay as they are; PostgreSQL would lose them at the next dump else."""
    if not bench.server.rows("SELECT FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this PostgreSQL has no extension citext (Debian: postgresql-contrib)")
    fill(bench, made.name, "CREATE EXTENSION citext")
    assert (bench.cleanup(made).attempts, bench.cleanup(made).good) == (0, True)


def test_sequences_follow_their_tables(bench: Bench, made: DatabaseSpec[str]) -> None:
    """A linked sequence can't be given to anybody by itself, and need not be."""
    fill(bench, made.name, "CREATE TABLE t (a serial, b int GENERATED ALWAYS AS IDENTITY)")
    outcome = bench.cleanup(made)
    assert outcome.progress == (f"set right: 1 table of {ADMIN}",)
    query = "SELECT DISTINCT sequenceowner::text FROM pg_sequences"
    assert bench.server.rows(query, database=made.name) == [(made.name,)]


def test_only_schemas_of_the_application(bench: Bench, made: DatabaseSpec[str]) -> None:
    """What stands in another role's schema stays that role's."""
    name = unique("other")
    bench.server.run(
        compose("CREATE ROLE {}", name),
        compose("CREATE SCHEMA theirs AUTHORIZATION {}", name),
        "CREATE TABLE theirs.t (id int)",
        database=made.name,
    )
    assert bench.cleanup(made).attempts == 0


def test_another_roles_table_in_the_applications_schema(bench: Bench, made: DatabaseSpec[str]) -> None:
    """It becomes the owner's where the administrator may act for the role; else it is left, and told."""
    name = unique("other")
    bench.server.run(
        compose("CREATE ROLE {}", name),
        "CREATE TABLE t (id int)",
        compose("ALTER TABLE t OWNER TO {}", name),
        "CREATE TABLE by_superuser (id int)",
        database=made.name,
    )
    outcome = bench.cleanup(made)
    assert outcome.good
    assert (
        f"left 1 that belong to {SUPERUSER}, for whom the administrator may not act" in outcome.progress[-1]
    )
    owner = bench.server.rows("SELECT tableowner FROM pg_tables WHERE tablename = 't'", database=made.name)
    if bench.server.version < 16:
        assert owner == [(made.name,)]
    else:
        assert owner == [(name,)]
        assert f"left 1 that belong to {name}" in outcome.progress[-1]


def test_a_role_that_rds_lets_in_by_iam_is_not_given_to_the_administrator(
    bench: Bench, made: DatabaseSpec[str]
) -> None:
    """What it owns is left: else the administrator would lose its password login."""
    name = unique("iam")
    bench.server.run(
        compose("CREATE ROLE {}", name),
        "CREATE TABLE t (id int)",
        compose("ALTER TABLE t OWNER TO {}", name),
        compose("GRANT rds_iam TO {}", name),
        database=made.name,
    )
    outcome = bench.cleanup(made)
    assert f"left 1 that belong to {name}" in outcome.progress[-1]


def test_default_privileges_move_to_the_owner(bench: Bench, made: DatabaseSpec[str]) -> None:
    """What a migration set for the objects it makes itself holds for what the owner makes, and for nobody else."""
    reader = unique("reader")
    bench.server.run(compose("CREATE ROLE {}", reader))
    fill(
        bench,
        made.name,
        "CREATE SCHEMA s",
        compose(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO {} WITH GRANT OPTION", reader
        ),
        compose("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON TABLES TO {}", made.name),
        compose("ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {}", reader),
        compose("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {}", reader),
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC",
    )
    assert bench.cleanup(made).good
    query = "SELECT DISTINCT pg_get_userbyid(defaclrole) FROM pg_default_acl"
    assert bench.server.rows(query, database=made.name) == [(made.name,)]
    with bench.server.connect(made.name) as session:
        session.execute(compose("SET ROLE {}", made.name))
        session.execute("CREATE TABLE s.t (id serial)")
        session.execute("CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        found = session.execute(
            "SELECT has_table_privilege(%(r)s, 's.t', 'SELECT WITH GRANT OPTION'),"
            " has_table_privilege(%(r)s, 's.t', 'INSERT'), has_sequence_privilege(%(r)s, 's.t_id_seq', 'USAGE'),"
            " has_function_privilege(%(r)s, 's.f()', 'EXECUTE')",
            {"r": reader},
        ).fetchall()
    assert found == [(True, False, True, False)]
    assert bench.cleanup(made).attempts == 0


@pytest.mark.parametrize("server", each_kind()[-1:], indirect=True, ids=lambda path: str(path)[-30:])
def test_default_privileges_on_large_objects(bench: Bench, made: DatabaseSpec[str]) -> None:
    """From 18 on there are such."""
    if bench.server.version < 18:
        pytest.skip("ALTER DEFAULT PRIVILEGES ON LARGE OBJECTS takes PostgreSQL 18")
    fill(bench, made.name, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON LARGE OBJECTS TO PUBLIC")
    assert bench.cleanup(made).good
    query = "SELECT pg_get_userbyid(defaclrole) FROM pg_default_acl WHERE defaclobjtype = 'L'"
    assert bench.server.rows(query, database=made.name) == [(made.name,)]
    assert bench.cleanup(made).attempts == 0


def test_default_privileges_of_a_role_that_is_out_of_reach(bench: Bench, made: DatabaseSpec[str]) -> None:
    """They are left alone where the administrator may not act for the role."""
    name = unique("iam")
    bench.server.run(
        compose("CREATE ROLE {}", name),
        compose("GRANT {} TO {}", made.name, name),
        compose("GRANT rds_iam TO {}", name),
        compose("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT SELECT ON TABLES TO PUBLIC", name),
        database=made.name,
    )
    assert (bench.cleanup(made).good, bench.cleanup(made).attempts) == (True, 0)


def test_cleanup_works_in_batches(
    bench: Bench, made: DatabaseSpec[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction holds more locks than a batch takes; a look that gives way tells how far it has come."""
    monkeypatch.setattr(cleanup, "BATCH", 4)
    fill(bench, made.name, *[compose("CREATE TABLE {} (id int)", f"t{i}") for i in range(10)])
    ticks = iter(range(1000))
    moments = Moments()
    outcome = bench.cleanup(made, moments=moments, share=1.5, monotonic=lambda: float(next(ticks)))
    assert outcome.progress == (
        f"set right: 4 table of {ADMIN}; next: set the owner of 4 objects right, 6 to go",
        f"set right: 4 table of {ADMIN}; next: set the owner of 2 objects right, 2 to go",
        f"set right: 2 table of {ADMIN}",
    )
    assert max(said.count("ALTER TABLE") for said in moments.said) == 4


def test_a_table_that_is_locked(
    bench: Bench, made: DatabaseSpec[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is waited for only so long as the spec says; then it is tried again, and a person is told.

    What was done before it is told too.
    """
    fill(bench, made.name, "CREATE TABLE t (id int)", "CREATE SCHEMA s")
    monkeypatch.setattr(cleanup, "BATCH", 1)
    with bench.server.connect(made.name) as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t")
        said = (
            r"lock timeout \(55P03\); another session holds .*; before that: set right: 1 schema of adminus"
        )
        with pytest.raises(AssertionError, match=said):
            bench.cleanup(evolve(made, lock_timeout=1), looks=1)
        blocker.execute("ROLLBACK")
    assert bench.cleanup(made).good


def test_upsert_makes_up_for_a_missed_cleanup(bench: Bench, made: DatabaseSpec[str]) -> None:
    """A migration that failed half-way has not been cleaned up after."""
    fill(bench, made.name, "CREATE TABLE t (id int)")
    assert bench.upsert(made).progress == (f"set right: 1 table of {ADMIN}",)
