"""ECS task: one run of one task, from RunTask to its exit code.

    [*] --Request--> REQUESTED --Running--> RUNNING --Status (STOPPED)--> (STOPPED) --Done--> DONE
    REQUESTED --Error--> ERROR, RUNNING --Status (!= STOPPED)--> RUNNING, (STOPPED) --Error--> ERROR

The drawing with every edge is `diagrams/ecs-task.mmd`. One container is judged; ECS stops the others when an essential
one exits, so their exit codes are reported and not judged.
"""

from enum import StrEnum
from typing import Final, TypeAlias

from attrs import frozen

from deployer_core.kernel.builder import Arrow, Builder, SelfLoop, listing
from deployer_core.kernel.machine import Absent, Step, to
from deployer_core.kernel.tags import tagged
from deployer_core.spec import TaskSpec

EXITED: Final = "EssentialContainerExited"
"""The one stop code under which an exit code is the task's own word (ECS API reference, Task.stopCode)."""


STOPPED_BY_ECS: Final = (137, 143)


class Purpose(StrEnum):
    """Why a database's task runs."""

    EVALUATE = "evaluate"
    MIGRATE = "migrate"


@tagged("EcsTask.Run/1")
@frozen
class Run:
    """What all states know: whom it runs for and why, the task, and which exit codes of its container are good."""

    deployment: str
    database: str
    purpose: Purpose
    task: TaskSpec[str]
    success: tuple[int, ...]

    @property
    def id(self) -> str:
        """What people know the run by, and the task's tag in ECS."""
        return f"{self.deployment}/{self.database}/{self.purpose}"


@tagged("EcsTask.Exit/1")
@frozen
class Exit:
    """One container's end. `code` is None where it never ran; `judged` is true for one container at the most.

    `essential` says that ECS stops the others when this one exits.
    """

    container: str
    code: int | None
    judged: bool = False
    reason: str = ""
    essential: bool = False


@frozen
class _OfRun:
    run: Run


# States


@tagged("EcsTask.REQUESTED/1")
@frozen
class Requested(_OfRun):
    """RunTask is on its way, or the task has not come up yet. `begun` are the runs before, which did nothing."""

    begun: int = 0


@tagged("EcsTask.RUNNING/1")
@frozen
class Running(_OfRun):
    """The task runs; `last_status` is ECS's own word for where it is."""

    arn: str
    last_status: str = "RUNNING"
    begun: int = 0


@frozen
class Stopped(_OfRun):
    """Auto: the task has stopped, and its end is judged."""

    stop_code: str
    reason: str
    exits: tuple[Exit, ...]


@frozen
class Done(_OfRun):
    """The judged container exited with an accepted code."""

    exit_code: int


@frozen
class Error(_OfRun):
    """The task did not run, was lost, or did not do what it should."""

    reason: str


Resting: TypeAlias = Requested | Running
"""The states in which something is awaited: those that are stored."""
State: TypeAlias = Resting | Stopped | Done | Error


# Events


@frozen
class Request(_OfRun):
    """Run this task."""


@tagged("EcsTask.Started/1")
@frozen
class Started:
    """The task was seen RUNNING."""

    arn: str


@tagged("EcsTask.Status/1")
@frozen
class Status:
    """The task was seen in a status short of STOPPED (PROVISIONING, PENDING, ...)."""

    last_status: str


@tagged("EcsTask.StatusStopped/1")
@frozen
class StatusStopped:
    """The task was seen STOPPED. `stop_code` is empty where ECS gave none."""

    exits: tuple[Exit, ...]
    stop_code: str = ""
    reason: str = ""


@tagged("EcsTask.Errored/1")
@frozen
class Errored:
    """The task could not be run, was lost, or ran past its time; it may still run where `may_still_run` says so."""

    reason: str
    may_still_run: bool = False


@tagged("EcsTask.Again/1")
@frozen
class Again:
    """The run did nothing: it never began, or only looked and was interrupted. `late` once its time is over."""

    reason: str
    late: bool = False


Event: TypeAlias = Request | Started | Status | StatusStopped | Errored | Again


# Commands


@tagged("EcsTask.RunTask/1")
@frozen
class RunTask(_OfRun):
    """Run the task, once."""


@frozen
class RunAgain(_OfRun):
    """Run the task once more: the run before did nothing."""

    reason: str


@frozen
class StopRun(_OfRun):
    """Stop the task if it still runs; `arn` is empty where it is not known."""

    arn: str


@frozen
class ReportDone(_OfRun):
    """Tell who asked that the task ended with this exit code."""

    exit_code: int


@frozen
class ReportError(_OfRun):
    """Tell who asked that the task failed."""

    reason: str


Command: TypeAlias = RunTask | RunAgain | StopRun | ReportDone | ReportError


