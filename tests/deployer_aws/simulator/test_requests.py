"""What the simulated CloudFormation accepts, refuses and replays, in AWS's words."""

import json
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from deployer_aws.simulator import ClientError
from tests.support.conformance import CheckedSimulator

PLAIN = "Resources: {Topic: {Type: 'AWS::SNS::Topic'}}"
ASKING = """
Description: asks for much
Parameters:
  Name: {Type: String, Description: who}
  Size: {Type: Number, Default: 3, MinValue: 1, MaxValue: 9}
  Mode: {Type: String, Default: slow, AllowedValues: [slow, fast]}
  Secret: {Type: String, NoEcho: true, Default: hush, MinLength: 2, MaxLength: 6}
  Code: {Type: String, Default: a1, AllowedPattern: '[a-z][0-9]'}
Resources:
  Role: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {Statement: [{Condition: {Bool: {x: y}}}]}}}
"""
FUNCTIONS = """
Parameters: {Zones: {Type: CommaDelimitedList, Default: 'p,q'}, Env: {Type: String, Default: prod}}
Mappings: {Sizes: {prod: {cpu: '9'}}}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  Not: !Not [!Condition Prod]
  Any: !Or [!Condition Not, !And [!Condition Prod, !Condition Prod]]
Resources:
  Q: {Type: AWS::SQS::Queue, Properties: {X: !If [Not, 1, !Ref AWS::NoValue], Y: [!Ref AWS::NoValue]}}
  D: {Type: AWS::RDS::DBInstance}
  F: {Type: AWS::Lambda::Function, Properties: {FunctionName: fun}}
  V: {Type: AWS::EC2::VPC}
Outputs:
  Join: {Value: !Join ['-', !Ref Zones]}
  Select: {Value: !Select [1, !Split [',', 'x,y']]}
  Beyond: {Value: !Select [5, [a]]}
  Map: {Value: !FindInMap [Sizes, !Ref Env, cpu]}
  If: {Value: !If [Any, yes, no]}
  Import: {Value: !ImportValue shared}
  Unknown: {Value: !ImportValue nowhere}
  Sub: {Value: !Sub ['${own}-${Env}-${AWS::Region}-${!kept}', {own: o}]}
  Base: {Value: {'Fn::Base64': hi}}
  Zone: {Value: !Select [0, !GetAZs '']}
  Host: {Value: !GetAtt D.Endpoint.Address}
  Arn: {Value: !GetAtt F.Arn}
  Name: {Value: {'Fn::GetAtt': F.Name}}
  Odd: {Value: {'Fn::Transform': x}}
  Date: {Value: 2026-01-01}
"""
PREVIOUS = "Invalid input for parameter key Name. Cannot specify "


