"""What a script can make go wrong, and what it can have others do."""

from typing import Any

import pytest

from deployer_aws.simulator import ClientError, ConnectionClosedError, ScriptError
from tests.deployer_aws.simulator.test_stacks import TEMPLATE, Environment
from tests.support.conformance import CheckedSimulator

FAULTS = [
    ("throttle", "Throttling", "ThrottlingException", 400),
    ("denied", "AccessDenied", "AccessDeniedException", 403),
    ("expired", "ExpiredToken", "ExpiredTokenException", 403),
]


@pytest.mark.parametrize(("fault", "of_cloudformation", "of_ecs", "http"), FAULTS)
def test_faults_have_the_codes_of_their_service(
    fault: str, of_cloudformation: str, of_ecs: str, http: int
) -> None:
    """Throttling, denial and expiry have other codes in CloudFormation than in ECS; the error names the operation."""
    sim = CheckedSimulator({"rules": [{"on": "*", fault: True}]})
    for call, code, operation in [
        (sim.client("cloudformation").describe_stacks, of_cloudformation, "DescribeStacks"),
        (sim.client("ecs").list_tasks, of_ecs, "ListTasks"),
    ]:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.operation_name == operation
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == http
    assert [call.outcome for call in sim.calls] == [of_cloudformation, of_ecs]


def test_any_error_can_be_scripted() -> None:
    """A rule can have a call refused with any code and message."""
    error = {
        "code": "ServerException",
        "message": "Service Unavailable. Please try again later.",
        "http": 503,
    }
    sim = CheckedSimulator({"rules": [{"on": "list_tasks", "error": error}]})
    with pytest.raises(ClientError, match="Service Unavailable"):
        sim.client("ecs").list_tasks()


def outcomes(rule: dict[str, Any], calls: int, **script: Any) -> list[bool]:
    """Which of so many calls get through."""
    sim = CheckedSimulator({"rules": [{"on": "list_tasks", "throttle": True, **rule}], **script})
    for _ in range(calls):
        try:
            sim.client("ecs").list_tasks()
        except ClientError:
            continue
    return [call.outcome == "ok" for call in sim.calls]


def test_rules_choose_their_calls() -> None:
    """A rule applies to the nth call, to the first few, to every nth, or to a share of them that a seed decides."""
    assert outcomes({"nth": 2}, 4) == [True, False, True, True]
    assert outcomes({"first": 2}, 4) == [False, False, True, True]
    assert outcomes({"every": 2}, 4) == [True, False, True, False]
    assert outcomes({}, 2) == [False, False]
    share = outcomes({"rate": 0.5}, 200)
    assert 70 < sum(share) < 130
    assert outcomes({"rate": 0.5}, 200) == share
    assert outcomes({"rate": 0.5}, 200, seed=7) != share


def test_rules_are_about_one_stack_or_definition() -> None:
    """A rule that names a stack or a definition leaves the others alone, also where they are named by ARN."""
    sim = CheckedSimulator(
        {
            "stacks": [{"name": "a"}, {"name": "b"}],
            "task_definitions": [{"family": "c"}, {"family": "d"}],
            "rules": [
                {"on": "describe_stacks", "stack": "a", "throttle": True},
                {"on": "run_task", "definition": "c", "throttle": True},
            ],
        }
    )
    cloudformation, ecs = sim.client("cloudformation"), sim.client("ecs")
    stacks = {s["StackName"]: s["StackId"] for s in cloudformation.describe_stacks()["Stacks"]}
    cloudformation.describe_stacks(StackName=stacks["b"])
    ecs.run_task(taskDefinition="d")
    for call, request in [
        (cloudformation.describe_stacks, {"StackName": stacks["a"]}),
        (ecs.run_task, {"taskDefinition": "c:1"}),
        (ecs.run_task, {"taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/c:1"}),
    ]:
        with pytest.raises(ClientError, match="Rate exceeded"):
            call(**request)


def test_a_lost_reply_is_a_change_made_and_a_lost_request_is_none() -> None:
    """The client sees the same connection error; only the account knows whether anything was done."""
    env = Environment(
        {"on": "create_stack", "nth": 1, "lost_request": True},
        {"on": "create_stack", "nth": 2, "lost_reply": True},
    )
    for made in (0, 1):
        with pytest.raises(ConnectionClosedError):
            env.create()
        assert len(env.sim.changes) == made
    env.create()
    assert len(env.sim.changes) == 1
    assert [call.outcome for call in env.sim.calls] == ["lost request", "lost reply", "ok"]
    assert env.sim.call_counts == {"create_stack": 3}


