"""The CloudFormation executor, look by look: what it sends, and what it makes of each answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_aws.executors.stacks import StackReader
from deployer_core.deployer import Accepted, Sent
from deployer_core.deployment import (
    CreateStack,
    Failure,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.spec import ListenerPriority, StackSpec, TemplateBody, TemplateUrl
from deployer_core.stack_status import Lifecycle, StackStatus
from tests.aws.stubs import NOW, Refused, Stub, answers, attempts, events, work

ID = "arn:aws:cloudformation:eu-west-1:1:stack/shop/1"
NESTED = "arn:aws:cloudformation:eu-west-1:1:stack/shop-Nested/2"
SPEC = StackSpec("shop", TemplateBody("0" * 64, "shop.json"))
COUNTS = (("Count", 2),)
MISSING = Refused("ValidationError", "Stack with id shop does not exist")


def at(seconds: float) -> datetime:
    """A time as boto3 gives it."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def shown(status: str = "CREATE_COMPLETE", **members: Any) -> dict[str, Any]:
    """DescribeStacks' answer."""
    found = {"StackId": ID, "StackName": "shop", "StackStatus": status, "CreationTime": at(-900)}
    return {"Stacks": [{**found, "Parameters": [{"ParameterKey": "Count", "ParameterValue": "1"}], **members}]}


def event(status: str, token: str | None, when: float = 0, *, of: str = ID, **members: Any) -> dict[str, Any]:
    """One of a stack's own events."""
    found = {
        "StackId": of,
        "PhysicalResourceId": of,
        "LogicalResourceId": "shop",
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
        "Timestamp": at(when),
    }
    return {**found, **({"ClientRequestToken": token} if token else {}), **members}


def resource(status: str, reason: str, token: str | None, *, name: str = "Topic", **members: Any) -> dict[str, Any]:
    """An event of a resource."""
    about = {"PhysicalResourceId": f"{name}-1", "LogicalResourceId": name, "ResourceType": "AWS::SNS::Topic"}
    return event(status, token, ResourceStatusReason=reason, **{**about, **members})


def page(*found: dict[str, Any], more: str = "") -> dict[str, Any]:
    """DescribeStackEvents' answer, newest first."""
    return {"StackEvents": list(found), **({"NextToken": more} if more else {})}


def observed(*pages: dict[str, Any], status: str, command: Any = None, **members: Any) -> list[Any]:
    """What one look at an accepted change comes to."""
    client = Stub({"describe_stacks": [shown(status, **members)], "describe_stack_events": list(pages)})
    pending = work(command or UpsertStack("d1", SPEC, COUNTS), sent=Sent(1, NOW - 10), ref=ID, age=10)
    return answers(CloudFormation(client, Stub({})).act(pending))


TOKEN = work(None).token(1)


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


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://templates.example.com/shop.json", "https://templates.example.com/shop.json"),
        ("s3://templates/a/shop.json", "https://templates.s3.amazonaws.com/a/shop.json"),
        ("s3://templates.example/shop.json", "https://s3.amazonaws.com/templates.example/shop.json"),
    ],
)
def test_template_by_url(url: str, sent: str) -> None:
    """A template's URL is handed on; one of S3 as https, as CloudFormation takes it, whatever its bucket is called."""
    client = Stub({"describe_stacks": [MISSING], "create_stack": [{"StackId": ID}]})
    command = CreateStack("d1", evolve(SPEC, template=TemplateUrl(url)), ())
    events(CloudFormation(client, Stub({})).act(work(command)))
    assert client.sent("create_stack")[0]["TemplateURL"] == sent


