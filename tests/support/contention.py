"""What the journals' contract works with: several processes at one stream, and all that a journal says."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeAlias

from deployer_aws.ports import Conflict, Journal
from deployer_aws.testing.streams import entry
from deployer_core.engine.messages import Attempted
from tests.support.command import environment
from tests.support.project import ROOT

KEY = "prod/orders"
OTHER = "staging/Größe"
PROCESSES, APPENDS = 3, 12
Opener: TypeAlias = Callable[[], Journal]
"""Opens the same journal each time, in other processes too: it can be pickled."""


def everything(journal: Journal, *keys: str) -> list[object]:
    """All that a journal says of some streams."""
    return [
        journal.streams(),
        journal.notices(),
        [(journal.head(key), list(journal.events(key)), journal.lease(key)) for key in keys],
    ]


def attempt(journal: Journal, key: str) -> None:
    """Append the next attempt at the first pending command, however often somebody else is first."""
    while True:
        head = journal.head(key)
        pending = head.state.pending[0]
        event = Attempted(pending.id, pending.attempt.number + 1 if pending.attempt else 1, 2.0)
        try:
            journal.append([entry(key, head, event)])
        except Conflict:
            continue
        return


def attempting(opener: Opener, key: str) -> "subprocess.Popen[bytes]":
    """Start a process that appends to a stream again and again."""
    command = [sys.executable, "-m", "tests.support.contention"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as given:
        pickle.dump((opener, key), given)
    return process


def attempt_often(opener: Opener, key: str) -> None:
    """Run what each of several processes does."""
    with closing(opener()) as journal:
        for _ in range(APPENDS):
            attempt(journal, key)


def acquire_once(opener: Opener, start: "threading.Barrier", won: list[str], owner: str) -> None:
    """Run what each of several runners does that find a lease free."""
    with closing(opener()) as journal:
        start.wait()
        if journal.compare_and_set_lease(KEY, owner, None) is not None:
            won.append(owner)


if __name__ == "__main__":
    attempt_often(*pickle.load(sys.stdin.buffer))