def test_behaviours_count_changes_not_calls() -> None:
    """A refused update, and one replayed by its token, is not the nth one of a rule about changes."""
    env = Environment(
        {"on": "update_stack", "nth": 1, "throttle": True},
        {"on": "update_stack", "nth": 2, "fail": True},
    )
    env.create()
    env.settle()
    with pytest.raises(ClientError, match="Rate exceeded"):
        env.update(Count=1)
    env.update(Count=1)
    env.update(Count=1)
    assert env.settle() == "UPDATE_COMPLETE"
    env.update("update-2", Count=3)
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"


def test_a_young_stack_may_not_be_seen_yet() -> None:
    """Reads are eventually consistent: for a scripted time a created stack 'does not exist'; writes know of it."""
    env = Environment({"on": "create_stack", "hidden": 5})
    env.create()
    with pytest.raises(ClientError, match="does not exist"):
        env.status()
    with pytest.raises(ClientError, match="does not exist"):
        env.events()
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        env.create(ClientRequestToken="other")
    assert env.cloudformation.describe_stacks()["Stacks"] == []
    assert env.settle(5) == "CREATE_IN_PROGRESS"


def test_reads_may_be_stale_after_a_change() -> None:
    """For a scripted time after an update, reads show the stack and its events as they were before it."""
    env = Environment({"on": "update_stack", "stale": 5}, {"on": "delete_stack", "stale": 5})
    env.create()
    env.settle()
    env.update(Count=3)
    assert env.status() == "CREATE_COMPLETE"
    assert {event["ClientRequestToken"] for event in env.events()} == {"create-1"}
    with pytest.raises(ClientError, match="UPDATE_IN_PROGRESS state and can not be updated"):
        env.update("update-2", Count=4)
    assert env.settle(5) == "UPDATE_IN_PROGRESS"
    assert env.events()[-1]["ClientRequestToken"] == "update-1"
    env.settle()
    env.cloudformation.delete_stack(StackName="orders")
    assert env.status() == "UPDATE_COMPLETE"


def test_a_failure_of_an_unknown_resource_is_a_mistake_of_the_script() -> None:
    """A rule that lets a resource fail which the template lacks is reported, and nothing has begun."""
    env = Environment({"on": "create_stack", "fail": {"resource": "Servce"}})
    with pytest.raises(ScriptError, match="fail at 'Servce'; its resources: Bucket, Cluster"):
        env.create()
    assert env.sim.changes == []


def test_times_of_stack_changes_are_scripted() -> None:
    """How long a change, its rollback and its cleanup take is as scripted."""
    env = Environment(
        {"on": "create_stack", "takes": 1000},
        {"on": "update_stack", "nth": 1, "takes": 10, "cleanup_takes": 500},
        {"on": "update_stack", "nth": 2, "fail": True, "rollback_takes": 900},
    )
    env.create()
    assert env.settle(999) == "CREATE_IN_PROGRESS"
    assert env.settle(1) == "CREATE_COMPLETE"
    env.update(Count=1)
    assert env.settle(11) == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert env.settle(500) == "UPDATE_COMPLETE"
    env.update("update-2", Count=2)
    assert env.settle(900) == "UPDATE_ROLLBACK_IN_PROGRESS"


def test_others_change_things_at_their_time() -> None:
    """Updates, protection, deletes and cancels by others happen at the scripted times, with tokens of their own."""
    update = {"parameters": {"Count": 3}, "token": "console-1", "takes": 20}
    env = Environment(
        stacks=[{"name": "orders", "template": TEMPLATE}],
        events=[
            {"at": 10, "stack": "orders", "update": update},
            {"at": 15, "stack": "orders", "cancel": True},
            {"at": 100, "stack": "orders", "update": {"template": "small", "fail": {"reason": "no"}}},
            {"at": 300, "stack": "orders", "protect": True},
            {"at": 301, "stack": "orders", "delete": True},
            {"at": 302, "stack": "orders", "protect": False},
            {"at": 310, "stack": "orders", "delete": {"token": "console-3"}},
            {"at": 311, "stack": "orders", "delete": True},
            {"at": 312, "stack": "nobody", "delete": True},
        ],
        templates={"small": {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}},
    )
    stack_id = env.cloudformation.describe_stacks()["Stacks"][0]["StackId"]
    assert env.settle(12) == "UPDATE_IN_PROGRESS"
    assert env.events()[-1]["ClientRequestToken"] == "console-1"
    assert env.settle(80) == "UPDATE_ROLLBACK_COMPLETE"
    assert env.events()[-1]["ClientRequestToken"].startswith("Console-CancelUpdateStack-")
    assert env.settle(150) == "UPDATE_ROLLBACK_COMPLETE"
    assert env.settle(75) == "DELETE_IN_PROGRESS"
    env.sim.clock.sleep(100)
    assert env.status(stack_id) == "DELETE_COMPLETE"
    assert [c.action for c in env.sim.changes] == [
        "update_stack",
        "cancel_update_stack",
        "update_stack",
        "delete_stack",
    ]
    assert {c.details["by"] for c in env.sim.changes} == {"others"}