@pytest.mark.parametrize("settings", [Settings(), Settings(bucket="templates")])
def test_long_template_without_a_bucket_or_a_client(settings: Settings) -> None:
    """A template that is too long for a request, with nowhere to put it, fails and says what to name."""
    client = Stub({"describe_stacks": [MISSING]})
    s3 = None if settings.bucket else Stub({})
    executor = CloudFormation(client, Stub({}), s3=s3, settings=settings)
    long = evolve(work(CreateStack("d1", SPEC, ())), read_blob=lambda _: "x" * 51_201)
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
    """A stack that reads do not show is waited for, five minutes long, and then it has gone; nothing is sent blindly."""
    client = Stub({"describe_stacks": [MISSING]})
    executor = CloudFormation(client, Stub({}))
    assert events(executor.act(work(command, age=100))) == []
    (gone,) = answers(executor.act(work(command, age=301)))
    assert gone.lifecycle is Lifecycle.MISSING


def test_created_by_somebody_else() -> None:
    """'Already exists' at a first send is somebody else's stack; at a resend our own may be yet to be seen."""
    refusal = Refused("AlreadyExistsException", "Stack [shop] already exists")
    client = Stub({"describe_stacks": [MISSING], "describe_stack_events": [MISSING], "create_stack": [refusal]})
    executor, command = CloudFormation(client, Stub({})), CreateStack("d1", SPEC, ())
    (failed,) = answers(executor.act(work(command)))
    assert "CreateStack of stack shop: Stack [shop] already exists" in failed.reason
    assert "somebody else has created the stack meanwhile; repair, and deploy again" in failed.reason
    (waits,) = answers(executor.act(work(command, sent=Sent(1, NOW - 100), age=100)))
    assert (waits.lifecycle, waits.status) == (Lifecycle.PROGRESS, "WAITING")
    (failed,) = answers(executor.act(work(command, sent=Sent(1, NOW - 301), age=301)))
    assert isinstance(failed, Failure)


def test_token_that_was_taken_is_looked_for_again() -> None:
    """'Token already exists' says that the change was accepted before: it is found by its events."""
    refusal = Refused("TokenAlreadyExistsException")
    client = Stub(
        {"describe_stacks": [shown()], "describe_stack_events": [page()], "update_stack": [refusal]}
    )
    command = UpdateStack("d1", SPEC, COUNTS)
    executor = CloudFormation(client, Stub({}))
    (waits,) = answers(executor.act(work(command, sent=Sent(1, NOW))))
    assert waits.status == "WAITING"
    client.answers["describe_stack_events"] = [page(event("UPDATE_IN_PROGRESS", TOKEN))]
    assert events(executor.act(work(command, sent=Sent(1, NOW)))) == [Accepted(7, ID, NOW)]


def test_error_that_is_none_of_aws_escapes() -> None:
    """A mistake of our own is not taken for an answer."""
    client = Stub({"describe_stacks": [shown()], "update_stack": [KeyError("oops")]})
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(UpdateStack("d1", SPEC, COUNTS))))
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")], "cancel_update_stack": [KeyError("oops")]})
    with pytest.raises(KeyError):
        events(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True))))


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
    attempt = next(act)
    again = work(command, sent=Sent(1, NOW, attempt.resolved))  # type: ignore[union-attr]
    assert any(isinstance(e, Accepted) for e in executor.act(again))
    client.answers["describe_stacks"] = [shown("UPDATE_IN_PROGRESS", LastUpdatedTime=at(-1))]
    assert [type(e).__name__ for e in executor.act(again)] == ["Replied"], "another update is waited for"


@pytest.mark.parametrize("pending", [{"seen": "CREATE_IN_PROGRESS"}, {"sent": Sent(1, NOW), "ref": ID}])
def test_later_updates_are_waited_for(pending: dict[str, Any]) -> None:
    """An update that was not there at the first look is not cancelled, nor is one after the one that was."""
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")]})
    found = answers(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, True), **pending)))
    assert [answer.status for answer in found] == ["UPDATE_IN_PROGRESS"]


# Outcomes


