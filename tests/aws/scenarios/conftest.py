from collections.abc import Iterator

import pytest

from tests.aws.scenarios.bed import Bed, SimulatedBed


@pytest.fixture(params=["simulator"])
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    made = SimulatedBed("shop")
    yield made
    made.close()


@pytest.fixture
def simulated() -> Iterator[SimulatedBed]:
    made = SimulatedBed("shop")
    yield made
    made.close()
