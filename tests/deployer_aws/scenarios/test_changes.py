"""Creating, updating, scaling and repairing a stack."""

import pytest
from attrs import evolve

from deployer_aws.ports import Appended
from deployer_core.engine.messages import Pending
from deployer_core.machines.deployment import CreateStack, UpdateStack, UpsertStack
from tests.deployer_aws.scenarios.environment import Environment
from tests.deployer_aws.scenarios.specs import SERVICE

FULL = ["update_stack", "update_stack", "update_stack"]
"""Scaling down, the infrastructure, scaling up."""


def test_create(env: Environment) -> None:
    """A new stack is created at zero and then scaled up: two changes, each with a token of its own."""
    done = env.deploy("d1", count=2)
    assert done.outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]
    assert len({change.token for change in env.changes}) == 2
    assert env.parameters()["Count"] == "2"
    assert env.service()["desiredCount"] == 2


def test_full_update(env: Environment) -> None:
    """A stack that exists is scaled to zero, changed, and scaled up to the counts that it had."""
    env.deploy("d1", count=3)
    done = env.deploy("d2", count=None, version="2")
    assert done.outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack", *FULL]
    assert env.parameters() == {"Count": "3", "Version": "2"}
    assert env.service()["desiredCount"] == 3


def test_quick(env: Environment) -> None:
    """In quick mode a stack is created in one change, and updated in one."""
    assert env.deploy("d1", quick=True).outcome == "DONE"
    assert env.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]
    assert env.parameters() == {"Count": "2", "Version": "2"}


def test_no_updates(env: Environment) -> None:
    """'No updates are to be performed' is a success, and AWS has changed nothing."""
    env.needs("no updates")
    env.deploy("d1", quick=True)
    done = env.deploy("d2", quick=True)
    assert done.outcome == "DONE"
    assert env.actions == ["create_stack"]


def test_the_same_request_twice(env: Environment) -> None:
    """A deployment that is asked for again under its id is no event, and AWS changes nothing more."""
    env.deploy("d1", quick=True)
    assert env.request("d1", quick=True) is False
    env.runner.run([env.key])
    assert env.actions == ["create_stack"]


def test_failed_create_then_repaired(env: Environment) -> None:
    """A failed create says which resource failed and why; after a repair its rolled-back creation is discarded by StackId."""
    body, words = env.failing("create_stack")
    failed = env.deploy("d1", body)
    assert failed.outcome == "FAILED"
    assert words in failed.reason
    assert "ROLLBACK_COMPLETE" in failed.reason
    assert "cancelled" not in failed.reason
    assert env.status == "BROKEN"
    env.runner.repair(env.key, "ann")
    assert env.deploy("d2").outcome == "DONE"
    assert env.actions == ["create_stack", "delete_stack", "create_stack", "update_stack"]
    assert env.changes[1].target.startswith("arn:"), (
        "a rolled-back creation is deleted by its StackId, never by its name"
    )


def test_failed_update_rolled_back(env: Environment) -> None:
    """An update that CloudFormation rolls back fails once that has settled; the next deployment finds the counts."""
    body, words = env.failing("update_stack", nth=3)
    env.deploy("d1", count=2)
    failed = env.deploy("d2", body, count=None, version="2")
    assert failed.outcome == "FAILED"
    assert f"UPDATE_ROLLBACK_COMPLETE: {words}" in failed.reason
    assert env.describe()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    env.runner.repair(env.key, "ann")
    assert env.deploy("d3", count=None, version="3").outcome == "DONE"
    assert env.parameters() == {"Count": "2", "Version": "3"}


def test_rollback_that_fails(env: Environment) -> None:
    """A rollback that fails too is a failure that names the status in which an operator finds the stack."""
    env.rule(on="update_stack", nth=1, fail={"resource": "Service"}, rollback_fails="the old image is gone")
    env.deploy("d1", quick=True)
    failed = env.deploy("d2", quick=True, version="2")
    assert "UPDATE_ROLLBACK_FAILED" in failed.reason
    assert "Service (AWS::ECS::Service)" in failed.reason


