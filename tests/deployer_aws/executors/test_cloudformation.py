"""The CloudFormation executor, look by look: what it sends, and when."""

import hashlib
from functools import cache
from typing import Any

import botocore.session
import pytest
from attrs import evolve

from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_core.engine.messages import Accepted, Attempt, Progress, StackProgress
from deployer_core.machines.deployment import (
    CreateStack,
    Failure,
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
    Refused,
    Stub,
    answers,
    at,
    attempts,
    event,
    events,
    page,
    shown,
    work,
)

pytestmark = pytest.mark.quick


def test_whole_request() -> None:
    """A create sends all that the spec has: tags, topics, capabilities, role, parameters and counts, and our token."""
    spec = evolve(
        SPEC,
        parameters=(("Version", "1"),),
        tags=(("team", "shop"),),
        notifications=("arn:aws:sns:eu-west-1:123456789012:news",),
        capabilities=("CAPABILITY_IAM",),
        role="arn:aws:iam::123456789012:role/cloudformation",
    )
    client = Stub({"describe_stacks": [MISSING], "create_stack": [{"StackId": ID}]})
    found = events(CloudFormation(client, Stub({})).act(work(CreateStack("d1", spec, COUNTS))))
    (request,) = client.sent("create_stack")
    assert request.pop("TemplateBody").startswith("{")
    assert request == {
        "StackName": "shop",
        "ClientRequestToken": TOKEN,
        "Parameters": [
            {"ParameterKey": "Version", "ParameterValue": "1"},
            {"ParameterKey": "Count", "ParameterValue": "2"},
        ],
        "Tags": [{"Key": "team", "Value": "shop"}],
        "NotificationARNs": ["arn:aws:sns:eu-west-1:123456789012:news"],
        "Capabilities": ["CAPABILITY_IAM"],
        "RoleARN": "arn:aws:iam::123456789012:role/cloudformation",
    }
    assert [type(e).__name__ for e in found] == ["Attempted", "Accepted"]


DEPLOYED = shown(
    "UPDATE_COMPLETE",
    Parameters=[
        {"ParameterKey": "Count", "ParameterValue": "1"},
        {"ParameterKey": "Secret", "ParameterValue": "****"},
    ],
    Capabilities=["CAPABILITY_IAM"],
    Outputs=[{"OutputKey": "Host", "OutputValue": "db"}],
)


def test_whole_request_of_scaling() -> None:
    """Scaling sends counts, previous values, capabilities and role; tags and topics stay since none are sent."""
    spec = evolve(
        SPEC,
        parameters=(("Secret", "hunter2"),),
        tags=(("team", "shop"),),
        notifications=("arn:aws:sns:eu-west-1:123456789012:news",),
        capabilities=("CAPABILITY_AUTO_EXPAND",),
        role="arn:aws:iam::123456789012:role/cloudformation",
    )
    client = Stub(
        {"describe_stacks": [DEPLOYED], "get_template_summary": [{}], "update_stack": [{"StackId": ID}]}
    )
    events(CloudFormation(client, Stub({})).act(work(ScaleStack("d1", spec, COUNTS))))
    assert client.sent("update_stack") == [
        {
            "StackName": "shop",
            "ClientRequestToken": TOKEN,
            "Parameters": [
                {"ParameterKey": "Secret", "UsePreviousValue": True},
                {"ParameterKey": "Count", "ParameterValue": "2"},
            ],
            "Capabilities": ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
            "RoleARN": "arn:aws:iam::123456789012:role/cloudformation",
            "UsePreviousTemplate": True,
        }
    ]


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


def test_no_updates_are_a_success_with_the_outputs_that_there_are() -> None:
    """What the stack gives to the databases is known although nothing was changed."""
    refusal = Refused("ValidationError", "No updates are to be performed.")
    client = Stub({"describe_stacks": [DEPLOYED], "update_stack": [refusal]})
    (done,) = answers(CloudFormation(client, Stub({})).act(work(UpsertStack("d1", SPEC, COUNTS))))
    assert (done.lifecycle, done.outputs) == (Lifecycle.COMPLETE, (("Host", "db"),))


