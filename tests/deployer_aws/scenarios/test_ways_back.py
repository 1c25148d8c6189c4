"""Ways back: what a failed deployment had changed is put back, where that can be done."""

from typing import Any

import pytest

from deployer_core.machines.deployment import UpdateStack
from deployer_core.spec import DatabaseSpec, OnFailure, Previous, StackOutput, Text
from tests.deployer_aws.scenarios.environment import Environment

BACK = "the services are back as before"
PARAMETERS = {"Colour": {"Type": "String", "Default": "none"}}
BUCKET = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "shop-${Version}"}}}}


def restoring(**settings: Any) -> dict[str, Any]:
    """Return the settings of a full deployment that is to be put back."""
    return {"on_failure": OnFailure.RESTORE, **settings}


def refused_evaluation(env: Environment) -> DatabaseSpec[Text]:
    """Return a database whose evaluation fails from the second one on."""
    env.task_definition("orders-evaluate")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", definition="orders-evaluate", exit_code=1)
    return env.database(evaluated=True)


@pytest.mark.parametrize("on_failure", OnFailure)
def test_infrastructure_that_rolls_back(env: Environment, on_failure: OnFailure) -> None:
    """With `restore` the services have their counts and the old version again, with `leave` they stay at zero."""
    body, words = env.failing("update_stack", nth=3)
    env.deploy("d1", count=3)
    failed = env.deploy("d2", body, count=None, version="2", on_failure=on_failure)
    assert failed.cause == "FAILURE"
    assert words in failed.reason
    assert env.status == "BROKEN"
    back = on_failure is OnFailure.RESTORE
    assert (BACK in failed.reason) == back
    assert env.parameters() == {"Count": "3" if back else "0", "Version": "1"}
    assert env.service()["desiredCount"] == (3 if back else 0)


def test_rollback_that_takes_long(env: Environment) -> None:
    """A stack that rolls back is waited for beyond the deadline, and then put back."""
    env.needs("virtual time")
    env.rule(on="update_stack", nth=3, takes=500, fail={"resource": "Service"}, rollback_takes=600)
    env.deploy("d1", count=3)
    failed = env.deploy("d2", count=None, version="2", timeout=600, on_failure=OnFailure.RESTORE)
    assert "UPDATE_ROLLBACK_COMPLETE" in failed.reason
    assert BACK in failed.reason
    assert env.service()["desiredCount"] == 3


def test_rollback_that_takes_too_long(env: Environment) -> None:
    """Twice the deadline is the end of it: nothing is put back into a stack that still rolls back."""
    env.needs("virtual time")
    env.rule(on="update_stack", nth=3, takes=500, fail={"resource": "Service"}, rollback_takes=6_000)
    env.deploy("d1", count=3)
    failed = env.deploy("d2", count=None, version="2", timeout=600, on_failure=OnFailure.RESTORE)
    assert "not put back: CloudFormation is still rolling back" in failed.reason
    assert env.actions == ["create_stack", "update_stack", "update_stack", "update_stack"]


def test_values_that_were_sent_then(env: Environment) -> None:
    """What was taken from elsewhere for the version before is sent again as it was, whatever it would be now."""
    env.needs("virtual time")
    database = refused_evaluation(env)
    other = env.other_stack(
        {
            "Parameters": {"It": {"Type": "String", "Default": "blue"}},
            "Outputs": {"It": {"Value": {"Ref": "It"}}},
        }
    )
    body = env.template(parameters={**PARAMETERS, "Kept": {"Type": "String", "Default": "0"}})
    env.deploy("d0", body, quick=True, parameters={"Kept": "first"})
    elsewhere = {"Colour": StackOutput(other, "It"), "Kept": Previous()}
    env.deploy("d1", body, quick=True, version="1", parameters=elsewhere)
    env.request(
        "d2",
        body,
        **restoring(version="2", parameters={"Colour": "red", "Kept": "second"}, databases=(database,)),
    )
    env.until(lambda _: env.pending(UpdateStack) is not None)
    given = [{"ParameterKey": "It", "ParameterValue": "green"}]
    env.client("cloudformation").update_stack(StackName=other, UsePreviousTemplate=True, Parameters=given)
    failed = env.finish("d2")
    assert BACK in failed.reason
    assert env.parameters() == {"Count": "2", "Version": "1", "Colour": "blue", "Kept": "first"}
    assert env.service()["desiredCount"] == 2


def test_secret_that_nobody_can_read(env: Environment) -> None:
    """The previous value of a NoEcho parameter is nowhere to be read: where another was sent since, nothing is put back."""
    env.needs("virtual time")
    database = refused_evaluation(env)
    body = env.template(parameters={"Secret": {"Type": "String", "NoEcho": True, "Default": "none"}})
    env.deploy("d1", body, quick=True, parameters={"Secret": "one"})
    env.deploy("d2", body, quick=True, version="2", parameters={"Secret": Previous()})
    settings = restoring(version="3", databases=(database,))
    failed = env.deploy("d3", body, parameters={"Secret": "two"}, **settings)
    assert (
        "not put back: the value that Secret had cannot be read, and another was sent since" in failed.reason
    )
    assert env.service()["desiredCount"] == 0
    assert not any("****" in str(request) for request in env.sent("update_stack"))


