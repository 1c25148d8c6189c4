"""IAM logins: who becomes a member of rds_iam, and who must not. The server's pg_hba.conf refuses every member."""

from itertools import pairwise

import psycopg
import pytest
from attrs import evolve

from deployer_aws.executors.postgres.session import compose
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.executors.postgres.bench import Bench, database, unique
from tests.deployer_aws.executors.postgres.server import ADMIN, ADMINPASSWORD, Server, each_kind

pytestmark = pytest.mark.parametrize("server", each_kind(), indirect=True, ids=lambda path: str(path)[-30:])
ABOVE = """
    WITH RECURSIVE up AS (SELECT oid FROM pg_roles WHERE rolname = %s
        UNION SELECT m.roleid FROM pg_auth_members m JOIN up ON m.member = up.oid)
    SELECT FROM up JOIN pg_roles USING (oid) WHERE rolname = 'rds_iam'
"""


def made(bench: Bench) -> DatabaseSpec[str]:
    """Make a database whose application logs in by IAM."""
    spec = database(bench.server, iam_login=True)
    outcome = bench.upsert(spec)
    assert outcome.good, outcome
    return spec


def administrator_gets_in(server: Server) -> bool:
    """Whether the administrator's password still counts."""
    try:
        server.connect(user=ADMIN, password=ADMINPASSWORD).close()
    except psycopg.OperationalError:
        return False
    return True


def test_only_the_login_is_let_in_by_iam(bench: Bench) -> None:
    """Neither the owner nor the administrator is a member of rds_iam, by whatever steps."""
    spec = made(bench)
    assert bench.server.rows(ABOVE, spec.login_role) == [()]
    assert bench.server.rows(ABOVE, spec.owner_role) == []
    assert bench.server.rows(ABOVE, ADMIN) == []


def test_the_administrator_can_still_log_in(bench: Bench) -> None:
    """`+rds_iam` in pg_hba.conf takes the login and leaves the administrator, who made it, with its password."""
    spec = made(bench)
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        bench.server.connect(spec.name, spec.login_role, "")
    assert administrator_gets_in(bench.server)
    assert bench.upsert(spec).attempts == 0


def test_the_trap_is_real(bench: Bench) -> None:
    """From 16 on, a plain CREATE ROLE and GRANT rds_iam would have locked the administrator out."""
    name = unique("trap")
    bench.server.run(compose("CREATE ROLE {} LOGIN", name), user=ADMIN)
    bench.server.run(compose("GRANT rds_iam TO {}", name))
    assert administrator_gets_in(bench.server) is (bench.server.version < 16)
    bench.server.run(compose("DROP ROLE {}", name))
    assert administrator_gets_in(bench.server)


def test_the_login_works_as_the_owner(bench: Bench) -> None:
    """What an IAM login makes belongs to the owner too."""
    spec = made(bench)
    bench.server.run(compose("REVOKE rds_iam FROM {}", spec.login_role))
    bench.server.run(compose("ALTER ROLE {} PASSWORD 'for the test'", spec.login_role))
    with bench.server.connect(spec.name, spec.login_role, "for the test") as login:
        assert login.execute("SELECT current_user::text").fetchone() == (spec.owner_role,)
    assert bench.upsert(spec).attempts == 1
    assert bench.server.rows(ABOVE, spec.login_role) == [()]


def test_a_role_that_may_have_a_password_is_not_taken(bench: Bench) -> None:
    """Only a login that was made without a password becomes a member of rds_iam."""
    name = unique("mine")
    bench.server.run(compose("CREATE ROLE {} LOGIN PASSWORD 'x'", name))
    reason = bench.upsert(database(bench.server, iam_login=True, login=name)).reason
    assert f"the role {name} was not made as the IAM login" in reason
    assert bench.server.rows(ABOVE, name) == []


