"""Creating, updating, scaling and repairing a stack."""

import pytest
from attrs import evolve

from deployer_aws.ports import Appended
from deployer_core.engine.messages import Pending
from deployer_core.machines.deployment import CreateStack, UpdateStack, UpsertStack
from tests.deployer_aws.scenarios.bed import Bed
from tests.deployer_aws.scenarios.specs import SERVICE

FULL = ["update_stack", "update_stack", "update_stack"]
"""Scaling down, the infrastructure, scaling up."""


def test_create(bed: Bed) -> None:
    """A new stack is created at zero and then scaled up: two changes, each with a token of its own."""
    done = bed.deploy("d1", count=2)
    assert done.outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]
    assert len({change.token for change in bed.changes}) == 2
    assert bed.parameters()["Count"] == "2"
    assert bed.service()["desiredCount"] == 2


def test_full_update(bed: Bed) -> None:
    """A stack that exists is scaled to zero, changed, and scaled up to the counts that it had."""
    bed.deploy("d1", count=3)
    done = bed.deploy("d2", count=None, version="2")
    assert done.outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack", *FULL]
    assert bed.parameters() == {"Count": "3", "Version": "2"}
    assert bed.service()["desiredCount"] == 3


def test_quick(bed: Bed) -> None:
    """In quick mode a stack is created in one change, and updated in one."""
    assert bed.deploy("d1", quick=True).outcome == "DONE"
    assert bed.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]
    assert bed.parameters() == {"Count": "2", "Version": "2"}


def test_no_updates(bed: Bed) -> None:
    """'No updates are to be performed' is a success, and AWS has changed nothing."""
    bed.needs("no updates")
    bed.deploy("d1", quick=True)
    done = bed.deploy("d2", quick=True)
    assert done.outcome == "DONE"
    assert bed.actions == ["create_stack"]


def test_the_same_request_twice(bed: Bed) -> None:
    """A deployment that is asked for again under its id is no event, and AWS changes nothing more."""
    bed.deploy("d1", quick=True)
    assert bed.request("d1", quick=True) is False
    bed.runner.run([bed.key])
    assert bed.actions == ["create_stack"]


def test_failed_create_then_repaired(bed: Bed) -> None:
    """A failed create says which resource failed and why; after a repair its rolled-back creation is discarded by StackId."""
    body, words = bed.failing("create_stack")
    failed = bed.deploy("d1", body)
    assert failed.outcome == "FAILED"
    assert words in failed.reason
    assert "ROLLBACK_COMPLETE" in failed.reason
    assert "cancelled" not in failed.reason
    assert bed.status == "BROKEN"
    bed.runner.repair(bed.key, "ann")
    assert bed.deploy("d2").outcome == "DONE"
    assert bed.actions == ["create_stack", "delete_stack", "create_stack", "update_stack"]
    assert bed.changes[1].target.startswith("arn:"), (
        "a rolled-back creation is deleted by its StackId, never by its name"
    )


def test_failed_update_rolled_back(bed: Bed) -> None:
    """An update that CloudFormation rolls back fails once that has settled; the next deployment finds the counts."""
    body, words = bed.failing("update_stack", nth=3)
    bed.deploy("d1", count=2)
    failed = bed.deploy("d2", body, count=None, version="2")
    assert failed.outcome == "FAILED"
    assert f"UPDATE_ROLLBACK_COMPLETE: {words}" in failed.reason
    assert bed.describe()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    bed.runner.repair(bed.key, "ann")
    assert bed.deploy("d3", count=None, version="3").outcome == "DONE"
    assert bed.parameters() == {"Count": "2", "Version": "3"}


def test_rollback_that_fails(bed: Bed) -> None:
    """A rollback that fails too is a failure that names the status in which an operator finds the stack."""
    bed.rule(on="update_stack", nth=1, fail={"resource": "Service"}, rollback_fails="the old image is gone")
    bed.deploy("d1", quick=True)
    failed = bed.deploy("d2", quick=True, version="2")
    assert "UPDATE_ROLLBACK_FAILED" in failed.reason
    assert "Service (AWS::ECS::Service)" in failed.reason


