"""What a change is sent: parameters, templates, capabilities."""

import hashlib
import json
import logging
from typing import Any

import pytest

from deployer_core.spec import ListenerPriority, Previous, StackOutput
from tests.deployer_aws.scenarios.environment import Environment


def test_previous_value(env: Environment) -> None:
    """A parameter that keeps its previous value keeps it, whatever its default is."""
    body = env.template(parameters={"Colour": {"Type": "String", "Default": "red"}})
    env.deploy("d1", body, quick=True, parameters={"Colour": "blue"})
    env.deploy("d2", body, quick=True, version="2", parameters={"Colour": Previous()})
    assert env.parameters()["Colour"] == "blue"


def test_previous_value_of_a_new_stack(env: Environment) -> None:
    """A new stack has no previous value to keep: the failure names the parameter, and AWS was not asked."""
    body = env.template(parameters={"Colour": {"Type": "String"}})
    failed = env.deploy("d1", body, quick=True, parameters={"Colour": Previous()})
    assert f"Colour cannot keep a previous value: the stack {env.stack} does not exist yet" in failed.reason
    assert env.actions == []


def test_output_of_another_stack(env: Environment) -> None:
    """A parameter takes another stack's output, as it is when the command is first sent."""
    other = env.other_stack({"Outputs": {"Name": {"Value": "blue"}}})
    body = env.template(parameters={"Colour": {"Type": "String"}})
    assert env.deploy("d1", body, parameters={"Colour": StackOutput(other, "Name")}).outcome == "DONE"
    assert env.parameters()["Colour"] == "blue"


def test_output_that_is_missing(env: Environment) -> None:
    """An output or a stack that is not there refuses the deployment, and the reason says what there is."""
    other = env.other_stack({"Outputs": {"Name": {"Value": "blue"}}})
    body = env.template(parameters={"Colour": {"Type": "String"}})
    failed = env.deploy("d1", body, quick=True, parameters={"Colour": StackOutput(other, "Shade")})
    assert f"parameter Colour needs output Shade of stack {other}, which has: Name" in failed.reason
    assert failed.cause == "REFUSED"
    failed = env.deploy("d2", body, quick=True, parameters={"Colour": StackOutput("nobody", "Shade")})
    assert "needs an output of stack nobody, which does not exist" in failed.reason
    assert env.status == "AVAILABLE"
    assert env.actions == []


def test_secret_is_kept_while_scaling(env: Environment) -> None:
    """Scaling keeps a NoEcho parameter's value: the `****` that AWS shows of it is never sent."""
    body = env.template(parameters={"Secret": {"Type": "String", "NoEcho": True, "Default": "none"}})
    env.deploy("d1", body, parameters={"Secret": "hunter2"})
    env.deploy("d2", body, version="2", parameters={"Secret": Previous()})
    assert env.sent("update_stack"), "something was scaled"
    for request in env.sent("update_stack"):
        given = {p["ParameterKey"]: p for p in request["Parameters"]}
        assert given["Secret"].get("ParameterValue") != "****"
    for request in env.sent("update_stack", UsePreviousTemplate=True):
        given = {p["ParameterKey"]: p for p in request["Parameters"]}
        assert given["Secret"] == {"ParameterKey": "Secret", "UsePreviousValue": True}
        assert set(given) == {"Count", "Version", "Secret"}, "one left out would fall back to its default"


PRIORITY = {"Priority": {"Type": "Number"}}


def test_lowest_free_listener_priority(env: Environment) -> None:
    """A rule's priority is the lowest free of its range, over all pages; two parameters never share one."""
    listener = env.listener(*range(100, 130), 131)
    body = env.template(parameters={**PRIORITY, "Second": {"Type": "Number"}})
    group = ListenerPriority(listener, 100, 200)
    env.deploy("d1", body, quick=True, parameters={"Priority": group, "Second": group})
    assert env.parameters()["Priority"] == "130"
    assert env.parameters()["Second"] == "132"


def test_listener_priority_is_kept(env: Environment) -> None:
    """The priority that the stack has is kept while it lies in the range, and given up when it does not."""
    listener = env.listener(100)
    body = env.template(parameters=PRIORITY)
    env.deploy("d1", body, quick=True, parameters={"Priority": "150"})
    env.deploy(
        "d2", body, quick=True, version="2", parameters={"Priority": ListenerPriority(listener, 100, 200)}
    )
    assert env.parameters()["Priority"] == "150"
    env.deploy(
        "d3", body, quick=True, version="3", parameters={"Priority": ListenerPriority(listener, 100, 120)}
    )
    assert env.parameters()["Priority"] == "101"


