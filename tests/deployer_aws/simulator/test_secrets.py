"""The simulated Secrets Manager: versions, stages, and what ECS makes of a `ValueFrom`."""

import json
from typing import Any

import pytest

from deployer_aws.simulator import ClientError
from deployer_aws.simulator.secrets import NoSecret, value_from
from tests.support.conformance import CheckedSimulator

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def sim() -> CheckedSimulator:
    return CheckedSimulator()


@pytest.fixture
def client(sim: CheckedSimulator) -> Any:
    """Return a client, and a secret with one version."""
    client = sim.client("secretsmanager")
    client.create_secret(Name="shop/db", ClientRequestToken=FIRST, SecretString='{"password": "one"}')
    return client


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Return the error's code."""
    return str(error.value.response["Error"]["Code"])


def test_a_new_secret_is_current(client: Any) -> None:
    """Its first version is AWSCURRENT; it is found by its name, and by its ARN with and without the six characters."""
    found = client.get_secret_value(SecretId="shop/db")
    assert (found["VersionId"], found["VersionStages"]) == (FIRST, ["AWSCURRENT"])
    for named in (found["ARN"], found["ARN"][:-7]):
        assert client.describe_secret(SecretId=named)["VersionIdsToStages"] == {FIRST: ["AWSCURRENT"]}


def test_a_pending_version_becomes_current(client: Any) -> None:
    """AWSCURRENT moves where the version that it leaves is named; AWSPREVIOUS follows by itself."""
    client.put_secret_value(
        SecretId="shop/db", ClientRequestToken=SECOND, SecretString="two", VersionStages=["AWSPENDING"]
    )
    assert client.get_secret_value(SecretId="shop/db")["VersionId"] == FIRST
    assert client.get_secret_value(SecretId="shop/db", VersionStage="AWSPENDING")["SecretString"] == "two"
    move = {"SecretId": "shop/db", "VersionStage": "AWSCURRENT", "MoveToVersionId": SECOND}
    with pytest.raises(ClientError, match="must explicitly reference that version") as error:
        client.update_secret_version_stage(**move)
    assert refused(error) == "InvalidParameterException"
    client.update_secret_version_stage(**move, RemoveFromVersionId=FIRST)
    client.update_secret_version_stage(
        SecretId="shop/db", VersionStage="AWSPENDING", RemoveFromVersionId=SECOND
    )
    stages = client.describe_secret(SecretId="shop/db")["VersionIdsToStages"]
    assert stages == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}


def test_a_token_stands_for_one_version(client: Any, sim: CheckedSimulator) -> None:
    """The same again changes nothing; other contents, and a name that is taken, are refused."""
    again = {"ClientRequestToken": FIRST, "SecretString": '{"password": "one"}'}
    before = len(sim.changes)
    client.create_secret(Name="shop/db", **again)
    client.put_secret_value(SecretId="shop/db", **again)
    assert len(sim.changes) == before
    other = {"ClientRequestToken": FIRST, "SecretString": "other"}
    for call, more in (
        (client.put_secret_value, {"SecretId": "shop/db"}),
        (client.create_secret, {"Name": "shop/db"}),
    ):
        with pytest.raises(ClientError) as error:
            call(**more, **other)
        assert refused(error) == "ResourceExistsException"


@pytest.mark.parametrize(
    "request_",
    [
        {"SecretId": "nothing"},
        {"SecretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-zzzzzz"},
        {"SecretId": "shop/db", "VersionId": SECOND},
        {"SecretId": "shop/db", "VersionStage": "AWSPENDING"},
    ],
    ids=str,
)
def test_what_is_not_there(client: Any, request_: dict[str, str]) -> None:
    """No secret of that name, no version of that id, none in that stage."""
    with pytest.raises(ClientError, match="can't find the specified secret") as error:
        client.get_secret_value(**request_)
    assert refused(error) == "ResourceNotFoundException"