def test_failure_inside_a_nested_stack(bed: Bed) -> None:
    """Of a nested stack that failed, the resource inside it is named, where its events say which."""
    nested = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": "https://bucket/nested.json"},
    }
    bed.rule(on="create_stack", fail={"resource": "Nested", "reason": "Embedded stack was not created"})
    failed = bed.deploy("d1", bed.template(resources={"Nested": nested}))
    assert failed.outcome == "FAILED"
    assert "Nested (AWS::CloudFormation::Stack): Embedded stack was not created" in failed.reason


def test_update_of_somebody_else_in_progress(bed: Bed) -> None:
    """Somebody else's update is waited for, and not cancelled; then ours follows."""
    bed.deploy("d1", quick=True)
    bed.others_update({"Version": "7"}, takes=120)
    done = bed.deploy("d2", quick=True, version="2")
    assert done.outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]
    assert bed.parameters()["Version"] == "2"


def test_update_of_somebody_else_comes_between(bed: Bed) -> None:
    """An update that begins after the stack was found at rest makes ours wait, not fail."""
    bed.deploy("d1", quick=True)

    def between(step: Appended) -> None:
        if any(isinstance(c, Pending) and isinstance(c.command, UpsertStack) for c in step.commands):
            bed.others_update({"Version": "7"}, takes=90)

    bed.react = between
    assert bed.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert any("is in UPDATE_IN_PROGRESS state and" in seen for seen in bed.seen)
    assert bed.actions == ["create_stack", "update_stack"]
    assert bed.parameters()["Version"] == "2"


def test_cancel_updates(bed: Bed) -> None:
    """With `cancel_updates` the update in progress is cancelled, once, and its rollback waited for."""
    bed.needs("cancel")
    bed.deploy("d1", quick=True)
    bed.others_update({"Version": "7"}, takes=600)
    assert bed.deploy("d2", quick=True, version="2", cancel_updates=True).outcome == "DONE"
    assert bed.actions == ["create_stack", "cancel_update_stack", "update_stack"]


def test_taken_over(bed: Bed) -> None:
    """An update of ours that somebody cancels from the console fails as taken over."""
    body = bed.cancelled_by_others()
    bed.deploy("d1", quick=True)
    failed = bed.deploy("d2", body, quick=True, version="2")
    assert failed.outcome == "FAILED"
    assert "UPDATE_ROLLBACK_COMPLETE" in failed.reason
    assert "taken over by another change of the stack" in failed.reason
    assert bed.actions == ["create_stack", "update_stack"]