@pytest.mark.parametrize("steps", [1, 2])
def test_nobody_else_is_locked_out(bench: Bench, steps: int) -> None:
    """Where the administrator is a member of the login, directly or not, rds_iam is not granted to it."""
    spec = made(bench)
    between = unique("between") if steps == 2 else spec.login_role
    bench.server.run(compose("REVOKE rds_iam FROM {}", spec.login_role))
    if steps == 2:
        bench.server.run(
            compose("CREATE ROLE {}", between), compose("GRANT {} TO {}", spec.login_role, between)
        )
    bench.server.run(compose("GRANT {} TO {}", between, ADMIN))
    assert f"{ADMIN} is a member of {spec.login_role}" in bench.upsert(spec).reason
    assert administrator_gets_in(bench.server)
    bench.server.run(compose("REVOKE {} FROM {}", between, ADMIN))
    assert bench.upsert(spec).good


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_owner_in_rds_iam_is_refused(bench: Bench, steps: int) -> None:
    """Were it rds_iam itself or in it, directly or not, all its members would lose their password login."""
    roles = ["rds_iam", *(unique("in_iam") for _ in range(steps))]
    for above, role in pairwise(roles):
        bench.server.run(compose("CREATE ROLE {}", role), compose("GRANT {} TO {}", above, role))
    outcome = bench.upsert(database(bench.server, owner=roles[-1]))
    assert f"the owner {roles[-1]} is in rds_iam" in outcome.reason
    assert outcome.attempts == 0
    assert administrator_gets_in(bench.server)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_database_of_a_role_in_rds_iam_is_not_taken_over(bench: Bench, steps: int) -> None:
    """The administrator would have to become a member of that role, and could not log in any more."""
    name, role, group = unique(), unique("mine"), unique("group")
    bench.server.run(
        compose("CREATE ROLE {}", role),
        compose("CREATE ROLE {}", group),
        compose("CREATE DATABASE {} OWNER {}", name, role),
        compose("GRANT rds_iam TO {}", group if steps == 2 else role),
        compose("GRANT {} TO {}", group, role),
    )
    reason = bench.upsert(database(bench.server, name)).reason
    assert f"the database {name} belongs to {role}, for whom the administrator may not act" in reason
    assert administrator_gets_in(bench.server)


def test_an_old_login_in_rds_iam_is_kept(bench: Bench) -> None:
    """Dropping it takes membership in it; where somebody put it into rds_iam by way of a group, it stays disabled."""
    if bench.server.version >= 16:
        pytest.skip("from 16 on the administrator is in each of its logins: whoever did that locked it out")
    spec, group = database(bench.server, app_secret="shop/grouped"), unique("group")
    assert bench.upsert(spec).good
    old = bench.secrets.current("shop/grouped")["username"]
    bench.server.run(
        compose("CREATE ROLE {}", group),
        compose("GRANT rds_iam TO {}", group),
        compose("GRANT {} TO {}", group, old),
    )
    outcome = bench.upsert(evolve(spec, rotate_credentials=True))
    assert outcome.good
    assert f"{old} is disabled, and kept: the administrator may not act for it" in outcome.progress[-1]
    assert administrator_gets_in(bench.server)


def test_an_iam_login_that_is_wanted_no_more(bench: Bench) -> None:
    """It loses its rights; it is dropped where the administrator may, which from 16 on it may not."""
    spec = made(bench)
    outcome = bench.upsert(evolve(spec, iam_login=False, app_secret="shop/iam-no-more"))
    assert outcome.good, outcome
    left = bench.server.rows("SELECT FROM pg_roles WHERE rolname = %s", spec.login_role)
    assert left == ([] if bench.server.version < 16 else [()])
    assert bench.server.rows(ABOVE, spec.login_role) == []
    query = "SELECT pg_has_role(%s, %s, 'MEMBER')"
    if left:
        assert bench.server.rows(query, spec.login_role, spec.owner_role) == [(False,)]
        assert "only a superuser can drop it" in outcome.progress[-1]
    assert bench.upsert(evolve(spec, iam_login=False, app_secret="shop/iam-no-more")).attempts == 0
    assert administrator_gets_in(bench.server)


def test_a_password_gives_way_to_iam(bench: Bench) -> None:
    """The logins with a password go, and the IAM login comes."""
    spec = database(bench.server, app_secret="shop/to-iam")
    assert bench.upsert(spec).good
    old = bench.secrets.current("shop/to-iam")["username"]
    outcome = bench.upsert(evolve(spec, app_secret=None, iam_login=True))
    assert outcome.good, outcome
    assert f"dropped the old login {old}" in outcome.progress[-1]


def test_an_iam_login_that_was_changed_by_hand(bench: Bench) -> None:
    """Its membership in the owner is given back; what takes more than that is the server's to refuse."""
    spec = made(bench)
    bench.server.run(compose("REVOKE {} FROM {}", spec.owner_role, spec.login_role), user=ADMIN)
    assert bench.upsert(spec).attempts == 1


def test_a_server_without_iam(bench: Bench) -> None:
    """What is missing is named, and what to do about it."""
    bench.server.run("ALTER ROLE rds_iam RENAME TO rds_iam_hidden")
    try:
        assert "the server has no role rds_iam" in bench.upsert(database(bench.server, iam_login=True)).reason
    finally:
        bench.server.run("ALTER ROLE rds_iam_hidden RENAME TO rds_iam")
