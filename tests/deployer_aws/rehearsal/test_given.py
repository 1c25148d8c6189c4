"""Rehearsals on a server that somebody else looks after."""

from typing import Any

import pytest
from psycopg import sql

from deployer_aws.rehearsal.database_server import given_server
from deployer_aws.rehearsal.errors import RehearsalError
from tests.deployer_aws.executors.postgres.server import ADMINPASSWORD, RealServer
from tests.deployer_aws.rehearsal.fixtures import Project


def inventory(server: RealServer) -> list[Any]:
    """Return the databases with their owners, and the roles."""
    return server.rows(
        "SELECT datname, pg_get_userbyid(datdba) FROM pg_database UNION ALL SELECT rolname, '' FROM pg_roles ORDER BY 1, 2"
    )


def test_what_was_made_is_dropped(project: Project, server: RealServer, given: str) -> None:
    """Databases, owners and logins are gone at the end; the administrator's password is shown nowhere."""
    before = inventory(server)
    said = project.rehearse(project.spec("1"), project.spec("2"), "--database-url", given)
    assert said.code == 0, said
    assert inventory(server) == before
    assert ADMINPASSWORD not in said.out + said.err
    assert not any("PGPASSFILE" in one["env"] or ADMINPASSWORD in one["env"].values() for one in project.seen)


def test_the_administrators_password_is_masked(project: Project, given: str) -> None:
    """Even a process that knows it from elsewhere does not get it shown."""
    tells = ["python", "-c", "import sys; print('it is', sys.argv[1])", ADMINPASSWORD]
    said = project.rehearse(project.spec("1", after=tells), "--database-url", given)
    assert said.code == 0, said
    assert "it is ****" in said.out
    assert ADMINPASSWORD not in said.out + said.err


def test_what_was_there_stays_and_is_used(project: Project, server: RealServer, given: str) -> None:
    """A database and its owner stay, with what was migrated; only the login is dropped, with the rights it was given."""
    program = project.folder / "program.py"
    grant = "psycopg.connect(autocommit=True).execute('GRANT SELECT ON versions TO SESSION_USER')"
    program.write_text(f"{program.read_text()}if word == 'migrate': {grant}\n")
    server.run("CREATE ROLE orders", "GRANT orders TO adminus", "CREATE DATABASE orders OWNER orders")
    before = inventory(server)
    try:
        assert project.rehearse(project.spec("1"), "--database-url", given).code == 0
        assert inventory(server) == before
        query = "SELECT version, pg_get_userbyid(relowner) FROM versions, pg_class WHERE relname = 'versions'"
        assert server.rows(query, database="orders") == [("1", "orders")]
    finally:
        server.run("DROP DATABASE orders", "DROP ROLE orders")


def test_what_cannot_be_dropped_is_told(server: RealServer, given: str) -> None:
    """A database that has come to belong to somebody else is no internal error."""
    theirs = given_server(given)
    server.run("CREATE DATABASE theirs")
    try:
        with pytest.raises(RehearsalError, match="is not all dropped: must be owner of database theirs"):
            theirs.end({"theirs": "orders"})
    finally:
        server.run("DROP DATABASE theirs")


def test_a_kept_workspace_on_a_given_server(project: Project, server: RealServer, given: str) -> None:
    """It is carried on with the same URL alone, and --end drops what was made where the URL is given."""
    before = inventory(server)
    assert project.rehearse(project.spec("1"), "--keep", "--database-url", given).code == 0
    assert inventory(server) != before
    assert ADMINPASSWORD not in (project.folder / ".deployer/rehearsal/rehearsal.json").read_text()
    refused = project.rehearse(project.folder / "v1.yaml", "--keep")
    assert "the kept rehearsal is on a server of yours: give --database-url" in refused.err
    again = project.rehearse(project.folder / "v1.yaml", "--keep", "--database-url", given)
    assert "orders   NOP  nothing to migrate" in again.out
    assert project.rehearse("--end", "--database-url", given).code == 0
    assert inventory(server) == before
    project.rehearse(project.spec("1"), "--keep", "--database-url", given)
    assert "the databases billing, orders, and their roles" in project.rehearse("--end").err
    server.drop_databases()
    roles = [name for name, owner in inventory(server) if not owner and (name, owner) not in before]
    server.run(*(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)) for role in roles))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "--database-url: a postgresql:// URL"),
        ("host=127.0.0.1", "--database-url: a postgresql:// URL"),
        ("postgresql://nobody@127.0.0.1:1/postgres", "Connection refused"),
    ],
)
def test_a_url_that_is_of_no_use(project: Project, url: str, words: str) -> None:
    """It is refused before anything is made."""
    said = project.rehearse(project.spec("1"), "--database-url", url)
    assert said.code == 2
    assert words in said.err
    assert project.left == []
