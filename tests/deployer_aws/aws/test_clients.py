"""The clients: which account they are for, whose credentials they have, and what of them is sent again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from deployer_aws.aws import clients as module
from deployer_aws.aws.accounts import find
from deployer_aws.aws.clients import SERVICES, ClientsError, Options, connect
from deployer_aws.aws.errors import ErrorClass, LoginNeeded, classify
from deployer_aws.ports import Account

ROLE = "arn:aws:iam::210987654321:role/deployer"
OPTIONS = Options(region="eu-west-1", role_arn=ROLE)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with mock_aws():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield


def test_without_a_role_the_clients_act_as_who_is_logged_in() -> None:
    """Keys of one's own do not end by themselves."""
    clients = connect(Options(region="eu-west-1"))
    assert find(clients) == Account("123456789012", "eu-west-1")
    assert not clients.temporary()
    assert clients.calls == {"GetCallerIdentity": 1}


def test_a_role_is_assumed_once_for_all_clients() -> None:
    """The account is then the role's, the credentials end some day, and nothing is asked before the first call."""
    clients = connect(OPTIONS)
    assert not clients.calls
    assert find(clients) == Account("210987654321", "eu-west-1")
    assert clients.temporary()
    clients.cloudformation.describe_stacks()
    assert clients.calls == {"AssumeRole": 1, "GetCallerIdentity": 1, "DescribeStacks": 1}


def test_a_role_is_assumed_anew_before_its_credentials_end() -> None:
    """Fifteen minutes before, by botocore's own rule."""
    clients = connect(OPTIONS)
    find(clients)
    later = datetime.now(UTC) + timedelta(minutes=50)
    sts: Any = clients.sts
    sts._acting._request_signer._credentials._time_fetcher = lambda: later
    find(clients)
    assert clients.calls["AssumeRole"] == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", ErrorClass.CREDENTIALS),
        ("ExpiredToken", ErrorClass.CREDENTIALS),
        ("Throttling", ErrorClass.TRANSIENT),
    ],
)
def test_a_role_that_cannot_be_assumed_fails_nothing(
    code: str, kind: ErrorClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever STS refuses, it is about who we are, not about what was asked for; AWS's words are kept."""
    from botocore.credentials import AssumeRoleCredentialFetcher

    def refuse(_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "not you"}}, "AssumeRole")

    monkeypatch.setattr(AssumeRoleCredentialFetcher, "_get_credentials", refuse)
    with pytest.raises(Exception, match="not you") as caught:
        connect(OPTIONS).cloudformation.update_stack(StackName="orders")
    problem = classify(caught.value)
    assert problem is not None
    assert problem.error_class is kind


def test_an_endpoint_is_every_services_and_has_its_buckets_in_the_path() -> None:
    """Emulators have one address for all."""
    clients = connect(Options(region="eu-west-1", endpoint_url="http://localhost:4566"))
    assert find_endpoints(clients) == {"http://localhost:4566"}
    s3: Any = clients.s3
    assert s3.meta.config.s3["addressing_style"] == "path"


def find_endpoints(clients: module.Clients) -> set[str]:
    """Where the clients send to."""
    found: list[Any] = [getattr(clients, service) for service in SERVICES]
    return {client.meta.endpoint_url for client in found}


def test_clients_that_cannot_be_made_say_what_to_do() -> None:
    """A region or an endpoint that is none, and a profile that there is not."""
    for options, words in (
        (Options(region="eu west"), "--region"),
        (Options(region="eu-west-1", endpoint_url="nowhere"), "--endpoint-url"),
        (Options(profile="nobody"), "nobody.*--profile"),
        (Options(), "--region"),
    ):
        with pytest.raises(ClientsError, match=words):
            connect(options)


def test_the_environments_region_and_endpoint_count_unless_others_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AWS_REGION and AWS_ENDPOINT_URL."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    assert connect().region == "eu-central-1"
    assert connect().endpoint_url == "http://localhost:1"
    given = connect(Options(region="eu-west-1", endpoint_url="http://localhost:2"))
    assert find_endpoints(given) == {"http://localhost:2"}
    assert given.region == "eu-west-1"


def test_only_methods_that_change_nothing_are_the_observing_clients() -> None:
    """What changes a stack is sent once; what only looks may be sent again."""
    clients = connect(Options(region="eu-west-1"))
    for name, observed in (
        ("describe_stacks", True),
        ("get_template", True),
        ("create_stack", False),
        ("cancel_update_stack", False),
        ("delete_stack", False),
    ):
        method: Any = getattr(clients.cloudformation, name)
        attempts = method.__self__.meta.config.retries["total_max_attempts"]
        assert attempts == (module.TRIES if observed else 1), name


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (EndpointConnectionError(endpoint_url="https://sts"), ClientsError, "AWS does not say which account"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "GetCallerIdentity"), LoginNeeded, "ExpiredToken"),
        (TypeError("a slip"), TypeError, "a slip"),
    ],
    ids=["unreachable", "expired", "a-slip"],
)
def test_why_the_account_is_not_known(
    error: Exception, raised: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS cannot be asked, or somebody has to log in; a mistake of our own is raised as it is."""
    clients = connect(Options(region="eu-west-1"))

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(clients.sts, "get_caller_identity", fail)
    with pytest.raises(raised, match=words):
        find(clients)


def test_a_role_is_not_assumed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials of one's own it is a login that is missing, and not the role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(LoginNeeded, match="credentials"):
        find(connect(OPTIONS))
