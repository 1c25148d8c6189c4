"""Killed after any statement, and run again: the same end state. `killer` does the killing."""

import json
import subprocess
import sys

import pytest

from tests.deployer_aws.executors.postgres import killer
from tests.deployer_aws.executors.postgres.server import RealServer, each_kind
from tests.support.moments import SEVENTH
from tests.support.project import ROOT
from tests.support.sampling import moments

FEWEST = {"upsert": 20, "takeover": 30, "rotation": 24, "iam": 20, "from iam": 20, "cleanup": 9}
"""Moments that each command has at least, so that none is lost from the test unseen."""


@moments
@pytest.mark.parametrize(
    ("server", "case"),
    [
        pytest.param(programs, case, marks=[pytest.mark.thorough] if newest else [])
        for newest, programs in enumerate(each_kind())
        for case in (killer.CASES, killer.ROLES)[newest]
    ],
    indirect=["server"],
    ids=lambda value: str(value)[-30:],
)
def test_the_end_is_the_same_wherever_it_was_killed(server: RealServer, case: str, residues: str) -> None:
    """SIGKILL after each statement, connection and call: whoever carries on ends where an undisturbed run does."""
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.deployer_aws.executors.postgres.killer",
            str(server.port),
            case,
            residues,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    undisturbed, *others = [json.loads(line) for line in run.stdout.splitlines()]
    assert undisturbed["good"]
    assert len(others) >= FEWEST[case] // SEVENTH * len(residues.split(","))
    for other in others:
        assert {**other, "moment": 0} == undisturbed, other["moment"]
