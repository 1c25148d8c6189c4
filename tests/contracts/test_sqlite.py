"""The journal in an SQLite file: the contract, and what only a file can suffer."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from deployer_aws.journals import SqliteJournal, _database, verify
from deployer_aws.journals import sqlite as module
from deployer_aws.ports import Head, JournalError
from deployer_core import deployer, wire
from deployer_core.deployer import Attempted, Event, Notice, Requested, Terminated
from tests.contracts.journal import KEY, OTHER, JournalContract, Opener
from tests.support import streams
from tests.support.project import ROOT, SRC
from tests.support.streams import append, entry, fold, good_path, request
from tests.support.writer import KEYS, step


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(SqliteJournal, tmp_path / "journal")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be, with what a URI would stumble over in its name."""
    return tmp_path / "the journal?#%é.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    """An empty journal."""
    with closing(SqliteJournal(path)) as journal:
        yield journal


def tamper(path: Path, *statements: str) -> None:
    """Change the file behind the journal's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def refused(path: Path, *, create: bool = True) -> str:
    """Why a file is not opened."""
    with pytest.raises(JournalError) as error:
        SqliteJournal(path, create=create, busy_seconds=0.2)
    return str(error.value)


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
        assert (tag, stream) == ("Deployer.State/1", "a-random-stream-id")


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


# What a crash leaves


def check_whole(path: Path, acknowledged: int) -> int:
    """The file is sound, both streams went on together, and nothing that was confirmed is missing."""
    with closing(SqliteJournal(path)) as journal:
        assert journal._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert journal._db.execute("PRAGMA foreign_key_check").fetchall() == []
        one, two = (journal.head(key).version for key in KEYS)
        assert one == two >= acknowledged
        given = 0
        for key in KEYS:
            verify(journal, key)
            rows = list(journal.events(key))
            assert [row.version for row in rows] == list(range(1, one + 1))
            requests = [row.event for row in rows if isinstance(row.event, Requested)]
            assert all(journal.blob(streams.sha256(streams.TEMPLATE)) for _ in requests)
            given += notices_of([row.event for row in rows if row.event])
        assert len(journal.notices()) == given
        return one


def notices_of(events: list[Event]) -> int:
    """How many notices the events give out."""
    state, given = deployer.INITIAL, 0
    for event in events:
        state, commands = deployer.reduce(state, event)
        given += sum(isinstance(command, Notice) for command in commands)
    return given


def test_a_killed_writer_leaves_a_whole_journal(path: Path) -> None:
    """SIGKILL in the middle of appends, again and again: what was confirmed is there, and nothing is there in part."""
    version = 0
    for pause in (0.0, 0.0007, 0.0031, 0.009, 0.0213):
        command = [sys.executable, "-m", "tests.support.writer", str(path)]
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(8):
                writer.stdout.readline()
            time.sleep(pause)
            writer.send_signal(signal.SIGKILL)
            confirmed = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        before, version = version, check_whole(path, max(confirmed, default=version + 8))
        assert version >= before + 8


