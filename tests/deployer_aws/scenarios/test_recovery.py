"""Runners that die, wait for each other, or come too late; tasks that cannot be found again."""

import contextlib
from collections.abc import Iterator
from itertools import count

import pytest

from deployer_aws.ports import Appended
from deployer_core.engine.messages import StopTask
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.ecs_task import RunTask
from tests.deployer_aws.scenarios.environment import Environment, Killed
from tests.support.moments import among
from tests.support.sampling import moments

HOUR = 3_600.0


def test_two_runners(env: Environment) -> None:
    """Of two runners on a journal one acts; the other takes over a whole term after the first was last heard of."""
    env.needs("virtual time")
    first, second = env.make_runner(owner="first", term=60.0), env.make_runner(owner="second", term=60.0)
    wanted = env.asked(quick=True)
    first.request("d1", wanted.spec, wanted.templates)
    env.until(lambda state: any(p.ref for p in state.pending), first)
    before = env.clock.now()
    assert second.step([env.key]) is not None
    assert second.waiting_for(env.key) == "first"
    second.run([env.key])  # the first never comes again
    assert env.clock.now() - before >= 60.0
    assert env.outcome("d1").outcome == "DONE"
    assert env.actions == ["create_stack"]


def test_two_runners_take_turns(env: Environment) -> None:
    """A runner that has nothing left to do gives its lease back, and the other goes on at once."""
    first, second = env.make_runner(owner="first"), env.make_runner(owner="second")
    wanted = env.asked(quick=True)
    first.request("d1", wanted.spec, wanted.templates)
    first.run([env.key])
    wanted = env.asked(quick=True, version="2")
    second.request("d2", wanted.spec, wanted.templates)
    second.step([env.key])
    assert second.waiting_for(env.key) == ""
    second.run([env.key])
    assert [notice.outcome for notice in env.notices] == ["DONE", "DONE"]


@pytest.mark.parametrize("quick", [False, True])
def test_killed_after_every_event(env: Environment, quick: bool) -> None:
    """Killed after any event that it journaled and resumed by another, a deployment changes everything once."""
    env.needs("tokens")
    env.task_definition("orders-migrate")
    env.deploy("d0", quick=True, count=1)
    env.request("d1", quick=quick, version="2", databases=() if quick else (env.database(),))
    deaths = 0
    while env.state.pending and deaths < 500:
        deaths += 1
        events = count(1)

        def die(step: Appended, events: Iterator[int] = events) -> None:
            env.watch(step)
            if next(events) == 2:
                raise Killed

        runner = env.make_runner(owner=f"runner {deaths}", term=0.2, client_timeout=0.01, watch=die)
        with contextlib.suppress(Killed):
            runner.run([env.key])
    assert env.status == "AVAILABLE"
    changes = ["update_stack"] if quick else ["update_stack", "update_stack", "run_task", "update_stack"]
    assert env.actions == ["create_stack", *changes]


@moments
@pytest.mark.parametrize("quick", [False, True])
def test_killed_after_every_call(env: Environment, quick: bool, residues: str) -> None:
    """Killed after any call to AWS, before its answer is journaled, and resumed, it changes everything once."""
    env.needs("tokens in events")
    databases = (env.database(),) if "tokens" not in env.lacks and not quick else ()
    env.task_definition("orders-migrate")
    env.hasten()
    env.deploy("d0", quick=True, count=1)
    scaled = ["update_stack", "update_stack", *["run_task"] * len(databases), "update_stack"]
    for point in env.kill_points:
        if not among(residues, point):
            continue
        before, name = len(env.actions), f"d{point}"
        env.request(name, quick=quick, count=1, version=name, databases=databases)
        survived = True
        try:
            env.make_runner(owner=name, dies_after=point).run([env.key])
        except Killed:
            survived = False
        env.finish(name)
        assert env.outcome(name).outcome == "DONE"
        assert env.actions[before:] == (["update_stack"] if quick else scaled), f"killed after call {point}"
        if survived:
            return


