"""Looking at many commands at once: what a shared look spares, and what it must never spare."""

from typing import Any

import pytest
from attrs import evolve

from deployer_aws.aws.stacks import StackDescription, read_description
from deployer_aws.aws.tasks import AT_ONCE
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.ports import Work
from deployer_core.engine.messages import Attempt, StackProgress, TaskProgress
from deployer_core.machines.deployment import ScaleStack, StabiliseStack, UpsertStack
from deployer_core.machines.ecs_task import RunTask, Status, StatusStopped
from deployer_core.machines.stack_status import Lifecycle
from tests.deployer_aws.aws_answers import (
    ARN,
    COUNTS,
    ID,
    NOW,
    RESOLVED,
    RUN,
    SPEC,
    STOP,
    TASK,
    TOKEN,
    Refused,
    Stub,
    answers,
    event,
    events,
    page,
    shown,
    task,
    work,
)
from tests.deployer_aws.executors.test_outcomes import summaries, tasks
from tests.support.listening import World

# CloudFormation: a view spares a look that would tell nothing, and no other

UPSERT = UpsertStack("d1", SPEC, COUNTS)


def viewed(
    status: str, known: str, *pages: Any, command: Any = UPSERT, **pending: Any
) -> tuple[Any, list[Any]]:
    """Look at an accepted change after a batch describe has shown a status; return the client, and the answers."""
    client = Stub({"describe_stacks": [KeyError("not asked")], "describe_stack_events": list(pages)})
    pending = {"attempt": Attempt(1, NOW - 10), "ref": ID, "age": 10, **pending}
    view = read_description(shown(status)["Stacks"][0])
    return client, answers(
        CloudFormation(client, Stub({})).act(
            evolve(work(command, progress=StackProgress(known), **pending), view=view)
        )
    )


