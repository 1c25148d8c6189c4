"""Looking at many commands at once. What a view of one spares its look: transcripts/views.txt."""

from typing import Any

from attrs import evolve

from deployer_aws.aws.tasks import AT_ONCE
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.ports import Work
from deployer_core.engine.messages import Attempt, TaskProgress
from deployer_core.machines.deployment import StabiliseStack, UpsertStack
from deployer_core.machines.ecs_task import RunTask, Status, StatusStopped
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
    Refused,
    Stub,
    answers,
    events,
    shown,
    task,
    work,
)
from tests.support.listening import SimulatedExample

UPSERT = UpsertStack("d1", SPEC, COUNTS)


def test_what_has_something_to_do_is_not_seen_with_others() -> None:
    """A change without a StackId and a cancel in hand are looked at by themselves; what is only waited for is not."""
    waits, cancels = StabiliseStack("d1", SPEC, 3600), StabiliseStack("d1", SPEC, 3600, True)
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


def test_services_that_stop_slowly_cost_one_call_a_look() -> None:
    """However long the tasks of the services take to stop, their services and their lists are read twice a change."""
    quick, slow = (
        SimulatedExample(f"rules: [{{on: update_stack, linger: {n}}}]", listens=False) for n in (0, 600)
    )
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