def test_a_log_that_was_cut_anywhere_leaves_a_whole_journal(tmp_path: Path) -> None:
    """A power failure may keep any first part of what was not yet confirmed: each is a journal of whole appends."""
    with closing(SqliteJournal(tmp_path / "journal")) as journal:
        for number in range(1, 8):
            journal.append([step(key, journal.head(key), number) for key in KEYS])
        log = (tmp_path / "journal-wal").read_bytes()
        data = (tmp_path / "journal").read_bytes()
    versions: list[int] = []
    for cut in [*range(0, len(log), len(log) // 40), len(log)]:
        (tmp_path / "copy").write_bytes(data)
        (tmp_path / "copy-wal").write_bytes(log[:cut])
        versions.append(check_whole(tmp_path / "copy", 0))
    assert versions == sorted(versions)
    assert set(versions) == set(range(8))


def test_a_full_disk_loses_nothing(journal: SqliteJournal, path: Path) -> None:
    """An append that finds no room says so and leaves no trace; with room again the same append succeeds."""
    append(journal, KEY, *good_path()[:4])
    before = journal.head(KEY)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    text = "x" * 100_000
    big = evolve(entry(KEY, before, good_path()[4]), blobs={streams.sha256(text): text})
    with pytest.raises(JournalError, match=r"the disk is full\. Nothing of this write was kept"):
        journal.append([entry(OTHER, Head(), request()), big])
    assert journal.head(KEY) == before
    assert journal.streams() == [KEY]
    verify(journal, KEY)
    journal._db.execute("PRAGMA max_page_count = 1000000")
    journal.append([big])
    assert journal.blob(streams.sha256(text)) == text
    verify(journal, KEY)


def test_an_interrupted_append_is_taken_back(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a transaction leaves nothing of it, and the journal usable."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, "_replace_head", interrupt)
    with pytest.raises(KeyboardInterrupt):
        append(journal, KEY, request())
    monkeypatch.undo()
    assert not journal._db.in_transaction
    append(journal, KEY, request())


# Files that are no journal, or cannot be used


def test_a_missing_journal_is_made_only_when_asked(path: Path) -> None:
    """Whoever only reads is told that the path is wrong, and no empty file is left there."""
    assert "no such journal" in refused(path, create=False)
    assert not path.exists()
    SqliteJournal(path).close()
    SqliteJournal(path, create=False).close()


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    """The error says that a file is needed; a folder that is missing is named."""
    assert f"{tmp_path} is a folder" in refused(tmp_path)
    assert f"there is no folder {tmp_path / 'no'}" in refused(tmp_path / "no" / "journal")
    (tmp_path / "file").touch()
    assert "there is no folder" in refused(tmp_path / "file" / "journal")
    assert "cannot be opened" in refused(tmp_path / ("x" * 300))


@pytest.mark.parametrize("text", ["text", "a: text\n" * 1000, "SQLite format 3\0 but nothing more"])
def test_another_file_is_no_journal(path: Path, text: str) -> None:
    """A file that is no database is refused and left as it is."""
    path.write_text(text)
    assert "is no SQLite database" in refused(path)
    assert path.read_text() == text


def test_another_database_is_no_journal(path: Path) -> None:
    """A database of another program is refused, and no byte of it is changed."""
    for statement in ("CREATE TABLE theirs (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"):
        path.unlink(missing_ok=True)
        tamper(path, statement)
        before = path.read_bytes()
        assert "a database of another program" in refused(path)
        assert path.read_bytes() == before


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    """What `touch` or a temporary file leaves is as good as no file."""
    path.touch()
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    """A file of a newer version is refused, with both numbers and the way out."""
    SqliteJournal(path).close()
    tamper(path, "PRAGMA user_version = 99")
    assert "has schema 99" in refused(path)
    assert "Upgrade the deployer" in refused(path)


def test_a_schema_that_becomes_newer_is_left_alone(journal: SqliteJournal, path: Path) -> None:
    """A process that runs while a newer one upgrades the file writes no more to it."""
    append(journal, KEY, request())
    tamper(path, "PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="has schema 99"):
        append(journal, KEY, Attempted(1, 1, 2.0))
    assert journal.head(KEY).version == 1


def test_an_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that a file has not had are taken when it is opened, and what is in it stays."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())
    step = ("ALTER TABLE notices ADD COLUMN channel TEXT",)
    monkeypatch.setattr(_database, "MIGRATIONS", (*_database.MIGRATIONS, step))
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, Terminated("d-1", "me", 2.0))
        verify(journal, KEY)
        assert journal._db.execute("SELECT channel FROM notices").fetchall() == [(None,)]
        assert journal._db.execute("PRAGMA user_version").fetchone()[0] == len(_database.MIGRATIONS)


def test_a_step_that_fails_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is whole or was never begun: the older version still opens the file."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, request())
    monkeypatch.setattr(_database, "MIGRATIONS", (*_database.MIGRATIONS, ("DROP TABLE leases", "nonsense")))
    assert "syntax error" in refused(path)
    monkeypatch.undo()
    with closing(SqliteJournal(path)) as journal:
        assert journal.lease(KEY) is None
        verify(journal, KEY)


def test_damage_is_named(path: Path) -> None:
    """A file that was cut short or overwritten is never taken for an empty or a good one."""
    with closing(SqliteJournal(path)) as journal:
        append(journal, KEY, *good_path())
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4096] + b"\xff" * (len(whole) - 4096)):
        path.write_bytes(damaged)
        with pytest.raises(JournalError, match=r"is damaged.*restore a backup"):  # noqa: SIM117
            with closing(SqliteJournal(path)) as journal:
                verify(journal, KEY)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE heads SET state = substr(state, 1, 40)", "the head of prod/orders cannot be read"),
        ("UPDATE heads SET tag = 'Deployer.State/9'", "Upgrade the deployer"),
        ("DELETE FROM events WHERE version = 2", "version 2 of prod/orders is missing"),
        ("DELETE FROM events WHERE version = 4", "is at version 4, its events end at 3"),
        (
            "UPDATE events SET payload = '{}' WHERE version = 3",
            "the event of prod/orders at version 3 cannot be read",
        ),
        ("UPDATE events SET logic = 0 WHERE version = 3", "version 3 of prod/orders was written by logic 0"),
        (
            "UPDATE events SET payload = json_set(payload, '$.attempt', 5) WHERE version = 4",
            "at version 4 is not what",
        ),
    ],
)
def test_tampering_is_found(journal: SqliteJournal, path: Path, statement: str, said: str) -> None:
    """Whatever of a stream is changed, verifying it says what and at which version."""
    append(journal, KEY, request(), *(Attempted(1, number, 2.0) for number in (1, 2, 3)))
    tamper(path, statement)
    with pytest.raises(JournalError, match=said):
        verify(journal, KEY)