def test_no_free_listener_priority(env: Environment) -> None:
    """A range with no free priority is a failure that names listener and range."""
    listener = env.listener(100, 101)
    body = env.template(parameters=PRIORITY)
    failed = env.deploy("d1", body, quick=True, parameters={"Priority": ListenerPriority(listener, 100, 101)})
    assert "has no free priority from 100 to 101" in failed.reason
    assert env.actions == []


def test_resend_keeps_what_was_resolved(env: Environment) -> None:
    """What was resolved is journaled before the first send: a resend asks for the same, whatever has changed since."""
    env.rule(on="create_stack", nth=1, throttle=True)
    other = env.other_stack({"Outputs": {"Name": {"Value": "blue"}}})
    body = env.template(parameters={"Colour": {"Type": "String"}})
    assert (
        env.deploy("d1", body, quick=True, parameters={"Colour": StackOutput(other, "Name")}).outcome
        == "DONE"
    )
    first, second = env.sent("create_stack")
    assert first == second
    looks = [r for r in env.sent("describe_stacks") if r.get("StackName") == other]
    assert len(looks) == 2, "while the deployment waits, and before the first send"


def test_long_template(env: Environment) -> None:
    """A template above 51,200 bytes goes to the bucket under the hash of its text, and is named by its URL."""
    env.needs("templates by URL")
    body = env.template(Metadata={"Padding": "x" * 60_000})
    assert env.deploy("d1", body, quick=True).outcome == "DONE"
    (request,) = env.sent("create_stack")
    assert "TemplateBody" not in request
    digest = hashlib.sha256(body.encode()).hexdigest()
    assert request["TemplateURL"].endswith(f"/{env.bucket}/deployer/templates/{digest}")


def test_transform(env: Environment) -> None:
    """A stack whose template has a transform is scaled by sending that template itself, as it was written."""
    env.needs("transforms")
    body = env.template(Transform="AWS::LanguageExtensions")
    capable = ("CAPABILITY_AUTO_EXPAND",)
    env.deploy("d1", body, capabilities=capable)
    assert env.deploy("d2", body, version="2", capabilities=capable).outcome == "DONE"
    for request in env.sent("update_stack"):
        assert "UsePreviousTemplate" not in request
        assert json.loads(request["TemplateBody"])["Transform"] == "AWS::LanguageExtensions"
        assert request["Capabilities"] == ["CAPABILITY_AUTO_EXPAND"]


def test_capabilities_are_sent_again_when_scaling(env: Environment) -> None:
    """Scaling a stack with IAM resources resends the capabilities that the stack was made with."""
    env.needs("capabilities in descriptions")
    role: dict[str, Any] = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    }
    body = env.template(resources={"Role": role})
    env.deploy("d1", body, quick=True, capabilities=("CAPABILITY_IAM",))
    assert env.deploy("d2", body, version="2", capabilities=("CAPABILITY_NAMED_IAM",)).outcome == "DONE"
    scaled = env.sent("update_stack", UsePreviousTemplate=True)
    assert scaled[0]["Capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]


def test_missing_capability(env: Environment) -> None:
    """A capability that the spec lacks refuses the deployment: the reason says which, what for, and what to do."""
    role: dict[str, Any] = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    }
    refused = env.deploy("d1", env.template(resources={"Role": role}), quick=True)
    assert refused.cause == "REFUSED"
    assert "the template needs CAPABILITY_IAM: " in refused.reason
    assert "[AWS::IAM::Role]; add CAPABILITY_IAM to stack.capabilities" in refused.reason
    assert (env.actions, env.status) == ([], "AVAILABLE")


def test_ssm_parameters_are_warned_of(env: Environment, caplog: pytest.LogCaptureFixture) -> None:
    """Scaling a stack with SSM-typed parameters warns that their values are read anew."""
    env.parameter_store("/shop/image", "shop:1")
    body = env.template(parameters={"Image": {"Type": "AWS::SSM::Parameter::Value<String>"}})
    env.deploy("d1", body, parameters={"Image": "/shop/image"})
    caplog.clear()
    with caplog.at_level(logging.WARNING, "deployer"):
        env.deploy("d2", body, version="2", parameters={"Image": "/shop/image"})
    assert any("reads Image anew from the SSM Parameter Store" in record.message for record in caplog.records)


def test_unknown_parameter(env: Environment) -> None:
    """A template that lacks a parameter of the spec refuses the deployment, which says what to do."""
    refused = env.deploy("d1", env.template(), quick=True, parameters={"Color": "blue"})
    assert refused.cause == "REFUSED"
    assert "the template has no parameter Color; correct stack.parameters" in refused.reason
    assert (env.actions, env.status) == ([], "AVAILABLE")
