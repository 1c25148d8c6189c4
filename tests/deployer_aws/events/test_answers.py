"""What is taken from one event for one pending command, and what is left to a look."""

from typing import Any

import pytest
from attrs import evolve

from deployer_aws.events import read_event
from deployer_aws.events.answers import LOOK, NOTHING, RANKS, take
from deployer_aws.events.matching import Index
from deployer_aws.ports import Taken, Work
from deployer_core.engine.messages import (
    Attempt,
    CommandProgress,
    Pending,
    StackProgress,
    StopTask,
    TaskProgress,
)
from deployer_core.engine.state import DeployerState
from deployer_core.machines.deployment import ScaleStack, StabiliseStack, StackCommand, UpdateStack
from deployer_core.machines.ecs_task import Exit, Purpose, Run, RunTask, Started, Status, StatusStopped
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import TaskSpec
from tests.deployer_aws.events import STACK_ID, TASK_ARN, container, stack_event, stopped, task_event
from tests.support.orders import orders

SPEC = orders("1.0").stack
RUN = Run("d1", "orders", Purpose.MIGRATE, TaskSpec("main", "shop-migrate:3", container="migrate"), (0,))
SENT = Attempt(1, 1000.0, token="token-of-the-attempt")


def work(
    command: Any,
    *,
    ref: str = "",
    attempt: Attempt | None = SENT,
    progress: CommandProgress | None = None,
    database: str = "db",
) -> Work:
    """Return a pending command as an executor gets it."""
    pending = Pending(7, "d1", database, command, 1000.0, 2000.0, attempt=attempt, ref=ref, progress=progress)
    return Work("test/shop", "stream", pending, 1100.0, str)


def running(**settings: Any) -> Work:
    """Return a RunTask that ECS has accepted."""
    return work(RunTask(RUN), ref=settings.pop("ref", TASK_ARN), **settings)


def answers(taken: Taken) -> list[Any]:
    """Return what is appended, in short."""
    return [getattr(event, "answer", getattr(event, "ref", None)) for event in taken.events]


def took(work_: Work, event: dict[str, Any]) -> tuple[list[Any], bool]:
    """Return what is appended for an event, and whether a look is asked for."""
    taken = take(work_, read_event(event))
    return answers(taken), taken.look


# Tasks that run


def test_a_good_end_is_taken() -> None:
    """STOPPED by itself with an accepted exit code of the only container is the answer, as the executor words it."""
    event = stopped(container("migrate", "STOPPED", 0))
    exits = (Exit("migrate", 0, True, essential=True),)
    end = StatusStopped(exits, "EssentialContainerExited", "Essential container in task exited")
    assert took(running(), event) == ([end], False)


@pytest.mark.parametrize(
    "event",
    [
        stopped(container("migrate", "STOPPED", 1)),
        stopped(container("migrate", "STOPPED")),
        stopped(container("log-router", "STOPPED", 0)),
        stopped(container("migrate", "STOPPED", 0), container("log-router", "STOPPED", 137, "killed")),
        stopped(),
        stopped(container("migrate", "STOPPED", 0), stopCode=None),
        stopped(container("migrate", "STOPPED", 0), stopCode="SpotInterruption"),
        task_event("DELETED", container("migrate", "STOPPED", 0), stopCode="EssentialContainerExited"),
    ],
)
def test_any_other_end_is_looked_at(event: dict[str, Any]) -> None:
    """A bad end has last log lines to fetch, and one that lacks something is not trusted."""
    assert took(running(), event) == ([], True)


def test_an_end_without_a_named_container_is_looked_at() -> None:
    """Which container counts then stands in the task definition, which an event does not hold."""
    unnamed = RunTask(evolve(RUN, task=evolve(RUN.task, container=None)))
    assert took(work(unnamed, ref=TASK_ARN), stopped(container("migrate", "STOPPED", 0))) == ([], True)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("PROVISIONING", [Status("PROVISIONING")]),
        ("RUNNING", [Started(TASK_ARN)]),
    ],
)
def test_progress_is_taken(status: str, expected: list[Any]) -> None:
    """A task's status is news."""
    assert took(running(), task_event(status, container("migrate", "STOPPED", 0))) == (expected, False)