def test_taken_over_and_then_complete(bed: Bed) -> None:
    """Another's update that completes after ours was cancelled is not taken for a success of ours."""
    bed.rule(
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
    bed.deploy("d1", quick=True)
    failed = bed.deploy("d2", quick=True, version="2")
    assert failed.outcome == "FAILED"
    assert "taken over" in failed.reason
    assert bed.parameters()["Version"] == "7"


def test_followed_by_somebody_else(bed: Bed) -> None:
    """A change that succeeded stays a success when somebody else's update follows it at once."""
    bed.rule(
        on="update_stack",
        nth=1,
        takes=10,
        cleanup_takes=0.1,
        meanwhile=[{"after": 10.5, "update": {"parameters": {"Version": "7"}, "takes": 900}}],
    )
    bed.deploy("d1", quick=True)
    assert bed.deploy("d2", quick=True, version="2").outcome == "DONE"


def test_rolled_back_creation_that_is_protected(bed: Bed) -> None:
    """A rolled-back creation with termination protection is not deleted: the failure says what to do."""
    bed.given_stack(status="ROLLBACK_COMPLETE", protected=True)
    failed = bed.deploy("d1")
    assert failed.outcome == "FAILED"
    assert "ROLLBACK_COMPLETE" in failed.reason
    assert "switch its termination protection off and delete it, then repair" in failed.reason
    assert bed.actions == []


def test_rolled_back_creation_that_the_spec_keeps(bed: Bed) -> None:
    """Where the spec says so no rolled-back creation is deleted: the failure says what to do; a repaired stack takes a spec that does."""
    bed.given_stack(status="ROLLBACK_COMPLETE")
    wanted = bed.asked()
    spec = evolve(wanted.spec, stack=evolve(wanted.spec.stack, discard_rolled_back_creation=False))
    bed.runner.request("d1", spec, wanted.templates)
    bed.runner.run([bed.key])
    assert "delete it, then repair" in bed.outcome("d1").reason
    assert "stack.discard_rolled_back_creation: false in the spec" in bed.outcome("d1").reason
    assert bed.actions == []
    bed.runner.repair(bed.key, "an operator")
    assert bed.deploy("d2", quick=True).outcome == "DONE"
    assert bed.actions == ["delete_stack", "create_stack"]


def test_rolled_back_creation_of_a_change_set(bed: Bed) -> None:
    """A stack in REVIEW_IN_PROGRESS that holds nothing is discarded, and the name used."""
    bed.given_stack(status="REVIEW_IN_PROGRESS")
    assert bed.deploy("d1", quick=True).outcome == "DONE"
    assert bed.actions == ["delete_stack", "create_stack"]


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"])
def test_stack_that_cannot_be_changed(bed: Bed, status: str) -> None:
    """A stack in a status that an operator has to mend fails at once, and is not touched."""
    bed.given_stack(status=status)
    failed = bed.deploy("d1")
    assert failed.outcome == "FAILED"
    assert status in failed.reason
    assert bed.actions == []


def test_stale_reads_after_a_create(bed: Bed) -> None:
    """While reads say 'does not exist' after a create, it is not created again, and not taken for gone."""
    bed.rule(on="create_stack", hidden=45, takes=20)
    assert bed.deploy("d1").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]


def test_stale_reads_after_an_update(bed: Bed) -> None:
    """While reads show the stack as it was before an update, that is not taken for the update's end."""
    bed.rule(on="update_stack", stale=30, takes=20)
    bed.deploy("d1", quick=True)
    bed.request("d2", quick=True, version="2")
    assert bed.finish("d2").outcome == "DONE"
    assert bed.describe()["StackStatus"] == "UPDATE_COMPLETE"
    assert bed.actions == ["create_stack", "update_stack"]


def test_deleted_under_us(bed: Bed) -> None:
    """A stack that somebody deletes while ours is created is a failure, and is not created again."""
    bed.rule(on="create_stack", takes=600)
    bed.event(at=60, stack=bed.stack, update={"parameters": {}})  # refused: it is being created
    bed.request("d1")
    bed.until(lambda _: bool((p := bed.pending(CreateStack)) and p.ref))
    bed.client("cloudformation").delete_stack(StackName=bed.stack)
    failed = bed.finish("d1")
    assert failed.outcome == "FAILED"
    assert "taken over" in failed.reason


def test_scaling_none(bed: Bed) -> None:
    """With `scaling: none` nothing is scaled: an update is one change, and services need not be there."""
    body = bed.template(
        base={"Topic": {"Type": "AWS::SNS::Topic"}}, parameters={"Count": {"Type": "Number", "Default": 1}}
    )
    bed.deploy("d1", body, scaling=False, version="1")
    assert bed.actions == ["create_stack"]
    assert bed.deploy("d2", body, scaling=False, version="2").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]


def test_no_service_to_scale(bed: Bed) -> None:
    """A stack without a service is an error unless `scaling: none` says that it is meant."""
    body = bed.template(base={"Topic": {"Type": "AWS::SNS::Topic"}})
    bed.deploy("d1", body)
    failed = bed.deploy("d2", body, version="2")
    assert failed.outcome == "FAILED"
    assert "the stack has no ECS service to scale; say 'scaling: none' if that is meant" in failed.reason


