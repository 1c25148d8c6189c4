"""A runner killed at any moment, and the one that carries on: `make thorough` has all moments that `make test` omits."""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployer_aws.crash.driver import CASES
from tests.support.project import ROOT, SRC
from tests.support.sampling import moments

AT_ONCE, TWO_DAYS = 0, 2 * 24 * 3600
DONE, FAILED, REFUSED, SUPERSEDED, EXPIRED = (
    ["DONE", None],
    *(["FAILED", cause] for cause in ("FAILURE", "REFUSED", "SUPERSEDED", "EXPIRED")),
)
ENDS = {
    "created": [DONE],
    "full": [DONE, DONE],
    "stuck": [FAILED],
    "rolled back by CloudFormation": [DONE, FAILED],
    "evaluation refused": [DONE, FAILED],
    "past the barrier": [DONE, FAILED],
    "refused": [REFUSED],
    "queue": [SUPERSEDED, ["FAILED", "TERMINATED"], DONE],
    "rollback": [DONE, DONE, DONE],
    "rollback of a broken one": [DONE, FAILED, SUPERSEDED, DONE],
    "rollback behind a running one": [DONE, DONE, DONE],
    "rollback over migrated databases": [DONE, DONE, REFUSED, DONE],
    "too late": [DONE, FAILED, EXPIRED, *8 * [SUPERSEDED], DONE, EXPIRED, DONE],
    "crashing image": [DONE, FAILED],
    "bucket removed": [DONE, FAILED],
    "second failure": [DONE, FAILED, FAILED, REFUSED],
    "another journal's": [REFUSED, REFUSED, DONE],
}
"""How the deployments of each case end, and why."""
SAYS = {
    "rolled back by CloudFormation": "the services are back as before",
    "evaluation refused": "the services are back as before",
    "past the barrier": "not put back: a database was migrated",
    "rollback over migrated databases": "databases were migrated since 1.0",
    "crashing image": "the services are back as before",
    "bucket removed": "not put back: the update removed or replaced Kept",
    "second failure": "billing is half-way through a migration",
    "another journal's": "may be in the midst of a deployment: DesiredCount is at zero",
}
"""What the reason of a deployment in the case says."""
HALF_WAY = {"stuck": ["billing", "orders"], "past the barrier": ["billing"], "second failure": ["billing"]}
"""The databases that are half-way in the end."""
FEWEST = {
    "refused": 1,
    "queue": 8,
    "rollback": 3,
    "rollback behind a running one": 5,
    "rollback over migrated databases": 6,
    "too late": 9,
    "crashing image": 5,
    "bucket removed": 6,
    "second failure": 6,
    "another journal's": 6,
}
"""The moments that a short case has, divided by seven; others have eleven."""
HONEST = ("unknown whether it ran", "has vanished", "no end within")
"""What a deployment says that was away for too long to know, or to be in time."""


def trials(folder: Path, case: str, delay: int, residues: str) -> list[dict[str, Any]]:
    """Return what the driver tells: of the undisturbed run first, then of each moment."""
    command = [
        sys.executable,
        "-m",
        "tests.deployer_aws.crash.driver",
        str(folder),
        case,
        str(delay),
        residues,
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": f"{SRC}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def effects(trial: dict[str, Any]) -> list[str]:
    """Return what AWS did; logical ids without the suffix that CloudFormation makes up."""
    return [re.sub(r"[0-9a-f]{8}:\d+$", "", change) for change in trial["changes"]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a folder: a killed process loses nothing that it has written, to whatever disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@moments
@pytest.mark.parametrize("case", CASES)
def test_carried_on_at_once_it_ends_where_it_would_have_ended(folder: Path, case: str, residues: str) -> None:
    """After a kill at any moment the next run ends the same, and AWS has done the same things, each once."""
    undisturbed, *killed = trials(folder, case, AT_ONCE, residues)
    assert len(killed) >= FEWEST.get(case, 11) * len(residues.split(","))
    assert [end[1:] for end in undisturbed["ends"]] == ENDS[case], undisturbed
    assert any(SAYS.get(case, "") in reason for reason in undisturbed["reasons"]), undisturbed
    assert undisturbed["requests"] == len(undisturbed["ends"]), undisturbed
    assert undisturbed["remembered"][1] == HALF_WAY.get(case, []), undisturbed
    for trial in killed:
        assert effects(trial) == effects(undisturbed), trial
        assert trial["stack"] == undisturbed["stack"], trial
        assert trial["pending"] == undisturbed["pending"] == [], trial
        assert trial["requests"] == undisturbed["requests"], trial
        for same in ("reasons", "ends", "remembered"):
            assert trial[same] == undisturbed[same], trial


@moments
@pytest.mark.parametrize("case", ["created", "full", "stuck"])
def test_carried_on_two_days_later_it_ends_the_same_or_says_why_it_cannot_know(
    folder: Path, case: str, residues: str
) -> None:
    """Two days after a kill nothing is done twice, and what is not as it would have been is said honestly."""
    undisturbed, *killed = trials(folder, case, TWO_DAYS, residues)
    assert len(killed) >= 11 * len(residues.split(","))
    for trial in killed:
        done, would_have = Counter(effects(trial)), Counter(effects(undisturbed))
        done.pop("stop_task", None)
        assert done <= would_have, trial
        if (trial["stack"], effects(trial)) != (undisturbed["stack"], effects(undisturbed)):
            assert trial["stack"] == "Broken", trial
            assert any(words in reason for reason in trial["reasons"] for words in HONEST), trial
