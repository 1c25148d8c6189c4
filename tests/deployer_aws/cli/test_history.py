"""`deployer history`: what became of each deployment."""

from tests.support.command import FAILS, KEY, Bed


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
