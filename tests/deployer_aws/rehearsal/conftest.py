from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

from tests.deployer_aws.executors.postgres.server import ADMIN, RealServer
from tests.deployer_aws.rehearsal.fixtures import Project, kill


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Make a folder to rehearse in, and one for temporary files that the user of a server may enter."""
    with TemporaryDirectory(prefix="project-") as temporary:
        Path(temporary).chmod(0o755)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("tempfile.tempdir", temporary)
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        made = Project(tmp_path, Path(temporary))
        made.make()
        yield made
        for number in made.postmasters():
            kill(number)


@pytest.fixture
def given(server: RealServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an existing server; its administrator's password is in the environment."""
    from tests.deployer_aws.executors.postgres.server import ADMINPASSWORD

    monkeypatch.setenv("PGPASSWORD", ADMINPASSWORD)
    return f"postgresql://{quote(ADMIN)}@127.0.0.1:{server.port}/postgres"