def test_down_for_two_days_with_a_task_running(env: Environment) -> None:
    """A runner that was down for two days cannot know how a forgotten task ended: it says so, and runs nothing."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.request("d1", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.ref))
    env.clock.sleep(48 * HOUR)
    failed = env.finish("d1")
    assert "has vanished: ECS no longer knows it, so how it ended is unknown" in failed.reason
    assert env.actions.count("run_task") == 1


def test_down_between_attempt_and_acceptance(env: Environment) -> None:
    """An attempt without a trace is sent again for 50 minutes; an older one may have run, and is never run again."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, lost_reply=True)
    env.request("d1", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.attempt))
    env.clock.sleep(25 * HOUR)
    failed = env.finish("d1")
    assert "unknown whether it ran" in failed.reason
    assert "look at the database, then repair" in failed.reason
    assert len(env.sent("run_task")) == 1


def test_lost_task_is_found_by_its_token(env: Environment) -> None:
    """An attempt whose reply was lost is found by its token while it runs, and is not sent again."""
    env.needs("tasks that end")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, lost_reply=True)
    env.rule(on="run_task", takes=600)
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert len(env.sent("run_task")) == 1


def test_resend_within_the_tokens_life(env: Environment) -> None:
    """A request that was lost leaves no trace: it is sent again with its token, and the task runs once."""
    env.needs("tasks that end")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, lost_request=True)
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    first, second = env.sent("run_task")
    assert first == second


def test_new_revision_between_two_sends(env: Environment) -> None:
    """A resend runs the revision that was journaled, also where a newer one was registered meanwhile."""
    env.task_definition("orders-migrate", revision=1)
    env.rule(on="run_task", nth=1, throttle=True)
    env.event(at=1_000, deregister="orders-migrate:2")
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert {r["taskDefinition"].rsplit("/")[-1] for r in env.sent("run_task")} == {"orders-migrate:1"}


def test_task_that_does_not_stop(env: Environment) -> None:
    """A task that was not seen STOPPED in time is unresolved: no repair until an operator names its run."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000, linger=90_000)
    env.request("d1", databases=(env.database(timeout=120),))
    env.runner.run([env.key])
    unresolved = env.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    with pytest.raises(IllegalEvent, match="the task of d1/orders/migrate may still run"):
        env.runner.repair(env.key, "ann")
    env.runner.repair(env.key, "ann", force=("d1/orders/migrate",))
    assert env.status == "AVAILABLE"


def test_task_that_stops_late(env: Environment) -> None:
    """A task that stops after all is seen when a runner looks again, and then a repair is taken without force."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000, linger=5_000)
    env.request("d1", databases=(env.database(timeout=120),))
    env.runner.run([env.key])
    assert env.pending(StopTask) is not None
    env.clock.sleep(6_000)
    env.runner.run([env.key])
    assert env.pending(StopTask) is None
    env.runner.repair(env.key, "ann")


def test_task_that_is_told_to_stop_two_days_late(env: Environment) -> None:
    """A runner that was down past a StopTask's deadline tells the task to stop all the same, and waits for it."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=1_000_000)
    env.request("d1", databases=(env.database(timeout=600),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.seen == "RUNNING"))
    env.runner.terminate(env.key, "d1", "ann")
    env.clock.sleep(48 * HOUR)
    env.runner.run([env.key])
    assert env.pending(StopTask) is None
    assert env.task_statuses() == ["STOPPED"]


def test_task_of_which_there_is_no_trace(env: Environment) -> None:
    """A task that was asked for and never found is given up as unresolved in time, however often it is looked for."""
    env.needs("virtual time")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", lost_request=True)
    env.request("d1", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.attempt))
    env.runner.terminate(env.key, "d1", "ann")
    env.runner.run([env.key])
    unresolved = env.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    assert "ECS shows no trace" in unresolved.seen
    env.runner.repair(env.key, "ann", force=("d1/orders/migrate",))


def test_same_id_with_another_spec(env: Environment) -> None:
    """An id stands for one spec for ever: another one under it is refused, and nothing has changed."""
    env.deploy("d1", quick=True)
    before = env.state
    with pytest.raises(IllegalEvent, match="was requested before, for something else"):
        env.request("d1", quick=True, version="2")
    assert env.state == before
