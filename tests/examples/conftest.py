from collections.abc import Iterator

import pytest

from tests.deployer_aws.executors.postgres.conftest import MISSING
from tests.deployer_aws.executors.postgres.server import RealServer, found
from tests.examples.application import NEWEST, Application


@pytest.fixture(scope="session")
def example_server() -> Iterator[RealServer]:
    """The first PostgreSQL that there is."""
    programs = next(found(), None)
    if programs is None:
        pytest.skip(MISSING)
    server = RealServer(programs)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def app(example_server: RealServer) -> Iterator[Application]:
    """The example's application with two empty databases."""
    with example_server.connect() as connection:
        for name in NEWEST:
            connection.execute(f"CREATE DATABASE {name}".encode())
    yield Application(example_server)
    example_server.drop_databases()
