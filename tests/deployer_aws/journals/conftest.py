from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployer_aws.journals import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be, with what a URI would stumble over in its name."""
    return tmp_path / "the journal?#%é.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    """Open an empty journal."""
    with closing(SqliteJournal(path)) as journal:
        yield journal
