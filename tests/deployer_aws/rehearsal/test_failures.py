"""What is said where a rehearsal's server cannot be had."""

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve

from deployer_aws.rehearsal import children
from deployer_aws.rehearsal.database_server import connect, given_server, kept_server, new_server
from deployer_aws.rehearsal.errors import RehearsalError
from deployer_aws.rehearsal.postgres_process import PostgresProcess, Superuser
from tests.deployer_aws.executors.postgres.server import RealServer, found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that the user of a server may enter."""
    with TemporaryDirectory(prefix="server-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def programs(folder: Path, **scripts: str) -> Path:
    """Make PostgreSQL's programs as scripts of the shell."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def test_an_initdb_that_fails_says_why(folder: Path) -> None:
    """In its own words."""
    broken = programs(folder, initdb="echo 'no space left' >&2; exit 1")
    made = PostgresProcess(broken, folder / "server", Superuser("root_of_all", "secret"))
    with pytest.raises(RehearsalError, match=r"initdb of .* fails: no space left"):
        made.make("")
    assert not (folder / "server/password").exists()


def test_a_server_that_does_not_start_says_why(folder: Path, server: RealServer) -> None:
    """With the end of its log; another port would not help, so none is tried."""
    made = PostgresProcess(next(found()), folder / "server", Superuser("root_of_all", "secret"))
    made.make("host all all 127.0.0.1/32 scram-sha-256\n")
    made.programs = programs(folder, postgres="echo 'the data is of another version' >&2; exit 1")
    with pytest.raises(RehearsalError, match="does not start: the data is of another version") as raised:
        made.start()
    assert str(raised.value).count("another version") == 1
    made.stop()


def test_a_kept_server_whose_folder_is_gone(folder: Path) -> None:
    """It is nothing that could be started again."""
    kept = {"programs": "nowhere", "folder": str(folder / "gone"), "port": 1, "superuser_password": "a"}
    with pytest.raises(RehearsalError, match=r"gone is gone; 'deployer rehearse --end' clears up"):
        kept_server({**kept, "password": "b"}).resume()


def test_a_kept_rehearsal_on_another_server(given: str) -> None:
    """It is not carried on here, where nothing of it is."""
    kept = given_server(given).kept()
    assert given_server(given, kept).kept() == kept
    with pytest.raises(
        RehearsalError, match=r"on another server: give --database-url postgresql://elsewhere"
    ):
        given_server(given, {**kept, "url": "postgresql://elsewhere/postgres"})


def test_a_given_server_that_is_away_meanwhile(given: str) -> None:
    """It is named, without the password."""
    admin = given_server(given).admin
    assert admin.password
    with pytest.raises(RehearsalError, match=r"the PostgreSQL server .*127\.0\.0\.1:1\b.*refused") as raised:
        connect(evolve(admin, port=1))
    assert admin.password not in str(raised.value)


def test_a_server_of_ones_own_is_made_where_its_user_can_enter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: RealServer
) -> None:
    """As root it runs as another user, who may not enter the workspace; else it is in the workspace."""
    for user, inside in ((None, True), ("postgres", False)):
        monkeypatch.setattr("deployer_aws.rehearsal.database_server.unprivileged", lambda user=user: user)
        home = Path(new_server(folder, lasting=False).kept()["folder"])
        assert home.is_relative_to(folder) is inside


def test_no_child_is_asked_to_end_with_its_parent_where_the_system_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A C library that is not found, or that has no prctl, is no error."""

    def none(_: object) -> None:
        raise OSError("no library")

    monkeypatch.setattr("ctypes.CDLL", none)
    assert children._libc() is None
    for library in (None, object()):
        monkeypatch.setattr(children, "_LIBC", library)
        children.end_with_parent(signal.SIGTERM)()
