"""No sentence for people decides anything."""

import json
import subprocess
import sys

from tests.support.command import environment
from tests.support.project import ROOT


def decided(*words: str) -> dict[str, object]:
    """Return what a process of its own has decided, with the sentences as written or reworded."""
    command = [sys.executable, "-m", "tests.support.reworded", *words]
    done = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_rewording_every_sentence_changes_no_decision() -> None:
    """With all texts for people changed, accounts, journals and logins are told apart, and deployments go on, as before."""
    assert decided("reworded") == decided()
