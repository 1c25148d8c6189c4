"""A process that appends to two streams of an SQLite journal at once, until it is killed: `python -m ... PATH`."""

import sys
from itertools import count

from deployer_aws.journals import SqliteJournal
from deployer_aws.ports import Entry, Head
from deployer_aws.testing.streams import entry
from tests.support.streams import moves

KEYS = ("prod/orders", "prod/shop")


def step(key: str, head: Head, number: int) -> Entry:
    """One of the things that may happen next, the same one each time."""
    possible = [event for event, _ in moves(head.state, float(number))]
    return entry(key, head, possible[number * 7 % len(possible)])


def main() -> None:
    """Say each version once it is written."""
    journal = SqliteJournal(sys.argv[1])
    for number in count(journal.head(KEYS[0]).version + 1):
        journal.append([step(key, journal.head(key), number) for key in KEYS])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
