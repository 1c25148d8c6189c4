"""Whole deployments on the simulator that listen to events: the same ends as polling alone, with far fewer calls."""

import pytest

from deployer_aws.runner import PollingPolicy
from deployer_core.machines.ecs_task import RunTask
from tests.support.listening import SCRIPTS, SimulatedExample, carried_out
from tests.support.orders import KEY
from tests.support.sqs import Mischief


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_events_lead_to_the_same_end_with_fewer_calls(script: str) -> None:
    """Whatever happens, listening ends as polling does, has the same effects on AWS, and asks AWS far less often."""
    polling, listening = (
        carried_out(SimulatedExample(script, listens=False)),
        carried_out(SimulatedExample(script)),
    )
    assert listening.ending() == polling.ending()
    assert listening.calls.total() < polling.calls.total() / 2
    assert not listening.events.tally.poison
    assert not listening.sqs.messages


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["good", "task fails", "update fails", "late reads"])
def test_duplicates_disorder_and_losses_change_nothing(name: str, seed: int) -> None:
    """Events that come twice, out of order, late or never lead to the same end; the safety net makes up for losses."""
    polling = carried_out(SimulatedExample(SCRIPTS[name], listens=False))
    delivery = Mischief(seed, drop=0.3, double=0.4, hold=0.4)
    listening = carried_out(SimulatedExample(SCRIPTS[name], delivery=delivery))
    assert listening.ending() == polling.ending()
    assert listening.calls.total() < polling.calls.total()


def test_without_any_event_the_safety_net_holds() -> None:
    """Where no event ever comes, looking more rarely ends the deployment all the same."""
    polling = carried_out(SimulatedExample(SCRIPTS["good"], listens=False))
    deaf = carried_out(SimulatedExample(SCRIPTS["good"], delivery=lambda _: []))
    assert deaf.ending() == polling.ending()


def test_a_queue_that_fails_holds_nothing_up() -> None:
    """Where SQS refuses, the deployment is carried on by the safety net alone, and the failures are counted."""
    from botocore.exceptions import EndpointConnectionError

    polling = carried_out(SimulatedExample(SCRIPTS["good"], listens=False))
    example = SimulatedExample(SCRIPTS["good"])
    example.sqs.failing = EndpointConnectionError(endpoint_url="https://sqs")
    assert carried_out(example).ending() == polling.ending()
    assert example.events.tally.failures > 3


def test_a_good_deployment_in_figures() -> None:
    """Two versions of the example take a third of the calls to CloudFormation and ECS, and are done no later."""
    polling, listening = (
        carried_out(SimulatedExample(SCRIPTS["good"], listens=False)),
        carried_out(SimulatedExample(SCRIPTS["good"])),
    )
    assert listening.calls.total() * 3 < polling.calls.total()
    assert listening.sim.clock.monotonic() <= polling.sim.clock.monotonic()


def test_the_last_event_of_a_task_needs_no_look() -> None:
    """A task that ended well is never described: its own event is enough."""
    example = SimulatedExample(SCRIPTS["nothing to migrate"])
    example.deploy()
    assert example.calls["run_task"] == 2
    assert example.calls["describe_tasks"] == 0


def test_a_task_that_has_to_stop_is_heard_to_stop() -> None:
    """After a termination the task's own event ends the StopTask."""
    example = SimulatedExample("rules: [{on: run_task, takes: 100000}]")
    example.request()
    example.until(
        lambda state: any(isinstance(p.command, RunTask) and p.seen == "RUNNING" for p in state.pending)
    )
    example.runner.terminate(KEY, "1.0", "me")
    example.runner.run([KEY])
    assert example.ending()["pending"] == ()
    assert example.calls["stop_task"] >= 1
    assert example.calls["describe_tasks"] <= 2 * example.calls["stop_task"]


def test_the_safety_net_is_for_what_events_speak_of() -> None:
    """What AWS has accepted is looked at rarely; what it has not is tried as usual."""
    example = SimulatedExample(
        "rules: [{on: run_task, first: 3, capacity: unavailable}]", delivery=lambda _: []
    )
    policy = PollingPolicy()
    example.request()
    example.until(lambda state: any("was refused" in p.seen for p in state.pending))
    (refused,) = [p for p in example.state.pending if "was refused" in p.seen]
    assert policy.wait(refused, refused.issued + 60, heard=True) == policy.look(60)
    example.until(lambda state: any(isinstance(p.command, RunTask) and p.ref for p in state.pending))
    (accepted, *_) = [p for p in example.state.pending if isinstance(p.command, RunTask) and p.ref]
    assert policy.wait(accepted, accepted.issued + 60, heard=True) == policy.net
    assert policy.wait(accepted, accepted.issued + 60) <= policy.slow
