"""The command in processes of its own: on a terminal, interrupted, killed, with a reader that has gone."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployer_aws.cli._program import program
from tests.support.command import (
    EXAMPLE,
    FAILS,
    KEY,
    SCRIPT,
    STUCK,
    Deployer,
    argv,
    commands,
    environment,
    invoke,
    on_terminal,
    process,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these need POSIX terminals and signals")
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|4[0-7])[0-9;]*m")


def test_a_terminal_shows_the_four_machines(deployer: Deployer) -> None:
    """Stack, deployment, migrations, tasks; each pending command with its time; the steps to come."""
    code, seen = on_terminal(
        "run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal", deployer.journal, "--speed", "60"
    )
    assert code == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    for words in ("staging/orders · simulated", "CREATING", "DB_MIGRATING", "EVALUATING", "task evaluate"):
        assert words in text
    assert re.search(r"RunTask billing/migrate +\d+s of 15m", text)
    assert re.search(r"· +SCALING_UP", text)
    assert re.search(r"✔ +SCALING_UP", text)
    assert COLOUR.search(seen)
    assert "DONE  staging/orders version 1 after 3m" in text


def test_a_terminal_without_colours_gets_none(deployer: Deployer) -> None:
    """NO_COLOR is honoured, and a dumb terminal gets plain lines."""
    words = ("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal")
    _, seen = on_terminal(*words, deployer.journal, NO_COLOR="1")
    assert not COLOUR.search(seen)
    _, dumb = on_terminal(*words, deployer.folder / "other", TERM="dumb")
    assert "\x1b" not in dumb
    assert "operator    joe  requests" in dumb


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_carried_on_by_resume(deployer: Deployer, number: signal.Signals) -> None:
    """Exit code 3 and the command that carries on; the lease is given back, so nobody waits for it."""
    sent: list[int] = []

    def interrupt(seen: bytes, child: int) -> None:
        if b"DB_MIGRATING" in seen and not sent:
            sent.append(child)
            os.kill(child, number)

    words = ("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal", deployer.journal, "--id", "one")
    code, seen = on_terminal(*words, "--speed", "30", when=interrupt)
    assert code == 3
    assert "interrupted" in seen
    assert f"deployer resume staging/orders --journal {deployer.journal}" in seen
    said = process("resume", "--journal", deployer.journal)
    assert said.code == 0
    assert "another deployer" not in said.out
    assert "DONE  staging/orders version 1" in said.out


def test_a_killed_run_is_carried_on_by_resume(deployer: Deployer) -> None:
    """SIGKILL leaves a lease behind, which is taken after its term; no task is run twice."""
    sent: list[int] = []

    def kill(seen: bytes, child: int) -> None:
        if b"task evaluate" in seen and not sent:
            sent.append(child)
            os.kill(child, signal.SIGKILL)

    words = ("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal", deployer.journal)
    code, _ = on_terminal(*words, "--speed", "30", when=kill)
    assert code == -signal.SIGKILL
    said = process("resume", "--journal", deployer.journal, "--json")
    assert said.code == 0
    events = process("history", KEY, "--events", "--journal", deployer.journal).out
    assert (
        events.count("RunTask orders/evaluate: attempt")
        == events.count("RunTask billing/migrate: attempt")
        == 1
    )
    assert process("verify", "--journal", deployer.journal).code == 0


def test_two_runs_at_once_take_their_turns(deployer: Deployer) -> None:
    """Each follows while the other carries on; both end DONE."""
    deployer.run("v1")
    runs = [
        subprocess.Popen(
            argv(
                "run",
                EXAMPLE / f"{version}.yaml",
                "--simulate",
                SCRIPT,
                "--journal",
                deployer.journal,
                "--json",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for version in ("v2", "hotfix")
    ]
    ended = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended
    assert deployer("verify").code == 0
    assert [d["outcome"] for d in deployer("history", KEY, "--json").data["deployments"]] == ["DONE"] * 3


def test_a_reader_that_has_gone_does_not_end_a_deployment(deployer: Deployer) -> None:
    """`deployer run ... | head -1` deploys to the end."""
    run = subprocess.Popen(
        argv("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal", deployer.journal),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    errors = run.stderr.read().decode()
    run.stderr.close()
    assert run.wait(timeout=60) == 0, errors
    assert errors == ""


def test_output_that_cannot_hold_a_sign_gets_another(deployer: Deployer) -> None:
    """An ASCII terminal is no reason to fail."""
    words = ("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, "--journal", deployer.journal)
    code, seen = on_terminal(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert code == 0
    assert "DONE" in seen
    assert "✔" not in seen


EXAMPLES = {
    name: [
        line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith("deployer ")
    ]
    for name, command in [("", program), *commands().items()]
    if name != "preflight"  # it asks AWS itself
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_help_has_an_example_that_works(
    deployer: Deployer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as they stand, in a folder where there is what they are about; by a shell where they need one."""
    assert EXAMPLES[name]
    programs = str(Path(sys.executable).parent)  # a rehearsal runs alembic
    monkeypatch.setenv("PATH", os.pathsep.join([programs, os.environ["PATH"]]))
    for number, line in enumerate(EXAMPLES[name]):
        here = AtHome(deployer.folder / str(number))
        here.journal.parent.mkdir(parents=True)
        (here.folder / "examples").symlink_to(EXAMPLE.parent)
        _prepare(here, name, line)
        if not set("|<>;&$`*?") & set(line):
            monkeypatch.chdir(here.folder)
            said = invoke(*shlex.split(line)[1:])
            assert said.code == 0, (line, said.out[-500:], said.err)
            continue
        done = subprocess.run(
            ["bash", "-c", f'deployer() {{ "$PYTHON" -m deployer_aws "$@"; }}; {line}'],
            cwd=here.folder,
            env=environment(PYTHON=sys.executable),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout[-500:], done.stderr)


class AtHome(Deployer):
    """A deployer whose journal is where it is by default."""

    @property
    def journal(self) -> Path:
        return self.folder / ".deployer/journal.sqlite"


def _prepare(here: Deployer, name: str, line: str) -> None:
    """Make a deployment that is over, or under way, or failed; for a forced repair one whose task may still run."""
    deployment = "20261123-140501-x7f3"
    if name in ("plan", "diagram", "explore", "run", "rehearse"):
        return
    if name == "explain-event":
        (here.folder / "event.json").write_text('{"source": "aws.ecs"}', encoding="utf-8")
        return
    if name in ("resume", "terminate"):
        here.half_way(events=6, name=deployment)
    elif "--force" in line:
        here.run("v1", "--id", deployment, script=here.script(STUCK))
    elif name in ("redeploy", "rollback"):
        here.run("v1", "--id", deployment)
        here.run("hotfix")
    else:
        here.run("v1", "--id", deployment, script=here.script(FAILS))


def test_nothing_waits_for_real_time(deployer: Deployer) -> None:
    """A simulated deployment of minutes is over in seconds."""
    began = time.monotonic()
    assert deployer.run("v1").code == 0
    assert time.monotonic() - began < 60
