"""Keep the default journal: one SQLite file, for any number of processes of one machine.

Each append is one transaction, on disk when it returns: an event, the head that it leads to, the notices it gave out
and the texts it needs are written together or not at all. An object has one connection, which its threads share by way
of a lock: SQLite lets one writer in at a time anyway. Processes wait for each other by SQLite's own locks; a connection
must not be taken along through a fork, so one that was is refused. `docs/journal.md` tells operators the rest.
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen

from deployer_aws.journals._database import (
    MEMORY,
    Faults,
    Transaction,
    check_schema,
    identity,
    open_database,
)
from deployer_aws.ports import Account, Binding, Conflict, Entry, Head, JournalError, LeaseRow, Recorded
from deployer_core import wire
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Notice
from deployer_core.engine.state import DeployerState

PAGE = 256
"""Events that are read at a time: a reader of a long stream holds neither the lock nor all of it."""
HEADS_KEPT = 4096
"""Heads that are kept decoded. A runner of more streams than that decodes each of them in every step."""
Tagged: TypeAlias = tuple[str, bytes]
"""A wire tag and its payload."""


@frozen
class _Row:
    """An entry, encoded."""

    entry: Entry
    event: Tagged
    state: Tagged
    notices: tuple[Tagged, ...]
    blobs: tuple[tuple[str, bytes], ...]


class SqliteJournal:
    """A journal in a file that is made where there is none, or with the path `:memory:` in memory.

    Use `create=False` for read-only access: then a missing file is an error. `busy_seconds` is how long other processes
    are waited for. Raises JournalError where the file cannot be used, then and later.
    """

    def __init__(self, path: str | Path, *, create: bool = True, busy_seconds: float = 30.0) -> None:
        self._where = "the journal in memory" if str(path) == MEMORY else f"the journal {path}"
        self._db = open_database(path, self._where, create=create, busy_seconds=busy_seconds)
        self._path, self._file = path, identity(path)
        self._faults = Faults(self._where)
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._closed = False
        self._heads: dict[str, tuple[Tagged, Head]] = {}

    def close(self) -> None:
        """Close the file. The last to close it leaves all in the one file, and no `-wal` beside it."""
        with self._lock:
            self._closed = True
            self._db.close()

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        if os.getpid() != self._process:
            raise JournalError(f"{self._where} was opened before a fork. Open it in the new process instead")
        with self._lock, self._faults:
            if self._closed:
                raise JournalError(f"{self._where} is closed. Open it again")
            yield self._db

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """One transaction. Each looks whether the file is still there, and whether its schema is still ours."""
        with self._reading() as db, Transaction(db):
            if identity(self._path) != self._file:
                raise JournalError(
                    f"{self._where} was deleted or replaced while it was open, so nothing is written to it any more. "
                    "Start again, with the file that is to be used in its place"
                )
            check_schema(db, self._where)
            yield db

    # Streams

    def head(self, key: str) -> Head:
        """Return the newest head. One whose bytes have not changed is not decoded again."""
        with self._reading() as db:
            query = "SELECT version, logic, tag, CAST(state AS BLOB) FROM heads WHERE key = ?"
            row = db.execute(query, (key,)).fetchone()
        if row is None:
            return Head()
        version, logic, tag, state = row
        self._refuse_newer(key, logic)
        kept, head = self._heads.get(key, (None, Head()))
        if kept != (tag, state) or head.version != version:
            head = Head(self._decoded(f"the head of {key}", tag, state, DeployerState), version)
            self._keep(key, (tag, state), head)
        return head

    def append(self, entries: Sequence[Entry]) -> None:
        """Write all entries in one transaction, or none. The longer part, encoding, is done before it begins."""
        rows = [_row(entry) for entry in entries]
        if len({entry.key for entry in entries}) < len(entries):
            raise ValueError("one append takes one entry a stream")
        if not rows:
            return
        with self._writing() as db:
            for row in rows:
                self._insert(db, row)
        for row in rows:
            self._keep(row.entry.key, row.state, Head(row.entry.after, row.entry.before.version + 1))

    def _insert(self, db: sqlite3.Connection, row: _Row) -> None:
        stream, version = self._replace_head(db, row), row.entry.before.version + 1
        db.execute(
            "INSERT INTO events VALUES (?, ?, 0, ?, ?, CAST(? AS TEXT))",
            (stream, version, reducer.LOGIC, *row.event),
        )
        for blob in row.blobs:
            db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", blob)
        if row.entry.properties.simulated:
            db.execute("INSERT OR IGNORE INTO properties VALUES (?, ?)", _SIMULATED)
        if (bound := row.entry.properties.binding) is not None:
            db.execute(
                "INSERT OR IGNORE INTO bindings (stream, account, region, endpoint_url, stack_name) "
                "VALUES (?, ?, ?, ?, ?)",
                (stream, *_columns(bound)),
            )
        for notice in row.notices:
            db.execute(
                "INSERT INTO notices (stream, version, tag, payload) VALUES (?, ?, ?, CAST(? AS TEXT))",
                (stream, version, *notice),
            )

    def _replace_head(self, db: sqlite3.Connection, row: _Row) -> int:
        """Put the new head in place of the one that it was reduced from, and no other; gives the stream's number."""
        entry = row.entry
        found = db.execute("SELECT id, version, logic FROM heads WHERE key = ?", (entry.key,)).fetchone()
        stream, version, logic = found or (None, 0, reducer.LOGIC)
        self._refuse_newer(entry.key, logic)
        if version != entry.before.version:
            raise Conflict(entry.key)
        values = (version + 1, bool(entry.after.pending), reducer.LOGIC, *row.state)
        if stream is None:
            new = "INSERT INTO heads (key, version, pending, logic, tag, state) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT))"
            return int(db.execute(new, (entry.key, *values)).lastrowid or 0)
        if logic < reducer.LOGIC:  # what the older logic came to is where replaying starts from now on
            db.execute(
                "INSERT INTO events SELECT id, version, 1, ?, tag, state FROM heads WHERE id = ?",
                (reducer.LOGIC, stream),
            )
        db.execute(
            "UPDATE heads SET version = ?, pending = ?, logic = ?, tag = ?, state = CAST(? AS TEXT) WHERE id = ?",
            (*values, stream),
        )
        return int(stream)

    def events(self, key: str, *, after: int = 0, from_checkpoint: bool = False) -> Iterator[Recorded]:
        """Yield what was written after a version, oldest first, or what a replay needs of it. Reads in pages."""
        version, checkpoint = max(after, self._last_checkpoint(key) if from_checkpoint else 0), 0
        query = """
            SELECT e.version, e.checkpoint, e.logic, e.tag, CAST(e.payload AS BLOB)
            FROM events AS e JOIN heads AS h ON h.id = e.stream
            WHERE h.key = ? AND (e.version, e.checkpoint) > (?, ?)
            ORDER BY e.version, e.checkpoint LIMIT ?
            """
        while True:
            with self._reading() as db:
                rows = db.execute(query, (key, version, checkpoint, PAGE)).fetchall()
            for version, checkpoint, logic, tag, payload in rows:
                what = f"{'the checkpoint' if checkpoint else 'the event'} of {key} at version {version}"
                if checkpoint:
                    state = self._decoded(what, tag, payload, DeployerState)
                    yield Recorded(version, logic, None, state)
                else:
                    yield Recorded(version, logic, self._decoded(what, tag, payload, Event))
            if len(rows) < PAGE:
                return

    def _last_checkpoint(self, key: str) -> int:
        with self._reading() as db:
            query = """
                SELECT max(e.version) FROM events AS e JOIN heads AS h ON h.id = e.stream
                WHERE h.key = ? AND e.checkpoint
                """
            return int(db.execute(query, (key,)).fetchone()[0] or 0)

    def streams(self, *, pending_only: bool = False) -> list[str]:
        """Return the names of streams, sorted. No head is decoded for it."""
        with self._reading() as db:
            query = f"SELECT key FROM heads {'WHERE pending' if pending_only else ''} ORDER BY key"
            return [key for (key,) in db.execute(query)]

    def _keep(self, key: str, state: Tagged, head: Head) -> None:
        with self._lock:
            self._heads.pop(key, None)
            if len(self._heads) >= HEADS_KEPT:
                del self._heads[next(iter(self._heads))]
            self._heads[key] = state, head

    def _refuse_newer(self, key: str, logic: int) -> None:
        if logic > reducer.LOGIC:
            raise JournalError(
                f"{self._where}: {key} was last written by logic {logic}, and this version of the deployer has "
                f"logic {reducer.LOGIC}. Upgrade the deployer on this machine"
            )

    def _decoded(self, what: str, tag: str, payload: bytes, expected: object) -> Any:
        try:
            return wire.decode_payload(tag, payload, expected)
        except wire.WireError as error:
            raise JournalError(
                f"{self._where}: {what} cannot be read: {error}. Upgrade the deployer on this machine, or restore a "
                "backup where the file is damaged"
            ) from error

    # Properties

    def is_simulated(self) -> bool:
        """Tell whether a request for a simulated AWS was written."""
        with self._reading() as db:
            query = "SELECT count(*) FROM properties WHERE (name, value) = (?, ?)"
            return bool(db.execute(query, _SIMULATED).fetchone()[0])

    def bindings(self, key: str) -> tuple[Binding, ...]:
        """Return what a stream was bound to, oldest first."""
        with self._reading() as db:
            query = """
                SELECT b.account, b.region, b.endpoint_url, b.stack_name
                FROM bindings AS b JOIN heads AS h ON h.id = b.stream
                WHERE h.key = ? ORDER BY b.number
                """
            return tuple(Binding(Account(*account), name) for *account, name in db.execute(query, (key,)))

    def bound_streams(self, binding: Binding) -> list[str]:
        """Return the names of the streams with this binding, sorted."""
        with self._reading() as db:
            query = """
                SELECT h.key FROM bindings AS b JOIN heads AS h ON h.id = b.stream
                WHERE (b.account, b.region, b.endpoint_url, b.stack_name) = (?, ?, ?, ?) ORDER BY h.key
                """
            return [key for (key,) in db.execute(query, _columns(binding))]

    # Texts and notices

    def blob(self, sha256: str) -> str:
        """Return a text by its SHA-256, after comparing them again."""
        with self._reading() as db:
            row = db.execute("SELECT CAST(text AS BLOB) FROM blobs WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise JournalError(f"{self._where} has no text {sha256}. Was it written to another journal?")
        if _digest(row[0]) != sha256:
            raise JournalError(f"{self._where}: the text {sha256} is damaged. Restore a backup")
        return str(row[0], "utf-8")

    def notices(self) -> list[tuple[int, str, Notice]]:
        """Return the notices not yet delivered, oldest first."""
        with self._reading() as db:
            query = """
                SELECT n.number, h.key, n.tag, CAST(n.payload AS BLOB)
                FROM notices AS n JOIN heads AS h ON h.id = n.stream
                WHERE NOT n.delivered ORDER BY n.number
                """
            rows = db.execute(query).fetchall()
        return [
            (number, key, self._decoded(f"notice {number} of {key}", tag, payload, Notice))
            for number, key, tag, payload in rows
        ]

    def delivered(self, number: int) -> None:
        """Mark a notice as delivered; its row stays."""
        with self._writing() as db:
            db.execute("UPDATE notices SET delivered = 1 WHERE number = ?", (number,))

    # Leases

    def lease(self, key: str) -> LeaseRow | None:
        """Return the lease of a stream as it stands, None where nobody ever had one."""
        with self._reading() as db:
            row = db.execute("SELECT owner, generation FROM leases WHERE key = ?", (key,)).fetchone()
        return None if row is None else LeaseRow(*row)

    def compare_and_set_lease(self, key: str, owner: str, expected: LeaseRow | None) -> LeaseRow | None:
        """Make the lease the owner's, in its next generation, if it still is as expected; else return None."""
        with self._writing() as db:
            if expected is not None:
                return _compare_and_set(db, key, owner, expected)
            done = db.execute("INSERT OR IGNORE INTO leases VALUES (?, ?, 1)", (key, owner))
            return LeaseRow(owner, 1) if done.rowcount == 1 else None

    def renew(self, owner: str, expected: Mapping[str, LeaseRow]) -> Mapping[str, LeaseRow]:
        """Compare and set each, in one transaction."""
        with self._writing() as db:
            rows = {key: _compare_and_set(db, key, owner, row) for key, row in expected.items()}
        return {key: row for key, row in rows.items() if row is not None}


def _compare_and_set(db: sqlite3.Connection, key: str, owner: str, expected: LeaseRow) -> LeaseRow | None:
    generation = expected.generation + 1
    done = db.execute(
        "UPDATE leases SET owner = ?, generation = ? WHERE key = ? AND owner = ? AND generation = ?",
        (owner, generation, key, expected.owner, expected.generation),
    )
    return LeaseRow(owner, generation) if done.rowcount == 1 else None


_SIMULATED = ("simulated", "true")


def _columns(binding: Binding) -> tuple[str, str, str, str]:
    account = binding.account
    return account.id, account.region, account.endpoint_url, binding.stack_name


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _row(entry: Entry) -> _Row:
    blobs = tuple((sha256, text.encode()) for sha256, text in entry.blobs.items())
    if wrong := [sha256 for sha256, text in blobs if _digest(text) != sha256]:
        raise ValueError(f"the text of {entry.key} given as {wrong[0]} has another SHA-256")
    return _Row(
        entry,
        wire.encode_payload(entry.event),
        wire.encode_payload(entry.after),
        tuple(wire.encode_payload(notice) for notice in entry.notices),
        blobs,
    )