# Edges

machine: Builder[State, Event, Command] = Builder("EcsTask", State, Event)


@machine.on
def request(_: Absent, event: Request) -> Step[Requested]:
    """Run the task, once."""
    return to(Requested(event.run), RunTask(event.run))


@machine.on(Arrow(Running, "Running"))
def start(state: Requested, event: Started) -> Step[Running]:
    """Keep the ARN, which the task has from here on."""
    return to(Running(state.run, event.arn, begun=state.begun))


@machine.on(SelfLoop("Status (!= STOPPED)"))
def watch(state: Running, event: Status) -> Step[Running]:
    """Keep the status."""
    return to(Running(state.run, state.arn, event.last_status, state.begun))


@machine.on(Arrow(Stopped, "Status (STOPPED)"))
def stop(state: Running, event: StatusStopped) -> Step[Stopped]:
    """End the run of a task that stops, for any reason."""
    return to(Stopped(state.run, event.stop_code, event.reason, event.exits))


@machine.always(Arrow(Done, "Done"), Arrow(Error, "Error"))
def judge(state: Stopped) -> Step[Done] | Step[Error]:
    """Accept only an exit code of the judged container, under the stop code that makes it the task's own word."""
    code = next((e.code for e in state.exits if e.judged), None)
    failed = any(_failed_beside(e, state.run.task) for e in state.exits)
    if state.stop_code in (EXITED, "") and code is not None and code in state.run.success and not failed:
        return to(Done(state.run, code), ReportDone(state.run, code))
    return _error(state.run, Errored(_why(state)), "")


def _failed_beside(exit_: Exit, task: TaskSpec[str]) -> bool:
    """Tell whether another essential container failed: the judged one may have been stopped half-way by it.

    137 and 143 are what a container exits with that ECS has stopped (SIGKILL, SIGTERM).
    """
    beside = exit_.essential and not exit_.judged and exit_.container not in task.excused
    return beside and exit_.code not in (None, 0, *STOPPED_BY_ECS)


def _why(state: Stopped) -> str:
    """Say why, in AWS's own words first, then what is known of each container."""
    said = (
        f"{state.stop_code}: {state.reason}"
        if state.stop_code and state.reason
        else state.stop_code or state.reason
    )
    containers = [
        f"container {e.container} {'has no exit code' if e.code is None else f'exited with {e.code}'}"
        + (f" ({e.reason})" if e.reason else "")
        for e in sorted(state.exits, key=lambda e: not e.judged)
    ]
    return "; ".join([said, *containers] if said else containers) or "the task stopped without a word of ECS"


def _error(run: Run, event: Errored, arn: str) -> Step[Error]:
    """Report the reason; stop what may still run."""
    report = ReportError(run, event.reason)
    return to(Error(run, event.reason), *([StopRun(run, arn)] if event.may_still_run else []), report)


@machine.on(Arrow(Error, "Error"))
def reject(state: Requested, event: Errored) -> Step[Error]:
    """Fail a task that never ran."""
    return _error(state.run, event, "")


@machine.on(Arrow(Error, "Error", extension=True))
def lose(state: Running, event: Errored) -> Step[Error]:
    """Fail a task that was lost, or ran past its time."""
    return _error(state.run, event, state.arn)


@machine.on(SelfLoop("Status (!= STOPPED)", extension=True))
def come_up(state: Requested, _: Status) -> Step[Requested]:
    """Wait on in PROVISIONING, PENDING, ACTIVATING: the task has not come up yet."""
    return to(state)


@machine.on(Arrow(Stopped, "Status (STOPPED)", extension=True))
def stop_early(state: Requested, event: StatusStopped) -> Step[Stopped]:
    """End a run that was seen STOPPED before it was seen RUNNING: short tasks, and those that fail to start."""
    return to(Stopped(state.run, event.stop_code, event.reason, event.exits))


@machine.on(
    Arrow(Requested, "Again", each=True, extension=True), Arrow(Error, "Again", each=True, extension=True)
)
def again(state: Requested | Running, event: Again) -> Step[Requested] | Step[Error]:
    """Run a task again that did nothing, a few times, while there is time; never a migration that was seen to run."""
    begun = state.begun + 1
    may_have_begun = isinstance(state, Running) and state.run.purpose is Purpose.MIGRATE
    if begun < state.run.task.attempts and not event.late and not may_have_begun:
        return to(Requested(state.run, begun), RunAgain(state.run, event.reason))
    tries = f" (run {begun} of {state.run.task.attempts})" if begun > 1 else ""
    return _error(state.run, Errored(event.reason + tries), "")


MACHINE = machine.seal(failed=(Error,), ends=(Done,), leaves=(Done, Error))


def __dir__() -> list[str]:
    return listing(globals())
