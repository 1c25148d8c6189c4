"""What a crash, a full disk or an interrupt leaves of a journal in an SQLite file."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from deployer_aws.journals import SqliteJournal, verify
from deployer_aws.ports import Head, JournalError
from deployer_aws.testing import streams
from deployer_aws.testing.streams import KEY, OTHER, append, entry, good_path, request
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Notice, Requested
from deployer_core.engine.state import INITIAL
from tests.support.project import ROOT, SRC
from tests.support.writer import KEYS, step


def check_whole(path: Path, acknowledged: int) -> int:
    """Check that the file is sound, both streams went on together, and nothing that was confirmed is missing."""
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
    state, given = INITIAL, 0
    for event in events:
        state, commands = reducer.reduce(state, event)
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
