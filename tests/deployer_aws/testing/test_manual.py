"""What docs/extending.md shows is a test file, and passes."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.project import ROOT

PAGE = ROOT / "docs/extending.md"


def test_the_page_is_a_test_file_that_passes(tmp_path: Path) -> None:
    """Its blocks, one after the other, are collected by pytest, and all laws of both contracts are run."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "test_mine.py").write_text("\n".join(blocks), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"^(\d+) passed, 1 skipped", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    assert int(passed[1]) > 40


def test_a_broken_law_shows_the_values(tmp_path: Path) -> None:
    """Assertions of the contracts are rewritten in a user's tests too."""
    (tmp_path / "test_mine.py").write_text(
        """
from deployer_aws.journals import SqliteJournal
from deployer_aws.testing import JournalContract
import pytest

class Forgetful(SqliteJournal):
    def notices(self):
        return []

class TestMine(JournalContract):
    @pytest.fixture
    def opener(self, tmp_path):
        return lambda: Forgetful(tmp_path / "journal")
""",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "notices_are_due",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Right contains 2 more items" in done.stdout