def test_an_accepted_change_is_observed_by_its_stack_id() -> None:
    """A name may stand for another stack by then."""
    ended = page(event("UPDATE_COMPLETE", TOKEN))
    client = Stub({"describe_stacks": [DEPLOYED], "describe_stack_events": [ended]})
    pending = work(UpsertStack("d1", SPEC, COUNTS), attempt=Attempt(1, NOW - 10), ref=ID)
    (done,) = answers(CloudFormation(client, Stub({})).act(pending))
    assert done.lifecycle is Lifecycle.COMPLETE
    assert {request["StackName"] for _, request in client.calls} == {ID}


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


@pytest.mark.parametrize("command", [UpdateStack("d1", SPEC, COUNTS), ScaleStack("d1", SPEC, COUNTS)])
def test_stack_that_is_not_visible_is_not_changed(command: Any) -> None:
    """A stack that reads do not show is waited for, five minutes long, and then it has gone; nothing is sent."""
    client = Stub({"describe_stacks": [MISSING]})
    executor = CloudFormation(client, Stub({}))
    assert events(executor.act(work(command, age=100))) == []
    (gone,) = answers(executor.act(work(command, age=301)))
    assert gone.lifecycle is Lifecycle.MISSING


def test_created_by_somebody_else() -> None:
    """'Already exists' at a first send is somebody else's stack; at a resend our own may be yet to be seen."""
    refusal = Refused("AlreadyExistsException", "Stack [shop] already exists")
    client = Stub(
        {"describe_stacks": [MISSING], "describe_stack_events": [MISSING], "create_stack": [refusal]}
    )
    executor, command = CloudFormation(client, Stub({})), CreateStack("d1", SPEC, ())
    (failed,) = answers(executor.act(work(command)))
    assert "CreateStack of stack shop: Stack [shop] already exists" in failed.reason
    assert "somebody else has created the stack meanwhile; repair, and deploy again" in failed.reason
    (waits,) = answers(executor.act(work(command, attempt=Attempt(1, NOW - 100), age=100)))
    assert isinstance(waits, Progress)
    (failed,) = answers(executor.act(work(command, attempt=Attempt(1, NOW - 301), age=301)))
    assert isinstance(failed, Failure)


def test_token_that_was_taken_is_looked_for_again() -> None:
    """'Token already exists' says that the change was accepted before: it is found by its events."""
    refusal = Refused("TokenAlreadyExistsException")
    client = Stub(
        {"describe_stacks": [shown()], "describe_stack_events": [page()], "update_stack": [refusal]}
    )
    command = UpdateStack("d1", SPEC, COUNTS)
    executor = CloudFormation(client, Stub({}))
    (waits,) = answers(executor.act(work(command, attempt=Attempt(1, NOW))))
    assert isinstance(waits, Progress)
    client.answers["describe_stack_events"] = [page(event("UPDATE_IN_PROGRESS", TOKEN))]
    assert events(executor.act(work(command, attempt=Attempt(1, NOW)))) == [Accepted(7, ID, NOW)]


def test_error_that_is_none_of_aws_escapes() -> None:
    """A mistake of our own is not taken for an answer."""
    client = Stub({"describe_stacks": [shown()], "update_stack": [KeyError("oops")]})
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(UpdateStack("d1", SPEC, COUNTS))))
    client = Stub(
        {"describe_stacks": [shown("UPDATE_IN_PROGRESS")], "cancel_update_stack": [KeyError("oops")]}
    )
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True))))


# Discarding


