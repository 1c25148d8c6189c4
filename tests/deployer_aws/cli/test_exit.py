"""Exit codes: one table in the code, the same in the docs, and a code of its own for each cause."""

import re

import pytest

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._report import worst
from deployer_core.machines.deployment import Cause
from tests.support.command import invoke
from tests.support.project import ROOT


def test_the_documented_codes_are_the_codes() -> None:
    """docs/exit-codes.md has a row for each, with the same meaning; `deployer --help` lists them too."""
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert [(int(code), meaning.strip()) for code, meaning in rows] == [
        (c.value, c.meaning) for c in ExitCode
    ]
    said = re.findall(r"^  +(\d+)  (\S.*)$", invoke("--help").out, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in said] == [(c.value, c.meaning) for c in ExitCode]


def test_each_cause_has_a_code_of_its_own() -> None:
    """A FAILURE is 1; the other causes of a FAILED deployment are codes by their names."""
    assert {cause.name for cause in Cause} - {Cause.FAILURE.name} <= set(ExitCode.__members__)


@pytest.mark.parametrize(
    ("codes", "of_all"),
    [
        ([], ExitCode.DONE),
        ([ExitCode.DONE, ExitCode.EXPIRED], ExitCode.EXPIRED),
        ([ExitCode.EXPIRED, ExitCode.FAILED], ExitCode.FAILED),
        ([ExitCode.REFUSED, ExitCode.RUNNING, ExitCode.FAILED], ExitCode.RUNNING),
    ],
    ids=str,
)
def test_of_several_deployments_the_worst_counts(codes: list[ExitCode], of_all: ExitCode) -> None:
    """What is not over comes first, then what failed, then why one did not come to pass."""
    assert worst(codes) is of_all
