"""What commands of an operator share: who asks, and how the stack stands afterwards."""

import getpass
from pathlib import Path

from deployer_aws.cli._report import typed
from deployer_aws.cli._screen import Screen, state
from deployer_aws.ports import Journal
from deployer_aws.views.history import read_history
from deployer_aws.views.status import StackOverview, stopping, summarise_stack


def operator() -> str:
    """Return the name of who asks, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an operator"


def print_stack(screen: Screen, opened: Journal, key: str, journal: Path, as_json: bool) -> None:
    """Print how the stack stands now, and who has to go on."""
    known = read_history(opened, key)
    now = summarise_stack(key, known)
    if as_json:
        screen.data(_data(now, stopping(known.state)))
        return
    screen.say(key, "  ", state(now.state))
    if now.services:
        screen.say(f"{now.services[0].upper()}{now.services[1:]}.", indent=2)
    if stopping(known.state):
        screen.say(f"Tasks to be stopped: {stopping(known.state)}.", indent=2)
    if now.pending:
        screen.say("A deployer that runs goes on with it; if none does:", indent=2)
        screen.say(typed(journal, "resume", key), indent=4)


def _data(now: StackOverview, stops: int) -> dict[str, object]:
    return {
        "stack": now.key,
        "stack_state": now.state,
        "current": now.current.id if now.current else None,
        "queue": [waiting.id for waiting in now.queue],
        "services": now.services,
        "baseline": dict(now.baseline),
        "stopping": stops,
        "pending": [record.text for record in now.pending],
    }