def test_outcome_is_the_last_event_of_the_stack_itself() -> None:
    """COMPLETE events of nested stacks and of resources are not the stack's; pages are read until the command began."""
    nested = event("UPDATE_COMPLETE", TOKEN, -1, PhysicalResourceId=NESTED, LogicalResourceId="Nested")
    (answer,) = observed(
        page(nested, more="2"), page(event("UPDATE_IN_PROGRESS", TOKEN, -5)), status="UPDATE_IN_PROGRESS"
    )
    assert (answer.lifecycle, answer.status) == (Lifecycle.PROGRESS, "UPDATE_IN_PROGRESS")


def test_events_from_before_the_command_are_not_read() -> None:
    """What is older than the command, by more than clocks may differ, is not asked for."""
    old = page(event("UPDATE_COMPLETE", "other", -1_000), more="never asked for")
    assert observed(old, KeyError("a page too many"), status="UPDATE_COMPLETE") == []  # type: ignore[arg-type]


def test_no_event_yet() -> None:
    """While no event bears our token, nothing is said of the change."""
    assert observed(page(), status="UPDATE_COMPLETE") == []
    assert observed(page(event("UPDATE_COMPLETE", "other", -200)), status="UPDATE_COMPLETE") == []


def test_taken_over_by_a_change_without_a_token() -> None:
    """A cancel from a command line bears no token: events without one that follow ours take ours over."""
    ours = event("UPDATE_IN_PROGRESS", TOKEN, -5)
    theirs = event("UPDATE_ROLLBACK_COMPLETE", None, -1)
    (answer,) = observed(page(theirs, ours), status="UPDATE_ROLLBACK_COMPLETE")
    assert answer.lifecycle is Lifecycle.ROLLED_BACK
    assert answer.reason == "taken over by another change of the stack"


def test_taken_over_is_not_a_success() -> None:
    """Where another's change completes after ours was taken over, ours has failed."""
    ours, theirs = event("UPDATE_IN_PROGRESS", TOKEN, -5), event("UPDATE_COMPLETE", "other", -1)
    (answer,) = observed(page(theirs, ours), status="UPDATE_COMPLETE")
    assert answer == Failure("the stack is UPDATE_COMPLETE: taken over by another change of the stack")


def test_stack_read_staler_than_its_events() -> None:
    """An end in the events that the stack itself does not show yet is waited for."""
    assert observed(page(event("UPDATE_COMPLETE", TOKEN)), status="UPDATE_IN_PROGRESS") == []


def test_events_without_tokens(caplog: pytest.LogCaptureFixture) -> None:
    """Where no event bears a token, status and time are trusted, and the log says so."""
    with caplog.at_level("WARNING", "deployer"):
        (answer,) = observed(page(event("UPDATE_COMPLETE", None, -9)), status="UPDATE_COMPLETE")
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert "bear no tokens" in caplog.text
    assert observed(page(event("UPDATE_COMPLETE", None, -200)), status="UPDATE_COMPLETE") == []


def test_gone_while_observed() -> None:
    """A stack that is no longer there is not news for five minutes after AWS accepted, and then it has gone."""
    client = Stub({"describe_stacks": [MISSING]})
    executor, command = CloudFormation(client, Stub({})), UpsertStack("d1", SPEC, ())
    assert events(executor.act(work(command, sent=Sent(1, NOW - 299), ref=ID, age=900))) == []
    (gone,) = answers(executor.act(work(command, sent=Sent(1, NOW - 301), ref=ID, age=900)))
    assert gone == StackStatus(Lifecycle.MISSING, "MISSING", "the stack has gone")


def test_unknown_status_fails_closed() -> None:
    """A status that this version does not know is a failure that names it."""
    (answer,) = observed(page(event("QUANTUM_COMPLETE", TOKEN)), status="QUANTUM_COMPLETE")
    assert (answer.lifecycle, answer.status) == (Lifecycle.TERMINAL, "QUANTUM_COMPLETE")
    assert "a status that this version does not know; look at the stack in AWS" in answer.reason


