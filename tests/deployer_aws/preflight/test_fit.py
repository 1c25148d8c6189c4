"""Whether a spec fits its template and the stack: what preflight and the executor find by the same functions."""

import json
from typing import Any

import pytest

from deployer_aws.preflight.fit import misfits, too_large
from deployer_aws.templates import read
from deployer_core.spec import FixedCount, Previous, StackSpec, TemplateUrl

pytestmark = pytest.mark.quick

URL = TemplateUrl("https://example.com/shop.json")
ROLE = {"Type": "AWS::IAM::Role", "Properties": {}}
TOPIC = {"Type": "AWS::SNS::Topic"}
PARAMETERS = {"Count": {"Type": "Number"}, "Colour": {"Type": "String", "Default": "red"}}


def template(resource: Any = None, **sections: Any) -> str:
    return json.dumps({"Parameters": PARAMETERS, "Resources": {"It": resource or TOPIC}, **sections})


def spec(capabilities: tuple[str, ...] = (), counted: str = "Count", **parameters: Any) -> StackSpec:
    scaling = (FixedCount(counted, 1),) if counted else ()
    return StackSpec("shop", URL, tuple(parameters.items()), scaling, capabilities)


def found(wanted: StackSpec, text: str | None = None, stack: tuple[str, ...] | None = (), **more: Any) -> str:
    return "; ".join(one.text for one in misfits(wanted, read(text or template()), stack, **more))


@pytest.mark.parametrize("stack", [None, (), ("Count", "Colour")])
def test_a_spec_that_fits(stack: tuple[str, ...] | None) -> None:
    """Nothing is found of a spec that gives what the template asks for, whatever the stack has."""
    assert found(spec(), stack=stack) == ""
    assert found(spec(Colour="blue"), stack=stack) == ""


def test_parameters_that_do_not_fit() -> None:
    """One that the template lacks, a count included, and one that the template wants."""
    assert found(spec(Color="blue")) == "the template has no parameter Color"
    assert found(spec(counted="")) == "the template's parameter Count has no default"
    assert found(spec(counted="Counts")).startswith("the template has no parameter Counts; ")


@pytest.mark.parametrize(
    ("stack", "text"), [(None, "does not exist yet"), (("Count",), "has no such parameter yet")]
)
def test_a_previous_value_that_is_not_there(stack: tuple[str, ...] | None, text: str) -> None:
    """A stack that is new, or has not the parameter, has no value to keep; one that was sent before is sent again."""
    expected = f"Colour cannot keep a previous value: the stack shop {text}"
    assert found(spec(Colour=Previous()), stack=stack) == expected
    assert found(spec(Colour=Previous()), stack=stack, sent=(("Colour", "blue"),)) == ""
    assert found(spec(Colour=Previous()), stack=("Colour", "Count")) == ""


def test_capabilities_that_are_missing() -> None:
    """Those that the template's resources need; a broader one will do."""
    assert found(spec(), template(ROLE)).startswith("the template needs CAPABILITY_IAM: ")
    assert found(spec(("CAPABILITY_IAM",)), template(ROLE)) == ""
    assert found(spec(("CAPABILITY_NAMED_IAM",)), template(ROLE)) == ""


def test_what_a_macro_may_change_is_left_to_cloudformation() -> None:
    """Where a macro may still change the template, only what the stack lacks is certain."""
    text = template(ROLE, Transform="AWS::Serverless-2016-10-31")
    assert found(spec(Color="blue"), text) == ""
    assert found(spec(Colour=Previous()), text, None).startswith("Colour cannot keep a previous value")


@pytest.mark.parametrize(
    ("size", "bucket", "refused"), [(51_200, "", False), (51_201, "", True), (90_000, "templates", False)]
)
def test_size(size: int, bucket: str, refused: bool) -> None:
    """Bytes count, and a bucket takes what does not fit into a request."""
    assert bool(list(too_large("x" * size, bucket))) == refused
    assert list(too_large("é" * 30_000, ""))