def test_failure_inside_a_nested_stack(env: Environment) -> None:
    """Of a nested stack that failed, the resource inside it is named, where its events say which."""
    nested = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": "https://bucket/nested.json"},
    }
    env.rule(on="create_stack", fail={"resource": "Nested", "reason": "Embedded stack was not created"})
    failed = env.deploy("d1", env.template(resources={"Nested": nested}))
    assert failed.outcome == "FAILED"
    assert "Nested (AWS::CloudFormation::Stack): Embedded stack was not created" in failed.reason


def test_update_of_somebody_else_in_progress(env: Environment) -> None:
    """Somebody else's update is waited for, and not cancelled; then ours follows."""
    env.deploy("d1", quick=True)
    env.others_update({"Version": "7"}, takes=120)
    done = env.deploy("d2", quick=True, version="2")
    assert done.outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]
    assert env.parameters()["Version"] == "2"


def test_update_of_somebody_else_comes_between(env: Environment) -> None:
    """An update that begins after the stack was found at rest makes ours wait, not fail."""
    env.deploy("d1", quick=True)

    def between(step: Appended) -> None:
        if any(isinstance(c, Pending) and isinstance(c.command, UpsertStack) for c in step.commands):
            env.others_update({"Version": "7"}, takes=90)

    env.react = between
    assert env.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert any("is in UPDATE_IN_PROGRESS state and" in seen for seen in env.seen)
    assert env.actions == ["create_stack", "update_stack"]
    assert env.parameters()["Version"] == "2"


def test_cancel_updates(env: Environment) -> None:
    """With `cancel_updates` the update in progress is cancelled, once, and its rollback waited for."""
    env.needs("cancel")
    env.deploy("d1", quick=True)
    env.others_update({"Version": "7"}, takes=600)
    assert env.deploy("d2", quick=True, version="2", cancel_updates=True).outcome == "DONE"
    assert env.actions == ["create_stack", "cancel_update_stack", "update_stack"]


def test_taken_over(env: Environment) -> None:
    """An update of ours that somebody cancels from the console fails as taken over."""
    body = env.cancelled_by_others()
    env.deploy("d1", quick=True)
    failed = env.deploy("d2", body, quick=True, version="2")
    assert failed.outcome == "FAILED"
    assert "UPDATE_ROLLBACK_COMPLETE" in failed.reason
    assert "taken over by another change of the stack" in failed.reason
    assert env.actions == ["create_stack", "update_stack"]


def test_taken_over_and_then_complete(env: Environment) -> None:
    """Another's update that completes after ours was cancelled is not taken for a success of ours."""
    env.rule(
        on="update_stack",
        nth=1,
        takes=100,
        rollback_takes=1,
        cleanup_takes=0.1,
        meanwhile=[
            {"after": 10, "cancel": True},
            {"after": 11.5, "update": {"parameters": {"Version": "7"}, "takes": 5}},
        ],
    )
    env.deploy("d1", quick=True)
    failed = env.deploy("d2", quick=True, version="2")
    assert failed.outcome == "FAILED"
    assert "taken over" in failed.reason
    assert env.parameters()["Version"] == "7"


def test_followed_by_somebody_else(env: Environment) -> None:
    """A change that succeeded stays a success when somebody else's update follows it at once."""
    env.rule(
        on="update_stack",
        nth=1,
        takes=10,
        cleanup_takes=0.1,
        meanwhile=[{"after": 10.5, "update": {"parameters": {"Version": "7"}, "takes": 900}}],
    )
    env.deploy("d1", quick=True)
    assert env.deploy("d2", quick=True, version="2").outcome == "DONE"


