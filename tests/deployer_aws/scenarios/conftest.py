import os
from collections.abc import Callable, Iterator
from itertools import count
from zlib import crc32

import pytest

from tests.deployer_aws.scenarios.emulators import Ministack, Moto
from tests.deployer_aws.scenarios.environment import Environment
from tests.deployer_aws.scenarios.simulated import SimulatedEnvironment

SAMPLE = 5
"""`make test` runs one scenario of so many on the emulators, and all of them on the simulator."""
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most scenarios on the emulators to `make thorough`; a scenario's name decides which."""
    for item in items:
        env = (
            item.callspec.params.get("env")
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else ""
        )
        if env in ("ministack", "moto") and crc32(item.name.encode()) % SAMPLE:
            item.add_marker(pytest.mark.thorough)
        elif env == "simulator" and not item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.quick)


@pytest.fixture
def make_env(request: pytest.FixtureRequest) -> Callable[[str], Environment]:
    """Make a test environment by its name; the emulators' servers start when they are first asked for."""

    def make(name: str) -> Environment:
        if name == "simulator":
            return SimulatedEnvironment("shop")
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
def env(request: pytest.FixtureRequest, make_env: Callable[[str], Environment]) -> Iterator[Environment]:
    """Every test environment in turn."""
    made = make_env(request.param)
    yield made
    made.close()