def test_review_with_resources_is_somebody_elses_work() -> None:
    """A stack in REVIEW_IN_PROGRESS that holds resources is no shell: somebody is about to change it."""
    resources = {"StackResourceSummaries": [{"ResourceType": "AWS::SNS::Topic", "ResourceStatus": "IMPORT_COMPLETE"}]}
    client = Stub({"describe_stacks": [shown("REVIEW_IN_PROGRESS")], "list_stack_resources": [resources]})
    (answer,) = answers(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, False))))
    assert answer.lifecycle is Lifecycle.PROGRESS


# Reasons


def test_reason_is_of_the_first_failing_resources() -> None:
    """The first failures are named, in AWS's words and once each; what was only cancelled is left out."""
    found = page(
        event("ROLLBACK_COMPLETE", TOKEN),
        resource("CREATE_FAILED", "Resource creation cancelled", TOKEN, name="Queue"),
        resource("CREATE_FAILED", "name taken", TOKEN),
        resource("CREATE_FAILED", "name taken", TOKEN),
        resource("CREATE_FAILED", "of an earlier change", "other", name="Old"),
    )
    (answer,) = observed(found, status="ROLLBACK_COMPLETE")
    assert answer.reason == "Topic (AWS::SNS::Topic): name taken"


def test_reason_without_a_failing_resource() -> None:
    """Where no resource is to blame, CloudFormation's reason for the stack's status is told."""
    failed = event("CREATE_FAILED", TOKEN, ResourceStatusReason="Stack creation time exceeded the specified timeout")
    (answer,) = observed(page(failed), status="CREATE_FAILED")
    assert answer.reason == "Stack creation time exceeded the specified timeout"


def test_reason_inside_a_nested_stack() -> None:
    """A nested stack that failed is descended into, down to its resource, and no further back than this change."""
    parent = page(
        event("UPDATE_ROLLBACK_COMPLETE", TOKEN),
        resource(
            "UPDATE_FAILED",
            "Embedded stack was not successfully updated",
            TOKEN,
            name="Nested",
            PhysicalResourceId=NESTED,
            ResourceType="AWS::CloudFormation::Stack",
        ),
    )
    inner = page(
        event("UPDATE_ROLLBACK_COMPLETE", None, of=NESTED),
        resource("UPDATE_FAILED", "quota of topics reached", None, name="Inner", StackId=NESTED),
        event("UPDATE_IN_PROGRESS", None, of=NESTED),
        resource("CREATE_FAILED", "of an earlier change", None, name="Older", StackId=NESTED),
    )
    (answer,) = observed(parent, inner, status="UPDATE_ROLLBACK_COMPLETE")
    assert answer.reason == "Inner (AWS::SNS::Topic): quota of topics reached"


def test_nested_stack_whose_events_are_gone() -> None:
    """A nested stack that can no longer be looked into is named itself, with the parent's words."""
    about = {"PhysicalResourceId": NESTED, "ResourceType": "AWS::CloudFormation::Stack"}
    parent = page(
        event("ROLLBACK_COMPLETE", TOKEN), resource("CREATE_FAILED", "Embedded stack", TOKEN, name="Nested", **about)
    )
    (answer,) = observed(parent, MISSING, status="ROLLBACK_COMPLETE")  # type: ignore[arg-type]
    assert answer.reason == "Nested (AWS::CloudFormation::Stack): Embedded stack"


@pytest.mark.parametrize("operation", ["describe_stacks", "describe_stack_events"])
def test_other_errors_of_reading_escape(operation: str) -> None:
    """Only 'does not exist' is an answer to a look: any other error is the runner's to class."""
    client = Stub({"describe_stacks": [shown()], "describe_stack_events": [page()]})
    client.answers[operation] = [Refused("Throttling")]
    reader = StackReader(client)
    with pytest.raises(Refused):
        (reader.describe if operation == "describe_stacks" else lambda name: reader.find(name, "t", 0.0))("shop")


# Services


def summaries(*found: tuple[str, str, str], more: str = "") -> dict[str, Any]:
    """ListStackResources' answer."""
    kinds = [
        {"ResourceType": kind, "PhysicalResourceId": physical, "ResourceStatus": status}
        for kind, physical, status in found
    ]
    return {"StackResourceSummaries": kinds, **({"NextToken": more} if more else {})}