def test_a_damaged_text_is_found(journal: SqliteJournal, path: Path) -> None:
    """A template is held against its digest whenever it is read: nothing else is ever deployed."""
    append(journal, KEY, request())
    tamper(path, "UPDATE blobs SET text = 'Resources: {Other: {}}'")
    with pytest.raises(JournalError, match="is damaged"):
        journal.blob(streams.sha256(streams.TEMPLATE))


USE = """
import os, sys
from deployer_aws.journals import SqliteJournal
from deployer_aws.ports import JournalError
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    SqliteJournal(sys.argv[1]).claim("a/b", "me", None)
except JournalError as error:
    print(error)
"""


def used_by_nobody(path: Path) -> str:
    """What a process without the rights is told."""
    command = [sys.executable, "-c", USE, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users reach; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
def test_missing_rights_are_named(public: Path) -> None:
    """A folder or a file that may not be written, or read, is said to be so, with what is needed."""
    public.chmod(0o555)
    assert "needs the right to read and write" in used_by_nobody(public / "new")
    public.chmod(0o755)
    SqliteJournal(public / "journal").close()
    (public / "journal").chmod(0o444)
    public.chmod(0o555)
    assert "needs the right to" in used_by_nobody(public / "journal")
    (public / "journal").chmod(0)
    assert "cannot be opened" in used_by_nobody(public / "journal")
    public.chmod(0)
    assert "cannot be opened" in used_by_nobody(public / "journal")


# Others at the same file


def test_a_lock_that_is_held_too_long_is_named(journal: SqliteJournal, path: Path) -> None:
    """Whoever holds the file for good is waited for as long as was said, and readers are not held up by it."""
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


def test_many_make_a_file_at_once(path: Path) -> None:
    """Whoever comes first makes the schema; nobody fails."""
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
            journal.claim(KEY, "me", None)


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
