"""`deployer status`: how the stacks stand."""

import sqlite3

from tests.support.command import FAILS, KEY, Deployer


def test_status_shows_what_is_under_way(deployer: Deployer) -> None:
    """The stack, the deployment and its step, each database, each pending command with its age, and the queue."""
    deployer.half_way(events=17)
    deployer.half_way("v2", events=1, name="second")
    out = deployer("status").out
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


def test_status_of_a_stack_at_rest_shows_how_its_last_deployment_ended(deployer: Deployer) -> None:
    """With the time that it took."""
    deployer.run("v1", "--id", "one")
    assert deployer("status", KEY).out.splitlines()[1].startswith("  last  DONE  version 1  one after 3m")


def test_status_of_a_broken_stack_says_what_to_do(deployer: Deployer) -> None:
    """Why it is broken, where the services stand, and the command that repairs."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    out = deployer("status").out
    assert "staging/orders  BROKEN" in out
    assert "locked" in out
    assert "the services are at zero; before: DesiredCount=2" in out
    assert f"deployer repair staging/orders --journal {deployer.journal}" in out
    data = deployer("status", "--json").data["stacks"][0]
    assert (data["state"], data["baseline"]) == ("BROKEN", {"DesiredCount": 2})


def test_what_aws_says_is_shown_in_one_line_that_commands_no_terminal(deployer: Deployer) -> None:
    """The words of a failed stack or task may hold line breaks and escapes: each is a space in what is shown."""
    fails = r'rules: [{on: create_stack, fail: {resource: Service, reason: "first\nsecond \e[2J"}}]'
    deployer.run("v1", script=deployer.script(fails))
    out = deployer("status").out
    assert "first second  [2J" in out
    assert "\x1b" not in out


def test_without_a_journal_there_is_nothing_to_show(deployer: Deployer) -> None:
    """And none is made by asking."""
    for words in (("status",), ("verify",), ("resume",), ("terminate", KEY, "one"), ("repair", KEY)):
        said = deployer(*words)
        assert said.code == 2
        assert "there is no such journal" in said.err
    assert not list(deployer.folder.iterdir())


def test_an_empty_journal_has_nothing_to_tell(deployer: Deployer) -> None:
    """It is said in words."""
    deployer.half_way(events=1)
    with sqlite3.connect(deployer.journal) as db:
        for table in ("notices", "events", "heads", "blobs"):
            db.execute(f"DELETE FROM {table}")
    assert deployer("status").out == "Nothing was deployed yet.\n"
    assert "nothing was deployed yet" in deployer("status", KEY).err