def given(**values: Any) -> list[dict[str, Any]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


@pytest.fixture
def sim() -> CheckedSimulator:
    return CheckedSimulator({"templates": {"https://bucket/t.yaml": PLAIN}})


@pytest.fixture
def cloudformation(sim: CheckedSimulator) -> Any:
    return sim.client("cloudformation")


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_same_request_with_the_same_token_is_done_once(
    sim: CheckedSimulator, cloudformation: Any
) -> None:
    """A repeated create or update with its token gives the same answer, and changes nothing more."""
    request: dict[str, Any] = {"StackName": "x", "TemplateBody": PLAIN, "ClientRequestToken": "t1"}
    assert (
        cloudformation.create_stack(**request)["StackId"] == cloudformation.create_stack(**request)["StackId"]
    )
    sim.clock.sleep(100)
    request = {
        "StackName": "x",
        "TemplateBody": PLAIN,
        "ClientRequestToken": "t2",
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    cloudformation.update_stack(**request)
    sim.clock.sleep(100)
    cloudformation.update_stack(**request)
    assert [(c.action, c.token) for c in sim.changes] == [("create_stack", "t1"), ("update_stack", "t2")]


def test_the_same_token_for_something_else_is_refused(sim: CheckedSimulator, cloudformation: Any) -> None:
    """A token that was used with other parameters, another operation or a deleted stack is TokenAlreadyExists."""
    cloudformation.create_stack(StackName="x", TemplateBody=PLAIN, ClientRequestToken="t1")
    again = refusal(cloudformation.create_stack, StackName="x", TemplateBody=ASKING, ClientRequestToken="t1")
    assert again[0] == "TokenAlreadyExistsException"
    sim.clock.sleep(100)
    assert refusal(cloudformation.delete_stack, StackName="x", ClientRequestToken="t1")[0] == again[0]
    cloudformation.delete_stack(StackName="x", ClientRequestToken="t2")
    sim.clock.sleep(100)
    gone = refusal(cloudformation.create_stack, StackName="x", TemplateBody=PLAIN, ClientRequestToken="t1")
    assert gone == again
    assert (
        refusal(cloudformation.create_stack, StackName="x", TemplateBody=PLAIN, ClientRequestToken="-")[0]
        == "ValidationError"
    )


def test_what_is_there_already_is_not_created(cloudformation: Any) -> None:
    """A create of an existing name without its token is AlreadyExistsException."""
    cloudformation.create_stack(StackName="x", TemplateBody=PLAIN)
    assert refusal(cloudformation.create_stack, StackName="x", TemplateBody=PLAIN) == (
        "AlreadyExistsException",
        "Stack [x] already exists",
    )


def test_what_is_not_there_is_not_found(cloudformation: Any) -> None:
    """The words for a stack that does not exist differ by operation, as they do on AWS."""
    with_id = ("ValidationError", "Stack with id x does not exist")
    named = ("ValidationError", "Stack [x] does not exist")
    for method, words in [
        ("describe_stacks", with_id),
        ("list_stack_resources", with_id),
        ("get_template", with_id),
        ("describe_stack_events", named),
        ("cancel_update_stack", named),
    ]:
        assert refusal(getattr(cloudformation, method), StackName="x") == words
    assert refusal(cloudformation.update_stack, StackName="x", TemplateBody=PLAIN) == named


def test_updates_wait_their_turn_and_must_change_something(
    sim: CheckedSimulator, cloudformation: Any
) -> None:
    """An update while one is in progress, and one that changes nothing, are refused."""
    stack_id = cloudformation.create_stack(StackName="x", TemplateBody=PLAIN)["StackId"]
    busy = refusal(cloudformation.update_stack, StackName="x", TemplateBody=ASKING)
    assert busy == (
        "ValidationError",
        f"Stack:{stack_id} is in CREATE_IN_PROGRESS state and can not be updated.",
    )
    sim.clock.sleep(100)
    same = refusal(
        cloudformation.update_stack,
        StackName="x",
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
    )
    assert same == ("ValidationError", "No updates are to be performed.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "Parameters: [Name] must have values"),
        (given(Name="n", Other="x"), "Parameters: [Other] do not exist in the template"),
        (given(Name="n", Mode="odd"), "Parameter 'Mode' must be one of AllowedValues"),
        (given(Name="n", Size="big"), "Parameter 'Size' must be a number."),
        (given(Name="n", Size=0), "Parameter 'Size' must be a number not less than 1"),
        (given(Name="n", Size=10), "Parameter 'Size' must be a number not greater than 9"),
        (given(Name="n", Secret="x"), "Parameter 'Secret' must contain at least 2 characters"),
        (given(Name="n", Secret="x" * 7), "Parameter 'Secret' must contain at most 6 characters"),
        (given(Name="n", Code="A"), "Parameter 'Code' must match pattern [a-z][0-9]"),
        (
            [{"ParameterKey": "Name", "UsePreviousValue": True}],
            PREVIOUS + "usePreviousValue as true for a parameter key not in the previous template",
        ),
        (
            [{"ParameterKey": "Name", "UsePreviousValue": True, "ParameterValue": "x"}],
            PREVIOUS + "both usePreviousValue as true and non empty value for a parameter",
        ),
    ],
)
def test_parameters_are_checked(cloudformation: Any, values: list[dict[str, Any]], message: str) -> None:
    """Parameters that are missing, unknown or outside of their bounds are refused in AWS's words."""
    request = {
        "StackName": "x",
        "TemplateBody": ASKING,
        "Parameters": values,
        "Capabilities": ["CAPABILITY_IAM"],
    }
    assert refusal(cloudformation.create_stack, **request) == ("ValidationError", message)


def test_previous_values_are_kept_and_secrets_hidden(sim: CheckedSimulator, cloudformation: Any) -> None:
    """UsePreviousValue keeps a value, what is left out falls back to its default, NoEcho shows as ****."""
    request = {"StackName": "x", "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    cloudformation.create_stack(
        **request, TemplateBody=ASKING, Parameters=given(Name="n", Size=5, Mode="fast")
    )
    sim.clock.sleep(100)
    previous = {"ParameterKey": "Name", "UsePreviousValue": True}
    cloudformation.update_stack(
        **request, UsePreviousTemplate=True, Parameters=[previous, *given(Mode="fast")]
    )
    shown = cloudformation.describe_stacks(StackName="x")["Stacks"][0]["Parameters"]
    values = {p["ParameterKey"]: p["ParameterValue"] for p in shown}
    assert values == {"Name": "n", "Size": "3", "Mode": "fast", "Secret": "****", "Code": "a1"}


@pytest.mark.parametrize(
    ("template", "needed"),
    [
        (ASKING, "CAPABILITY_IAM"),
        ("Resources: {U: {Type: 'AWS::IAM::User', Properties: {UserName: joe}}}", "CAPABILITY_NAMED_IAM"),
        (
            "{Transform: 'AWS::Serverless-2016-10-31', Resources: {T: {Type: 'AWS::SNS::Topic'}}}",
            "CAPABILITY_AUTO_EXPAND",
        ),
    ],
)
def test_capabilities_must_be_acknowledged(cloudformation: Any, template: str, needed: str) -> None:
    """IAM resources, named ones and macros each ask for their capability."""
    request: dict[str, Any] = {"StackName": "x", "TemplateBody": template}
    if template == ASKING:
        request["Parameters"] = given(Name="n")
    code, message = refusal(cloudformation.create_stack, **request)
    assert (code, message) == ("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
    cloudformation.create_stack(**request, Capabilities=[needed])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a: [", "YAML not well-formed"),
        ("just text", "unsupported structure"),
        ("Description: x", "At least one Resources member must be defined"),
        ("Resources: {A: {}}", "Every Resources object must contain a Type member"),
        ("{Parameters: {P: {}}, Resources: {A: {Type: T}}}", "Every Parameters object must contain a Type"),
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref B}}}",
            "Unresolved resource dependencies [B] in the Resources",
        ),
        (
            "{Resources: {A: {Type: T}}, Outputs: {O: {Value: !Sub '${C.Arn}'}}}",
            "dependencies [C] in the Outputs",
        ),
        ("x" * 51_201, "less than or equal to 51200"),
    ],
)
def test_bad_templates_are_refused(cloudformation: Any, template: str, message: str) -> None:
    """A template that is no template is a ValidationError that says what is wrong with it."""
    code, text = refusal(cloudformation.validate_template, TemplateBody=template)
    assert code == "ValidationError"
    assert message in text


