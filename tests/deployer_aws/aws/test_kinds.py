"""Kinds of resources that hold no data, and the page that lists them."""

import re
from pathlib import Path

import pytest

from deployer_aws.aws.kinds import WITHOUT_DATA, may_hold_data

PAGE = Path(__file__).parents[3] / "docs" / "kinds.md"


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::S3::Bucket",
        "AWS::RDS::DBInstance",
        "AWS::DynamoDB::Table",
        "AWS::SQS::Queue",
        "AWS::EFS::FileSystem",
        "AWS::SecretsManager::Secret",
        "AWS::CloudFormation::Stack",
        "Custom::Thing",
        "AWS::New::Kind",
        "",
    ],
)
def test_any_other_kind_may_hold_data(kind: str) -> None:
    """What is not on the list is taken for something that holds data."""
    assert may_hold_data(kind)


def test_what_each_deployment_replaces_holds_none() -> None:
    """A task definition is replaced by every new version: it must not be in the way of the way back."""
    assert not may_hold_data("AWS::ECS::TaskDefinition")
    assert not may_hold_data("AWS::ECS::Service")


def test_no_kind_is_listed_twice() -> None:
    """Each kind has one reason."""
    kinds = [kind for some in WITHOUT_DATA.values() for kind in some]
    assert len(kinds) == len(set(kinds))
    assert all(re.fullmatch(r"AWS::\w+::\w+", kind) for kind in kinds)


def test_the_page_lists_them() -> None:
    """docs/kinds.md has each reason with its kinds, and no other kind."""
    text = PAGE.read_text()
    lines = [f"- {why} {', '.join(f'`{kind}`' for kind in kinds)}" for why, kinds in WITHOUT_DATA.items()]
    assert text.endswith("\n".join(lines) + "\n")
