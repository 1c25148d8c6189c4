"""The fixture of the preflight tests."""

from pathlib import Path

import pytest

from tests.deployer_aws.preflight.examined import Examined


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    return Examined(tmp_path)
