"""Files that are no journal, are newer, older or damaged, or that this user may not use."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployer_aws.journals import SqliteJournal, _database, verify
from deployer_aws.ports import JournalError
from deployer_aws.testing import streams
from deployer_aws.testing.streams import KEY, append, good_path, request
from deployer_core.engine.messages import Attempted, Terminated
from tests.support.project import SRC
from tests.support.sqlite import refused, tamper


def test_a_missing_journal_is_made_only_when_asked(path: Path) -> None:
    """A reader is told that the path is wrong, and no empty file is left there."""
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
            "UPDATE events SET payload = json_set(payload, '$.number', 5) WHERE version = 4",
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
    SqliteJournal(sys.argv[1]).compare_and_set_lease("a/b", "me", None)
except JournalError as error:
    print(error)
"""


def used_by_nobody(path: Path) -> str:
    """Return what a process without the rights is told."""
    command = [sys.executable, "-c", USE, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a folder that other users reach; pytest's own are closed to them."""
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