def test_others_act_while_a_change_runs() -> None:
    """Deeds can be timed from the start of a change: here an update of ours is cancelled by somebody else."""
    meanwhile = [{"after": 5, "cancel": {"token": "theirs"}}, {"after": 1, "protect": True}]
    env = Environment({"on": "update_stack", "meanwhile": meanwhile})
    env.create()
    env.settle()
    env.update(Count=0)
    assert env.settle() == "UPDATE_ROLLBACK_COMPLETE"
    assert env.events()[-1]["ClientRequestToken"] == "theirs"
    with pytest.raises(ClientError, match="TerminationProtection"):
        env.cloudformation.delete_stack(StackName="orders")


def test_others_stop_tasks_and_deregister_definitions() -> None:
    """Running tasks of a family can be interrupted, and its definition deregistered, while a task runs."""
    actions = [
        {"after": 30, "stop_tasks": {"definition": "m"}},
        {"after": 1, "deregister": "m"},
        {"after": 2, "deregister": "x"},
    ]
    sim = CheckedSimulator(
        {
            "task_definitions": [{"family": "m"}],
            "rules": [{"on": "run_task", "takes": 1000, "meanwhile": actions}],
        }
    )
    ecs = sim.client("ecs")
    arn = ecs.run_task(taskDefinition="m")["tasks"][0]["taskArn"]
    sim.clock.sleep(60)
    (task,) = ecs.describe_tasks(tasks=[arn])["tasks"]
    assert (task["stopCode"], task["lastStatus"]) == ("SpotInterruption", "STOPPED")
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        ecs.run_task(taskDefinition="m:1")


def test_a_services_count_is_found_by_name_too() -> None:
    """Others may name a service by its own name and cluster; one that is not there is left alone."""
    named = {"service": "web", "cluster": "main", "count": 4}
    env = Environment(
        stacks=[{"name": "orders", "template": TEMPLATE}],
        events=[
            {"at": 5, "desired_count": named},
            {"at": 6, "desired_count": {"service": "none", "count": 1}},
        ],
    )
    env.sim.clock.sleep(30)
    assert env.desired() == 4
    assert [c.action for c in env.sim.changes] == ["set_desired_count"]


@pytest.mark.parametrize(
    "status",
    ["CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_FAILED"],
)
def test_stacks_are_founded_in_any_status(status: str) -> None:
    """A script's stacks are there from the start, in the status that it gives; rolled-back creations have no resources."""
    stack = {
        "name": "orders",
        "template": TEMPLATE,
        "status": status,
        "parameters": {"Count": 1},
        "tags": {"a": "b"},
    }
    env = Environment(stacks=[stack])
    assert env.status() == status
    resources = env.cloudformation.list_stack_resources(StackName="orders")["StackResourceSummaries"]
    assert bool(resources) == (status not in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"))
    if resources:
        assert env.desired() == 1
    assert env.sim.changes == []


@pytest.mark.parametrize(
    ("status", "after"),
    [("CREATE_IN_PROGRESS", "CREATE_COMPLETE"), ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")],
)
def test_stacks_are_founded_on_their_way(status: str, after: str) -> None:
    """A stack founded in the middle of a change goes on from there."""
    env = Environment(stacks=[{"name": "orders", "template": TEMPLATE, "status": status}])
    assert env.status() == status
    assert env.settle() == after


def test_time_passes_by_calls_and_sleep_alone() -> None:
    """The clock stands still between calls; a call costs the latency, a sleep what it says."""
    sim = CheckedSimulator("{start: 2026-05-05T00:00:00+02:00, latency: 0.5}")
    begun = sim.clock.now()
    assert (sim.clock.now(), sim.clock.monotonic()) == (begun, 0.0)
    sim.client("cloudformation").describe_stacks()
    assert sim.clock.monotonic() == 0.5
    sim.clock.sleep(2)
    sim.clock.sleep(-1)
    assert sim.clock.now() == begun + 2.5


def test_answers_are_not_shared_with_the_account() -> None:
    """Whatever a caller does to an answer or a request, the account stays as it is."""
    env = Environment()
    tags = [{"Key": "a", "Value": "b"}]
    env.create(Tags=tags)
    tags[0]["Value"] = "c"
    env.settle()
    env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]["Outputs"].clear()
    stack = env.cloudformation.describe_stacks(StackName="orders")["Stacks"][0]
    assert stack["Outputs"]
    assert stack["Tags"] == [{"Key": "a", "Value": "b"}]
    assert env.sim.calls[0].request["Tags"] == stack["Tags"]
