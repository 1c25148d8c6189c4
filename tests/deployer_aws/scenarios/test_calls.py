"""What single calls to AWS run into: throttling, expired credentials, missing permissions, lost connections."""

import pytest

from deployer_aws.aws.errors import LoginNeeded
from deployer_core.engine.messages import StopTask
from tests.deployer_aws.scenarios.environment import Environment

OPERATIONS = [
    "describe_stacks",
    "create_stack",
    "update_stack",
    "describe_stack_events",
    "list_stack_resources",
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttling(env: Environment, operation: str) -> None:
    """A throttled call is tried again, and nothing is done twice."""
    env.rule(on=operation, first=3, throttle=True)
    assert env.deploy("d1", count=1).outcome == "DONE"
    assert env.deploy("d2", count=1, version="2").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack", "update_stack", "update_stack", "update_stack"]


@pytest.mark.parametrize(
    "operation", ["run_task", "describe_tasks", "list_tasks", "describe_task_definition"]
)
def test_throttled_task(env: Environment, operation: str) -> None:
    """A throttled call about a task is tried again, and the task is run once."""
    env.needs("tasks that end")
    env.task_definition("orders-migrate")
    env.rule(on=operation, first=3, throttle=True)
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert env.actions == ["create_stack", "run_task", "update_stack"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_expired_token(env: Environment, operation: str) -> None:
    """Credentials that expire fail nothing: the run says so, and is resumed after a login."""
    env.rule(on=operation, nth=1, expired=True)
    raised: list[LoginNeeded] = []
    for number in ("1", "2"):
        env.request(f"d{number}", count=1, version=number)
        try:
            env.runner.run([env.key])
        except LoginNeeded as error:
            raised.append(error)
            assert env.status != "BROKEN"
            env.runner.run([env.key])
    (needed,) = raised
    assert "log in again, then run 'deployer resume'" in str(needed)
    assert "expired" in str(needed)
    assert env.key in str(needed)
    assert env.status == "AVAILABLE"
    assert [notice.outcome for notice in env.notices] == ["DONE", "DONE"]
    assert env.actions == ["create_stack", "update_stack", "update_stack", "update_stack", "update_stack"]


@pytest.mark.parametrize("operation", ["create_stack", "describe_stacks"])
def test_access_denied(env: Environment, operation: str) -> None:
    """A call that we may not make: AWS's words, the command, the stack, and what to do. At the first look it refuses."""
    env.rule(on=operation, nth=1, denied=True)
    failed = env.deploy("d1")
    assert failed.cause == ("REFUSED" if operation == "describe_stacks" else "FAILURE")
    assert env.status == ("AVAILABLE" if operation == "describe_stacks" else "BROKEN")
    assert "not authorized to perform: cloudformation:" in failed.reason
    assert "CreateStack" in failed.reason or "StabiliseStack" in failed.reason
    assert f"of stack {env.stack}" in failed.reason
    assert "allow the call in the policy of the deployer's role" in failed.reason
    assert env.actions == []


def test_access_denied_to_run_a_task(env: Environment) -> None:
    """A task that we may not run never ran: nothing has to be stopped."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", denied=True)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "RunTask" in failed.reason
    assert "not authorized to perform: ecs:RunTask" in failed.reason
    assert env.state.pending == ()
    assert "run_task" not in env.actions


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
@pytest.mark.parametrize("operation", ["create_stack", "update_stack"])
def test_connection_lost(env: Environment, operation: str, fault: str) -> None:
    """Whether the request or its reply was lost: what AWS does is done once."""
    env.needs("tokens in events")
    env.rule(on=operation, nth=1, **{fault: True})
    assert env.deploy("d1").outcome == "DONE"
    assert env.actions == ["create_stack", "update_stack"]


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
def test_connection_lost_while_a_task_is_run(env: Environment, fault: str) -> None:
    """Whether RunTask or its reply was lost: the task is run once."""
    env.needs("tokens")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, **{fault: True})
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert env.actions == ["create_stack", "run_task", "update_stack"]


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
def test_stop_that_was_lost(env: Environment, fault: str) -> None:
    """A StopTask that was lost on the way is sent again: the task is stopped."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000)
    env.rule(on="stop_task", nth=1, **{fault: True})
    env.deploy("d1", databases=(env.database(timeout=env.seconds(120)),))
    assert env.task_statuses() == ["STOPPED"]


@pytest.mark.parametrize(
    ("operation", "action"), [("stop_task", "StopTask"), ("describe_tasks", "DescribeTasks")]
)
def test_stop_that_is_denied(env: Environment, operation: str, action: str) -> None:
    """A task that we may not stop, or not look at, is given up as unresolved in time; why is journaled once."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=900_000)
    env.rule(on=operation, denied=True)
    env.deploy("d1", databases=(env.database(timeout=120),))
    unresolved = env.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    assert f"StopTask d1/orders/migrate of {env.key}: " in unresolved.seen
    assert f"not authorized to perform: ecs:{action}" in unresolved.seen
    assert len(list(env.journal.events(env.key))) < 30


def test_every_call_flaky(env: Environment) -> None:
    """With a fifth of all calls throttled or lost, a full deployment does each thing once."""
    env.needs("tokens")
    env.task_definition("orders-migrate")
    env.rule(on="*", rate=0.1, throttle=True)
    env.rule(on="*", rate=0.1, lost_reply=True)
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert env.actions == ["create_stack", "run_task", "update_stack"]


def test_throttled_for_ever(env: Environment) -> None:
    """Throttling that does not end is told some time after the deadline: every command ends. Nothing is broken by it."""
    env.needs("virtual time")
    env.rule(on="describe_stacks", throttle=True)
    failed = env.deploy("d1", wait_timeout=600)
    assert failed.cause == "EXPIRED"
    assert "no end within 600 s" in failed.reason
    assert env.status == "AVAILABLE"