def test_rolled_back_creation_that_is_protected(env: Environment) -> None:
    """A rolled-back creation with termination protection is not deleted: the failure says what to do."""
    env.given_stack(status="ROLLBACK_COMPLETE", protected=True)
    failed = env.deploy("d1")
    assert failed.outcome == "FAILED"
    assert "ROLLBACK_COMPLETE" in failed.reason
    assert "switch its termination protection off and delete it, then repair" in failed.reason
    assert env.actions == []


def test_rolled_back_creation_that_the_spec_keeps(env: Environment) -> None:
    """Where the spec says so no rolled-back creation is deleted: the failure says what to do; a repaired stack takes a spec that does."""
    env.given_stack(status="ROLLBACK_COMPLETE")
    wanted = env.asked()
    spec = evolve(wanted.spec, stack=evolve(wanted.spec.stack, discard_rolled_back_creation=False))
    env.runner.request("d1", spec, wanted.templates)
    env.runner.run([env.key])
    assert "delete it, then repair" in env.outcome("d1").reason
    assert "stack.discard_rolled_back_creation: false in the spec" in env.outcome("d1").reason
    assert env.actions == []
    env.runner.repair(env.key, "an operator")
    assert env.deploy("d2", quick=True).outcome == "DONE"
    assert env.actions == ["delete_stack", "create_stack"]


def test_rolled_back_creation_of_a_change_set(env: Environment) -> None:
    """A stack in REVIEW_IN_PROGRESS that holds nothing is discarded, and the name used."""
    env.given_stack(status="REVIEW_IN_PROGRESS")
    assert env.deploy("d1", quick=True).outcome == "DONE"
    assert env.actions == ["delete_stack", "create_stack"]


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"])
def test_stack_that_cannot_be_changed(env: Environment, status: str) -> None:
    """A stack in a status that an operator has to mend fails at once, and is not touched."""
    env.given_stack(status=status)
    failed = env.deploy("d1")
    assert failed.outcome == "FAILED"
    assert status in failed.reason
    assert env.actions == []


def test_stale_reads_after_a_create(env: Environment) -> None:
    """While reads say 'does not exist' after a create, it is not created again, and not taken for gone."""
    env.rule(on="create_stack", hidden=45, takes=20)
    assert env.deploy("d1").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]


def test_stale_reads_after_an_update(env: Environment) -> None:
    """While reads show the stack as it was before an update, that is not taken for the update's end."""
    env.rule(on="update_stack", stale=30, takes=20)
    env.deploy("d1", quick=True)
    env.request("d2", quick=True, version="2")
    assert env.finish("d2").outcome == "DONE"
    assert env.describe()["StackStatus"] == "UPDATE_COMPLETE"
    assert env.actions == ["create_stack", "update_stack"]


def test_deleted_under_us(env: Environment) -> None:
    """A stack that somebody deletes while ours is created is a failure, and is not created again."""
    env.rule(on="create_stack", takes=600)
    env.event(at=60, stack=env.stack, update={"parameters": {}})  # refused: it is being created
    env.request("d1")
    env.until(lambda _: bool((p := env.pending(CreateStack)) and p.ref))
    env.client("cloudformation").delete_stack(StackName=env.stack)
    failed = env.finish("d1")
    assert failed.outcome == "FAILED"
    assert "taken over" in failed.reason


def test_scaling_none(env: Environment) -> None:
    """With `scaling: none` nothing is scaled: an update is one change, and services need not be there."""
    body = env.template(
        base={"Topic": {"Type": "AWS::SNS::Topic"}}, parameters={"Count": {"Type": "Number", "Default": 1}}
    )
    env.deploy("d1", body, scaling=False, version="1")
    assert env.actions == ["create_stack"]
    assert env.deploy("d2", body, scaling=False, version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]


def test_no_service_to_scale(env: Environment) -> None:
    """A stack without a service is an error unless `scaling: none` says that it is meant."""
    body = env.template(base={"Topic": {"Type": "AWS::SNS::Topic"}})
    env.deploy("d1", body)
    failed = env.deploy("d2", body, version="2")
    assert failed.outcome == "FAILED"
    assert "the stack has no ECS service to scale; say 'scaling: none' if that is meant" in failed.reason