def test_what_is_beyond_running_is_looked_at_where_nobody_saw_it_run() -> None:
    """A task may go down without having run: of one that was seen to run it is news, and exit codes are no end."""
    event = task_event("DEPROVISIONING", container("migrate", "STOPPED", 0))
    assert took(running(), event) == ([], True)
    ran = running(progress=TaskProgress("RUNNING"))
    assert took(ran, event) == ([Status("DEPROVISIONING")], False)


@pytest.mark.parametrize("seen", RANKS)
@pytest.mark.parametrize("status", list(RANKS)[:-1])
def test_progress_never_goes_back(seen: str, status: str) -> None:
    """An event that came late, or again, is no news."""
    said, look = took(running(progress=TaskProgress(seen)), task_event(status))
    unseen = RANKS[status] > RANKS["RUNNING"] > RANKS[seen]
    assert (bool(said), look) == (RANKS[status] > RANKS[seen] and not unseen, unseen)


def test_an_unknown_task_status_is_looked_at() -> None:
    """What this version does not know is left to the executor."""
    assert took(running(), task_event("PONDERING")) == ([], True)


def test_the_token_finds_a_task_whose_answer_was_lost() -> None:
    """Without an ARN the task is accepted first, as RunTask's own answer would have it."""
    event = stopped(container("migrate", "STOPPED", 0))
    said, look = took(running(ref=""), event)
    assert (said[0], type(said[1]), look) == (TASK_ARN, StatusStopped, False)
    assert took(running(ref=""), task_event("PENDING"))[0] == [TASK_ARN, Status("PENDING")]
    assert took(running(ref="", progress=TaskProgress("RUNNING")), task_event("PENDING"))[0] == [TASK_ARN]
    assert took(running(ref=""), stopped()) == ([TASK_ARN], True)


# Tasks that stop


def stopping(**settings: Any) -> Work:
    """Return a StopTask of a task with a known ARN."""
    return work(StopTask(RUN, 3, SENT, settings.pop("arn", TASK_ARN)), **settings)


def test_any_end_ends_a_stop() -> None:
    """Whatever the exit codes, a task that was to stop has stopped."""
    said = took(stopping(), stopped(stopCode="UserInitiated", stoppedReason="because"))
    assert said == ([StatusStopped((), "UserInitiated", "because")], False)
    assert took(stopping(), stopped(stopCode=None, stoppedReason=None)) == ([StatusStopped(())], False)


def test_progress_of_a_stop_is_taken_once() -> None:
    """The same order holds."""
    assert took(stopping(progress=TaskProgress("RUNNING")), task_event("STOPPING")) == (
        [Status("STOPPING")],
        False,
    )
    assert took(stopping(progress=TaskProgress("STOPPING")), task_event("RUNNING")) == ([], False)
    assert took(stopping(), task_event("PONDERING")) == ([], False)


def test_a_task_that_turns_up_is_stopped_now() -> None:
    """A StopTask that did not know the ARN learns it from the event, and is acted on at once."""
    assert took(stopping(arn=""), task_event("PENDING")) == ([TASK_ARN, Status("PENDING")], True)


# Stacks


def changing(**settings: Any) -> tuple[Work, str]:
    """Return an update of ours in flight, and its token."""
    settings = {"ref": STACK_ID, "database": "", **settings}
    one = work(UpdateStack("d1", SPEC, ()), **settings)
    return one, one.token(1)


@pytest.mark.parametrize(
    "status", ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "DELETE_COMPLETE", "PONDERING"]
)
@pytest.mark.parametrize("token", [None, "Console-UpdateStack-1"])
def test_a_stack_at_rest_is_looked_at(status: str, token: str | None) -> None:
    """Whoever moved it, and whatever it has come to: outputs, counts and services need a look."""
    one, _ = changing()
    assert take(one, read_event(stack_event(status, token=token))) == LOOK


def test_our_own_change_makes_progress() -> None:
    """A status on the way, under our token, is taken."""
    one, token = changing()
    event = stack_event("UPDATE_IN_PROGRESS", token=token, reason="User Initiated")
    status = StackStatus(Lifecycle.PROGRESS, "UPDATE_IN_PROGRESS")
    assert took(one, event) == ([status], False)


