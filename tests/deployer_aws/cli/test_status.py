"""`deployer status`: how the stacks stand."""

import sqlite3

from tests.support.command import FAILS, KEY, Bed


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
