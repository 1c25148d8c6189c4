"""Faults of earlier systems, each with a test that would have caught it.

These are the machines by themselves. The transcripts of `engine/` show the same of all machines together: requests.txt a
withdrawn deployment and a repair, statuses.txt a failure, barrier.txt two migrations, tasks.txt a task that is gone.
"""

import pytest

from deployer_core.machines import deployment as d
from deployer_core.machines import ecs_task as t
from deployer_core.machines import stack as s
from deployer_core.machines.deployment import DatabaseProgress, DatabaseReported, DeploymentInfo
from deployer_core.machines.postgres_migration import Phase
from deployer_core.testing import Scene, given
from tests.deployer_core.plausible import FULL, TASK


@pytest.mark.parametrize("event", [s.DeploymentCompleted, s.DeploymentFailed])
@pytest.mark.parametrize("running", [1, 2], ids=["CREATING", "MIGRATING"])
def test_a_completion_that_names_another_deployment_never_frees_the_lock(
    event: type[s.DeploymentCompleted | s.DeploymentFailed], running: int
) -> None:
    """Neither a late word of a deployment that has ended nor one of a queued deployment moves the stack."""
    scene = given(s.MACHINE, s.Triggered("d-1"), s.Triggered("d-2"), s.Triggered("d-3"))
    if running == 2:
        scene = scene.when(s.DeploymentCompleted("d-1"))
    for other in {"d-1", "d-2", "d-3", "d-9"} - {f"d-{running}"}:
        assert scene.refuses(event(other)) == f"the current deployment is 'd-{running}', not {other!r}"
    assert scene.state.current == f"d-{running}"


def test_a_withdrawn_deployment_is_never_popped() -> None:
    """Whoever is terminated while waiting is passed over, and the order of the others stays."""
    scene = given(s.MACHINE, *(s.Triggered(f"d-{n}") for n in (1, 2, 3, 4)))
    scene = scene.when(s.Withdrawn("d-2"), s.DeploymentCompleted("d-1"))
    scene.then(s.Migrating, s.TriggerDeployment("d-3"))
    scene.when(s.Withdrawn("d-4"), s.DeploymentCompleted("d-3")).then(s.Available)


def test_a_deployment_withdrawn_from_a_broken_stack_is_never_popped() -> None:
    """BROKEN keeps its queue, and lets a deployment leave it."""
    scene = given(
        s.MACHINE, s.Triggered("d-1"), s.Triggered("d-2"), s.DeploymentFailed("d-1"), s.Triggered("d-3")
    )
    scene.when(s.Withdrawn("d-2"), s.Repaired("ada")).then(s.Migrating, s.TriggerDeployment("d-3"))


def test_what_does_not_wait_cannot_be_withdrawn() -> None:
    """Withdrawing the current deployment, or one that nobody knows, is refused."""
    scene = given(s.MACHINE, s.Triggered("d-1"))
    assert scene.refuses(s.Withdrawn("d-1")) == "deployment 'd-1' is not waiting"


def test_broken_has_a_way_out() -> None:
    """Repaired leads out of BROKEN: to the head of the queue, or to AVAILABLE, and never by itself."""
    broken = given(s.MACHINE, s.Triggered("d-1"), s.DeploymentFailed("d-1"))
    assert broken.then(s.Broken).queue == ()
    broken.when(s.Repaired("ada")).then(s.Available)
    queued = broken.when(s.Triggered("d-2"))
    assert queued.then(s.Broken).queue == ("d-2",)
    queued.when(s.Repaired("ada")).then(s.Migrating, s.TriggerDeployment("d-2"))


def test_a_failure_is_recorded_and_not_raised() -> None:
    """A failed step leads to FAILED with its reason, and a failed deployment to BROKEN: both are states to be kept."""
    waiting = given(d.MACHINE, d.Requested(DeploymentInfo("d-1", FULL)), d.Started())
    failed = waiting.when(d.Failure("the stack is ROLLBACK_FAILED"))
    assert failed.then(d.Failed, d.BreakStack("d-1", d.Cause.FAILURE, "the stack is ROLLBACK_FAILED")).reason


def test_the_first_of_two_migrations_to_finish_does_not_count_for_both() -> None:
    """A database counts by its name: the same one twice is refused, and the other is still waited for."""
    scene = given(
        d.MACHINE,
        d.Requested(DeploymentInfo("d-1", FULL)),
        d.Started(),
        d.Stable(exists=False, counts=(("Count", 1),)),
        d.Stable(outputs=(("Secret", "rds/shop"),)),
        *(DatabaseReported(DatabaseProgress(name, Phase.BLOCKED)) for name in ("a", "b")),
        DatabaseReported(DatabaseProgress("a", Phase.DONE)),
    )
    scene.then(d.DbMigrating)
    assert scene.refuses(DatabaseReported(DatabaseProgress("a", Phase.DONE))) == (
        "database 'a' is DONE, which DONE cannot follow"
    )
    after = scene.when(DatabaseReported(DatabaseProgress("b", Phase.DONE)))
    after.then(d.ScalingUp, d.ScaleStack("d-1", FULL.stack, (("Count", 1),)))


STOP_CODES = (
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "SomethingNew",
    "",
)
"""The stop codes of the ECS API reference (Task.stopCode), one that may come yet, and none."""
EXITS = (
    (),
    (t.Exit("app", None, judged=True, reason="CannotPullContainerError"),),
    (t.Exit("app", 0, judged=True),),
    (t.Exit("app", 0, judged=True), t.Exit("sidecar", 137)),
    (t.Exit("app", 1, judged=True), t.Exit("sidecar", 0)),
    (t.Exit("sidecar", 0),),
)
GOOD = {("EssentialContainerExited", 2), ("EssentialContainerExited", 3), ("", 2), ("", 3)}


@pytest.mark.parametrize("exits", range(len(EXITS)))
@pytest.mark.parametrize("stop_code", STOP_CODES)
@pytest.mark.parametrize("seen_running", [True, False])
def test_a_task_that_stops_for_any_reason_ends_its_step(
    stop_code: str, exits: int, seen_running: bool
) -> None:
    """Every stop code with every shape of exit codes ends in DONE or ERROR and reports once; few of them are a success."""
    run = t.Run("d-1", "db", t.Purpose.MIGRATE, TASK, (0,))
    scene = given(t.MACHINE, t.Request(run), *([t.Started("arn:1")] if seen_running else []))
    after = scene.when(t.StatusStopped(EXITS[exits], stop_code))
    if (stop_code, exits) in GOOD:
        after.then(t.Done, t.ReportDone(run, 0))
    else:
        reason = after.state.reason
        assert reason
        after.then(t.Error, t.ReportError(run, reason))


@pytest.mark.parametrize("scene", [[], [t.Started("arn:1")]], ids=["REQUESTED", "RUNNING"])
def test_a_task_that_is_lost_ends_its_step(scene: list[object]) -> None:
    """No task is waited for in vain: an error ends the run, and what may still run is stopped, before the report."""
    run = t.Run("d-1", "db", t.Purpose.MIGRATE, TASK, (0,))
    before = given(t.MACHINE, t.Request(run), *scene)
    arn = "arn:1" if scene else ""
    before.when(t.Errored("lost")).then(t.Error, t.ReportError(run, "lost"))
    late: Scene = before.when(t.Errored("ran past its time", may_still_run=True))
    late.then(t.Error, t.StopRun(run, arn), t.ReportError(run, "ran past its time"))
