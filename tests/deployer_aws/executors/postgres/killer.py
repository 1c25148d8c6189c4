"""Carries out a command in a process that is killed at a moment, then in another to its end; says what is there then.

A *moment* is just after a statement, a new connection, or a call to Secrets Manager. A program of its own, so that it
may fork:

    python -m tests.deployer_aws.executors.postgres.killer PORT CASE RESIDUES

kills at all moments whose numbers have one of the RESIDUES (see tests/support/moments.py), and writes a line of JSON for
each, after one for a run that is not killed.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

from attrs import define, evolve

from deployer_aws.executors.postgres import cleanup
from deployer_aws.executors.postgres.session import compose
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.executors.postgres.bench import Bench, Moments, Secrets, database
from tests.deployer_aws.executors.postgres.server import ADMIN, Server
from tests.deployer_aws.executors.postgres.states import state
from tests.support.moments import among

CASES = ("upsert", "takeover", "rotation", "iam", "from iam", "cleanup")
ROLES = ("rotation", "iam", "from iam")
"""The cases in which roles are changed, which works in another way from PostgreSQL 16 on."""
SECRET = "shop/db"
MADE = (
    "CREATE TABLE t (id serial PRIMARY KEY, v text)",
    "CREATE VIEW v AS SELECT * FROM t",
    "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA s CREATE TABLE u (id int)",
    "CREATE TYPE e AS ENUM ('a')",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO rds_iam",
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "SELECT lo_create(0)",
)


@define
class KeptSecrets(Secrets):
    """Secrets that outlive the process."""

    path: Path = Path()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.endswith(("_secret", "_value", "_stage")):
            return found

        def kept(**parameters: Any) -> Any:
            self.kept = json.loads(self.path.read_text()) if self.path.exists() else {}
            answer = found(**parameters)
            self.path.write_text(json.dumps(self.kept))
            return answer

        return kept


def prepared(bench: Bench, case: str, name: str) -> DatabaseSpec[str]:
    """Return the spec of a command, on a server where all is as it is before that command."""
    spec = database(bench.server, name, app_secret=f"{SECRET}/{name}", extensions=("plpgsql",))
    if case == "iam":
        return evolve(spec, app_secret=None, iam_login=True)
    if case == "takeover":
        somebody_elses(bench.server, name)
    if case in ("upsert", "takeover"):
        return spec
    if case == "from iam":
        assert bench.upsert(evolve(spec, app_secret=None, iam_login=True)).good
        return spec
    assert bench.upsert(spec).good
    held = bench.secrets.current(str(spec.app_secret))
    with bench.server.connect(name, held["username"], held["password"]) as login:
        # `session_user` is the login, whose privileges in the schema come from the owner.
        login.execute("SET ROLE NONE")
        login.execute("CREATE TABLE public.of_login (id int)")
    if case == "cleanup":
        bench.server.run(*MADE, database=name, user=ADMIN)
        bench.server.run(compose("ALTER ROLE {} NOLOGIN", held["username"]))
        return spec
    return evolve(spec, rotate_credentials=True)


def somebody_elses(server: Server, name: str) -> None:
    """Return a database of another login, with schemas of its own, and without what an upsert makes sure of."""
    before = f"{name}_before"
    server.run(compose("CREATE ROLE {} LOGIN", before), compose("CREATE DATABASE {} OWNER {}", name, before))
    if server.version >= 16:
        server.run(compose("GRANT {} TO {} WITH ADMIN OPTION", before, ADMIN))
    server.run(
        "DROP EXTENSION plpgsql",
        compose("SET ROLE {}", before),
        "CREATE TABLE public.t (id serial)",
        "CREATE SCHEMA own CREATE TABLE u (id int)",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA own GRANT SELECT ON TABLES TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner",
        database=name,
    )


def trials(port: int, case: str, residues: str) -> Iterator[dict[str, Any]]:
    """Run undisturbed first; then kill at each moment in turn, carry on, and report."""
    cleanup.BATCH = 3
    with tempfile.TemporaryDirectory() as folder:
        for moment in chain([0], (n for n in count(1) if among(residues, n))):
            bench = Bench(Server(port), KeptSecrets(path=Path(folder) / str(moment)))
            spec = prepared(bench, case, f"k{residues[0]}_{case.replace(' ', '_')}_{moment}")
            pending = bench.pending(spec, CleanupDatabase if case == "cleanup" else UpsertDatabase)
            if moment:
                child = os.fork()
                if child == 0:
                    bench.carry_out(pending, Moments(moment))
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                if not os.WIFSIGNALED(status):
                    assert status == 0, status
                    return
            outcome = bench.carry_out(pending)
            yield {
                "moment": moment,
                "good": outcome.good,
                "state": state(bench.server, spec),
                "versions": [v["stages"] for v in bench.secrets.kept.get(str(spec.app_secret), {}).values()],
                "login": works(bench, spec),
            }
            if not moment:
                assert bench.carry_out(pending).attempts == 0
            bench.server.drop_databases()


def works(bench: Bench, spec: DatabaseSpec[str]) -> str:
    """As whom the application works with what the secret holds."""
    if spec.app_secret is None or not bench.server.rows(
        "SELECT FROM pg_roles WHERE rolcanlogin AND rolname LIKE %s", f"{spec.name}_app%"
    ):
        return ""
    held = bench.secrets.current(spec.app_secret)
    with bench.server.connect(spec.name, held["username"], held["password"]) as login:
        return str(login.execute("SELECT current_user").fetchall()).replace(spec.name, "DB")


if __name__ == "__main__":
    at, which, chosen = sys.argv[1:]
    for line in trials(int(at), which, chosen):
        sys.stdout.write(json.dumps(line) + "\n")
