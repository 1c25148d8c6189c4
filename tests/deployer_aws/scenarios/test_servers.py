"""The emulators' servers: whose port it is, and on what they listen."""

import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/net/tcp")


@pytest.fixture
def taken() -> Iterator[int]:
    """Open a port on which somebody else answers."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_that_somebody_else_has_taken(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that is taken between its choice and the server's start is not used: who answers there is another."""
    ports = iter([taken, servers.free_port()])
    monkeypatch.setattr(servers, "free_port", lambda: next(ports))
    module = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with servers.server(lambda port: [*module, str(port)], tmp_path) as (endpoint, pid):
        assert endpoint != f"http://127.0.0.1:{taken}"
        assert b"server.log" in urllib.request.urlopen(endpoint).read()
        assert [f"http://{host}:{port}" for host, port in servers.listening(pid)] == [endpoint]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """After some ports the server's own words are shown."""
    with (
        pytest.raises(AssertionError, match="no such thing"),
        servers.server(lambda _: ["-c", "raise SystemExit('no such thing')"], tmp_path),
    ):
        pass


def test_ministack_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    """None of its listeners, once all of them are up, is reachable from another machine."""
    pytest.importorskip("ministack")
    with servers.ministack(tmp_path) as endpoint:
        while b'"iot_mtls": "starting"' in urllib.request.urlopen(f"{endpoint}/_ministack/health").read():
            time.sleep(0.1)
        (named,) = tmp_path.glob("ministack-*.pid")
        found = servers.listening(int(named.read_text()))
    assert {host for host, _ in found} == {"127.0.0.1"}, found


def test_addresses_of_the_kernels_tables() -> None:
    """An IPv6 address is read as the kernel writes them."""
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        assert ("::1", listener.getsockname()[1]) in servers.listening(os.getpid())
