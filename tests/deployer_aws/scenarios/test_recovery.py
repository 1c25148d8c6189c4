"""Runners that die, wait for each other, or come too late; tasks that cannot be found again."""

import contextlib
from collections.abc import Iterator
from itertools import count

import pytest

from deployer_aws.ports import Appended
from deployer_core.engine.messages import StopTask
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.ecs_task import RunTask
from tests.deployer_aws.scenarios.bed import Bed, Killed
from tests.support.moments import among
from tests.support.sampling import moments

HOUR = 3_600.0


def test_two_runners(bed: Bed) -> None:
    """Of two runners on a journal one acts; the other takes over a whole term after the first was last heard of."""
    bed.needs("virtual time")
    first, second = bed.make_runner(owner="first", term=60.0), bed.make_runner(owner="second", term=60.0)
    wanted = bed.asked(quick=True)
    first.request("d1", wanted.spec, wanted.templates)
    bed.until(lambda state: any(p.ref for p in state.pending), first)
    before = bed.clock.now()
    assert second.step([bed.key]) is not None
    assert second.waiting_for(bed.key) == "first"
    second.run([bed.key])  # the first never comes again
    assert bed.clock.now() - before >= 60.0
    assert bed.outcome("d1").outcome == "DONE"
    assert bed.actions == ["create_stack"]


def test_two_runners_take_turns(bed: Bed) -> None:
    """A runner that has nothing left to do gives its lease back, and the other goes on at once."""
    first, second = bed.make_runner(owner="first"), bed.make_runner(owner="second")
    wanted = bed.asked(quick=True)
    first.request("d1", wanted.spec, wanted.templates)
    first.run([bed.key])
    wanted = bed.asked(quick=True, version="2")
    second.request("d2", wanted.spec, wanted.templates)
    second.step([bed.key])
    assert second.waiting_for(bed.key) == ""
    second.run([bed.key])
    assert [notice.outcome for notice in bed.notices] == ["DONE", "DONE"]


@pytest.mark.parametrize("quick", [False, True])
def test_killed_after_every_event(bed: Bed, quick: bool) -> None:
    """Killed after any event that it journaled and resumed by another, a deployment changes everything once."""
    bed.needs("tokens")
    bed.task_definition("orders-migrate")
    bed.deploy("d0", quick=True, count=1)
    bed.request("d1", quick=quick, version="2", databases=() if quick else (bed.database(),))
    deaths = 0
    while bed.state.pending and deaths < 500:
        deaths += 1
        events = count(1)

        def die(step: Appended, events: Iterator[int] = events) -> None:
            bed.watch(step)
            if next(events) == 2:
                raise Killed

        runner = bed.make_runner(owner=f"runner {deaths}", term=0.2, client_timeout=0.01, watch=die)
        with contextlib.suppress(Killed):
            runner.run([bed.key])
    assert bed.status == "AVAILABLE"
    changes = ["update_stack"] if quick else ["update_stack", "update_stack", "run_task", "update_stack"]
    assert bed.actions == ["create_stack", *changes]


@moments
@pytest.mark.parametrize("quick", [False, True])
def test_killed_after_every_call(bed: Bed, quick: bool, residues: str) -> None:
    """Killed after any call to AWS, before its answer is journaled, and resumed, it changes everything once."""
    bed.needs("tokens in events")
    databases = (bed.database(),) if "tokens" not in bed.lacks and not quick else ()
    bed.task_definition("orders-migrate")
    bed.hasten()
    bed.deploy("d0", quick=True, count=1)
    scaled = ["update_stack", "update_stack", *["run_task"] * len(databases), "update_stack"]
    for point in bed.kill_points:
        if not among(residues, point):
            continue
        before, name = len(bed.actions), f"d{point}"
        bed.request(name, quick=quick, count=1, version=name, databases=databases)
        survived = True
        try:
            bed.make_runner(owner=name, dies_after=point).run([bed.key])
        except Killed:
            survived = False
        bed.finish(name)
        assert bed.outcome(name).outcome == "DONE"
        assert bed.actions[before:] == (["update_stack"] if quick else scaled), f"killed after call {point}"
        if survived:
            return


def test_down_for_two_days_with_a_task_running(bed: Bed) -> None:
    """A runner that was down for two days cannot know how a forgotten task ended: it says so, and runs nothing."""
    bed.needs("virtual time")
    bed.task_definition("orders-migrate")
    bed.request("d1", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.ref))
    bed.clock.sleep(48 * HOUR)
    failed = bed.finish("d1")
    assert "has vanished: ECS no longer knows it, so how it ended is unknown" in failed.reason
    assert bed.actions.count("run_task") == 1