def test_count_that_the_stack_does_not_have_yet(env: Environment) -> None:
    """A count whose parameter comes with this version joins with the infrastructure: there is nothing to scale by before."""
    fixed = {**SERVICE, "Service": {**SERVICE["Service"], "Properties": {**SERVICE["Service"]["Properties"]}}}
    fixed["Service"]["Properties"]["DesiredCount"] = 1
    old = env.template(base=fixed).replace('"Count": {"Type": "Number"}, ', "")
    env.deploy("d1", old, quick=True, scaling=False)
    assert env.deploy("d2", version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack", "update_stack"]
    assert env.service()["desiredCount"] == 2


def test_service_lifted_above_zero(env: Environment) -> None:
    """A service that auto scaling lifts above zero before the migrations fails the deployment, which names it."""
    env.deploy("d1", count=2)
    env.request("d2", count=2, version="2", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(UpdateStack)) and p.ref))
    service = env.service()
    env.lift(service, 1)
    failed = env.finish("d2")
    assert failed.outcome == "FAILED"
    assert f"service {service['serviceName']} has desired count 1 instead of 0" in failed.reason
    assert "run_task" not in env.actions


def test_task_still_stopping(env: Environment) -> None:
    """Zero is reached when the last task has stopped, not when CloudFormation says that the update is complete."""
    env.rule(on="update_stack", nth=2, linger=120)
    env.deploy("d1", count=1)
    env.request("d2", count=1, version="2")
    env.until(lambda _: env.pending(UpdateStack) is not None)
    tasks = env.client("ecs").list_tasks(
        cluster=env.service()["clusterArn"], serviceName=env.service()["serviceName"], desiredStatus="STOPPED"
    )["taskArns"]
    shown = env.client("ecs").describe_tasks(cluster=env.service()["clusterArn"], tasks=tasks)["tasks"]
    assert {task["lastStatus"] for task in shown} == {"STOPPED"}
    assert any("not yet stopped" in seen for seen in env.seen)
    assert env.finish("d2").outcome == "DONE"


def test_nothing_to_scale(env: Environment) -> None:
    """A stack that somebody has scaled to zero already needs no scaling down, and is not changed for it."""
    env.deploy("d1", count=1)
    env.others_update({"Count": "0"}, takes=5)
    assert env.deploy("d2", count=1, version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack", "update_stack", "update_stack"]


def test_deadline_of_a_change(env: Environment) -> None:
    """A change past its deadline fails after one more look, and its late end changes nothing."""
    env.rule(on="create_stack", takes=5_000)
    failed = env.deploy("d1", timeout=600)
    assert failed.outcome == "FAILED"
    assert "no end within 600 s; last seen: CREATE_IN_PROGRESS" in failed.reason
    env.runner.repair(env.key, "ann")
    assert env.deploy("d2", wait_timeout=6_000).outcome == "DONE"
    assert env.actions[0] == "create_stack"
    assert env.actions.count("create_stack") == 1


def test_success_that_is_seen_after_the_deadline(env: Environment) -> None:
    """A runner that was down past the deadline looks once more: a change that succeeded meanwhile is a success."""
    env.needs("virtual time")
    env.request("d1", timeout=600, quick=True)
    env.until(lambda state: any(p.ref for p in state.pending))
    env.clock.sleep(3_000)
    assert env.finish("d1").outcome == "DONE"


def test_terminated(env: Environment) -> None:
    """Terminated stops the waiting, not CloudFormation: the next deployment waits for the change in flight."""
    env.rule(on="create_stack", takes=300)
    env.request("d1", quick=True)
    env.until(lambda state: any(p.ref for p in state.pending))
    env.runner.terminate(env.key, "d1", "ann")
    assert "terminated by ann" in env.finish("d1").reason
    env.runner.repair(env.key, "ann")
    assert env.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]
