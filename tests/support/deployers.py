"""Fixtures for those who call the command, or open its environment: conftest.py names them."""

from pathlib import Path

import pytest

from deployer_aws import specfile
from deployer_aws.environment import open_environment
from tests.support.command import EXAMPLE, Deployer


@pytest.fixture
def deployer(tmp_path: Path) -> Deployer:
    """Make a folder with a journal in it, and the command there."""
    return Deployer(tmp_path)


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine knows of AWS, and of terminals, is not for the tests."""
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "DEPLOYER_JOURNAL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "joe")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")


@pytest.fixture
def real(deployer: Deployer) -> Deployer:
    """Make a journal that is about the real AWS: version 3 was requested there, and nothing more."""
    loaded = specfile.load(EXAMPLE / "hotfix.yaml")
    with open_environment(deployer.journal, spec=loaded.spec, act=False) as environment:
        environment.runner().request("real", loaded.spec, loaded.templates)
    return deployer
