"""`deployer preflight`, and the checks before `deployer run`."""

import os
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tests.support.command import EXAMPLE, Deployer, Said, invoke, on_terminal

V1, HOTFIX = EXAMPLE / "v1.yaml", EXAMPLE / "hotfix.yaml"


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[str, ...]]:
    """Options for moto, over HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield ("--region", "eu-west-1", "--endpoint-url", f"http://{host}:{port}")
    server.stop()


def test_a_pipe_gets_one_line_for_each_finding(aws: tuple[str, ...]) -> None:
    """Result, check, what was found and what to do; exit code 0 where there is no fault."""
    said = preflight(V1, *aws)
    assert said.code == 0, said.out + said.err
    lines = said.out.splitlines()
    assert any(line.startswith("ok ") and "does not exist yet, and is created" in line for line in lines)
    assert any(line.startswith("not verifiable  permissions ") for line in lines)
    assert "\x1b" not in said.out


def test_a_fault_is_exit_code_1(aws: tuple[str, ...]) -> None:
    """Here a first deployment that counts on previous values; --json has the same."""
    assert preflight(HOTFIX, *aws).code == 1
    said = preflight(HOTFIX, *aws, "--json")
    assert said.code == 1
    assert said.data["sound"] is False
    (fault,) = [f for f in said.data["findings"] if f["result"] == "fault"]
    assert fault["check"] == "template"
    assert "cannot keep a previous value: the stack staging-orders does not exist yet" in fault["text"]
    assert fault["advice"]


def test_run_makes_the_same_checks_first(deployer: Deployer, aws: tuple[str, ...]) -> None:
    """A fault keeps it from requesting anything; no journal is made."""
    said = deployer("run", HOTFIX, *aws, env=ENV)
    assert said.code == 2
    assert "nothing was requested" in said.err
    assert "the stack staging-orders does not exist yet; give it a value" in said.err
    assert not list(deployer.folder.iterdir())


def test_a_terminal_gets_a_table() -> None:
    """Without credentials: one fault, and what to do."""
    code, seen = on_terminal("preflight", HOTFIX, "--region", "eu-west-1", COLUMNS="160")
    assert code == 1
    assert "what to do" in seen
    assert "log in" in seen


ENV = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


def preflight(*words: object) -> Said:
    """Run the command on moto."""
    assert "AWS_PROFILE" not in os.environ
    return invoke("preflight", *map(str, words), env=ENV)
