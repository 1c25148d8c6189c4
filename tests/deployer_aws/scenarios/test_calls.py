"""What single calls to AWS run into: throttling, expired credentials, missing permissions, lost connections."""

import pytest

from deployer_aws.aws.errors import LoginNeeded
from deployer_core.engine.messages import StopTask
from tests.deployer_aws.scenarios.bed import Bed

OPERATIONS = [
    "describe_stacks",
    "create_stack",
    "update_stack",
    "describe_stack_events",
    "list_stack_resources",
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttling(bed: Bed, operation: str) -> None:
    """A throttled call is tried again, and nothing is done twice."""
    bed.rule(on=operation, first=3, throttle=True)
    assert bed.deploy("d1", count=1).outcome == "DONE"
    assert bed.deploy("d2", count=1, version="2").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack", "update_stack", "update_stack", "update_stack"]


@pytest.mark.parametrize(
    "operation", ["run_task", "describe_tasks", "list_tasks", "describe_task_definition"]
)
def test_throttled_task(bed: Bed, operation: str) -> None:
    """A throttled call about a task is tried again, and the task is run once."""
    bed.needs("tasks that end")
    bed.task_definition("orders-migrate")
    bed.rule(on=operation, first=3, throttle=True)
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert bed.actions == ["create_stack", "run_task", "update_stack"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_expired_token(bed: Bed, operation: str) -> None:
    """Credentials that expire fail nothing: the run says so, and is resumed after a login."""
    bed.rule(on=operation, nth=1, expired=True)
    raised: list[LoginNeeded] = []
    for number in ("1", "2"):
        bed.request(f"d{number}", count=1, version=number)
        try:
            bed.runner.run([bed.key])
        except LoginNeeded as error:
            raised.append(error)
            assert bed.status != "BROKEN"
            bed.runner.run([bed.key])
    (needed,) = raised
    assert "log in again, then run 'deployer resume'" in str(needed)
    assert "expired" in str(needed)
    assert bed.key in str(needed)
    assert bed.status == "AVAILABLE"
    assert [notice.outcome for notice in bed.notices] == ["DONE", "DONE"]
    assert bed.actions == ["create_stack", "update_stack", "update_stack", "update_stack", "update_stack"]


@pytest.mark.parametrize("operation", ["create_stack", "describe_stacks"])
def test_access_denied(bed: Bed, operation: str) -> None:
    """A call that we may not make is a failure: AWS's words, the command, the stack, and what to do."""
    bed.rule(on=operation, nth=1, denied=True)
    failed = bed.deploy("d1")
    assert failed.outcome == "FAILED"
    assert "not authorized to perform: cloudformation:" in failed.reason
    assert "CreateStack" in failed.reason or "StabiliseStack" in failed.reason
    assert f"of stack {bed.stack}" in failed.reason
    assert "allow the call in the policy of the deployer's role" in failed.reason
    assert bed.actions == []


def test_access_denied_to_run_a_task(bed: Bed) -> None:
    """A task that we may not run never ran: nothing has to be stopped."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", denied=True)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "RunTask" in failed.reason
    assert "not authorized to perform: ecs:RunTask" in failed.reason
    assert bed.state.pending == ()
    assert "run_task" not in bed.actions


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
@pytest.mark.parametrize("operation", ["create_stack", "update_stack"])
def test_connection_lost(bed: Bed, operation: str, fault: str) -> None:
    """Whether the request or its reply was lost: what AWS does is done once."""
    bed.needs("tokens in events")
    bed.rule(on=operation, nth=1, **{fault: True})
    assert bed.deploy("d1").outcome == "DONE"
    assert bed.actions == ["create_stack", "update_stack"]


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
def test_connection_lost_while_a_task_is_run(bed: Bed, fault: str) -> None:
    """Whether RunTask or its reply was lost: the task is run once."""
    bed.needs("tokens")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, **{fault: True})
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert bed.actions == ["create_stack", "run_task", "update_stack"]


@pytest.mark.parametrize("fault", ["lost_request", "lost_reply"])
def test_stop_that_was_lost(bed: Bed, fault: str) -> None:
    """A StopTask that was lost on the way is sent again: the task is stopped."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000)
    bed.rule(on="stop_task", nth=1, **{fault: True})
    bed.deploy("d1", databases=(bed.database(timeout=bed.seconds(120)),))
    assert bed.task_statuses() == ["STOPPED"]


@pytest.mark.parametrize(
    ("operation", "action"), [("stop_task", "StopTask"), ("describe_tasks", "DescribeTasks")]
)
def test_stop_that_is_denied(bed: Bed, operation: str, action: str) -> None:
    """A task that we may not stop, or not look at, is given up as unresolved in time; why is journaled once."""
    bed.needs("virtual time")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=900_000)
    bed.rule(on=operation, denied=True)
    bed.deploy("d1", databases=(bed.database(timeout=120),))
    unresolved = bed.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    assert f"StopTask d1/orders/migrate of {bed.key}: " in unresolved.seen
    assert f"not authorized to perform: ecs:{action}" in unresolved.seen
    assert len(list(bed.journal.events(bed.key))) < 30


def test_every_call_flaky(bed: Bed) -> None:
    """With a fifth of all calls throttled or lost, a full deployment does each thing once."""
    bed.needs("tokens")
    bed.task_definition("orders-migrate")
    bed.rule(on="*", rate=0.1, throttle=True)
    bed.rule(on="*", rate=0.1, lost_reply=True)
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert bed.actions == ["create_stack", "run_task", "update_stack"]


def test_throttled_for_ever(bed: Bed) -> None:
    """Throttling that does not end is a failure some time after the deadline: every command ends."""
    bed.needs("virtual time")
    bed.rule(on="describe_stacks", throttle=True)
    failed = bed.deploy("d1", timeout=600)
    assert failed.outcome == "FAILED"
    assert "no end within 600 s" in failed.reason
