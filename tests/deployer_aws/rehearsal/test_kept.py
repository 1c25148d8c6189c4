"""Worlds that are kept, carried on, and ended."""

import os
import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pytest

from deployer_aws.rehearsal.postgres_process import free_port
from tests.deployer_aws.rehearsal.fixtures import KEY, Project, kill, runs, wait_for
from tests.support.command import invoke

JOURNAL = Path(".deployer/rehearsal/journal.sqlite")


def texts(path: Path) -> str:
    """All that is in a database's file, the rows of secrets left out: they are the simulated Secrets Manager."""
    with sqlite3.connect(path) as opened:
        dump = "\n".join(line for line in opened.iterdump() if "VALUES('secret'," not in line)
    opened.close()
    return dump


def test_a_kept_workspace_is_carried_on(project: Project) -> None:
    """The same version again ends in NOP; after a failure a repair and a new version go on; --end leaves nothing."""
    first = project.rehearse(project.spec("1"), "--keep")
    assert first.code == 0, first
    (url,) = [line.split()[-1] for line in first.out.splitlines() if line.endswith("/orders")]
    with psycopg.connect(url, passfile=".deployer/rehearsal/pgpass") as connection:
        assert connection.execute("SELECT version FROM versions").fetchall() == [("1",)]
    again = project.rehearse(project.folder / "v1.yaml", "--keep")
    assert "orders   NOP  nothing to migrate" in again.out
    failed = project.rehearse(project.spec("2", orders_migrate=["fail", "orders", "1"]), "--keep")
    assert failed.code == 1
    assert f"deployer repair {KEY} --journal {JOURNAL}" in failed.out
    assert project.rehearse(project.spec("3"), "--keep").code == 3
    repaired = invoke("repair", KEY, "--journal", JOURNAL)
    assert repaired.code == 0, repaired
    assert project.rehearse(project.spec("4"), "--keep").code == 0
    assert invoke("verify", "--journal", JOURNAL).code == 0
    known = project.passwords | {project.kept["password"], project.kept["superuser_password"]}
    for text in (texts(JOURNAL), texts(JOURNAL.with_name("journal.sqlite.simulated")), first.out, failed.out):
        assert not any(password in text for password in known)
    ended = project.rehearse("--end")
    assert ended.code == 0, ended
    assert list((project.folder / ".deployer").iterdir()) == project.left == []
    assert project.postmasters() == []
    assert project.rehearse("--end").err == "deployer: no rehearsal is kept in .deployer/rehearsal\n"


def test_a_kept_server_that_has_died_is_started_again(project: Project) -> None:
    """What is in it is still there."""
    project.begin(project.spec("1"), "--keep").communicate()
    (server,) = project.postmasters()
    kill(server)
    again = project.rehearse(project.folder / "v1.yaml", "--keep")
    assert again.code == 0, again
    assert "orders   NOP  nothing to migrate" in again.out
    project.rehearse("--end")
    assert project.postmasters() == []


@pytest.mark.parametrize("words", [["--end"], ["v1.yaml", "--keep"]], ids=["ended", "begun-anew"])
@pytest.mark.parametrize(
    ("program", "by"),
    [
        pytest.param("initdb", "sleep 600", id="initdb"),
        pytest.param("postgres", "sleep 600", id="before-it-writes"),
        pytest.param("postgres", 'exec $program "$@" -p PORT', id="before-it-answers"),
    ],
)
def test_a_server_that_was_not_made_to_the_end_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch, program: str, by: str, words: list[str]
) -> None:
    """It outlives the process that was killed while making it; the next command knows of it, and ends it.

    That holds before its program has written anything, and while it runs without an answer.
    """
    with project.held_up(program, by.replace("PORT", str(free_port()))) as (folder, marker):
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{folder}:{os.environ['PATH']}")
            run = project.begin(project.spec("1"), "--keep")
        wait_for(
            lambda: marker.read_text() != "" and (not by.startswith("exec") or bool(project.postmasters()))
        )
        run.kill()
        run.communicate()
        server = int(marker.read_text())
        assert runs(server) or program == "initdb"  # which ends with its parent, where that is possible
        said = project.rehearse(*words)
        assert said.code == 0, said
        assert not runs(server)
    if "--end" not in words:
        project.rehearse("--end")
    assert (project.postmasters(), project.left) == ([], [])


def test_a_killed_rehearsal_is_carried_on(project: Project) -> None:
    """Its process has ended with it, so its task has stopped, and nothing waits for it."""
    path = project.spec("1", orders_migrate=["hang", "orders", "1"])
    run = project.begin(path, "--keep")
    numbers = project.hung()
    run.kill()
    run.communicate()
    subprocess.run(["kill", str(numbers[1])], check=False)
    said = project.rehearse(path, "--keep")
    assert said.code == 3, said
    assert "TerminationNotice: The process ended together with the one that had started it" in said.out
    assert not runs(numbers[0])
    project.rehearse("--end")


def test_a_rehearsal_leaves_a_kept_workspace_alone(project: Project, given: str) -> None:
    """Without --keep another workspace is made; and another command does not carry on by pretending."""
    project.rehearse(project.spec("1"), "--keep")
    before = texts(JOURNAL)
    assert (
        "orders   DONE  migrated" in project.rehearse(project.folder / "v1.yaml", "--database-url", given).out
    )
    refused = invoke("resume", "--journal", JOURNAL)
    assert (refused.code, "is a rehearsal's: 'deployer rehearse SPEC --keep'" in refused.err) == (2, True)
    refused = invoke("run", project.folder / "v1.yaml", "--journal", JOURNAL, "--simulate", "nothing.yaml")
    assert refused.code == 2
    assert texts(JOURNAL) == before
    other = project.rehearse(project.folder / "v1.yaml", "--keep", "--database-url", given)
    assert "the kept rehearsal has a server of its own" in other.err
    project.rehearse("--end")


def test_two_rehearsals_do_not_share_a_kept_workspace(project: Project) -> None:
    """The second is refused while the first is under way."""
    run = project.begin(project.spec("1", orders_migrate=["hang", "orders", "1"]), "--keep")
    project.hung()
    refused = project.rehearse(project.folder / "v1.yaml", "--keep")
    assert "another rehearsal is under way in .deployer/rehearsal" in refused.err
    run.terminate()
    out, _ = run.communicate()
    assert run.returncode == 130, out
    assert "what it has made is kept" in out
    assert not any(map(runs, project.hung()))
    project.rehearse("--end")


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"ready": true, "owners": {}, "server": {"folder": 1}}'])
def test_a_kept_workspace_whose_state_is_damaged(project: Project, text: str) -> None:
    """It is neither carried on nor ended by guessing: what is said is what is wrong, and what to do."""
    state = project.folder / ".deployer/rehearsal/rehearsal.json"
    state.parent.mkdir(parents=True)
    state.write_text(text)
    for said in (project.rehearse(project.spec("1"), "--keep"), project.rehearse("--end")):
        assert said.code == 2, said
        assert "rehearsal.json is damaged" in said.err
        assert "remove .deployer/rehearsal" in said.err
    assert state.read_text() == text


def test_a_folder_that_cannot_be_made(project: Project) -> None:
    """It is bad input, and nothing is said of what could be resumed."""
    (project.folder / ".deployer").write_text("")
    said = project.rehearse(project.spec("1"), "--keep")
    assert (said.code, said.out) == (2, "")
    assert ".deployer" in said.err
    assert "resume" not in said.err
