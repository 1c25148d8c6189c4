"""The journal in an SQLite file: the contract, what an append is, and others at the same file."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from deployer_aws.journals import SqliteJournal, verify
from deployer_aws.journals import sqlite as module
from deployer_aws.ports import JournalError
from deployer_aws.testing import JournalContract, Opener
from deployer_aws.testing.streams import KEY, OTHER, append, check_attempts, fold, good_path, request
from deployer_core import wire
from deployer_core.engine.messages import Attempted
from tests.support.contention import APPENDS, attempting
from tests.support.sqlite import refused, tamper

pytestmark = pytest.mark.quick


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(SqliteJournal, tmp_path / "journal")


# What an append is


def test_an_append_is_on_disk_when_it_returns(journal: SqliteJournal) -> None:
    """The log is written ahead and synchronised at each commit; foreign keys hold."""
    pragmas = ("journal_mode", "synchronous", "fullfsync", "foreign_keys")
    found = [journal._db.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]
    assert found == ["wal", 3, 1, 1]


def test_the_rows_can_be_read_by_people(journal: SqliteJournal, path: Path) -> None:
    """Tags have a column of their own, and payloads are JSON text: the queries that docs/journal.md shows work."""
    append(journal, KEY, *good_path())
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT version, tag, json_extract(payload, '$.command') FROM events ORDER BY version"
        ).fetchall()
        assert rows[:2] == [(1, "Deployer.Requested/1", None), (2, "Deployer.Attempted/1", 1)]
        tag, stream = db.execute("SELECT tag, json_extract(state, '$.stream') FROM heads").fetchone()
        assert (tag, stream) == ("Deployer.State/1", 32 * "a")


def test_unchanged_heads_are_not_decoded_again(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head is decoded when its bytes are new to this object, once, and not at all where it wrote them itself."""
    append(journal, KEY, *good_path()[:5])
    decoded: list[str] = []

    def decode(tag: str, data: bytes, expected: object) -> object:
        decoded.append(tag)
        return real(tag, data, expected)

    real = wire.decode_payload
    monkeypatch.setattr(wire, "decode_payload", decode)
    assert journal.head(KEY) == journal.head(KEY)
    assert decoded == []
    with closing(SqliteJournal(path)) as other:
        assert other.streams(pending_only=True) == [KEY]
        assert decoded == []
        assert other.head(KEY) is other.head(KEY)
        assert decoded == ["Deployer.State/1"]


def test_a_head_changed_behind_our_back_is_seen(journal: SqliteJournal, path: Path) -> None:
    """What is remembered is held against the bytes, so a damaged head is found by the process that wrote it too."""
    append(journal, KEY, request())
    tamper(path, "UPDATE heads SET state = json_set(state, '$.next_command', 5)")
    assert journal.head(KEY).state.next_command == 5
    with pytest.raises(JournalError, match="next_command differs"):
        verify(journal, KEY)


def test_few_heads_are_remembered(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sees many streams keeps the latest heads alone."""
    monkeypatch.setattr(module, "HEADS_KEPT", 2)
    for key in ("a/a", "a/b", "a/c"):
        append(journal, key, request())
    assert list(journal._heads) == ["a/b", "a/c"]


def test_a_journal_in_memory_is_one_too() -> None:
    """`:memory:` does for a test or a preview: threads of one process share it, and it leaves no file."""
    with closing(SqliteJournal(":memory:")) as journal:
        append(journal, KEY, *good_path())
        verify(journal, KEY)
        thread = threading.Thread(target=append, args=(journal, OTHER, request()))
        thread.start()
        thread.join()
        assert journal.streams() == [KEY, OTHER]
    with closing(SqliteJournal(":memory:")) as journal:
        assert journal.streams() == []
    assert not Path(":memory:").exists()


# Others at the same file


def test_processes_lose_no_update(path: Path) -> None:
    """Several processes append to one stream: each append stands once, on the one before it."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())
        processes = [attempting(partial(SqliteJournal, path), KEY) for _ in range(3)]
        assert [process.wait(120) for process in processes] == [0, 0, 0]
        check_attempts(journal, 3 * APPENDS)


def test_a_lock_that_is_held_too_long_is_named(journal: SqliteJournal, path: Path) -> None:
    """A process that holds the file for good is waited for as long as was said, and readers are not held up by it."""
    append(journal, KEY, request())
    with closing(SqliteJournal(path, busy_seconds=0.1)) as other:
        journal._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="held by another process"):
            append(other, KEY, Attempted(1, 1, 2.0))
        assert other.head(KEY).version == 1
        journal._db.execute("ROLLBACK")
        append(other, KEY, Attempted(1, 1, 2.0))


def test_a_file_that_is_being_made_is_waited_for(path: Path) -> None:
    """A new file that another process holds is not an error at once, and then one that says so."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert "held by another process" in refused(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert "held by another process" in refused(path)


@pytest.mark.parametrize("_", range(10))
def test_many_make_a_file_at_once(path: Path, _: int) -> None:
    """The first of many processes makes the schema; none fails."""
    opened: list[SqliteJournal] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        opened.append(SqliteJournal(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in opened:
        journal.close()
    assert len(opened) == 8


def test_a_file_that_was_taken_away_is_not_written_to(path: Path) -> None:
    """Deleted, or replaced by a backup, while it was open: an append must not go where nobody will find it."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())
        path.unlink()
        with pytest.raises(JournalError, match="was deleted or replaced"):
            append(journal, KEY, Attempted(1, 1, 2.0))
        path.write_bytes(b"")
        with pytest.raises(JournalError, match="was deleted or replaced"):
            journal.compare_and_set_lease(KEY, "me", None)


def test_a_closed_journal_says_so(path: Path) -> None:
    """Closing twice is as once; using it after that is an error that says why."""
    journal = SqliteJournal(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.head(KEY)


def test_closing_leaves_one_file(path: Path) -> None:
    """After the last close there is no log beside the file, so copying that one file is a backup."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, *good_path())
        shutil.copy(path, path.parent / "not a backup")
        assert path.with_name(path.name + "-wal").stat().st_size > 0
    assert [file.name for file in path.parent.glob(f"{path.name}*")] == [path.name]
    with closing(SqliteJournal(shutil.copy(path, path.parent / "backup"))) as backup:
        assert backup.head(KEY).state == fold(good_path())


def test_a_journal_is_not_taken_along_through_a_fork(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite forbids it; the new process is told to open the file itself."""
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(JournalError, match="before a fork"):
        journal.streams()