def test_down_between_attempt_and_acceptance(bed: Bed) -> None:
    """An attempt without a trace is sent again for 50 minutes; an older one may have run, and is never run again."""
    bed.needs("virtual time")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, lost_reply=True)
    bed.request("d1", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.attempt))
    bed.clock.sleep(25 * HOUR)
    failed = bed.finish("d1")
    assert "unknown whether it ran" in failed.reason
    assert "look at the database, then repair" in failed.reason
    assert len(bed.sent("run_task")) == 1


def test_lost_task_is_found_by_its_token(bed: Bed) -> None:
    """An attempt whose reply was lost is found by its token while it runs, and is not sent again."""
    bed.needs("tasks that end")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, lost_reply=True)
    bed.rule(on="run_task", takes=600)
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert len(bed.sent("run_task")) == 1


def test_resend_within_the_tokens_life(bed: Bed) -> None:
    """A request that was lost leaves no trace: it is sent again with its token, and the task runs once."""
    bed.needs("tasks that end")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, lost_request=True)
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    first, second = bed.sent("run_task")
    assert first == second


def test_new_revision_between_two_sends(bed: Bed) -> None:
    """A resend runs the revision that was journaled, also where a newer one was registered meanwhile."""
    bed.task_definition("orders-migrate", revision=1)
    bed.rule(on="run_task", nth=1, throttle=True)
    bed.event(at=1_000, deregister="orders-migrate:2")
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert {r["taskDefinition"].rsplit("/")[-1] for r in bed.sent("run_task")} == {"orders-migrate:1"}


def test_task_that_does_not_stop(bed: Bed) -> None:
    """A task that was not seen STOPPED in time is unresolved: no repair until an operator names its run."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000, linger=90_000)
    bed.request("d1", databases=(bed.database(timeout=120),))
    bed.runner.run([bed.key])
    unresolved = bed.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    with pytest.raises(IllegalEvent, match="the task of d1/orders/migrate may still run"):
        bed.runner.repair(bed.key, "ann")
    bed.runner.repair(bed.key, "ann", force=("d1/orders/migrate",))
    assert bed.status == "AVAILABLE"


def test_task_that_stops_late(bed: Bed) -> None:
    """A task that stops after all is seen when a runner looks again, and then a repair is taken without force."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000, linger=5_000)
    bed.request("d1", databases=(bed.database(timeout=120),))
    bed.runner.run([bed.key])
    assert bed.pending(StopTask) is not None
    bed.clock.sleep(6_000)
    bed.runner.run([bed.key])
    assert bed.pending(StopTask) is None
    bed.runner.repair(bed.key, "ann")


def test_task_that_is_told_to_stop_two_days_late(bed: Bed) -> None:
    """A runner that was down past a StopTask's deadline tells the task to stop all the same, and waits for it."""
    bed.needs("virtual time")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=1_000_000)
    bed.request("d1", databases=(bed.database(timeout=600),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.seen == "RUNNING"))
    bed.runner.terminate(bed.key, "d1", "ann")
    bed.clock.sleep(48 * HOUR)
    bed.runner.run([bed.key])
    assert bed.pending(StopTask) is None
    assert bed.task_statuses() == ["STOPPED"]


def test_task_of_which_there_is_no_trace(bed: Bed) -> None:
    """A task that was asked for and never found is given up as unresolved in time, however often it is looked for."""
    bed.needs("virtual time")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", lost_request=True)
    bed.request("d1", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.attempt))
    bed.runner.terminate(bed.key, "d1", "ann")
    bed.runner.run([bed.key])
    unresolved = bed.pending(StopTask)
    assert unresolved is not None
    assert unresolved.unresolved
    assert "ECS shows no trace" in unresolved.seen
    bed.runner.repair(bed.key, "ann", force=("d1/orders/migrate",))


def test_same_id_with_another_spec(bed: Bed) -> None:
    """An id stands for one spec for ever: another one under it is refused, and nothing has changed."""
    bed.deploy("d1", quick=True)
    before = bed.state
    with pytest.raises(IllegalEvent, match="requested before with another spec"):
        bed.request("d1", quick=True, version="2")
    assert bed.state == before
