"""The executor under the real runner: whole deployments on the simulator, with real databases."""

from pathlib import Path

import pytest
from attrs import evolve

from deployer_aws.environment.simulated import simulated_environment
from deployer_aws.executors.postgres import Postgres
from deployer_aws.journals.replay import verify
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import PollingPolicy
from deployer_aws.simulator import Simulator
from deployer_core.engine.messages import Attempted, Notice, Replied
from deployer_core.spec import AdminUrl, DeploymentSpec
from tests.deployer_aws.executors.postgres.bench import ENVIRON, Secrets, admin, unique
from tests.deployer_aws.executors.postgres.server import RealServer
from tests.support.orders import KEY, TEMPLATES, orders

SCRIPT = "rules: [{on: run_task, nth: 1, exit_code: 2}]"


class DatabaseSession:
    """A journal, simulated AWS, and a runner with a real database between them."""

    def __init__(self, folder: Path, server: RealServer) -> None:
        self.server, self.secrets, self.notices = server, Secrets(), list[Notice]()
        self.journal = SqliteJournal(folder / "journal")
        self.account = Simulator.open(folder / "account", SCRIPT)
        self.names = (unique("orders"), unique("billing"))
        postgres = Postgres(self.secrets, environ=ENVIRON)
        self.runner = simulated_environment(self.account, self.journal, postgres).runner(
            polling=PollingPolicy(5.0, 30.0),
            jitter=lambda: 1.0,
            notify=self._note,
        )

    def _note(self, _: str, notice: Notice) -> None:
        self.notices.append(notice)

    def spec(self, version: str, user: str | None = None) -> DeploymentSpec:
        """Load the example, with databases on the real server."""
        specified = orders(version)
        way_in = admin(self.server, user) if user else admin(self.server)
        databases = tuple(
            evolve(old, name=name, admin=way_in, app_secret=f"shop/{name}")
            for old, name in zip(specified.databases, self.names, strict=True)
        )
        return evolve(specified, databases=databases)

    def deploy(self, version: str, user: str | None = None) -> Notice:
        """Deploy a version to its end."""
        self.runner.request(version, self.spec(version, user), TEMPLATES)
        self.runner.run([KEY])
        return self.notices[-1]

    def close(self) -> None:
        """Let go of the folder."""
        self.journal.close()
        self.account.close()


@pytest.mark.quick
def test_a_deployment_with_real_databases(server: RealServer, tmp_path: Path) -> None:
    """Two versions: databases are made, cleaned up after their migrations, and left as they are the second time."""
    session = DatabaseSession(tmp_path, server)
    assert session.deploy("1.0").outcome == "DONE"
    for name in session.names:
        held = session.secrets.current(f"shop/{name}")
        server.connect(name, held["username"], held["password"]).close()
    assert session.deploy("1.1").outcome == "DONE"
    assert session.secrets.calls == ["create", "create"]
    verify(session.journal, KEY)
    told = [repr(recorded.event) for recorded in session.journal.events(KEY)]
    assert any(f"made the database {session.names[0]}" in text for text in told)
    session.close()
    passwords = [*session.secrets.texts(), *ENVIRON.values()]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(password in text for text in told for password in passwords)
    assert not any(password.encode() in content for content in files for password in passwords)
    assert len(passwords) >= 4
    assert any(session.names[0].encode() in content for content in files)


def test_each_change_is_attempted_first(server: RealServer, tmp_path: Path) -> None:
    """An upsert that changes something is journaled as attempted, once; one that finds all well is not."""
    session = DatabaseSession(tmp_path, server)
    session.deploy("1.0")
    kinds = [type(r.event) for r in session.journal.events(KEY) if isinstance(r.event, Attempted | Replied)]
    before = kinds.count(Attempted)
    session.deploy("1.1")
    kinds = [type(r.event) for r in session.journal.events(KEY) if isinstance(r.event, Attempted | Replied)]
    assert before - (kinds.count(Attempted) - before) >= 2
    session.close()


def test_an_administrator_that_is_refused_ends_the_deployment(server: RealServer, tmp_path: Path) -> None:
    """The deployment fails with the server's words, once, before any migration has run."""
    session = DatabaseSession(tmp_path, server)
    notice = session.deploy("1.0", user="nobody_known")
    assert notice.outcome == "FAILED"
    assert "password authentication failed" in notice.reason
    assert not [change for change in session.account.changes if change.action == "run_task"]
    session.close()


def test_a_server_that_is_down_ends_the_deployment_at_its_deadline(
    server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again until then; the reason says what was seen last."""
    session = DatabaseSession(tmp_path, server)
    nowhere = evolve_port(session.spec("1.0"))

    def spec(*_: object) -> DeploymentSpec:
        return nowhere

    monkeypatch.setattr(session, "spec", spec)
    notice = session.deploy("1.0")
    assert notice.outcome == "FAILED"
    assert (
        "no end within 600 s; last seen: database postgres at 127.0.0.1:1 cannot be reached" in notice.reason
    )
    session.close()


def evolve_port(spec: DeploymentSpec) -> DeploymentSpec:
    """Load the example, with databases where no server is."""
    nowhere = AdminUrl("postgresql://nobody@127.0.0.1:1/postgres")
    return evolve(spec, databases=tuple(evolve(one, admin=nowhere) for one in spec.databases))
