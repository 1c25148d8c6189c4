"""`deployer status`, `history`, `verify`, `terminate` and `repair`: what is known, and what an operator says."""

import getpass
import sqlite3

import pytest

from deployer_aws.cli import _operator
from tests.support.command import EXAMPLE, FAILS, KEY, SCRIPT, Bed, invoke


def test_status_shows_what_is_under_way(bed: Bed) -> None:
    """The stack, the deployment and its step, each database, each pending command with its age, and the queue."""
    bed.half_way(events=17)
    bed.half_way("v2", events=1, name="second")
    out = bed("status").out
    assert out.startswith("staging/orders  CREATING  after ")
    for words in (
        "deployment  DB_MIGRATING for ",
        "version 1  half",
        "database",
        "orders",
        "billing",
        "pending",
        "RunTask",
    ):
        assert words in out
    assert "attempt 1" in out
    assert "queue       1  version 2  second  since 2026-01-01 00:0" in out


def test_status_of_a_stack_at_rest_shows_how_its_last_deployment_ended(bed: Bed) -> None:
    """With the time that it took."""
    bed.run("v1", "--id", "one")
    assert bed("status", KEY).out.splitlines()[1].startswith("  last  DONE  version 1  one after 3m")


def test_status_of_a_broken_stack_says_what_to_do(bed: Bed) -> None:
    """Why it is broken, where the services stand, and the command that repairs."""
    bed.run("v1")
    bed.run("v2", script=bed.script(FAILS))
    out = bed("status").out
    assert "staging/orders  BROKEN" in out
    assert "locked" in out
    assert "the services are at zero; before: DesiredCount=2" in out
    assert f"deployer repair staging/orders --journal {bed.journal}" in out
    data = bed("status", "--json").data["stacks"][0]
    assert (data["state"], data["baseline"]) == ("BROKEN", {"DesiredCount": 2})


def test_without_a_journal_there_is_nothing_to_show(bed: Bed) -> None:
    """And none is made by asking."""
    for words in (("status",), ("verify",), ("resume",), ("terminate", KEY, "one"), ("repair", KEY)):
        said = bed(*words)
        assert said.code == 2
        assert "there is no such journal" in said.err
    assert not list(bed.folder.iterdir())


def test_an_empty_journal_has_nothing_to_tell(bed: Bed) -> None:
    """It is said in words."""
    bed.half_way(events=1)
    with sqlite3.connect(bed.journal) as db:
        for table in ("notices", "events", "heads", "blobs"):
            db.execute(f"DELETE FROM {table}")
    assert bed("status").out == "Nothing was deployed yet.\n"
    assert "nothing was deployed yet" in bed("status", KEY).err


def test_history_tells_of_every_deployment_ever_requested(bed: Bed) -> None:
    """Its id, version, mode, time, duration, outcome and reason."""
    bed.run("v1", "--id", "one")
    bed.run("v2", "--id", "two", script=bed.script(FAILS))
    bed.run("hotfix", "--id", "three")
    rows = [line.split() for line in bed("history", KEY).out.splitlines()]
    assert rows[0][:2] == ["deployment", "version"]
    assert [row[0] for row in rows[1:]] == ["one", "two", "three"]
    assert rows[1][-1] == "DONE"
    assert rows[2][5:8] == ["FAILED", "DB_MIGRATING:", "billing:"]
    assert rows[3][2] == "quick"
    assert rows[3][-1] == "QUEUED"
    data = bed("history", KEY, "--json").data["deployments"]
    assert [(d["id"], d["outcome"]) for d in data] == [("one", "DONE"), ("two", "FAILED"), ("three", "OPEN")]


def test_history_lists_the_events(bed: Bed) -> None:
    """One line each, with its number, time and kind, and the command that it is about."""
    bed.run("v1", "--id", "one")
    lines = bed("history", KEY, "--events").out.splitlines()
    data = bed("history", KEY, "--events", "--json").data["events"]
    assert len(lines) == len(data) == data[-1]["version"]
    assert lines[0].split()[3:] == ["Requested", "one,", "version", "1"]
    assert any(
        "Accepted" in line and "CreateStack DesiredCount=0: arn:aws:cloudformation:" in line for line in lines
    )


