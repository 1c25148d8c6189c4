from collections.abc import Iterator

import pytest

from tests.deployer_aws.executors.postgres.bench import Bench
from tests.deployer_aws.executors.postgres.server import RealServer


@pytest.fixture
def bench(server: RealServer) -> Iterator[Bench]:
    yield Bench(server)
    server.drop_databases()
