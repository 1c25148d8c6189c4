"""The CloudFormation executor, look by look: what it sends, and when."""

import hashlib
from functools import cache
from typing import Any

import botocore.session
import pytest
from attrs import evolve

from deployer_aws.aws.stacks import LIFECYCLES, WAYS_OUT
from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_core.engine.messages import Attempt
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import ListenerPriority, TemplateUrl
from tests.deployer_aws.aws_answers import (
    COUNTS,
    ID,
    MISSING,
    NOW,
    SPEC,
    TOKEN,
    Stub,
    answers,
    event,
    events,
    page,
    shown,
    stack_observed,
    work,
)

pytestmark = pytest.mark.quick


DEPLOYED = shown(
    "UPDATE_COMPLETE",
    Parameters=[
        {"ParameterKey": "Count", "ParameterValue": "1"},
        {"ParameterKey": "Secret", "ParameterValue": "****"},
    ],
    Capabilities=["CAPABILITY_IAM"],
    Outputs=[{"OutputKey": "Host", "OutputValue": "db"}],
)


@pytest.mark.parametrize("body", ["Transform: T", {"Transform": "T"}])
def test_scaling_with_a_transform_sends_the_template_itself(body: Any) -> None:
    """As it was written, whether boto3 gives it as text or, where it is JSON, as a value."""
    client = Stub(
        {
            "describe_stacks": [DEPLOYED],
            "get_template_summary": [{"DeclaredTransforms": ["T"]}],
            "get_template": [{"TemplateBody": body}],
            "update_stack": [{"StackId": ID}],
        }
    )
    events(CloudFormation(client, Stub({})).act(work(ScaleStack("d1", SPEC, COUNTS))))
    assert client.sent("get_template") == [{"StackName": ID, "TemplateStage": "Original"}]
    (request,) = client.sent("update_stack")
    assert "UsePreviousTemplate" not in request
    assert request["TemplateBody"] == (body if isinstance(body, str) else '{"Transform": "T"}')


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://templates.example.com/shop.json", "https://templates.example.com/shop.json"),
        ("s3://templates/a/shop.json", "https://templates.s3.amazonaws.com/a/shop.json"),
        ("s3://templates.example/shop.json", "https://s3.amazonaws.com/templates.example/shop.json"),
        ("s3://templates/a+b/shop#1.json", "https://templates.s3.amazonaws.com/a%2Bb/shop%231.json"),
    ],
)
def test_template_by_url(url: str, sent: str) -> None:
    """A template's URL is handed on; one of S3 as https, as CloudFormation takes it, whatever its bucket is called."""
    client = Stub({"describe_stacks": [MISSING], "create_stack": [{"StackId": ID}]})
    command = CreateStack("d1", evolve(SPEC, template=TemplateUrl(url)), ())
    events(CloudFormation(client, Stub({})).act(work(command)))
    assert client.sent("create_stack")[0]["TemplateURL"] == sent


@cache
def _s3(region: str) -> Any:
    session: Any = botocore.session.Session()
    return session.create_client("s3", region_name=region)


@pytest.mark.parametrize(
    ("region", "at"),
    [
        ("us-east-1", "https://templates.s3.amazonaws.com"),
        ("eu-west-1", "https://templates.s3.amazonaws.com"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/templates"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com/templates"),
    ],
)
def test_template_by_url_in_every_partition(region: str, at: str) -> None:
    """The one address of S3 is known in the partition `aws` alone: elsewhere a bucket is named by its region."""
    client = Stub({"describe_stacks": [MISSING], "create_stack": [{"StackId": ID}]})
    executor = CloudFormation(client, Stub({}), s3=_s3(region))
    events(
        executor.act(work(CreateStack("d1", evolve(SPEC, template=TemplateUrl("s3://templates/a.json")), ())))
    )
    assert client.sent("create_stack")[0]["TemplateURL"] == f"{at}/a.json"