def test_every_rolled_back_creation_is_deleted_under_a_token_of_its_own() -> None:
    """A delete that was lost is sent again with its token; one that somebody has left meanwhile is another one."""
    client = Stub({"describe_stacks": [shown("ROLLBACK_COMPLETE")], "delete_stack": [{}]})
    executor, command = CloudFormation(client, Stub({})), StabiliseStack("d1", SPEC, False)
    (first,) = attempts(events(executor.act(work(command))))
    sent = Attempt(first.number, NOW, first.resolved)
    events(executor.act(work(command, attempt=sent)))
    client.answers["describe_stacks"] = [shown("ROLLBACK_COMPLETE", StackId=f"{ID}-again")]
    events(executor.act(work(command, attempt=sent)))
    one, two = (work(command).token(number) for number in (1, 2))
    assert [tuple(request.values()) for request in client.sent("delete_stack")] == [
        (ID, one),
        (ID, one),
        (f"{ID}-again", two),
    ]


# Cancelling


def test_cancel_happens_before_the_update_is_spoken_of() -> None:
    """The update is cancelled before it is journaled as seen: a runner that dies in between still cancels it."""
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")], "cancel_update_stack": [{}]})
    found = events(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True))))
    assert [type(e).__name__ for e in found] == ["Attempted", "Accepted", "Replied"]
    assert client.sent("cancel_update_stack") == [{"StackName": ID, "ClientRequestToken": TOKEN}]


@pytest.mark.parametrize("code", ["ValidationError", "TokenAlreadyExistsException"])
def test_cancel_of_what_has_just_ended(code: str) -> None:
    """An update that has ended, or was cancelled with this token, needs no cancelling."""
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")], "cancel_update_stack": [Refused(code)]})
    found = events(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True))))
    assert any(isinstance(e, Accepted) for e in found)


def test_cancel_that_was_lost_is_sent_again() -> None:
    """A cancel without an answer is sent again, as long as it is still the same update."""
    same = shown("UPDATE_IN_PROGRESS", LastUpdatedTime=at(-5))
    client = Stub({"describe_stacks": [same], "cancel_update_stack": [Refused("Throttling"), {}]})
    executor, command = CloudFormation(client, Stub({})), StabiliseStack("d1", SPEC, True)
    seen: list[Any] = []
    with pytest.raises(Refused):
        seen.extend(executor.act(work(command)))
    act = executor.act(work(command))
    attempt: Any = next(act)
    again = work(command, attempt=Attempt(1, NOW, attempt.resolved))
    assert any(isinstance(e, Accepted) for e in executor.act(again))
    taken = work(command, attempt=again.pending.attempt, ref=ID)
    assert [type(e).__name__ for e in executor.act(taken)] == ["Replied"], "it is cancelled once"
    client.answers["describe_stacks"] = [shown("UPDATE_IN_PROGRESS", LastUpdatedTime=at(-1))]
    assert [type(e).__name__ for e in executor.act(again)] == ["Replied"], "another update is waited for"


@pytest.mark.parametrize(
    "pending", [{"progress": StackProgress("CREATE_IN_PROGRESS")}, {"attempt": Attempt(1, NOW), "ref": ID}]
)
def test_later_updates_are_waited_for(pending: dict[str, Any]) -> None:
    """An update that was not there at the first look is not cancelled, nor is one after the one that was."""
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")]})
    found = answers(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True), **pending)))
    assert [answer.status for answer in found] == ["UPDATE_IN_PROGRESS"]


def test_attempts_are_numbered_once() -> None:
    """A resend bears the number, and so the token, of the first send."""
    client = Stub(
        {"describe_stacks": [shown()], "describe_stack_events": [page()], "update_stack": [{"StackId": ID}]}
    )
    pending = work(UpdateStack("d1", SPEC, COUNTS), attempt=Attempt(1, NOW - 20), age=20)
    found = events(CloudFormation(client, Stub({})).act(pending))
    assert [a.number for a in attempts(found)] == [1]
    assert client.sent("update_stack")[0]["ClientRequestToken"] == TOKEN


def test_commands_of_others_are_left_alone() -> None:
    """A command that is not the stack's is none of its business."""
    assert events(CloudFormation(Stub({}), Stub({})).act(work(None))) == []
