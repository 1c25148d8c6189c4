"""What all tests share: servers that are started once, and Hypothesis's profiles.

HYPOTHESIS_PROFILE in the environment is `quick` (the default), `sample` for a fifth of its examples, or `thorough`.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support import servers

if TYPE_CHECKING:
    from tests.deployer_aws.executors.postgres.server import RealServer

CORE = Path(__file__).parent / "deployer_core"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `make quick` run all of the core's tests, but for those that are exhaustive."""
    for item in items:
        if CORE in item.path.parents and not item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.quick)


# No deadline and no complaint about slowness: how fast a machine is, is not a fact about the code.
settings.register_profile(
    "quick",
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("sample", settings.get_profile("quick"), max_examples=10, stateful_step_count=15)
settings.register_profile(
    "thorough",
    settings.get_profile("quick"),
    max_examples=2_000,
    stateful_step_count=100,
    derandomize=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "quick")


def _shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Name the folder that all workers of this session share."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the endpoint of the one ministack."""
    pytest.importorskip("ministack")
    with servers.shared(_shared_folder(tmp_path_factory, "ministack"), servers.ministack) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def moto_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the endpoint of the one moto."""
    pytest.importorskip("moto")
    with servers.shared(_shared_folder(tmp_path_factory, "moto"), servers.moto) as endpoint:
        yield endpoint


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the emulators' credentials in the place of the machine's own."""
    for name, value in servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(scope="session")
def started() -> Iterator["Callable[[Path], RealServer]"]:
    """Start PostgreSQL by the folder of its programs: once in each process that runs tests."""
    from tests.deployer_aws.executors.postgres.server import RealServer

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
def server(request: pytest.FixtureRequest, started: "Callable[[Path], RealServer]") -> "RealServer":
    """Give the first PostgreSQL that there is, or the one that a test is run on by name."""
    from tests.deployer_aws.executors.postgres.server import found

    programs = getattr(request, "param", None) or next(found(), None)
    if programs is None:
        pytest.skip(servers.NO_POSTGRES)
    return started(programs)