@pytest.mark.parametrize(
    ("region", "at"),
    [
        ("us-east-1", "https://s3.amazonaws.com"),
        ("eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
    ],
)
@pytest.mark.parametrize("letter", ["x", "\u00e4"])
def test_templates_are_measured_in_bytes(region: str, at: str, letter: str) -> None:
    """51,200 bytes go into the request itself; one more, and the bucket has it under the hash of its text."""
    for size, is_inline in ((51_200, True), (51_201, False)):
        text = letter * (51_200 // len(letter.encode())) + "x" * (size - 51_200)
        client = Stub({"describe_stacks": [MISSING], "create_stack": [{"StackId": ID}]})
        s3 = Stub({"put_object": [{}]}, meta=_s3(region).meta)
        executor = CloudFormation(client, Stub({}), s3=s3, settings=Settings(bucket="templates"))
        events(
            executor.act(evolve(work(CreateStack("d1", SPEC, ())), read_blob={"0" * 64: text}.__getitem__))
        )
        (request,) = client.sent("create_stack")
        if is_inline:
            assert request["TemplateBody"] == text
            assert s3.calls == []
            continue
        key = f"deployer/templates/{hashlib.sha256(text.encode()).hexdigest()}"
        assert request["TemplateURL"] == f"{at}/templates/{key}"
        assert s3.sent("put_object") == [{"Bucket": "templates", "Key": key, "Body": text.encode()}]


def _long(_: str) -> str:
    return "x" * 51_201


@pytest.mark.parametrize("settings", [Settings(), Settings(bucket="templates")])
def test_long_template_without_a_bucket_or_a_client(settings: Settings) -> None:
    """A template that is too long for a request, with nowhere to put it, fails and says what to name."""
    client = Stub({"describe_stacks": [MISSING]})
    s3 = None if settings.bucket else Stub({})
    executor = CloudFormation(client, Stub({}), s3=s3, settings=settings)
    long = evolve(work(CreateStack("d1", SPEC, ())), read_blob=_long)
    (failed,) = answers(executor.act(long))
    assert "CreateStack of stack shop: the template shop.json has 51201 bytes" in failed.reason
    assert "name a bucket for templates" in failed.reason


def test_listener_priority_without_a_client() -> None:
    """Priorities need a load balancer client: without one the failure names the parameter."""
    spec = evolve(SPEC, parameters=(("Priority", ListenerPriority("arn", 1, 2)),))
    client = Stub({"describe_stacks": [MISSING]})
    (failed,) = answers(CloudFormation(client, Stub({})).act(work(CreateStack("d1", spec, ()))))
    assert "parameter Priority" in failed.reason


def test_error_that_is_none_of_aws_escapes() -> None:
    """A mistake of our own is not taken for an answer."""
    client = Stub({"describe_stacks": [shown()], "update_stack": [KeyError("oops")]})
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(UpdateStack("d1", SPEC, COUNTS))))
    client = Stub(
        {"describe_stacks": [shown("UPDATE_IN_PROGRESS")], "cancel_update_stack": [KeyError("oops")]}
    )
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, 3600, True))))


def test_commands_of_others_are_left_alone() -> None:
    """A command that is not the stack's is none of its business."""
    assert events(CloudFormation(Stub({}), Stub({})).act(work(None))) == []


@pytest.mark.parametrize("status", [s for s, where in LIFECYCLES.items() if where is Lifecycle.TERMINAL])
def test_status_without_a_way_out(status: str) -> None:
    """A stack that only somebody can bring back says how, whether we wait for it or have changed it ourselves."""
    client = Stub({"describe_stacks": [shown(status)]})
    (found,) = answers(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, 3600))))
    (changed,) = stack_observed(page(event(status, TOKEN)), status=status)
    for answer in (found, changed):
        assert answer.reason == f"{WAYS_OUT[status]}, then repair"


def test_events_without_tokens_are_not_ours_on_aws() -> None:
    """On AWS an end without a token is another's, whose change ours had waited for: ours is yet to be seen."""
    theirs = event("UPDATE_COMPLETE", None, -1)
    stale = Stub({"describe_stacks": [shown("UPDATE_COMPLETE")], "describe_stack_events": [page(theirs)]})
    pending = work(UpsertStack("d1", SPEC, ()), attempt=Attempt(1, NOW - 10), ref=ID)
    on_aws = CloudFormation(stale, Stub({}), settings=Settings(bare_events=False))
    assert events(on_aws.act(pending)) == []