def scaled(resources: list[Any], ecs: dict[str, list[Any]]) -> tuple[list[Any], Stub]:
    """What a look at a finished scaling to zero comes to."""
    client = Stub(
        {
            "describe_stacks": [shown("UPDATE_COMPLETE")],
            "describe_stack_events": [page(event("UPDATE_COMPLETE", TOKEN))],
            "list_stack_resources": resources,
        }
    )
    tasks = Stub(ecs)
    pending = work(ScaleStack("d1", SPEC, (("Count", 0),)), sent=Sent(1, NOW - 10), ref=ID, age=10)
    return answers(CloudFormation(client, tasks).act(pending)), tasks


AT_ZERO: dict[str, Any] = {"services": [{"status": "ACTIVE", "desiredCount": 0}]}


def test_services_of_nested_stacks_count() -> None:
    """Services in nested stacks hold connections too; resources without a name or deleted ones are passed over."""
    outer = summaries(
        ("AWS::ECS::Service", "", "CREATE_FAILED"),
        ("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/main/gone", "DELETE_COMPLETE"),
        more="2",
    )
    nested = summaries(("AWS::CloudFormation::Stack", NESTED, "UPDATE_COMPLETE"))
    inner = summaries(("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/main/web", "UPDATE_COMPLETE"))
    found, ecs = scaled(
        [outer, nested, inner],
        {
            "describe_services": [AT_ZERO],
            "list_tasks": [{"taskArns": ["a"], "nextToken": "2"}, {"taskArns": ["b"]}, {"taskArns": ["c"]}],
            "describe_tasks": [{"tasks": [{"lastStatus": s} for s in ("STOPPED", "DEPROVISIONING", "RUNNING")]}],
        },
    )
    assert [answer.reason for answer in found] == ["2 tasks of service web not yet stopped"]
    assert [r["desiredStatus"] for r in ecs.sent("list_tasks")] == ["RUNNING", "RUNNING", "STOPPED"]


@pytest.mark.parametrize("services", [[], [{"status": "INACTIVE", "desiredCount": 3}]])
def test_service_that_is_gone(services: list[dict[str, Any]]) -> None:
    """A service that was deleted runs nothing."""
    old = summaries(("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/web", "UPDATE_COMPLETE"))
    (answer,), ecs = scaled([old], {"describe_services": [{"services": services}]})
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert ecs.sent("describe_services")[0]["cluster"] == "default", "an old ARN lacks the cluster"


def test_tasks_are_described_in_hundreds() -> None:
    """DescribeTasks takes a hundred tasks."""
    web = summaries(("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/main/web", "UPDATE_COMPLETE"))
    _, ecs = scaled(
        [web],
        {
            "describe_services": [AT_ZERO],
            "list_tasks": [{"taskArns": []}, {"taskArns": [str(n) for n in range(250)]}],
            "describe_tasks": [{"tasks": []}],
        },
    )
    assert [len(r["tasks"]) for r in ecs.sent("describe_tasks")] == [100, 100, 50]


def test_attempts_are_numbered_once() -> None:
    """A resend bears the number, and so the token, of the first send."""
    client = Stub(
        {"describe_stacks": [shown()], "describe_stack_events": [page()], "update_stack": [{"StackId": ID}]}
    )
    pending = work(UpdateStack("d1", SPEC, COUNTS), sent=Sent(1, NOW - 20), age=20)
    found = events(CloudFormation(client, Stub({})).act(pending))
    assert [a.attempt for a in attempts(found)] == [1]
    assert client.sent("update_stack")[0]["ClientRequestToken"] == TOKEN


def test_commands_of_others_are_left_alone() -> None:
    """A command that is not the stack's is none of its business."""
    assert events(CloudFormation(Stub({}), Stub({})).act(work(None))) == []
