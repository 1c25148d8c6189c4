"""Which process runs in the place of a container, and what it is given."""

import json
from pathlib import Path

import pytest

from deployer_aws.executors.postgres.session import Server
from deployer_aws.rehearsal.mask import Mask
from deployer_aws.rehearsal.task_jobs import RUN, Jobs
from deployer_aws.simulator import Container, NotStarted
from deployer_aws.specfile import Processes, Rehearsal
from deployer_core.machines.ecs_task import Purpose, Run
from deployer_core.spec import AdminIam, DatabaseSpec, TaskSpec

SERVER = Server("127.0.0.1", 6543, "rehearsal", "secret")
REHEARSAL = Rehearsal(
    Path("here"), databases={"orders": Processes(migrate=("migrate", "orders"))}, after=("look",)
)
SECRETS = {"shop/orders": json.dumps({"username": "orders_app_1", "password": "hunter2"})}


def database(name: str = "orders", app_secret: str | None = None, *, iam: bool = False) -> DatabaseSpec[str]:
    """Return a database, for an application with a secret, with a login by IAM, or with neither."""
    return DatabaseSpec(name, AdminIam("db", "admin"), app_secret=app_secret, iam_login=iam)


def container(run: str = "", **secrets: str) -> Container:
    """Return a container of a run, or of a service."""

    def reveal(source: str) -> str:
        if source not in SECRETS:
            raise NotStarted(f"ResourceInitializationError: there is no {source}")
        return SECRETS[source]

    return Container("task", "app", {RUN: run} if run else {}, {}, secrets, reveal)


def jobs(spec: DatabaseSpec[str], purpose: Purpose = Purpose.MIGRATE, mask: Mask | None = None) -> Jobs:
    """Find the processes of one run, which is known as `known`."""
    run = Run("d1", spec.name, purpose, TaskSpec("shop", "migrate:1"), (0,))
    return Jobs(REHEARSAL, SERVER, mask or Mask(), {"known": (run, spec)}.get)


def test_a_task_is_not_started_without_a_process() -> None:
    """A task that the deployment has not asked for, and one that the spec names no process for, say so as ECS would."""
    for run, purpose, words in (
        ("another", Purpose.MIGRATE, "knows of no such task"),
        ("known", Purpose.EVALUATE, "names no process for orders evaluate"),
    ):
        with pytest.raises(NotStarted, match=f"CannotStartContainerError: .*{words}"):
            jobs(database(), purpose)(container(run))


@pytest.mark.parametrize(
    ("spec", "login"),
    [
        (database(app_secret="shop/orders"), {"PGUSER": "orders_app_1", "PGPASSWORD": "hunter2"}),
        (database(iam=True), {"PGUSER": "orders_iam"}),
        (database(), {}),
    ],
    ids=["by-secret", "by-iam", "without"],
)
def test_the_applications_way_into_the_database(
    spec: DatabaseSpec[str], login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the secret's login, by the one that IAM would let in, or by none; the deployer's own way in is not given on."""
    monkeypatch.setenv("PGUSER", "me")
    monkeypatch.setenv("PGPASSFILE", "mine")
    where = {"PGHOST": "127.0.0.1", "PGPORT": "6543", "PGDATABASE": "orders"}
    job = jobs(spec)(container("known"))
    assert (job.command, job.label) == (("migrate", "orders"), "orders migrate")
    assert {name: value for name, value in job.environment.items() if name.startswith("PG")} == {
        **where,
        **login,
    }


def test_what_runs_afterwards_is_in_the_only_database() -> None:
    """Of several, it has to choose by itself; in either case it is given the server."""
    known = [database(app_secret="shop/orders"), database("billing")]
    mask = Mask()
    for databases, chosen in ((known[:1], "orders"), (known, None)):
        given = jobs(known[0], mask=mask).after([container()], databases).environment
        assert (given.get("PGDATABASE"), given["PGHOST"], given["PGPORT"]) == (chosen, "127.0.0.1", "6543")
    assert mask("hunter2") == "****"


def test_a_secret_that_is_not_there_stops_a_task_and_not_what_runs_afterwards() -> None:
    """ECS would not start the task; afterwards only some of the containers' variables are missing."""
    lacking = container("known", URL="shop/elsewhere", LOGIN="shop/orders")
    with pytest.raises(NotStarted, match=r"give URL in rehearse\.environment"):
        jobs(database())(lacking)
    given = jobs(database()).after([lacking], []).environment
    assert "URL" not in given
    assert given["LOGIN"] == SECRETS["shop/orders"]


def test_an_active_virtual_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `python` is the one that the processes find; without one it is the deployer's."""
    monkeypatch.setenv("PATH", "/theirs")
    monkeypatch.setenv("VIRTUAL_ENV", "/theirs")
    assert jobs(database())(container("known")).environment["PATH"] == "/theirs"
    monkeypatch.delenv("VIRTUAL_ENV")
    assert jobs(database())(container("known")).environment["PATH"].endswith(":/theirs")
