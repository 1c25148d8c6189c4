import os
from collections.abc import Callable, Iterator
from itertools import count
from zlib import crc32

import pytest

from tests.deployer_aws.scenarios.bed import Bed
from tests.deployer_aws.scenarios.emulators import Ministack, Moto
from tests.deployer_aws.scenarios.simulated import SimulatedBed

SAMPLE = 5
"""`make test` runs one scenario of so many on the emulators, and all of them on the simulator."""
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most scenarios on the emulators to `make thorough`; a scenario's name decides which."""
    for item in items:
        bed = (
            item.callspec.params.get("bed")
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else ""
        )
        if bed in ("ministack", "moto") and crc32(item.name.encode()) % SAMPLE:
            item.add_marker(pytest.mark.thorough)
        elif bed == "simulator" and not item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.quick)


@pytest.fixture
def make_bed(request: pytest.FixtureRequest) -> Callable[[str], Bed]:
    """Make a bed by its name; the emulators' servers start when they are first asked for."""

    def make(name: str) -> Bed:
        if name == "simulator":
            return SimulatedBed("shop")
        request.getfixturevalue("credentials")
        endpoint: str = request.getfixturevalue(f"{name}_endpoint")
        kind = Ministack if name == "ministack" else Moto
        return kind(f"shop-{_WORKER}-{next(_numbers)}", endpoint)

    return make


@pytest.fixture(
    params=[
        "simulator",
        # One worker runs all that goes to a server: its scenarios wait in real time, and would wait longer side by side.
        pytest.param("ministack", marks=pytest.mark.xdist_group("ministack")),
        pytest.param("moto", marks=pytest.mark.xdist_group("moto")),
    ]
)
def bed(request: pytest.FixtureRequest, make_bed: Callable[[str], Bed]) -> Iterator[Bed]:
    """Every bed in turn."""
    made = make_bed(request.param)
    yield made
    made.close()
