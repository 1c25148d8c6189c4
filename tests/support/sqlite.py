"""SQLite journals as tests see them: changed behind their backs, and refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deployer_aws.journals import SqliteJournal
from deployer_aws.ports import JournalError


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
