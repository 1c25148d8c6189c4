"""`deployer verify`: the journal replayed."""

import sqlite3

from tests.support.command import KEY, Deployer


def test_verify_replays_every_stream(deployer: Deployer) -> None:
    """What comes of the events is what is kept."""
    events = deployer.run("v1", "--json").data["events"]
    assert deployer("verify").out == f"staging/orders: {events} events give the state that is kept\n"
    assert deployer("verify", KEY, "--json").data["stacks"][0]["agrees"] is True


def test_verify_finds_a_head_that_is_not_what_the_events_give(deployer: Deployer) -> None:
    """Exit code 1, and what differs."""
    deployer.run("v1")
    with sqlite3.connect(deployer.journal) as db:
        db.execute("UPDATE heads SET state = replace(state, '\"next_command\":', '\"next_command\":1')")
    said = deployer("verify")
    assert said.code == 1
    assert "next_command differs" in said.out
