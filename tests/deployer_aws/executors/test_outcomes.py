"""What the CloudFormation executor makes of what it sees: outcomes, reasons, services at zero."""

from functools import partial
from typing import Any

import pytest

from deployer_aws.aws.stacks import LIFECYCLES, WAYS_OUT, StackReader
from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_core.engine.messages import Accepted, Attempt, Attempted, Progress, Replied, StackProgress
from deployer_core.machines.deployment import ScaleStack, StabiliseStack, UpsertStack
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from tests.deployer_aws.aws_answers import (
    ID,
    NESTED,
    NOW,
    SPEC,
    TOKEN,
    Refused,
    Stub,
    answers,
    event,
    events,
    page,
    shown,
    stack_observed,
    work,
)

# Outcomes


@pytest.mark.parametrize("status", [s for s, where in LIFECYCLES.items() if where is Lifecycle.TERMINAL])
def test_status_without_a_way_out(status: str) -> None:
    """A stack that only somebody can bring back says how, whether we wait for it or have changed it ourselves."""
    client = Stub({"describe_stacks": [shown(status)]})
    (found,) = answers(CloudFormation(client, Stub({})).act(work(StabiliseStack("d1", SPEC, False))))
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


@pytest.mark.parametrize("operation", ["describe_stacks", "describe_stack_events"])
def test_other_errors_of_reading_escape(operation: str) -> None:
    """Only 'does not exist' is an answer to a look: any other error is the runner's to class."""
    client = Stub({"describe_stacks": [shown()], "describe_stack_events": [page()]})
    client.answers[operation] = [Refused("Throttling")]
    reader = StackReader(client)
    looks: dict[str, Any] = {
        "describe_stacks": reader.describe,
        "describe_stack_events": partial(reader.find, token=TOKEN, since=0.0),
    }
    with pytest.raises(Refused):
        looks[operation]("shop")


# Services


def summaries(*found: tuple[str, str, str], more: str = "") -> dict[str, Any]:
    """ListStackResources' answer."""
    kinds = [
        {"ResourceType": kind, "PhysicalResourceId": physical, "ResourceStatus": status}
        for kind, physical, status in found
    ]
    return {"StackResourceSummaries": kinds, **({"NextToken": more} if more else {})}


def scaled(resources: list[Any], ecs: dict[str, list[Any]]) -> tuple[list[Any], Any]:
    """Return what a look at a finished scaling to zero comes to."""
    client = Stub(
        {
            "describe_stacks": [shown("UPDATE_COMPLETE")],
            "describe_stack_events": [page(event("UPDATE_COMPLETE", TOKEN))],
            "list_stack_resources": resources,
        }
    )
    tasks = Stub(ecs)
    pending = work(ScaleStack("d1", SPEC, (("Count", 0),)), attempt=Attempt(1, NOW - 10), ref=ID, age=10)
    return answers(CloudFormation(client, tasks).act(pending)), tasks


AT_ZERO: dict[str, Any] = {"services": [{"status": "ACTIVE", "desiredCount": 0}]}
NO_TASKS: dict[str, Any] = {"taskArns": []}


def tasks(**statuses: str) -> dict[str, Any]:
    """DescribeTasks' answer."""
    return {"tasks": [{"taskArn": arn, "lastStatus": status} for arn, status in statuses.items()]}


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
            "describe_tasks": [tasks(a="STOPPED", b="DEPROVISIONING", c="RUNNING")],
        },
    )
    words, left = "UPDATE_COMPLETE: 2 tasks of service web not yet stopped", (("web", 2),)
    assert found == [Progress(words, StackProgress("UPDATE_COMPLETE", left))]
    assert [r["desiredStatus"] for r in ecs.sent("list_tasks")] == ["RUNNING", "RUNNING", "STOPPED"]
    assert {request["cluster"] for _, request in ecs.calls} == {"main"}


