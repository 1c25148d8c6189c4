"""Whether something was taken from who was there: an owner, a password, a right. Then the version before may not run."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from attrs import evolve

from deployer_aws.executors.postgres import Postgres
from deployer_aws.executors.postgres.executor import TOOK
from deployer_aws.executors.postgres.session import compose
from deployer_aws.ports import Work
from deployer_core.engine.messages import Attempt, Attempted
from deployer_core.machines.postgres_migration import Errored, UpsertDone
from deployer_core.spec import DatabaseSpec
from tests.deployer_aws.aws_answers import Refused
from tests.deployer_aws.executors.postgres.bench import Bench, Secrets, database, unique
from tests.deployer_aws.executors.postgres.server import ADMIN

Change = Callable[[Bench, DatabaseSpec[str]], DatabaseSpec[str]]


@pytest.fixture
def made(bench: Bench) -> DatabaseSpec[str]:
    """Return a database that was made before, with credentials."""
    spec = database(bench.server, app_secret="shop/taken")
    assert bench.upsert(spec).answer == UpsertDone(took=False), "of what is new nothing was anybody's"
    return spec


def nothing(_: Bench, spec: DatabaseSpec[str]) -> DatabaseSpec[str]:
    """Let all be as it was."""
    return spec


def of_the_administrator(bench: Bench, spec: DatabaseSpec[str]) -> DatabaseSpec[str]:
    """Let the administrator, who has all rights of the owner, own a table and the database."""
    bench.server.run(compose("CREATE TABLE mine (id int)"), database=spec.name)
    bench.server.run(compose("ALTER TABLE mine OWNER TO {}", ADMIN), database=spec.name)
    bench.server.run(compose("ALTER DATABASE {} OWNER TO {}", spec.name, ADMIN))
    return spec


def another_owner(_: Bench, spec: DatabaseSpec[str]) -> DatabaseSpec[str]:
    """Give the database to another owner."""
    return evolve(spec, owner=unique("owner"))


def rotated(_: Bench, spec: DatabaseSpec[str]) -> DatabaseSpec[str]:
    """Have a new login in the place of the old one."""
    return evolve(spec, rotate_credentials=True)


def another_password(bench: Bench, spec: DatabaseSpec[str]) -> DatabaseSpec[str]:
    """Let somebody set another password than the secret's, which is set back."""
    login = bench.secrets.current("shop/taken")["username"]
    bench.server.run(compose("ALTER ROLE {} PASSWORD 'by hand'", login))
    return spec


@pytest.mark.parametrize(
    ("change", "took"),
    [
        (nothing, False),
        (of_the_administrator, False),
        (another_owner, True),
        (rotated, True),
        (another_password, True),
    ],
)
def test_what_is_taken_is_told(bench: Bench, made: DatabaseSpec[str], change: Change, took: bool) -> None:
    """Each owner, password and right that somebody had, and has no more, is told with the end; what is given is not."""
    assert bench.upsert(change(bench, made)).answer == UpsertDone(took)


def test_it_is_told_with_a_failure_too(bench: Bench, made: DatabaseSpec[str]) -> None:
    """A step that fails after something was taken says so."""
    owner = unique("owner")
    outcome = bench.upsert(evolve(made, owner=owner, extensions=("nonesuch",)))
    assert isinstance(outcome.answer, Errored)
    assert outcome.answer.took
    last = bench.upsert(evolve(made, owner=owner, extensions=("nonesuch",)))
    assert last.answer == Errored(last.reason, took=False), "by then all was as it should be"


class ReadOnly(Secrets):
    """Secrets that may be read, and not written."""

    def put_secret_value(self, **_: Any) -> Any:
        raise Refused("AccessDeniedException", "not authorized to perform: secretsmanager:PutSecretValue")


def test_it_is_told_with_an_error_of_aws(bench: Bench, made: DatabaseSpec[str]) -> None:
    """A secret that may not be written fails the command for good, and what was taken before that is told."""
    bench.secrets = ReadOnly(**attrs.asdict(bench.secrets, recurse=False))
    outcome = bench.upsert(evolve(made, owner=unique("owner"), rotate_credentials=True))
    assert isinstance(outcome.answer, Errored)
    assert outcome.answer.took
    assert "AccessDenied" in outcome.reason


def test_it_is_journaled_before_it_is_taken(bench: Bench, made: DatabaseSpec[str]) -> None:
    """A process that dies right before it takes something leaves a journal that says so; the token stays the same."""
    pending = bench.pending(evolve(made, owner=unique("owner")))
    postgres = Postgres(bench.secrets, environ=bench.environ)
    attempts: list[Attempted] = []
    for event in postgres.act(Work("prod/shop", "stream", pending, 1.0, str)):
        assert isinstance(event, Attempted), "it is journaled before the end"
        attempts.append(event)
        if TOOK in dict(event.resolved):
            break
    assert (attempts[0].number, attempts[-1].number) == (1, 2)
    assert len({attempt.token for attempt in attempts}) == 1
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    assert bench.server.rows(query, made.name) == [(made.owner_role,)]
    last = attempts[-1]
    pending = evolve(pending, attempt=Attempt(last.number, last.at, last.resolved, token=last.token))
    assert bench.carry_out(pending).answer == UpsertDone(took=True)
