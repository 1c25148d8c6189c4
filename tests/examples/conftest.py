from collections.abc import Iterator

import pytest

from tests.deployer_aws.executors.postgres.server import RealServer
from tests.examples.application import NEWEST, Application


@pytest.fixture
def app(server: RealServer) -> Iterator[Application]:
    """Return the example's application with two empty databases."""
    with server.connect() as connection:
        for name in NEWEST:
            connection.execute(f"CREATE DATABASE {name}".encode())
    yield Application(server)
    server.drop_databases()