def test_nothing_to_change_is_sent_once() -> None:
    """Where there was nothing to change and tasks still stop, that is remembered, and nothing is sent again."""
    web = summaries(("AWS::ECS::Service", "arn:aws:ecs:eu-west-1:1:service/main/web", "UPDATE_COMPLETE"))
    client = Stub(
        {
            "describe_stacks": [shown("UPDATE_COMPLETE")],
            "get_template_summary": [{}],
            "update_stack": [Refused("ValidationError", "No updates are to be performed.")],
            "list_stack_resources": [web],
        }
    )
    ecs = Stub(
        {
            "describe_services": [AT_ZERO],
            "list_tasks": [{"taskArns": ["a"]}, {"taskArns": []}],
            "describe_tasks": [tasks(a="STOPPING"), tasks(a="STOPPED")],
        }
    )
    executor, command = CloudFormation(client, ecs), ScaleStack("d1", SPEC, (("Count", 0),))
    attempted, moving, accepted = executor.act(work(command))
    assert isinstance(attempted, Attempted)
    assert isinstance(moving, Replied)
    left = StackProgress("", (("web", 1),), unchanged=True)
    assert moving.answer == Progress("NO_UPDATES: 1 task of service web not yet stopped", left)
    assert accepted == Accepted(7, ID, NOW)
    ecs.answers["list_tasks"] = [{"taskArns": ["a"]}, {"taskArns": []}]
    again = work(command, attempt=Attempt(1, NOW), ref=ID, progress=left)
    (done,) = answers(executor.act(again))
    assert done.lifecycle is Lifecycle.COMPLETE
    assert len(client.sent("update_stack")) == 1


def web(arn: str = "arn:aws:ecs:eu-west-1:1:service/main/web") -> dict[str, Any]:
    """Return a stack's one service."""
    return summaries(("AWS::ECS::Service", arn, "UPDATE_COMPLETE"))


OLD = "arn:aws:ecs:eu-west-1:1:service/web"
"""An ARN from before 2021, which does not say its cluster."""


def test_service_that_is_forgotten() -> None:
    """A service that ECS no longer knows runs nothing."""
    (answer,), _ = scaled([web()], {"describe_services": [{"services": []}]})
    assert answer.lifecycle is Lifecycle.COMPLETE


@pytest.mark.parametrize("status", ["DRAINING", "INACTIVE"])
def test_service_that_was_deleted(status: str) -> None:
    """A service that was deleted wants no more tasks, but the last of them may still be stopping."""
    deleted = {"services": [{"status": status, "desiredCount": 3}]}
    for last, answered in (("STOPPING", Progress), ("STOPPED", StackStatus)):
        (answer,), _ = scaled(
            [web()],
            {
                "describe_services": [deleted],
                "list_tasks": [NO_TASKS, {"taskArns": ["a"]}],
                "describe_tasks": [tasks(a=last)],
            },
        )
        assert type(answer) is answered


@pytest.mark.parametrize("code", ["ServiceNotFoundException", "ServiceNotActiveException"])
def test_service_whose_tasks_can_no_longer_be_listed(code: str) -> None:
    """ECS may refuse to list the tasks of a service that was deleted: then there are none."""
    deleted = {"services": [{"status": "INACTIVE", "desiredCount": 0}]}
    (answer,), _ = scaled([web()], {"describe_services": [deleted], "list_tasks": [Refused(code)]})
    assert answer.lifecycle is Lifecycle.COMPLETE
    with pytest.raises(Refused):
        scaled([web()], {"describe_services": [deleted], "list_tasks": [Refused("ThrottlingException")]})


def test_service_with_an_old_arn() -> None:
    """An old ARN lacks the cluster: it is looked for in `default`, and not taken for gone where it is not there."""
    (answer,), ecs = scaled([web(OLD)], {"describe_services": [AT_ZERO], "list_tasks": [NO_TASKS]})
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert ecs.sent("describe_services") == [{"cluster": "default", "services": [OLD]}]
    assert {request["cluster"] for _, request in ecs.calls} == {"default"}
    (failed,), _ = scaled([web(OLD)], {"describe_services": [{"services": []}]})
    assert "service web is not in the cluster default" in failed.reason
    assert "migrate it to a long ARN" in failed.reason


def test_daemon() -> None:
    """A daemon has a task on every instance: the failure says that it cannot be scaled, not that somebody lifted it."""
    daemon = {"status": "ACTIVE", "desiredCount": 2, "schedulingStrategy": "DAEMON"}
    (failed,), _ = scaled([web()], {"describe_services": [{"services": [daemon]}]})
    assert "service web is a daemon" in failed.reason
    assert "say 'scaling: none'" in failed.reason


@pytest.mark.parametrize("count", ["runningCount", "pendingCount"])
def test_tasks_that_are_counted_but_not_listed_yet(count: str) -> None:
    """ListTasks is eventually consistent: what the service itself counts is waited for too."""
    counting = {"services": [{"status": "ACTIVE", "desiredCount": 0, count: 1}]}
    (answer,), _ = scaled([web()], {"describe_services": [counting], "list_tasks": [NO_TASKS]})
    assert answer.value.running == (("web", 1),)


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