@pytest.mark.parametrize(
    ("known", "status", "news"),
    [
        ("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", False),
        ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS", False),
        ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", True),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", True),
        ("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", False),
        ("", "UPDATE_IN_PROGRESS", True),
    ],
)
def test_a_change_never_goes_back(known: str, status: str, news: bool) -> None:
    """It goes on, cleans up or rolls back; an event out of order is no news."""
    one, token = changing(progress=StackProgress(known))
    said, look = took(one, stack_event(status, token=token))
    assert (bool(said), look) == (news, False)


@pytest.mark.parametrize("token", [None, "Console-UpdateStack-1"])
def test_what_others_do_is_no_progress_of_ours(token: str | None) -> None:
    """A moving stack under another token, or none, says nothing about our change."""
    one, _ = changing()
    assert take(one, read_event(stack_event("UPDATE_IN_PROGRESS", token=token))) == NOTHING


def test_a_change_whose_answer_was_lost_is_looked_for() -> None:
    """The event bears our token, so AWS has accepted it: the executor finds the StackId."""
    one, token = changing(ref="")
    assert take(one, read_event(stack_event("UPDATE_IN_PROGRESS", token=token))) == LOOK


def test_a_change_that_was_not_sent_makes_no_progress() -> None:
    """Without an attempt no token is ours."""
    one, token = changing(attempt=None)
    assert take(one, read_event(stack_event("UPDATE_IN_PROGRESS", token=token))) == NOTHING


def test_waiting_for_a_stack_takes_nothing_but_its_rest() -> None:
    """The first look decides what may be cancelled, so no event speaks before it."""
    one = work(StabiliseStack("d1", SPEC, 3600), database="")
    assert take(one, read_event(stack_event("UPDATE_IN_PROGRESS"))) == NOTHING
    assert take(one, read_event(stack_event("UPDATE_COMPLETE"))) == LOOK


# Which commands an event speaks of


def spoken_of(event: dict[str, Any], *found: Work) -> bool:
    """Whether an event finds a command among what is pending."""
    state = DeployerState(stream="stream", pending=tuple(w.pending for w in found))
    return Index({"test/shop": state}).find(read_event(event)) == (("test/shop", 7),)


def stack_command(**settings: Any) -> Work:
    """Return a pending change of the stack `shop`."""
    command: StackCommand = ScaleStack("d1", evolve(SPEC, name="shop"), (("DesiredCount", 0),))
    return work(command, database="", **settings)


def test_stack_commands_are_found_by_name_and_id() -> None:
    """By name before AWS has accepted, and by StackId after."""
    assert spoken_of(stack_event(), stack_command())
    assert spoken_of(stack_event(), changing()[0])
    assert not spoken_of(
        stack_event(stack_id=STACK_ID.replace("shop", "shop-Nested-1X2Y3Z")), stack_command()
    )


def test_tasks_are_found_by_arn_or_token() -> None:
    """With an ARN by nothing else, else by the token that they were started by."""
    lost, halting = running(ref=""), stopping(arn="")
    assert spoken_of(task_event(), running())
    assert not spoken_of(task_event(taskArn=f"{TASK_ARN}-2", startedBy=SENT.token), running())
    assert spoken_of(task_event(startedBy=SENT.token), lost)
    assert spoken_of(task_event(), stopping())
    assert spoken_of(task_event(startedBy=SENT.token), halting)
    assert not spoken_of(task_event(startedBy=None), lost)
    assert not spoken_of(task_event(), running(ref="", attempt=None))


def test_the_last_task_of_a_service_has_its_stack_looked_at() -> None:
    """A stack that waits for a service's tasks hears of each that has stopped, and of no other service's."""
    waiting = stack_command(progress=StackProgress("UPDATE_COMPLETE", (("web", 2),)))
    event = task_event(group="service:web", startedBy="ecs-svc/1")
    assert spoken_of(event, waiting)
    assert take(waiting, read_event(event)) == LOOK
    assert not spoken_of(task_event(group="service:worker"), waiting)
    assert not spoken_of(task_event("STOPPING", group="service:web"), waiting)
