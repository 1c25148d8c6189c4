"""The executors' transcripts: what AWS answers, and what is sent and said, in text files beside this one."""

from pathlib import Path

import pytest

from tests.deployer_aws.executors.player import Looking
from tests.support.transcripts import Scenario, scenarios

pytestmark = pytest.mark.quick
FOLDER = Path(__file__).parent / "transcripts"
ALL = [scenario for path in sorted(FOLDER.glob("*.txt")) for scenario in scenarios(path)]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: f"{scenario.place}: {scenario.fact}")
def test_an_executor_does_what_is_written(scenario: Scenario) -> None:
    """Each transcript holds; `make golden` writes what is done anew, to be reviewed as a change of behaviour."""
    assert scenario.played(Looking()) == scenario.text
