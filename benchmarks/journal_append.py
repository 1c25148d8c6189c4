"""What a journal append costs: beside two raw row writes in one SQLite transaction, and fifty streams at once.

    python -m benchmarks.journal_append [FOLDER]

The floor writes the same bytes, encoded beforehand, into two plain tables under the same pragmas, so it waits for the
same fsync. The aim is 1.25 times that at the most. FOLDER has to be on a real disk: on one in memory an fsync costs
nothing, and the ratio says little. By default it is the working folder.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from attrs import evolve

from benchmarks.harness import interleaved, ratio, table
from deployer_aws.journals import SqliteJournal
from deployer_aws.ports import Entry, Head
from deployer_core import wire
from deployer_core.engine import reducer
from deployer_core.engine.messages import Accepted, Attempted, Event, Replied, Requested
from deployer_core.machines import deployment
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import DeploymentSpec, PreviousCount, StackSpec, TemplateUrl

AIM = 1.25
MANY = 50
ROUNDS = 601
SPEC = DeploymentSpec(
    "prod",
    "shop",
    "2",
    StackSpec("shop", TemplateUrl("https://example.com/stack.yaml"), scaling=(PreviousCount("Count", 1),)),
)


def stream() -> tuple[Entry, ...]:
    """Return a deployment from its request to DONE, as entries; the key is yet to be set."""
    entries: list[Entry] = []
    head = Head()

    def add(event: Event) -> None:
        nonlocal head
        after, _ = reducer.reduce(head.state, event)
        entries.append(Entry("", head, event, after))
        head = Head(after, head.version + 1)

    add(Requested("d-1", SPEC, 1.0, stream="0123456789abcdef"))
    for at in count(2):
        if not head.state.pending:
            return tuple(entries)
        pending = head.state.pending[0]
        if not isinstance(pending.command, deployment.StabiliseStack):
            add(Attempted(pending.id, 1, float(at)))
            add(
                Accepted(
                    pending.id, "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/0123", float(at)
                )
            )
            add(Replied(pending.id, StackStatus(Lifecycle.PROGRESS, "UPDATE_IN_PROGRESS"), float(at)))
        done = StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", counts=(("Count", 2),))
        add(Replied(pending.id, done, float(at)))
    raise AssertionError


def endless(entries: Sequence[Entry], name: str) -> Iterator[Entry]:
    """One stream after the other."""
    for number in count():
        yield from (evolve(entry, key=f"{name}/{number}") for entry in entries)


class Floor:
    """Two rows a transaction, and nothing else: no check of a version, no index but the key's."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = EXTRA", "fullfsync = ON"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, payload BLOB)")
        self.db.execute("CREATE TABLE heads (id INTEGER PRIMARY KEY, state BLOB)")

    def write(self, stream: int, event: bytes, state: bytes) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("INSERT INTO events (payload) VALUES (?)", (event,))
        self.db.execute("REPLACE INTO heads VALUES (?, ?)", (stream, state))
        self.db.execute("COMMIT")


def rows(entries: Sequence[Entry]) -> Iterator[tuple[int, bytes, bytes]]:
    """Write the same streams as bytes."""
    encoded = [(wire.encode(entry.event), wire.encode(entry.after)) for entry in entries]
    for number in count():
        yield from ((number, *pair) for pair in encoded)


def compare_with_floor(folder: Path, entries: Sequence[Entry]) -> float:
    journal, floor = SqliteJournal(folder / "journal"), Floor(folder / "floor")
    ours, raw = endless(entries, "prod"), rows(entries)
    times = interleaved(
        {"two raw rows": lambda: floor.write(*next(raw)), "append": lambda: journal.append([next(ours)])},
        ROUNDS,
    )
    print(table(times, "two raw rows", 1))
    journal.close()
    floor.db.close()
    return ratio(times, "append", "two raw rows")


def compare_many(folder: Path, entries: Sequence[Entry]) -> float:
    """Append an event to each of fifty streams: in one append, or in fifty."""
    journal = SqliteJournal(folder / "many")
    together = [endless(entries, f"together-{number}") for number in range(MANY)]
    apart = [endless(entries, f"apart-{number}") for number in range(MANY)]

    def one_by_one() -> None:
        for source in apart:
            journal.append([next(source)])

    times = interleaved(
        {
            "fifty in one append": lambda: journal.append([next(s) for s in together]),
            "fifty appends": one_by_one,
        },
        61,
    )
    print(table(times, "fifty in one append", MANY))
    journal.close()
    return ratio(times, "fifty appends", "fifty in one append")


def main(where: str = ".") -> None:
    entries = stream()
    sizes = [len(wire.encode(e.event)) + len(wire.encode(e.after)) for e in entries]
    print(f"{len(entries)} events a stream, {sum(sizes) // len(sizes)} bytes an append")
    with tempfile.TemporaryDirectory(dir=where, prefix=".bench-") as folder:
        found = compare_with_floor(Path(folder), entries)
        print(f"append: {found:.2f} times the floor; the aim is {AIM} at the most")
        many = compare_many(Path(folder), entries)
        print(f"an event of each of {MANY} streams in one append is {many:.1f} times as fast as one by one")


if __name__ == "__main__":
    main(*sys.argv[1:])