@pytest.mark.parametrize("policy", [{}, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}])
@pytest.mark.parametrize("replaced", [True, False])
def test_bucket_that_the_update_took(env: Environment, replaced: bool, policy: dict[str, str]) -> None:
    """A bucket that the update removed or replaced, or left to itself, has gone from the stack: nothing is put back."""
    env.needs("virtual time")
    database = refused_evaluation(env)
    bucket = {"Bucket": {**BUCKET["Bucket"], **policy}}
    env.deploy("d1", env.template(resources=bucket))
    after = env.template(resources=bucket) if replaced else env.template()
    failed = env.deploy("d2", after, **restoring(version="2", databases=(database,)))
    assert (
        "not put back: the update removed or replaced Bucket (AWS::S3::Bucket), which may hold data"
        in failed.reason
    )
    assert env.service()["desiredCount"] == 0


def test_task_definition_that_the_update_took(env: Environment) -> None:
    """What holds no data, as the old version's task definition, is made anew: the version before is back."""
    env.needs("virtual time")
    database = refused_evaluation(env)
    env.deploy("d1")
    failed = env.deploy("d2", **restoring(version="2", databases=(database,)))
    assert BACK in failed.reason
    assert env.parameters() == {"Count": "2", "Version": "1"}
    definition = env.client("ecs").describe_task_definition(taskDefinition=env.service()["taskDefinition"])
    assert definition["taskDefinition"]["containerDefinitions"][0]["image"] == "shop:1"


def test_crashing_image(env: Environment) -> None:
    """A version whose services do not come up is put back by its last DONE one, where no database was migrated."""
    env.needs("virtual time")
    env.rule(on="update_stack", nth=4, fail={"resource": "Service", "reason": "the image crashes"})
    env.deploy("d1")
    failed = env.deploy("d2", **restoring(version="2"))
    assert "the image crashes" in failed.reason
    assert BACK in failed.reason
    assert env.parameters() == {"Count": "2", "Version": "1"}


def test_change_that_was_refused(env: Environment) -> None:
    """Of a change that CloudFormation refused at once nothing was carried out: the counts alone are put back."""
    env.needs("virtual time")
    env.rule(on="update_stack", nth=3, denied=True)
    env.deploy("d1", count=3)
    failed = env.deploy("d2", **restoring(version="2", count=None))
    assert "not authorized to perform: cloudformation:UpdateStack" in failed.reason
    assert BACK in failed.reason
    (back,) = env.sent("update_stack", UsePreviousTemplate=True)[-1:]
    assert {"ParameterKey": "Version", "UsePreviousValue": True} in back["Parameters"]
    assert env.service()["desiredCount"] == 3


def test_service_that_is_not_at_zero(env: Environment) -> None:
    """An update that ended well, with services that did not stay at zero, has left the new infrastructure: it is undone."""
    env.needs("virtual time")
    env.deploy("d1", count=2)
    env.request("d2", **restoring(version="2", count=2))
    env.until(lambda _: bool((p := env.pending(UpdateStack)) and p.ref))
    env.lift(env.service(), 1)
    failed = env.finish("d2")
    assert "has desired count 1 instead of 0" in failed.reason
    assert BACK in failed.reason
    assert env.parameters() == {"Count": "2", "Version": "1"}


def test_terminated_while_the_update_takes_a_bucket(env: Environment) -> None:
    """An update that nobody waits for any more goes on: what it has taken by its end is known before anything is put back."""
    env.needs("virtual time")
    env.deploy("d1", env.template(resources=BUCKET))
    env.request("d2", **restoring(version="2"))
    env.until(lambda _: bool((p := env.pending(UpdateStack)) and p.ref))
    env.runner.terminate(env.key, "d2", "ann")
    failed = env.finish("d2")
    assert failed.cause == "TERMINATED"
    assert (
        "not put back: the update removed or replaced Bucket (AWS::S3::Bucket), which may hold data"
        in failed.reason
    )
    assert env.parameters()["Version"] == "2"


def test_deleted_after_ours_ended_well(env: Environment) -> None:
    """A change of ours that ended well is no success where the stack is being deleted since."""
    env.needs("virtual time")
    env.rule(
        on="update_stack", nth=1, takes=10, cleanup_takes=0.1, meanwhile=[{"after": 10.5, "delete": True}]
    )
    env.deploy("d1", quick=True)
    failed = env.deploy("d2", quick=True, version="2")
    assert failed.cause == "FAILURE"
    assert "UpsertStack had ended well, and the stack is DELETE_" in failed.reason