def test_count_that_the_stack_does_not_have_yet(bed: Bed) -> None:
    """A count whose parameter comes with this version cannot be scaled by: the failure says how to bring it in."""
    fixed = {**SERVICE, "Service": {**SERVICE["Service"], "Properties": {**SERVICE["Service"]["Properties"]}}}
    fixed["Service"]["Properties"]["DesiredCount"] = 1
    old = bed.template(base=fixed).replace('"Count": {"Type": "Number"}, ', "")
    bed.deploy("d1", old, quick=True, scaling=False)
    failed = bed.deploy("d2", version="2")
    assert "has no parameter Count to scale by" in failed.reason
    assert "deploy once in quick mode" in failed.reason


def test_service_lifted_above_zero(bed: Bed) -> None:
    """A service that auto scaling lifts above zero before the migrations fails the deployment, which names it."""
    bed.deploy("d1", count=2)
    bed.request("d2", count=2, version="2", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(UpdateStack)) and p.ref))
    service = bed.service()
    bed.lift(service, 1)
    failed = bed.finish("d2")
    assert failed.outcome == "FAILED"
    assert f"service {service['serviceName']} has desired count 1 instead of 0" in failed.reason
    assert "run_task" not in bed.actions


def test_task_still_stopping(bed: Bed) -> None:
    """Zero is reached when the last task has stopped, not when CloudFormation says that the update is complete."""
    bed.rule(on="update_stack", nth=2, linger=120)
    bed.deploy("d1", count=1)
    bed.request("d2", count=1, version="2")
    bed.until(lambda _: bed.pending(UpdateStack) is not None)
    tasks = bed.client("ecs").list_tasks(
        cluster=bed.service()["clusterArn"], serviceName=bed.service()["serviceName"], desiredStatus="STOPPED"
    )["taskArns"]
    shown = bed.client("ecs").describe_tasks(cluster=bed.service()["clusterArn"], tasks=tasks)["tasks"]
    assert {task["lastStatus"] for task in shown} == {"STOPPED"}
    assert any("not yet stopped" in seen for seen in bed.seen)
    assert bed.finish("d2").outcome == "DONE"


def test_nothing_to_scale(bed: Bed) -> None:
    """A stack that somebody has scaled to zero already needs no scaling down, and is not changed for it."""
    bed.deploy("d1", count=1)
    bed.others_update({"Count": "0"}, takes=5)
    assert bed.deploy("d2", count=1, version="2").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack", "update_stack", "update_stack"]


def test_deadline_of_a_change(bed: Bed) -> None:
    """A change past its deadline fails after one more look, and its late end changes nothing."""
    bed.rule(on="create_stack", takes=5_000)
    failed = bed.deploy("d1", timeout=600)
    assert failed.outcome == "FAILED"
    assert "no end within 600 s; last seen: CREATE_IN_PROGRESS" in failed.reason
    bed.runner.repair(bed.key, "ann")
    assert bed.deploy("d2", timeout=6_000).outcome == "DONE"
    assert bed.actions[0] == "create_stack"
    assert bed.actions.count("create_stack") == 1


def test_success_that_is_seen_after_the_deadline(bed: Bed) -> None:
    """A runner that was down past the deadline looks once more: a change that succeeded meanwhile is a success."""
    bed.needs("virtual time")
    bed.request("d1", timeout=600, quick=True)
    bed.until(lambda state: any(p.ref for p in state.pending))
    bed.clock.sleep(3_000)
    assert bed.finish("d1").outcome == "DONE"


def test_terminated(bed: Bed) -> None:
    """Terminated stops the waiting, not CloudFormation: the next deployment waits for the change in flight."""
    bed.rule(on="create_stack", takes=300)
    bed.request("d1", quick=True)
    bed.until(lambda state: any(p.ref for p in state.pending))
    bed.runner.terminate(bed.key, "d1", "ann")
    assert "terminated by ann" in bed.finish("d1").reason
    bed.runner.repair(bed.key, "ann")
    assert bed.deploy("d2", quick=True, version="2").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]