def test_verify_replays_every_stream(bed: Bed) -> None:
    """What comes of the events is what is kept."""
    events = bed.run("v1", "--json").data["events"]
    assert bed("verify").out == f"staging/orders: {events} events give the state that is kept\n"
    assert bed("verify", KEY, "--json").data["stacks"][0]["agrees"] is True


def test_verify_finds_a_head_that_is_not_what_the_events_give(bed: Bed) -> None:
    """Exit code 1, and what differs."""
    bed.run("v1")
    with sqlite3.connect(bed.journal) as db:
        db.execute("UPDATE heads SET state = replace(state, '\"next_command\":', '\"next_command\":1')")
    said = bed("verify")
    assert said.code == 1
    assert "next_command differs" in said.out


def test_terminate_ends_what_runs_and_what_waits(bed: Bed) -> None:
    """What runs breaks the stack; what waits leaves the queue; the name of who said so is kept."""
    bed.half_way(events=17, name="one")
    bed.half_way("v2", events=1, name="two")
    waiting = bed("terminate", KEY, "two", "--by", "ann")
    assert (waiting.code, waiting.out.splitlines()[0]) == (0, "staging/orders  CREATING")
    running = bed("terminate", KEY, "one", "--by", "ann")
    assert running.out.splitlines()[0] == "staging/orders  BROKEN"
    assert "Tasks to be stopped: 1." in running.out
    assert f"deployer resume staging/orders --journal {bed.journal}" in running.out
    history = bed("history", KEY).out
    assert "terminated by ann while it waited" in history
    assert "DB_MIGRATING: terminated by ann" in history
    assert bed("resume").code == 0
    assert bed("repair", KEY, "--json").data["stack_state"] == "AVAILABLE"


def test_nonsense_of_an_operator_is_refused_in_words(bed: Bed) -> None:
    """An unknown deployment, one that has ended, a stack that is not broken, a run that nobody stops."""
    bed.run("v1", "--id", "one")
    assert "'two' was never requested" in bed("terminate", KEY, "two").err
    assert "'one' has ended" in bed("terminate", KEY, "one").err
    assert "is AVAILABLE, and only a BROKEN stack is repaired" in bed("repair", KEY).err
    bed.run("v2", script=bed.script(FAILS))
    said = bed("repair", KEY, "--force", "one/orders/migrate")
    assert (said.code, said.out) == (2, "")
    assert "no task is being stopped for one/orders/migrate" in said.err


def test_terminate_needs_a_deployment() -> None:
    """Usage: one line, with where to look."""
    said = invoke("terminate", KEY)
    assert said.code == 2
    assert said.err == "deployer: Missing argument 'DEPLOYMENT'. Try 'deployer terminate --help'.\n"


def test_who_asks_is_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nobody in particular, where the machine does not know."""
    monkeypatch.setenv("LOGNAME", "ann")
    assert _operator.operator() == "ann"

    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert _operator.operator() == "an operator"


def test_a_task_that_has_stopped_meanwhile_is_seen_by_repair(bed: Bed) -> None:
    """What was given up as unresolved is looked at once more, so no force is needed once it has stopped."""
    stuck = "rules: [{on: run_task, nth: 2, takes: 1000000, linger: 3000}]"
    bed.run("v1", "--id", "one", script=bed.script(stuck))
    status = bed("status", "--json").data["stacks"][0]
    assert len(status["unresolved"]) == 1
    from deployer_aws.environment import account_file
    from deployer_aws.simulator import Simulator

    with Simulator.open(account_file(bed.journal)) as simulator:
        simulator.clock.sleep(3000)
    assert bed("repair", KEY).code == 0


def test_a_mistake_of_our_own_is_no_traceback(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, and a code of its own, so that nobody tries for ever. A variable shows the traceback."""

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("deployer_aws.cli._interactive.stack_status", fail)
    said = bed.run()
    assert said.code == 70
    assert "RuntimeError: a mistake" in said.err
    assert "Traceback" not in said.err
    assert (
        "Traceback"
        in bed("run", EXAMPLE / "v1.yaml", "--simulate", SCRIPT, env={"DEPLOYER_TRACEBACK": "1"}).err
    )


def test_no_command_shows_what_there_is() -> None:
    """On stderr, with exit code 2."""
    said = invoke()
    assert said.code == 2
    assert "Commands:" in said.err
    assert invoke("--version").out.startswith("deployer, version")
