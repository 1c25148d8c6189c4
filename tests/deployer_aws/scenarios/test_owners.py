"""Whose stack it is: two journals that deploy one stack are two locks, so none."""

import pytest

from deployer_core.engine.messages import token
from deployer_core.machines.deployment import UpdateStack
from deployer_core.machines.ecs_task import RunTask
from deployer_core.spec import OnFailure
from tests.deployer_aws.scenarios.environment import Environment

OTHER = "fedcba9876543210" * 2
THEIRS = token(OTHER, "x1", 1, 1)


def test_stack_of_another_journal(env: Environment) -> None:
    """It is refused, with who changed it last and when, and is as it was; the request that adopts that stream goes on."""
    env.needs("tokens in events")
    env.deploy("d1", count=2)
    stream = env.state.stream
    env.other_journal()
    refused = env.deploy("e1", version="2", count=3)
    assert refused.cause == "REFUSED"
    assert "was last changed by another journal's deployer, at 20" in refused.reason
    assert f"adopt its stream {stream}" in refused.reason
    assert (env.status, env.parameters()["Version"]) == ("AVAILABLE", "1")
    assert env.deploy("e2", version="2", count=3, adopt=OTHER).cause == "REFUSED"
    assert env.deploy("e3", version="2", count=3, adopt=stream).outcome == "DONE"
    assert env.deploy("e4", version="3", count=3).outcome == "DONE", "it is ours from then on"


@pytest.mark.parametrize("theirs", ["Console-CreateStack-1", f"deployer-{OTHER[:22]}", "terraform-2026"])
def test_stack_of_nobody(env: Environment, theirs: str) -> None:
    """A stack that no deployer has changed with a token of today's form is nobody's."""
    env.needs("virtual time")
    env.given_stack(template=env.template(), parameters={"Count": "1"}, token=theirs)
    assert env.deploy("d1", quick=True).outcome == "DONE"


def test_adopting_while_the_others_deployment_may_run(env: Environment) -> None:
    """At zero the other's deployment may be in its midst: only force goes on. What the other sends then is 'taken over'.

    Nothing is put back by the other: the stack is another's by then.
    """
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.deploy("d1", count=2)
    env.request("d2", version="2", count=2, databases=(env.database(),), on_failure=OnFailure.RESTORE)
    env.until(lambda _: env.pending(RunTask) is not None)
    stream = env.state.stream
    theirs = env.other_journal()
    refused = env.deploy("e1", version="3", count=4, adopt=stream)
    assert refused.cause == "REFUSED"
    assert "may be in the midst of a deployment: Count is at zero" in refused.reason
    assert env.deploy("e2", version="3", count=4, adopt=stream, force=True).outcome == "DONE"
    env.other_journal(theirs)
    failed = env.finish("d2")
    assert failed.cause == "FAILURE"
    assert "ScaleStack of stack shop: taken over: the stack shop was last changed by another" in failed.reason
    assert env.parameters() == {"Count": "4", "Version": "3"}


def test_adopting_while_a_task_of_theirs_runs(env: Environment) -> None:
    """A migration of the other's that has not stopped is found by what it was started by, though nothing is at zero."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=900)
    body = env.template(parameters={"Count": {"Type": "Number", "Default": 1}})
    env.request("d1", body, scaling=False, databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.ref))
    stream = env.state.stream
    env.other_journal()
    settings = {"version": "2", "scaling": False, "adopt": stream}
    refused = env.deploy("e1", body, databases=(env.database(),), **settings)
    assert "may be in the midst of a deployment: its task arn:aws:ecs:" in refused.reason
    env.clock.sleep(1_000)
    assert env.deploy("e2", body, databases=(env.database(),), **settings).outcome == "DONE"


def test_taken_over_after_it_was_adopted(env: Environment) -> None:
    """Adopted is what was there: what that stream changes while ours is under way takes the stack over."""
    env.needs("virtual time")
    env.given_stack(template=env.template(), parameters={"Count": "1"}, token=THEIRS)
    again = {"parameters": {"Version": "7"}, "token": token(OTHER, "x2", 5, 1), "takes": 5}
    env.rule(
        on="update_stack", nth=1, takes=10, cleanup_takes=0.1, meanwhile=[{"after": 10.5, "update": again}]
    )
    failed = env.deploy("d1", version="2", adopt=OTHER)
    assert failed.cause == "FAILURE"
    assert "UpdateStack of stack shop: taken over: " in failed.reason
    assert env.parameters()["Version"] == "7"
    assert env.actions == ["update_stack"]


def test_terminated_on_an_adopted_stack(env: Environment) -> None:
    """What is put back on an adopted stack is not held up by whose it was."""
    env.needs("virtual time")
    env.given_stack(template=env.template(), parameters={"Count": "3"}, token=THEIRS)
    env.rule(on="update_stack", nth=1, takes=100)
    env.request("d1", version="2", adopt=OTHER, count=None, on_failure=OnFailure.RESTORE)
    env.until(lambda _: env.state.pending[0].ref != "")
    assert env.pending(UpdateStack) is None
    env.runner.terminate(env.key, "d1", "ann")
    assert "the services are back as before" in env.finish("d1").reason
    assert env.service()["desiredCount"] == 3
