"""Open a journal's SQLite file, keep its schema, and explain its faults.

Each migration is one step of the schema; PRAGMA user_version counts the steps that a file has taken, and PRAGMA
application_id tells a journal from any other database. A released step is never changed: another is added
at the end.
"""

import os
import sqlite3
import time
from pathlib import Path

from deployer_aws.ports import JournalError

MEMORY = ":memory:"
APPLICATION = int.from_bytes(b"Depl")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A stream's newest state: one row a stream, replaced by each append. No index on what each append changes: it
        # would be one more page to write.
        """
        CREATE TABLE heads (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            pending INTEGER NOT NULL,
            logic INTEGER NOT NULL,
            tag TEXT NOT NULL,
            state TEXT NOT NULL
        )
        """,
        # The truth: events, and beside them checkpoints, whose payload is the state that stood at that version.
        """
        CREATE TABLE events (
            stream INTEGER NOT NULL REFERENCES heads (id),
            version INTEGER NOT NULL,
            checkpoint INTEGER NOT NULL,
            logic INTEGER NOT NULL,
            tag TEXT NOT NULL,
            payload TEXT NOT NULL,
            UNIQUE (stream, version, checkpoint)
        )
        """,
        "CREATE INDEX events_checkpoints ON events (stream, version) WHERE checkpoint",
        """
        CREATE TABLE notices (
            number INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL REFERENCES heads (id),
            version INTEGER NOT NULL,
            delivered INTEGER NOT NULL DEFAULT 0,
            tag TEXT NOT NULL,
            payload TEXT NOT NULL
        )
        """,
        "CREATE INDEX notices_due ON notices (number) WHERE NOT delivered",
        "CREATE TABLE blobs (sha256 TEXT PRIMARY KEY NOT NULL, text BLOB NOT NULL)",
        # What requests have said of the whole journal, and of their streams.
        "CREATE TABLE properties (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)",
        """
        CREATE TABLE bindings (
            number INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL REFERENCES heads (id),
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            endpoint_url TEXT NOT NULL,
            stack_name TEXT NOT NULL,
            UNIQUE (stream, account, region, endpoint_url, stack_name)
        )
        """,
        "CREATE INDEX bindings_stacks ON bindings (account, region, endpoint_url, stack_name)",
        "CREATE TABLE leases (key TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, generation INTEGER NOT NULL)",
    ),
)


def open_database(path: str | Path, where: str, *, create: bool, busy_seconds: float) -> sqlite3.Connection:
    """Open a file, and bring its schema up to date; `where` is what messages call it."""
    address = _address(path, where, create=create)
    with Faults(where):
        db = sqlite3.connect(
            address,
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,  # transactions begin and end where the code says so
            check_same_thread=False,  # the journal's lock lets one thread at a time in
        )
        try:
            _set_up(db, where, busy_seconds)
        except BaseException:
            db.close()
            raise
        return db


def _address(path: str | Path, where: str, *, create: bool) -> str:
    if str(path) == MEMORY:
        return f"file:{MEMORY}"
    file = Path(path)
    try:
        if file.is_dir():
            raise JournalError(f"{where} is a folder. Give the path of a file in it")
        if not create and not file.exists():
            raise JournalError(
                f"{where}: there is no such journal. The first deployment makes it; is the path right?"
            )
        if not file.parent.is_dir():
            raise JournalError(f"{where}: there is no folder {file.parent}. Make it, or give another path")
    except OSError as error:
        raise JournalError(
            f"{where} cannot be opened: {error}. Give another path, or the right to use it"
        ) from error
    return f"{file.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"


def identity(path: str | Path) -> tuple[int, int] | None:
    """Identify the file that stands at a path now; return None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked before each append, and much faster than Path
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _set_up(db: sqlite3.Connection, where: str, busy_seconds: float) -> None:
    steps = schema_of(db, where)  # first of all, so that nothing is changed in a file that is not ours
    _write_ahead(db, busy_seconds)
    db.execute(
        "PRAGMA synchronous = EXTRA"
    )  # FULL, and durable too where a file system knows no write-ahead log
    db.execute("PRAGMA fullfsync = ON")  # macOS: through the disk's own cache
    db.execute("PRAGMA foreign_keys = ON")
    if steps == len(MIGRATIONS):
        return
    with Transaction(db):
        for step in MIGRATIONS[schema_of(db, where) :]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _write_ahead(db: sqlite3.Connection, busy_seconds: float) -> None:
    """SQLite does not wait here by itself: two processes that make a file at once would fail."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def schema_of(db: sqlite3.Connection, where: str) -> int:
    """Return how many steps a file's schema has taken, 0 for an empty one.

    Raises JournalError where the file is not ours, or newer.
    """
    # One statement, so that a process that makes the schema meanwhile is seen before it or after it.
    version, application, tables = db.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if application != APPLICATION and (application or version or tables):
        raise JournalError(f"{where} is a database of another program, not a journal. Give another path")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{where} has schema {version}, and this version of the deployer knows {len(MIGRATIONS)} at most: "
            "a newer one has written to it. Upgrade the deployer on this machine"
        )
    return int(version)


def check_schema(db: sqlite3.Connection, where: str) -> None:
    """Raise JournalError where a newer process has changed the schema since the file was opened."""
    if db.execute("PRAGMA user_version").fetchone()[0] != len(MIGRATIONS):
        schema_of(db, where)


class Transaction:
    """All or nothing, with nobody else writing meanwhile; an error or an interrupt takes everything back."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._roll_back()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


class Faults:
    """SQLite's errors as JournalErrors; `where` is what the file is called in them."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise explained(error, self._where) from error


def explained(error: sqlite3.Error, where: str) -> JournalError:
    """Say what is wrong, where, and what to do. Codes: https://www.sqlite.org/rescode.html."""
    text = _EXPLANATIONS.get(_code(error), "{where}: {error}")
    return JournalError(text.format(where=where, error=error))


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code: the low byte of the extended one."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: "{where} is not a journal: it is no SQLite database ({error}). Give another path",
    sqlite3.SQLITE_CORRUPT: "{where} is damaged ({error}). Let nothing write to it any more, and restore a backup; "
    "`sqlite3 FILE .recover` saves what can still be read",
    sqlite3.SQLITE_FULL: "{where}: the disk is full. Nothing of this write was kept, and nothing before it is lost. "
    "Make room, then go on",
    sqlite3.SQLITE_READONLY: "{where} cannot be written ({error}). This user needs the right to write to the file "
    "and to its folder",
    sqlite3.SQLITE_CANTOPEN: "{where} cannot be opened ({error}). This user needs the right to read and write the "
    "file, and to write to its folder",
    sqlite3.SQLITE_BUSY: "{where} is held by another process ({error}). Nothing of this write was kept. Let that "
    "process end, then go on",
    sqlite3.SQLITE_IOERR: "{where}: the disk failed ({error}). Whether this write was kept is known after the file "
    "is opened again. Look after the disk first",
}
