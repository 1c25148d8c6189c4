"""Rehearsals that somebody ends."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._interrupts import Interrupted
from deployer_aws.cli._screen import Screen
from deployer_aws.cli.rehearse import Guard, RehearsalRun
from tests.deployer_aws.rehearsal.fixtures import Project, runs, wait_for


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_nothing_is_left_after_an_interruption(project: Project, number: signal.Signals) -> None:
    """No process, no server and no file is left, and the exit code says so."""
    run = project.begin(project.spec("1", orders_migrate=["hang", "orders", "1"]))
    numbers = project.hung()
    assert project.postmasters()
    run.send_signal(number)
    out, _ = run.communicate()
    assert run.returncode == 130, out
    assert "the rehearsal was interrupted, and nothing of it is left" in out
    assert not any(map(runs, numbers))
    assert project.postmasters() == []
    assert project.left == []


def test_a_second_signal_does_not_disturb_the_clearing_away() -> None:
    """The first one ends the rehearsal; those after it, or while things are cleared away anyway, do nothing."""
    interrupted, done = Guard(), Guard()
    with interrupted.installed():
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    with done.installed():
        done.clear()
        signal.raise_signal(signal.SIGINT)


def test_an_interruption_whose_exception_is_lost_ends_the_rehearsal_all_the_same() -> None:
    """Python drops what a signal raises at a fork or in a finalizer; the next step sees the signal, and nothing is begun."""
    calls: list[str] = []

    class Losing:
        folder = Path("gone")

        def open(self) -> None:
            with contextlib.suppress(Interrupted):
                signal.raise_signal(signal.SIGINT)
            calls.append("opened")

        def session(self, *_: object) -> None:
            calls.append("session")

        def close(self) -> None:
            calls.append("closed")

    run = RehearsalRun(Screen(), cast(Any, Losing()), keep=False, as_json=False)
    assert run.run([cast(Any, None)], [cast(Any, None)]) == ExitCode.INTERRUPTED
    assert calls == ["opened", "closed"]


def test_an_interruption_before_the_server_is_there(project: Project) -> None:
    """Whatever has been begun is cleared away."""
    run = project.begin(project.spec("1"))
    wait_for(
        lambda: any(map(Path.is_dir, project.left))
    )  # Python itself puts a file there, to try the folder
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate()
    assert run.returncode == 130, out
    assert project.postmasters() == []
    assert project.left == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_end_with_a_rehearsal_that_is_killed(project: Project) -> None:
    """The server and the process end; what the process has started, and the folder, are left."""
    run = project.begin(project.spec("1", orders_migrate=["hang", "orders", "1"]))
    process, child = project.hung()
    run.kill()
    run.communicate()
    wait_for(lambda: not runs(process))
    wait_for(lambda: project.postmasters() == [])
    subprocess.run(["kill", str(child)], check=True)
