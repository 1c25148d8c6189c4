"""The composition's transcripts: what is asked and answered, and what comes of it, in text files beside this one."""

from pathlib import Path

import pytest

from tests.support.engine_player import Engine
from tests.support.transcripts import Scenario, scenarios

FOLDER = Path(__file__).parent / "transcripts"
ALL = [scenario for path in sorted(FOLDER.glob("*.txt")) for scenario in scenarios(path)]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: f"{scenario.place}: {scenario.fact}")
def test_what_comes_of_it_is_what_is_written(scenario: Scenario) -> None:
    """Each transcript holds; `make golden` writes what comes of it anew, to be reviewed as a change of behaviour."""
    assert scenario.played(Engine()) == scenario.text


def test_no_fact_stands_twice() -> None:
    """Each scenario proves a fact of its own."""
    facts = [scenario.fact for scenario in ALL]
    assert len(facts) == len(set(facts)) > 50
