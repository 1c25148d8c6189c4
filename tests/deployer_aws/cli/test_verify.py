"""`deployer verify`: the journal replayed."""

import sqlite3

from tests.support.command import KEY, Bed


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