def test_a_stack_that_goes_on_as_journaled_costs_no_call() -> None:
    """The view shows the status that the journal has: nothing is asked, and nothing said."""
    client, said = viewed("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
    assert (client.calls, said) == ([], [])


def test_news_in_a_view_is_looked_up_in_the_events() -> None:
    """Another status than the journal's: the events say what it means, and the view need not be read again."""
    client, (answer,) = viewed("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", page(event("UPDATE_COMPLETE", TOKEN)))
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert [operation for operation, _ in client.calls] == ["describe_stack_events"]


def test_a_change_that_was_taken_over_is_found_at_its_end() -> None:
    """A view at rest is never taken for the outcome: that is what the events say of our token."""
    ours, theirs = event("UPDATE_IN_PROGRESS", TOKEN, -5), event("UPDATE_COMPLETE", "other", -1)
    _, (answer,) = viewed("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", page(theirs, ours))
    assert "taken over by another change" in answer.reason


def test_a_view_at_rest_that_the_events_do_not_bear_out_is_no_end() -> None:
    """While no event bears our token, the stack's rest is that of an earlier change."""
    _, said = viewed("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", page())
    assert said == []


def test_without_a_view_the_events_are_read_whatever_the_journal_has() -> None:
    """A first look, a hint and a deadline have no view: such a look finds an end that the status does not show."""
    client = Stub(
        {
            "describe_stacks": [shown("UPDATE_IN_PROGRESS")],
            "describe_stack_events": [
                page(event("UPDATE_IN_PROGRESS", "other", -1), event("UPDATE_COMPLETE", TOKEN, -5))
            ],
        }
    )
    pending = work(UPSERT, attempt=Attempt(1, NOW - 10), ref=ID, progress=StackProgress("UPDATE_IN_PROGRESS"))
    (answer,) = answers(CloudFormation(client, Stub({})).act(pending))
    assert answer.lifecycle is Lifecycle.COMPLETE


def test_a_wait_for_others_looks_anew_before_it_does_anything() -> None:
    """Where a view shows that the stack has come to rest, it is described again: a rolled-back creation is deleted on that."""
    goes_on = evolve(
        work(StabiliseStack("d1", SPEC, False), progress=StackProgress("CREATE_IN_PROGRESS")),
        view=_view("CREATE_IN_PROGRESS"),
    )
    assert events(CloudFormation(Stub({}), Stub({})).act(goes_on)) == []
    client = Stub({"describe_stacks": [shown("CREATE_COMPLETE")]})
    rests = evolve(goes_on, view=_view("ROLLBACK_COMPLETE"))
    (answer,) = answers(CloudFormation(client, Stub({})).act(rests))
    assert answer.status == "CREATE_COMPLETE"


def _view(status: str) -> StackDescription:
    return read_description(shown(status)["Stacks"][0])


def test_what_has_something_to_do_is_not_seen_with_others() -> None:
    """A change without a StackId and a cancel in hand are looked at by themselves; what is only waited for is not."""
    waits, cancels = StabiliseStack("d1", SPEC, False), StabiliseStack("d1", SPEC, True)
    sent = Attempt(1, NOW - 10)
    cases = {
        "sent": work(UPSERT, attempt=sent),
        "new": work(UPSERT),
        "cancelling": work(cancels, attempt=sent),
        "waits": work(waits),
        "cancelled": work(cancels, attempt=sent, ref=ID),
        "changes": work(UPSERT, attempt=sent, ref=ID),
    }
    works = [evolve(one, key=name) for name, one in cases.items()]
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")]})
    seen = CloudFormation(client, Stub({})).observe(works)
    assert sorted(key for key, _ in seen) == ["cancelled", "changes", "waits"]


# A stack that has to be at zero: its tasks are waited for, and not its stack

TO_ZERO = ScaleStack("d1", SPEC, (("Count", 0),))
SERVICE = "arn:aws:ecs:eu-west-1:1:service/main/web"


def waiting_for_tasks(*statuses: Any) -> tuple[Any, Any, CloudFormation, Work]:
    """Make a stack whose service has a task short of STOPPED, as a first look has found; then what DescribeTasks gives."""
    stacks = Stub(
        {
            "describe_stacks": [shown("UPDATE_COMPLETE")],
            "describe_stack_events": [page(event("UPDATE_COMPLETE", TOKEN))],
            "list_stack_resources": [summaries(("AWS::ECS::Service", SERVICE, "UPDATE_COMPLETE"))],
        }
    )
    shows = [s if isinstance(s, Exception) else tasks(a=s) for s in ("DEACTIVATING", *statuses)]
    ecs = Stub(
        {
            "describe_services": [{"services": [{"status": "ACTIVE", "desiredCount": 0}]}],
            "list_tasks": [{"taskArns": []}, {"taskArns": ["a"]}],
            "describe_tasks": shows,
        }
    )
    executor, pending = CloudFormation(stacks, ecs), work(TO_ZERO, attempt=Attempt(1, NOW - 10), ref=ID)
    (answer,) = answers(executor.act(pending))
    assert answer.value.running == (("web", 1),)
    stacks.calls.clear()
    ecs.calls.clear()
    pending = evolve(pending, pending=evolve(pending.pending, progress=answer.value))
    return stacks, ecs, executor, pending


def test_tasks_that_were_seen_to_run_are_waited_for() -> None:
    """While one of them runs neither the stack nor its services are asked for, and there is nothing to say."""
    stacks, ecs, executor, pending = waiting_for_tasks("STOPPING")
    seen = executor.observe([pending])
    assert events(executor.act(evolve(pending, view=seen[pending.id]))) == []
    assert stacks.calls == []
    assert ecs.calls == [("describe_tasks", {"cluster": "main", "tasks": ["a"]})]


@pytest.mark.parametrize("last", ["STOPPED", "DELETED"])
def test_zero_is_seen_by_a_look_of_its_own(last: str) -> None:
    """Once none of them runs there is no view: the services are looked at anew before the stack is said to be at zero."""
    stacks, ecs, executor, pending = waiting_for_tasks(last)
    assert pending.id not in executor.observe([pending])
    (answer,) = answers(executor.act(pending))
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert len(stacks.sent("list_stack_resources")) == len(ecs.sent("describe_services")) == 1
    assert len(ecs.sent("list_tasks")) == 2


def test_trouble_with_tasks_that_are_waited_for_is_told() -> None:
    """Where ECS is busy, that stands in the place of the view."""
    trouble = Refused("ThrottlingException")
    _, _, executor, pending = waiting_for_tasks(trouble)
    assert executor.observe([pending]) == {pending.id: trouble}


def test_a_stack_at_rest_is_never_taken_for_one_that_goes_on() -> None:
    """A stack that waits for tasks which nobody has seen yet is looked at in full, though its status is the journal's."""
    _, ecs, executor, pending = waiting_for_tasks("STOPPED")
    (answer,) = answers(executor.act(evolve(pending, view=_view("UPDATE_COMPLETE"))))
    assert answer.lifecycle is Lifecycle.COMPLETE
    assert len(ecs.sent("describe_services")) == 1


def test_tasks_of_an_earlier_command_hold_no_later_one_up() -> None:
    """What one command waited for is nothing to the next one of the same stack: of that the stack is looked at."""
    stacks, ecs, executor, pending = waiting_for_tasks("STOPPING")
    later = evolve(pending, pending=evolve(pending.pending, id=8))
    assert isinstance(executor.observe([later])[later.id], StackDescription)
    assert ecs.calls == []
    assert len(stacks.calls) == 1


def test_services_that_stop_slowly_cost_one_call_a_look() -> None:
    """However long the tasks of the services take to stop, their services and their lists are read twice a change."""
    quick, slow = (World(f"rules: [{{on: update_stack, linger: {n}}}]", listens=False) for n in (0, 600))
    for each in (quick, slow):
        each.deploy("1.0", "1.1")
        assert [notice.outcome for notice in each.notices] == ["DONE", "DONE"]
    assert slow.calls["list_tasks"] - quick.calls["list_tasks"] <= 4
    assert slow.calls["list_stack_resources"] - quick.calls["list_stack_resources"] <= 2
    assert slow.sim.clock.monotonic() > quick.sim.clock.monotonic() + 500


# ECS: tasks by the hundred


def _run(n: int, cluster: str = "main") -> Work:
    run = RunTask(evolve(RUN.run, task=evolve(TASK, cluster=cluster)))
    return evolve(
        work(
            run,
            database="orders",
            attempt=Attempt(1, NOW - 10, RESOLVED),
            ref=f"{ARN}-{n}",
            progress=TaskProgress("PENDING"),
        ),
        key=f"k{n}",
    )


def _tasks(**request: Any) -> dict[str, Any]:
    tasks = [task("PENDING", taskArn=arn)["tasks"][0] for arn in request["tasks"] if not arn.endswith("-7")]
    return {"tasks": tasks, "failures": []}


class Cluster:
    """A client that describes any task but the seventh; the sizes of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def describe_tasks(self, **request: Any) -> dict[str, Any]:
        self.asked.append((request["cluster"], len(request["tasks"])))
        if request["cluster"] == "broken":
            raise Refused("ThrottlingException")
        return _tasks(**request)


def test_tasks_are_described_by_the_hundred() -> None:
    """One call for a hundred tasks of a cluster; what ECS does not show is left out, what fails is told of its tasks."""
    client: Any = Cluster()
    works = [_run(n) for n in range(2 * AT_ONCE + 1)]
    seen = Ecs(client).observe([*works, _run(900, "other"), _run(901, "broken"), work(RUN)])
    assert client.asked == [("main", 100), ("main", 100), ("main", 1), ("other", 1), ("broken", 1)]
    assert len(seen) == 2 * AT_ONCE + 2
    assert works[7].id not in seen
    assert isinstance(seen[_run(901).id], Refused)
    assert events(Ecs(Stub({})).act(evolve(works[0], view=seen[works[0].id]))) == [
        works[0].reply(Status("PENDING"))
    ]


def test_a_task_is_told_to_stop_only_after_a_look_of_its_own() -> None:
    """A view of a task that is yet to be told to stop is not acted on; one that is being stopped is waited for by it."""
    client = Stub({"describe_tasks": [task("RUNNING", desiredStatus="RUNNING")], "stop_task": [{}]})
    stop = evolve(work(STOP, ref=ARN), view=task("PENDING", desiredStatus="RUNNING")["tasks"][0])
    events(Ecs(client).act(stop))
    assert [operation for operation, _ in client.calls] == ["describe_tasks", "stop_task"]
    stopped = evolve(
        stop, view=task("STOPPED", desiredStatus="STOPPED", stopCode="UserInitiated")["tasks"][0]
    )
    (answer,) = answers(Ecs(Stub({})).act(stopped))
    assert answer == StatusStopped((), "UserInitiated", "")