def test_circles_are_refused(cloudformation: Any) -> None:
    """Resources that wait for each other cannot be created."""
    template = "Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, DependsOn: [A]}}"
    code, text = refusal(cloudformation.create_stack, StackName="x", TemplateBody=template)
    assert (code, "Circular dependency" in text) == ("ValidationError", True)
    assert refusal(cloudformation.describe_stacks, StackName="x")[1] == "Stack with id x does not exist"


def test_templates_come_from_where_the_request_says(sim: CheckedSimulator, cloudformation: Any) -> None:
    """A template is given in full, by a URL that the script serves, or is the previous one; just one of these."""
    cloudformation.create_stack(StackName="x", TemplateURL="https://bucket/t.yaml")
    assert cloudformation.get_template(StackName="x")["TemplateBody"] == PLAIN
    sim.clock.sleep(100)
    body = {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.update_stack(StackName="x", TemplateBody=json.dumps(body))
    assert cloudformation.get_template(StackName="x")["TemplateBody"] == body
    sim.clock.sleep(100)
    both = {"StackName": "x", "TemplateBody": PLAIN, "UsePreviousTemplate": True}
    assert "cannot specify both" in refusal(cloudformation.update_stack, **both)[1]
    neither = refusal(cloudformation.create_stack, StackName="y")
    assert neither == ("ValidationError", "Either Template URL or Template Body must be specified.")
    assert (
        "S3 error"
        in refusal(cloudformation.create_stack, StackName="y", TemplateURL="https://bucket/none")[1]
    )
    assert refusal(cloudformation.get_template)[0] == "ValidationError"


def test_templates_are_summed_up(cloudformation: Any) -> None:
    """ValidateTemplate and GetTemplateSummary tell parameters, capabilities and types."""
    valid = cloudformation.validate_template(TemplateBody=ASKING)
    assert valid["Capabilities"] == ["CAPABILITY_IAM"]
    assert {"ParameterKey": "Name", "NoEcho": False, "Description": "who"} in valid["Parameters"]
    summary = cloudformation.get_template_summary(TemplateBody=ASKING)
    assert summary["ResourceTypes"] == ["AWS::IAM::Role"]
    cloudformation.create_stack(StackName="x", TemplateBody=PLAIN)
    assert cloudformation.get_template_summary(StackName="x")["ResourceTypes"] == ["AWS::SNS::Topic"]


def test_names_and_settings_are_checked(cloudformation: Any) -> None:
    """A name that AWS would refuse, and settings that exclude each other, are refused; nothing is left behind."""
    assert "stackName" in refusal(cloudformation.create_stack, StackName="1x", TemplateBody=PLAIN)[1]
    both = {"StackName": "x", "TemplateBody": PLAIN, "OnFailure": "DELETE", "DisableRollback": True}
    assert "both DisableRollback and OnFailure" in refusal(cloudformation.create_stack, **both)[1]
    assert cloudformation.describe_stacks()["Stacks"] == []


def test_settings_are_shown(cloudformation: Any) -> None:
    """Role, notifications, timeout, tags and protection come back as they were given."""
    topic = "arn:aws:sns:eu-west-1:123456789012:news"
    role = "arn:aws:iam::123456789012:role/deployer"
    cloudformation.create_stack(
        StackName="x", TemplateBody=ASKING, Parameters=given(Name="n"), Capabilities=["CAPABILITY_IAM"], RoleARN=role,
        NotificationARNs=[topic], TimeoutInMinutes=5, Tags=[{"Key": "a", "Value": "b"}], EnableTerminationProtection=True,
    )  # fmt: skip
    stack = cloudformation.describe_stacks(StackName="x")["Stacks"][0]
    assert (stack["RoleARN"], stack["NotificationARNs"], stack["TimeoutInMinutes"]) == (role, [topic], 5)
    assert (stack["Tags"], stack["EnableTerminationProtection"]) == ([{"Key": "a", "Value": "b"}], True)
    assert (stack["Description"], stack["Capabilities"]) == ("asks for much", ["CAPABILITY_IAM"])


def test_requests_are_validated_as_by_a_real_client(sim: CheckedSimulator, cloudformation: Any) -> None:
    """Unknown, missing and mistyped request members raise ParamValidationError before a call is made."""
    for request in ({}, {"StackName": 1}, {"StackName": "x", "Colour": "red"}):
        with pytest.raises(ParamValidationError):
            cloudformation.create_stack(**request)
    assert sim.calls == []
    with pytest.raises(AttributeError):
        _ = cloudformation.detect_stack_drift
    with pytest.raises(ValueError, match="there are: cloudformation, ecs, elbv2, logs, s3"):
        sim.client("sqs")


def test_long_answers_come_in_pages(sim: CheckedSimulator, cloudformation: Any) -> None:
    """Stacks, events and resources are paginated with NextToken."""
    resources = {f"Topic{index:03}": {"Type": "AWS::SNS::Topic"} for index in range(120)}
    cloudformation.create_stack(StackName="big", TemplateBody=json.dumps({"Resources": resources}))
    for index in range(101):
        cloudformation.create_stack(StackName=f"s{index}", TemplateBody=PLAIN)
    sim.clock.sleep(100)
    for method, member, request, size in [
        ("describe_stacks", "Stacks", {}, 102),
        ("describe_stack_events", "StackEvents", {"StackName": "big"}, 362),
        ("list_stack_resources", "StackResourceSummaries", {"StackName": "big"}, 120),
    ]:
        assert cloudformation.can_paginate(method)
        pages = list(cloudformation.get_paginator(method).paginate(**request))
        assert len(pages) > 1
        assert sum(len(page[member]) for page in pages) == size
        assert all(len(page[member]) <= 100 for page in pages)
    events = cloudformation.describe_stack_events(StackName="big")["StackEvents"]
    assert events[0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert events == sorted(events, key=lambda event: event["Timestamp"], reverse=True)


def test_functions_of_templates_are_carried_out(sim: CheckedSimulator, cloudformation: Any) -> None:
    """Outputs show what conditions, joins, maps, splits and imports evaluate to."""
    cloudformation.create_stack(
        StackName="a",
        TemplateBody="{Resources: {T: {Type: 'AWS::SNS::Topic'}}, Outputs: {O: {Value: v1, Export: {Name: shared}}}}",
    )
    sim.clock.sleep(100)
    cloudformation.create_stack(StackName="b", TemplateBody=FUNCTIONS)
    sim.clock.sleep(100)
    outputs = {
        o["OutputKey"]: o["OutputValue"]
        for o in cloudformation.describe_stacks(StackName="b")["Stacks"][0]["Outputs"]
    }
    wanted = {
        "Join": "p-q", "Select": "y", "Beyond": "", "Map": "9", "If": "true", "Import": "v1", "Name": "fun",
        "Unknown": "imported-nowhere", "Sub": "o-prod-eu-west-1-${kept}", "Base": "aGk=", "Zone": "eu-west-1a",
        "Host": "b-d-endpoint-address.simulated.internal", "Date": "2026-01-01",
        "Arn": "arn:aws:lambda:eu-west-1:123456789012:function/fun",
    }  # fmt: skip
    assert {name: outputs[name] for name in wanted} == wanted
    cloudformation.delete_stack(StackName="a")
    sim.clock.sleep(100)
    cloudformation.update_stack(StackName="b", UsePreviousTemplate=True, Tags=[{"Key": "k", "Value": "v"}])
    sim.clock.sleep(100)
    after = {
        o["OutputKey"]: o["OutputValue"]
        for o in cloudformation.describe_stacks(StackName="b")["Stacks"][0]["Outputs"]
    }
    assert after["Import"] == "imported-shared"
