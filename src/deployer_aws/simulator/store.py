"""The stores of an account: rows, links between them, logs, and a schedule.

`MemoryStore` hands out live rows. `SqliteStore` hands out rows that it writes back when the transaction ends, if they
changed; so the same code runs over both, and no caller can forget to save.
"""

import heapq
import json
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar, cast

import attrs

from deployer_aws.simulator.rows import Json, Row

R = TypeVar("R", bound=Row)

_PATIENCE = 60.0  # seconds of real time that a process waits for the others
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS links (seq INTEGER PRIMARY KEY, owner TEXT, member TEXT, UNIQUE (owner, member));
CREATE TABLE IF NOT EXISTS logs (seq INTEGER PRIMARY KEY, log TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS logs_by_name ON logs (log, seq);
CREATE TABLE IF NOT EXISTS schedule (seq INTEGER PRIMARY KEY, at REAL, topic TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS schedule_by_time ON schedule (at, seq);
"""


@attrs.frozen
class Due:
    """A scheduled entry, handled by the function that is registered for its topic."""

    at: float
    topic: str
    payload: Json


class Store(ABC):
    """What keeps an account; every use is inside `transaction`."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commit all or nothing, and exclude others meanwhile."""

    @abstractmethod
    def get(self, kind: type[R], key: str) -> R | None:
        """Return the row, to be read and changed in place."""

    @abstractmethod
    def add(self, row: Row) -> None:
        """Keep a new row, or replace the one of its kind and key."""

    @abstractmethod
    def drop(self, kind: type[Row], key: str) -> None:
        """Remove a row, if it is there."""

    @abstractmethod
    def link(self, owner: str, member: str) -> None:
        """Add a member to an owner; order is kept."""

    @abstractmethod
    def unlink(self, owner: str, member: str) -> None:
        """Remove a member from an owner, if it is there."""

    @abstractmethod
    def members(self, owner: str) -> list[str]:
        """Return an owner's members, the oldest first."""

    @abstractmethod
    def append(self, log: str, entry: Json) -> None:
        """Add to the end of a log."""

    @abstractmethod
    def read(self, log: str, *, newest_first: bool = False, offset: int = 0, limit: int = -1) -> list[Json]:
        """Return a slice of a log; a negative limit means all."""

    @abstractmethod
    def schedule(self, at: float, topic: str, payload: Json) -> None:
        """Have the topic's handler called once time has reached `at`."""

    @abstractmethod
    def next_due(self, until: float) -> Due | None:
        """Take the earliest entry that is due by then; equal times in the order of scheduling."""

    @abstractmethod
    def unschedule(self, topic: str) -> None:
        """Drop everything scheduled under a topic."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""


class MemoryStore(Store):
    """An account in memory."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[tuple[str, str], Row] = {}
        self._links: dict[str, dict[str, None]] = {}
        self._logs: dict[str, list[Json]] = {}
        self._heap: list[tuple[float, int, str, Json]] = []
        self._scheduled = 0

    @contextmanager
    def transaction(self) -> Generator[None]:
        with self._lock:
            yield

    def get(self, kind: type[R], key: str) -> R | None:
        return cast("R | None", self._rows.get((kind.KIND, key)))

    def add(self, row: Row) -> None:
        self._rows[row.KIND, row.key] = row

    def drop(self, kind: type[Row], key: str) -> None:
        self._rows.pop((kind.KIND, key), None)

    def link(self, owner: str, member: str) -> None:
        self._links.setdefault(owner, {})[member] = None

    def unlink(self, owner: str, member: str) -> None:
        self._links.get(owner, {}).pop(member, None)

    def members(self, owner: str) -> list[str]:
        return list(self._links.get(owner, ()))

    def append(self, log: str, entry: Json) -> None:
        self._logs.setdefault(log, []).append(entry)

    def read(self, log: str, *, newest_first: bool = False, offset: int = 0, limit: int = -1) -> list[Json]:
        entries = self._logs.get(log, [])
        size = len(entries)
        stop = size if limit < 0 else min(size, offset + limit)
        if newest_first:
            return [entries[size - 1 - index] for index in range(offset, stop)]
        return entries[offset:stop]

    def schedule(self, at: float, topic: str, payload: Json) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (at, self._scheduled, topic, payload))

    def next_due(self, until: float) -> Due | None:
        if not self._heap or self._heap[0][0] > until:
            return None
        at, _, topic, payload = heapq.heappop(self._heap)
        return Due(at, topic, payload)

    def unschedule(self, topic: str) -> None:
        self._heap = [entry for entry in self._heap if entry[2] != topic]
        heapq.heapify(self._heap)

    def close(self) -> None:
        pass


class SqliteStore(Store):
    """An account in a SQLite file: after a kill it is as it was before or after the current call."""

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "PRAGMA synchronous = NORMAL"
        )  # enough for a killed process; a lost machine loses the account
        self._db.executescript(_SCHEMA)
        self._db.execute("PRAGMA busy_timeout = 0")  # from here on `_begin` waits
        self._held: dict[tuple[str, str], tuple[Row, str]] = {}
        self._depth = 0

    @contextmanager
    def transaction(self) -> Generator[None]:
        with self._lock:
            if self._depth:  # an outer transaction commits for this one too
                yield
                return
            self._begin()
            self._depth += 1
            try:
                yield
                self._write_back()
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            else:
                self._db.execute("COMMIT")
            finally:
                self._held.clear()
                self._depth -= 1

    def _begin(self) -> None:
        """Begin a transaction; SQLite's own waiting backs off so far that a busy neighbour starves us."""
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > patience:
                    raise
                time.sleep(0.0005)

    def _write_back(self) -> None:
        for (kind, key), (row, was) in self._held.items():
            body = json.dumps(row.to_json())
            if body != was:
                self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (kind, key, body))

    def get(self, kind: type[R], key: str) -> R | None:
        held = self._held.get((kind.KIND, key))
        if held is not None:
            return cast(R, held[0])
        found = self._db.execute(
            "SELECT body FROM rows WHERE kind = ? AND key = ?", (kind.KIND, key)
        ).fetchone()
        if found is None:
            return None
        row = kind.from_json(json.loads(found[0]))
        self._held[kind.KIND, key] = (row, found[0])
        return row

    def add(self, row: Row) -> None:
        self._held[row.KIND, row.key] = (row, "")

    def drop(self, kind: type[Row], key: str) -> None:
        self._held.pop((kind.KIND, key), None)
        self._db.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (kind.KIND, key))

    def link(self, owner: str, member: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO links (owner, member) VALUES (?, ?)", (owner, member))

    def unlink(self, owner: str, member: str) -> None:
        self._db.execute("DELETE FROM links WHERE owner = ? AND member = ?", (owner, member))

    def members(self, owner: str) -> list[str]:
        return [
            row[0]
            for row in self._db.execute("SELECT member FROM links WHERE owner = ? ORDER BY seq", (owner,))
        ]

    def append(self, log: str, entry: Json) -> None:
        self._db.execute("INSERT INTO logs (log, body) VALUES (?, ?)", (log, json.dumps(entry)))

    def read(self, log: str, *, newest_first: bool = False, offset: int = 0, limit: int = -1) -> list[Json]:
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT body FROM logs WHERE log = ? ORDER BY seq {order} LIMIT ? OFFSET ?"
        return [json.loads(row[0]) for row in self._db.execute(query, (log, limit, offset))]

    def schedule(self, at: float, topic: str, payload: Json) -> None:
        self._db.execute(
            "INSERT INTO schedule (at, topic, body) VALUES (?, ?, ?)", (at, topic, json.dumps(payload))
        )

    def next_due(self, until: float) -> Due | None:
        found = self._db.execute(
            "SELECT seq, at, topic, body FROM schedule WHERE at <= ? ORDER BY at, seq LIMIT 1", (until,)
        ).fetchone()
        if found is None:
            return None
        self._db.execute("DELETE FROM schedule WHERE seq = ?", (found[0],))
        return Due(found[1], found[2], json.loads(found[3]))

    def unschedule(self, topic: str) -> None:
        self._db.execute("DELETE FROM schedule WHERE topic = ?", (topic,))

    def close(self) -> None:
        self._db.close()
