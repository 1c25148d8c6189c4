"""Whole deployments on the simulator that listen to events: the same ends as polling alone, with far fewer calls."""

import pytest

from deployer_aws.runner import PollingPolicy
from deployer_core.machines.ecs_task import RunTask
from tests.support.listening import World
from tests.support.orders import KEY
from tests.support.sqs import Mischief

CHANGES = "{on: run_task, nth: 1, exit_code: 2}"
WORLDS = {
    "good": f"rules: [{CHANGES}]",
    "nothing to migrate": "",
    "task fails": f"rules: [{CHANGES}, {{on: run_task, nth: 2, exit_code: 1, reason: the schema is locked}}]",
    "task cannot start": "rules: [{on: run_task, nth: 1, stop_code: TaskFailedToStart}]",
    "out of memory": f"rules: [{CHANGES}, {{on: run_task, nth: 2, oom: true}}]",
    "no exit code": "rules: [{on: run_task, nth: 1, no_exit_code: true}]",
    "no containers": "rules: [{on: run_task, nth: 1, no_containers: true}]",
    "no capacity": f"rules: [{CHANGES}, {{on: run_task, nth: 3, capacity: unavailable}}]",
    "hidden task": "rules: [{on: run_task, nth: 1, hidden: 10}]",
    "create fails": "rules: [{on: create_stack, nth: 1, fail: {reason: no capacity}}]",
    "update fails": "rules: [{on: update_stack, nth: 2, fail: {reason: no capacity}}]",
    "late reads": f"rules: [{CHANGES}, {{on: update_stack, stale: 5, linger: 60}}]",
    "throttled": "rules: [{on: describe_stacks, every: 3, throttle: true}, "
    "{on: describe_tasks, every: 2, throttle: true}]",
    "lost replies": "rules: [{on: update_stack, nth: 1, lost_reply: true}, {on: run_task, nth: 2, lost_reply: true}, "
    "{on: create_stack, nth: 1, lost_reply: true}]",
    "somebody else's update": "events: [{at: 300, stack: staging-orders, update: "
    "{parameters: {DesiredCount: 3}, takes: 60}}]",
}


def carried_out(world: World) -> World:
    """Two versions, the second one only where the first was done."""
    world.deploy("1.0")
    if world.notices[-1].outcome == "DONE":
        world.deploy("1.1")
    return world


@pytest.mark.parametrize("script", WORLDS.values(), ids=WORLDS)
def test_events_lead_to_the_same_end_with_fewer_calls(script: str) -> None:
    """Whatever happens, listening ends as polling does, has the same effects on AWS, and asks AWS far less often."""
    polling, listening = carried_out(World(script, listens=False)), carried_out(World(script))
    assert listening.ending() == polling.ending()
    assert listening.calls.total() < polling.calls.total() / 2
    assert not listening.events.tally.poison
    assert not listening.sqs.messages


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("world", ["good", "task fails", "update fails", "late reads"])
def test_duplicates_disorder_and_losses_change_nothing(world: str, seed: int) -> None:
    """Events that come twice, out of order, late or never lead to the same end; the safety net makes up for losses."""
    polling = carried_out(World(WORLDS[world], listens=False))
    delivery = Mischief(seed, drop=0.3, double=0.4, hold=0.4)
    listening = carried_out(World(WORLDS[world], delivery=delivery))
    assert listening.ending() == polling.ending()
    assert listening.calls.total() < polling.calls.total()


def test_without_any_event_the_safety_net_holds() -> None:
    """Where no event ever comes, looking more rarely ends the deployment all the same."""
    polling = carried_out(World(WORLDS["good"], listens=False))
    deaf = carried_out(World(WORLDS["good"], delivery=lambda _: []))
    assert deaf.ending() == polling.ending()


def test_a_queue_that_fails_holds_nothing_up() -> None:
    """Where SQS refuses, the deployment is carried on by the safety net alone, and the failures are counted."""
    from botocore.exceptions import EndpointConnectionError

    polling = carried_out(World(WORLDS["good"], listens=False))
    world = World(WORLDS["good"])
    world.sqs.failing = EndpointConnectionError(endpoint_url="https://sqs")
    assert carried_out(world).ending() == polling.ending()
    assert world.events.tally.failures > 3


def test_a_good_deployment_in_figures() -> None:
    """Two versions of the example take a third of the calls to CloudFormation and ECS, and are done no later."""
    polling, listening = carried_out(World(WORLDS["good"], listens=False)), carried_out(World(WORLDS["good"]))
    assert listening.calls.total() * 3 < polling.calls.total()
    assert listening.sim.clock.monotonic() <= polling.sim.clock.monotonic()


def test_the_last_event_of_a_task_needs_no_look() -> None:
    """A task that ended well is never described: its own event is enough."""
    world = World(WORLDS["nothing to migrate"])
    world.deploy()
    assert world.calls["run_task"] == 2
    assert world.calls["describe_tasks"] == 0


def test_a_task_that_has_to_stop_is_heard_to_stop() -> None:
    """After a termination the task's own event ends the StopTask."""
    world = World("rules: [{on: run_task, takes: 100000}]")
    world.request()
    world.until(
        lambda state: any(isinstance(p.command, RunTask) and p.seen == "RUNNING" for p in state.pending)
    )
    world.runner.terminate(KEY, "1.0", "me")
    world.runner.run([KEY])
    assert world.ending()["pending"] == ()
    assert world.calls["stop_task"] >= 1
    assert world.calls["describe_tasks"] <= 2 * world.calls["stop_task"]


def test_the_safety_net_is_for_what_events_speak_of() -> None:
    """What AWS has accepted is looked at rarely; what it has not is tried as usual."""
    world = World("rules: [{on: run_task, first: 3, capacity: unavailable}]", delivery=lambda _: [])
    policy = PollingPolicy()
    world.request()
    world.until(lambda state: any("was refused" in p.seen for p in state.pending))
    (refused,) = [p for p in world.state.pending if "was refused" in p.seen]
    assert policy.wait(refused, refused.issued + 60, heard=True) == policy.look(60)
    world.until(lambda state: any(isinstance(p.command, RunTask) and p.ref for p in state.pending))
    (accepted, *_) = [p for p in world.state.pending if isinstance(p.command, RunTask) and p.ref]
    assert policy.wait(accepted, accepted.issued + 60, heard=True) == policy.net
    assert policy.wait(accepted, accepted.issued + 60) <= policy.slow
