"""The check of answers itself: each sort of planted mistake is found."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deployer_aws.simulator.service import camel, services
from deployer_aws.simulator.statuses import STACK_STATUSES, STOP_CODES
from tests.support.conformance import CheckedSimulator, Nonconforming, check_answer, check_shape

GOOD: dict[str, Any] = {
    "StackName": "x",
    "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    "StackStatus": "CREATE_COMPLETE",
}


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ({"Colour": "red"}, "Colour: no such member"),
        ({"StackStatus": "CREATED"}, "is not one of"),
        ({"CreationTime": datetime(2026, 1, 1)}, "a time with a zone"),  # noqa: DTZ001 - the fault
        ({"DisableRollback": 1}, "boolean is due"),
        ({"TimeoutInMinutes": True}, "integer is due"),
        ({"Outputs": {}}, "a list is due"),
        ({"Outputs": ["x"]}, "a structure is due"),
    ],
)
def test_finds_planted_mistakes(planted: dict[str, Any], complaint: str) -> None:
    """An answer with an unknown member, a wrong type or a word outside of its enum does not pass."""
    with pytest.raises(Nonconforming, match=complaint):
        check_answer("cloudformation", "DescribeStacks", {"Stacks": [{**GOOD, **planted}]})


def test_finds_what_is_missing() -> None:
    """An answer that lacks a required member does not pass, nor does one where none is due."""
    with pytest.raises(Nonconforming, match="StackStatus: required"):
        check_answer(
            "cloudformation",
            "DescribeStacks",
            {"Stacks": [{"StackName": "x", "CreationTime": GOOD["CreationTime"]}]},
        )
    with pytest.raises(Nonconforming, match="unknown: StackId"):
        check_answer("cloudformation", "DeleteStack", {"StackId": "x"})
    with pytest.raises(Nonconforming, match="a map is due"):
        check_shape("ecs", "ContainerDefinition", {"dockerLabels": []})
    check_shape("ecs", "ContainerDefinition", {"dockerLabels": {"a": "b"}})


def test_passes_what_is_right() -> None:
    """A right answer passes, and its metadata is left out of the check."""
    check_answer(
        "cloudformation", "DescribeStacks", {"Stacks": [GOOD], "ResponseMetadata": {"HTTPStatusCode": 200}}
    )


def test_every_operation_is_one_of_the_real_service() -> None:
    """No simulated operation is an invention: botocore's models know each."""
    import botocore.session

    for name, cls in services().items():
        model = botocore.session.get_session().get_service_model(name)
        assert {camel(operation) for operation in cls.operations()} <= set(model.operation_names)


def test_the_words_are_those_of_the_services() -> None:
    """The statuses and stop codes that scripts may use are exactly those of botocore's models."""
    import botocore.session

    session: Any = botocore.session.get_session()
    assert list(STACK_STATUSES) == session.get_service_model("cloudformation").shape_for("StackStatus").enum
    assert list(STOP_CODES) == session.get_service_model("ecs").shape_for("TaskStopCode").enum


def test_checked_clients_keep_the_other_faces_of_a_client() -> None:
    """Paginators and exceptions are reached through a checked client too."""
    client = CheckedSimulator().client("ecs")
    assert client.can_paginate("list_tasks")
    assert issubclass(client.exceptions.ClientError, Exception)
    with pytest.raises(AttributeError, match="has no 'create_cluster'"):
        _ = client.create_cluster
