"""What the type checkers must see: each mistake of `mistakes.py`, and no error in `use.py`, a user's program."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sampling import sampled

MISTAKES, USE = (Path(__file__).parent / name for name in ("mistakes.py", "use.py"))
ROOT = Path(__file__).resolve().parents[2]
MARKED = {n for n, line in enumerate(MISTAKES.read_text().splitlines(), 1) if "# type: ignore[" in line}


def mypy(path: Path) -> str:
    """Run strict mypy on a file, and return what it says; the extra `test` comes without it."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("path", sampled([MISTAKES, USE], 2), ids=lambda path: path.stem)
def test_mypy_sees_each_mistake_and_nothing_else(path: Path) -> None:
    """Strict mypy, which reports ignores that nothing needs, finds each mistake where it is marked."""
    assert mypy(path) == ""


@pytest.mark.thorough
def test_without_their_marks_the_mistakes_are_errors(tmp_path: Path) -> None:
    """The marks hide real errors: without them mypy reports exactly the marked lines."""
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"# type: ignore\[.*?\]", "", MISTAKES.read_text()))
    assert {int(n) for n in re.findall(r"bare\.py:(\d+): error", mypy(bare))} == MARKED


@pytest.mark.thorough  # `make check` runs pyright too
@pytest.mark.parametrize("path", [MISTAKES, USE], ids=lambda path: path.stem)
def test_pyright_sees_each_mistake_and_nothing_else(path: Path, tmp_path: Path) -> None:
    """So does pyright, where it is installed, by its own marks alone."""
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed")
    shutil.copy(path, tmp_path)
    settings = {
        "extraPaths": [str(ROOT / "src")],
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [pyright, "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    assert [(d["range"]["start"]["line"] + 1, d["message"]) for d in report["generalDiagnostics"]] == []