def test_stages_cannot_be_moved_from_where_they_are_not(client: Any) -> None:
    """A version that does not bear the stage, one that is not there, and AWSCURRENT to nowhere are refused."""
    client.put_secret_value(SecretId="shop/db", ClientRequestToken=SECOND, SecretString="two")
    for more, code in (
        ({"RemoveFromVersionId": FIRST, "MoveToVersionId": SECOND}, "InvalidParameterException"),
        ({"MoveToVersionId": "c" * 32}, "ResourceNotFoundException"),
        ({"RemoveFromVersionId": SECOND}, "InvalidParameterException"),
    ):
        with pytest.raises(ClientError) as error:
            client.update_secret_version_stage(SecretId="shop/db", VersionStage="AWSCURRENT", **more)
        assert refused(error) == code


def test_a_secret_may_be_made_before_its_contents(sim: CheckedSimulator) -> None:
    """Whatever stage its first version is given, it is the current one too (PutSecretValue)."""
    client = sim.client("secretsmanager")
    assert "VersionId" not in client.create_secret(Name="shop/later", ClientRequestToken=FIRST)
    with pytest.raises(ClientError, match="can't find the specified secret"):
        client.get_secret_value(SecretId="shop/later")
    client.put_secret_value(
        SecretId="shop/later", ClientRequestToken=SECOND, SecretString="one", VersionStages=["AWSPENDING"]
    )
    stages = client.describe_secret(SecretId="shop/later")["VersionIdsToStages"]
    assert stages == {SECOND: ["AWSPENDING", "AWSCURRENT"]}


def test_going_back_to_the_previous_version_changes_places(client: Any) -> None:
    """What was AWSPREVIOUS is AWSCURRENT, and the other way round; moving a stage to where it is changes nothing."""
    client.put_secret_value(SecretId="shop/db", ClientRequestToken=SECOND, SecretString="two")
    back = {"SecretId": "shop/db", "VersionStage": "AWSCURRENT", "MoveToVersionId": FIRST}
    client.update_secret_version_stage(**back, RemoveFromVersionId=SECOND)
    expected = {FIRST: ["AWSCURRENT"], SECOND: ["AWSPREVIOUS"]}
    assert client.describe_secret(SecretId="shop/db")["VersionIdsToStages"] == expected
    client.update_secret_version_stage(**back)
    assert client.describe_secret(SecretId="shop/db")["VersionIdsToStages"] == expected


def test_contents_are_in_no_record(client: Any, sim: CheckedSimulator) -> None:
    """Neither the calls nor the changes hold what was put into a secret."""
    assert sim.calls[-1].request["SecretString"] == "****"
    assert "one" not in json.dumps([repr(entry) for entry in (*sim.calls, *sim.changes)])


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db"


@pytest.mark.parametrize(
    ("named", "value"),
    [
        (ARN, '{"password": "one"}'),
        ("shop/db", '{"password": "one"}'),
        (f"{ARN}:password::", "one"),
        (f"{ARN}:password:AWSCURRENT:", "one"),
        (f"{ARN}:password::{FIRST}", "one"),
    ],
)
def test_what_a_container_is_given(client: Any, sim: CheckedSimulator, named: str, value: str) -> None:
    """The whole secret, or a key of it, of the version that is named."""
    store = sim._store
    with store.transaction():
        assert value_from(store, named) == value


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (f"{ARN}:user::", "did not contain json key user"),
        (f"{ARN}::AWSPREVIOUS:", "can't find the specified secret value for AWSPREVIOUS"),
        (f"{ARN}-nothin", "can't find the specified secret"),
    ],
)
def test_what_a_container_cannot_be_given(client: Any, sim: CheckedSimulator, named: str, words: str) -> None:
    """What is missing is said: the key, the version or the secret."""
    store = sim._store
    with store.transaction(), pytest.raises(NoSecret, match=words):
        value_from(store, named)


def test_a_container_is_given_no_key_of_what_is_no_json(client: Any, sim: CheckedSimulator) -> None:
    """A secret that is a password and nothing else has no keys."""
    client.put_secret_value(SecretId="shop/db", ClientRequestToken=SECOND, SecretString="{two")
    store = sim._store
    with store.transaction():
        assert value_from(store, ARN) == "{two"
        with pytest.raises(NoSecret, match="did not contain json key password"):
            value_from(store, f"{ARN}:password::")
