"""What boto3 is told about timeouts, retries and profiles."""

from typing import Any

import pytest

from deployer_aws.aws.clients import Clients, ClientsError, connect
from tests.support.deployers import no_account

__all__ = ["no_account"]


def test_only_looking_is_retried_by_the_sdk_and_every_try_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a change is sent again is the runner's decision; each call has its time."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    clients: Clients = connect()
    client: Any = clients.cloudformation
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 15
    monkeypatch.setattr("time.sleep", abs)
    for call in (clients.cloudformation.describe_stacks, clients.cloudformation.create_stack):
        with pytest.raises(Exception, match="127.0.0.1"):
            call(StackName="orders")
    assert clients.calls == {"DescribeStacks": 3, "CreateStack": 1}


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everything that keeps clients from being made."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ClientsError, match="nobody"):
        connect()
