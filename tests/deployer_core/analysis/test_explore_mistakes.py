"""Realistic mistakes, each planted in a copy of the core: the explorer alone finds all but a few."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deployer_core
from tests.deployer_core.analysis.mistakes import MISTAKES, Mistake
from tests.deployer_core.analysis.test_explore_planted import SENTENCES

CORE = Path(deployer_core.__file__).parent
LIMIT = 30_000
EXPLORE = f"""
import sys
from deployer_core.analysis.explore import explore
report = explore(int(sys.argv[1]), int(sys.argv[2]), limit={LIMIT}, until="")
print(*(violation.sentence for violation in report.violations), sep="\\n")
"""
BY_THE_EXPLORER = [mistake for mistake in MISTAKES if mistake.by]
DEEP = {4, 52, 55, 56}
"""Mistakes that take many thousands of states to find."""


def planted(mistake: Mistake, folder: Path) -> Path:
    """Return a folder with a copy of the core that has the mistake."""
    shutil.copytree(CORE, folder / "deployer_core", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "deployer_core" / mistake.file
    text = file.read_text()
    assert text.count(mistake.old) == 1, "the place where it is planted has changed: plant it anew"
    file.write_text(text.replace(mistake.old, mistake.new))
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the core that lies in a folder."""
    path = os.pathsep.join([str(folder), str(CORE.parent)])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(m, id=f"{m.number}", marks=pytest.mark.thorough)
        if m.number in DEEP or m.number % 4
        else m
        for m in BY_THE_EXPLORER
    ],
    ids=lambda m: str(m.number),
)
def test_the_explorer_finds_it(mistake: Mistake, tmp_path: Path) -> None:
    """The walk meets a violation, and says it in the sentence that is expected."""
    told = run(planted(mistake, tmp_path), "-c", EXPLORE, str(mistake.deployments), str(mistake.databases))
    found = told.stdout.splitlines()
    assert any(sentence.startswith(mistake.by) for sentence in found), (
        mistake.what,
        found,
        told.stderr[-500:],
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    "mistake", [m for m in MISTAKES if m.test.endswith(".py")], ids=lambda m: str(m.number)
)
def test_a_machine_test_finds_it(mistake: Mistake, tmp_path: Path) -> None:
    """What cannot occur in the composition is found by the machine's own tests."""
    test = Path(__file__).parents[1] / mistake.test
    told = run(planted(mistake, tmp_path), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(test))
    assert told.returncode == 1, (mistake.what, told.stdout[-500:], told.stderr[-500:])


def test_most_are_found_by_the_explorer_alone() -> None:
    """Of the first edition's forty-nine mistakes the explorer is to find thirty; it found eleven then."""
    first = [m for m in MISTAKES if m.number <= 49]
    assert [m.number for m in first] == list(range(1, 50))
    assert sum(bool(m.by) for m in first) >= 46
    assert all(m.by or m.test for m in MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: str(m.number))
def test_it_can_be_planted(mistake: Mistake) -> None:
    """Each mistake is a change of one place of today's core, and the invariant that finds it is there."""
    assert (CORE / mistake.file).read_text().count(mistake.old) == 1
    assert not mistake.by or any(sentence.startswith(mistake.by) for sentence in SENTENCES)
