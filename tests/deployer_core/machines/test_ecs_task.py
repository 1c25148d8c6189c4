"""ECS task: what the end of a task is taken for."""

import pytest

from deployer_core.machines import ecs_task as t
from deployer_core.machines.ecs_task import EXITED, Exit
from deployer_core.spec import Evaluation
from deployer_core.testing import given
from tests.deployer_core.plausible import TASK

RUN = t.Run("d-1", "db", t.Purpose.MIGRATE, TASK, (0,))
APP = Exit("app", 1, judged=True)


def test_a_good_run() -> None:
    """From RunTask over PENDING and RUNNING to the exit code, which goes to who asked."""
    scene = given(t.MACHINE, t.Request(RUN))
    scene.then(t.Requested, t.RunTask(RUN))
    scene = scene.when(t.Status("PENDING"))
    scene.then(t.Requested)
    scene = scene.when(t.Started("arn:1"), t.Status("DEPROVISIONING"))
    assert scene.then(t.Running) == t.Running(RUN, "arn:1", "DEPROVISIONING")
    good = t.StatusStopped((Exit("app", 0, judged=True), Exit("sidecar", 143)), EXITED)
    scene.when(good).then(t.Done, t.ReportDone(RUN, 0))


@pytest.mark.parametrize(("code", "accepted"), [(0, True), (2, True), (1, False), (137, False)])
def test_the_codes_of_an_evaluation(code: int, accepted: bool) -> None:
    """0 and 2 are answers of an evaluation, and reported as they are; any other code is an error."""
    evaluation = Evaluation(TASK)
    run = t.Run(
        "d-1", "db", t.Purpose.MIGRATE, TASK, tuple(sorted(evaluation.no_changes + evaluation.changes))
    )
    scene = given(t.MACHINE, t.Request(run), t.Started("arn:1"))
    after = scene.when(t.StatusStopped((Exit("app", code, judged=True),), EXITED))
    if accepted:
        after.then(t.Done, t.ReportDone(run, code))
    else:
        after.then(t.Error, t.ReportError(run, f"{EXITED}; container app exited with {code}"))


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [
        (t.StatusStopped(()), "the task stopped without a word of ECS"),
        (t.StatusStopped((), "UserInitiated"), "UserInitiated"),
        (t.StatusStopped((), reason="gone"), "gone"),
        (t.StatusStopped((), "TaskFailedToStart", "no network"), "TaskFailedToStart: no network"),
        (
            t.StatusStopped((Exit("sidecar", 0), APP), EXITED),
            f"{EXITED}; container app exited with 1; container sidecar exited with 0",
        ),
        (
            t.StatusStopped((Exit("app", None, judged=True, reason="CannotPullContainerError"),)),
            "container app has no exit code (CannotPullContainerError)",
        ),
    ],
)
def test_a_reason_is_what_is_known(stopped: t.StatusStopped, reason: str) -> None:
    """The reason of an error holds AWS's own words first, then each container's end, the judged one before others."""
    scene = given(t.MACHINE, t.Request(RUN), t.Started("arn:1"), stopped)
    scene.then(t.Error, t.ReportError(RUN, reason))
