"""`deployer history`: what became of each deployment."""

from tests.support.command import FAILS, KEY, Deployer


def test_history_tells_of_every_deployment_ever_requested(deployer: Deployer) -> None:
    """Its id, version, mode, time, who asked, duration, outcome with its cause, and reason; JSON has the same."""
    deployer.run("v1", "--id", "one")
    deployer.run("v2", "--id", "two", script=deployer.script(FAILS))
    deployer.run("hotfix", "--id", "three")
    rows = [line.split() for line in deployer("history", KEY).out.splitlines()]
    assert rows[0][:2] == ["deployment", "version"]
    assert [row[0] for row in rows[1:]] == ["one", "two", "three"]
    assert rows[1][-1] == "DONE"
    assert rows[2][4:5] + rows[2][6:9] == ["joe", "FAILED", "DB_MIGRATING:", "billing:"]
    assert rows[3][2] == "quick"
    assert rows[3][-1] == "QUEUED"
    data = deployer("history", KEY, "--json").data["deployments"]
    assert [(d["id"], d["outcome"]) for d in data] == [("one", "DONE"), ("two", "FAILED"), ("three", "OPEN")]


def test_history_lists_the_events(deployer: Deployer) -> None:
    """One line each, with its number, time and kind, and the command that it is about."""
    deployer.run("v1", "--id", "one")
    lines = deployer("history", KEY, "--events").out.splitlines()
    data = deployer("history", KEY, "--events", "--json").data["events"]
    assert len(lines) == len(data) == data[-1]["version"]
    assert lines[0].split()[3:] == ["Requested", "one,", "version", "1", "by", "joe"]
    assert any(
        "Accepted" in line and "CreateStack DesiredCount=0: arn:aws:cloudformation:" in line for line in lines
    )
