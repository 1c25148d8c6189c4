"""Looking at many commands at once: what a shared look spares, and what it must never spare."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attrs import define, evolve, field

from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.executors.stacks import Stack, described
from deployer_aws.executors.survey import Survey
from deployer_aws.executors.tasks import AT_ONCE
from deployer_aws.pace import Pace
from deployer_aws.ports import Act, CommandId, Work
from deployer_aws.runner import SLICE, LoginNeeded, Step
from deployer_core.deployer import Replied, Sent
from deployer_core.deployment import ScaleStack, StabiliseStack, UpsertStack
from deployer_core.ecs_task import RunTask, Status, StatusStopped
from deployer_core.stack_status import Lifecycle, StackStatus
from tests.aws.cloudformation_answers import COUNTS, ID, SPEC, TOKEN, event, page, shown
from tests.aws.ecs_answers import ARN, RESOLVED, RUN, STOP, TASK, task
from tests.aws.runner_world import CREATING, STACKS, moving, world
from tests.aws.scenarios.simulated import SimulatedBed
from tests.aws.scenarios.specs import asked, template
from tests.aws.stubs import NOW, Refused, Stub, answers, events, work
from tests.aws.test_executors_outcomes import summaries, tasks
from tests.support.crowd import PAGE, Crowd, full_path
from tests.support.listening import World

# The survey: whole pages, or one by one


@define
class _Account:
    """A client of an account whose stacks come in pages of two; the calls that it gets."""

    names: list[str]
    troubles: dict[str, list[Exception | None]] = field(factory=dict[str, Any])
    """What the calls of a name run into in turn, '' for calls without one; None where all goes well."""
    calls: list[str] = field(factory=list[str])

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        name = request.get("StackName", "")
        self.calls.append(name or f"page {request.get('NextToken', '0')}")
        if (left := self.troubles.get(name)) and (trouble := left.pop(0)) is not None:
            raise trouble
        if name:
            if name not in self.names:
                raise Refused("ValidationError", f"Stack with id {name} does not exist")
            return {"Stacks": [self._shown(name)]}
        start = int(request.get("NextToken", 0))
        found = [self._shown(name) for name in self.names[start : start + 2]]
        return {"Stacks": found, **({"NextToken": str(start + 2)} if start + 2 < len(self.names) else {})}

    def _shown(self, name: str) -> dict[str, Any]:
        return {**shown()["Stacks"][0], "StackId": f"id-{name}", "StackName": name}


Account: Any = _Account
"""Untyped, as boto3's clients are."""


def surveyed(account: Any, *names: str, by: Survey | None = None) -> list[str]:
    """The names that were seen."""
    return sorted(name for name, seen in (by or Survey(account)).of(names).items() if isinstance(seen, Stack))


def test_few_stacks_of_a_large_account_are_asked_for_one_by_one() -> None:
    """What takes fewer calls is done: one stack is never listed, and several are not once the pages are known."""
    account = Account([f"s{n}" for n in range(20)])
    survey = Survey(account)
    assert surveyed(account, "s19", by=survey) == ["s19"]
    assert account.calls == ["s19"]
    account.calls.clear()
    assert surveyed(account, "s17", "s18", "s19", by=survey) == ["s17", "s18", "s19"]
    assert account.calls == ["page 0", "page 2", "page 4", "s17", "s18", "s19"], (
        "as many pages as stacks, no more"
    )
    account.calls.clear()
    surveyed(account, "s17", "s18", "s19", by=survey)
    assert account.calls == ["s17", "s18", "s19"]
    account.calls.clear()
    names = [f"s{n}" for n in range(9, 20)]
    assert surveyed(account, *names, by=survey) == sorted(names)
    assert account.calls == [f"page {n}" for n in range(0, 20, 2)]


def test_listing_ends_where_all_is_found() -> None:
    """Pages behind the last stack that is looked for are not read; stacks are found by name and by StackId."""
    account = Account([f"s{n}" for n in range(20)])
    assert surveyed(account, "s0", "id-s3", "s2") == ["id-s3", "s0", "s2"]
    assert account.calls == ["page 0", "page 2"]


def test_what_the_listing_lacks_is_left_out() -> None:
    """A stack that no page shows may be deleted, or too young: it is for its own look to say, by its StackId."""
    account = Account(["s0", "s1", "s2"])
    assert surveyed(account, "s0", "s1", "s2", "gone") == ["s0", "s1", "s2"]
    assert account.calls == ["page 0", "page 2"]
    assert surveyed(Account(["s0"]), "gone") == []


def test_an_account_that_may_not_be_listed() -> None:
    """Where the policy allows single stacks alone, they are asked for one by one, and listing is not tried again."""
    account = Account(["s0", "s1", "s2"], {"": [Refused("AccessDenied")]})
    survey = Survey(account)
    for _ in range(2):
        assert surveyed(account, "s0", "s1", by=survey) == ["s0", "s1"]
    assert account.calls == ["page 0", "s0", "s1", "s0", "s1"]


@pytest.mark.parametrize("code", ["Throttling", "ExpiredToken"])
def test_what_keeps_a_listing_from_being_read_stands_for_the_rest(code: str) -> None:
    """What was read before the trouble is kept; of the others the trouble is told, and none is asked for singly."""
    trouble = Refused(code)
    account = Account([f"s{n}" for n in range(6)], {"": [None, trouble]})
    seen = Survey(account).of(["s0", "s1", "s4"])
    assert isinstance(seen["s1"], Stack)
    assert seen["s4"] is trouble
    assert account.calls == ["page 0", "page 2"]


def test_one_by_one_ends_with_the_first_trouble() -> None:
    """Where AWS is busy, no further stack is asked for."""
    trouble = Refused("Throttling")
    account = Account(["s0", "s1", "s2"], {"": [Refused("AccessDenied")], "s1": [trouble]})
    seen = Survey(account).of(["s0", "s1", "s2"])
    assert [isinstance(seen["s0"], Stack), seen["s1"], seen["s2"]] == [True, trouble, trouble]
    assert account.calls == ["page 0", "s0", "s1"]


# CloudFormation: a view spares a look that would tell nothing, and no other

UPSERT = UpsertStack("d1", SPEC, COUNTS)


def viewed(
    status: str, seen: str, *pages: Any, command: Any = UPSERT, **pending: Any
) -> tuple[Any, list[Any]]:
    """What comes of a look at an accepted change after a shared one has shown a status; the client, and the answers."""
    client = Stub({"describe_stacks": [KeyError("not asked")], "describe_stack_events": list(pages)})
    pending = {"sent": Sent(1, NOW - 10), "ref": ID, "age": 10, **pending}
    view = described(shown(status)["Stacks"][0])
    return client, answers(
        CloudFormation(client, Stub({})).act(evolve(work(command, seen=seen, **pending), view=view))
    )


@pytest.mark.parametrize("seen", ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS: no capacity"])
def test_a_stack_that_goes_on_as_journaled_costs_no_call(seen: str) -> None:
    """The view shows the status that the journal has: nothing is asked, and nothing said."""
    client, said = viewed("UPDATE_IN_PROGRESS", seen)
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
    pending = work(UPSERT, sent=Sent(1, NOW - 10), ref=ID, seen="UPDATE_IN_PROGRESS")
    (answer,) = answers(CloudFormation(client, Stub({})).act(pending))
    assert answer.lifecycle is Lifecycle.COMPLETE


def test_a_wait_for_others_looks_anew_before_it_does_anything() -> None:
    """Where a view shows that the stack has come to rest, it is described again: an empty shell is deleted on that."""
    goes_on = evolve(
        work(StabiliseStack("d1", SPEC, False), seen="CREATE_IN_PROGRESS"), view=_view("CREATE_IN_PROGRESS")
    )
    assert events(CloudFormation(Stub({}), Stub({})).act(goes_on)) == []
    client = Stub({"describe_stacks": [shown("CREATE_COMPLETE")]})
    rests = evolve(goes_on, view=_view("ROLLBACK_COMPLETE"))
    (answer,) = answers(CloudFormation(client, Stub({})).act(rests))
    assert answer.status == "CREATE_COMPLETE"


def _view(status: str) -> Stack:
    return described(shown(status)["Stacks"][0])


def test_what_has_something_to_do_is_not_seen_with_others() -> None:
    """A change without a StackId and a cancel in hand are looked at by themselves; what is only waited for is not."""
    waits, cancels = StabiliseStack("d1", SPEC, False), StabiliseStack("d1", SPEC, True)
    sent = Sent(1, NOW - 10)
    cases = {
        "sent": work(UPSERT, sent=sent),
        "new": work(UPSERT),
        "cancelling": work(cancels, sent=sent),
        "waits": work(waits),
        "cancelled": work(cancels, sent=sent, ref=ID),
        "changes": work(UPSERT, sent=sent, ref=ID),
    }
    works = [evolve(one, key=name) for name, one in cases.items()]
    client = Stub({"describe_stacks": [shown("UPDATE_IN_PROGRESS")]})
    seen = CloudFormation(client, Stub({})).observe(works)
    assert sorted(key for key, _ in seen) == ["cancelled", "changes", "waits"]


# A stack that has to be at zero: its tasks are waited for, and not its stack

TO_ZERO = ScaleStack("d1", SPEC, (("Count", 0),))
SERVICE = "arn:aws:ecs:eu-west-1:1:service/main/web"


def waiting_for_tasks(*statuses: Any) -> tuple[Any, Any, CloudFormation, Work]:
    """A stack whose service has a task short of STOPPED, as a first look has found; then what DescribeTasks gives."""
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
    executor, pending = CloudFormation(stacks, ecs), work(TO_ZERO, sent=Sent(1, NOW - 10), ref=ID)
    (answer,) = answers(executor.act(pending))
    assert answer.reason == "1 task of service web not yet stopped"
    stacks.calls.clear()
    ecs.calls.clear()
    pending = evolve(pending, pending=evolve(pending.pending, seen=f"UPDATE_COMPLETE: {answer.reason}"))
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
    assert isinstance(executor.observe([later])[later.id], Stack)
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
        work(run, database="orders", sent=Sent(1, NOW - 10, RESOLVED), ref=f"{ARN}-{n}", seen="PENDING"),
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


# The runner: who is seen together, and what becomes of it


@define
class Observing:
    """An executor that notes its looks: together, by itself with a view, or without one."""

    commands: tuple[type, ...] = STACKS
    views: list[Any] = field(factory=list[Any])
    """What the shared looks show, in turn; after that, nothing in particular."""
    together: list[list[str]] = field(factory=list[list[str]])
    alone: list[tuple[str, object]] = field(factory=list[tuple[str, object]])
    looks: list[Any] = field(factory=list[Any])

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        self.together.append([work.key for work in works])
        view = self.views.pop(0) if self.views else "a view"
        return {work.id: view for work in works if view is not None}

    def act(self, work: Work) -> Act:
        self.alone.append((work.key, work.view))
        yield from (self.looks.pop(0) if self.looks else moving)(work)


def observing(
    *views: Any, looks: Sequence[Any] = (), streams: int = 1, timeout: int = 3_600, **settings: Any
) -> tuple[Any, Observing]:
    """A runner with such an executor, and so many streams that are under way."""
    executor = Observing((), list(views), looks=list(looks))
    w = world(others=[executor], **settings)
    executor.commands = STACKS
    w.runner._executors.update(dict.fromkeys(STACKS, executor))
    for n in range(streams):
        wanted = asked(f"shop-{n}", template(), quick=True, timeout=timeout)
        w.runner.request("d", wanted.spec, wanted.templates)
    return w, executor


def test_a_first_look_is_made_alone_and_later_ones_together() -> None:
    """A new command is looked at by itself; from then on all that is due is seen by one look, and acted on with that."""
    w, executor = observing(streams=3)
    wait = w.runner.step()
    assert executor.together == []
    assert [view for _, view in executor.alone] == [None] * 3
    w.clock.time += wait
    w.runner.step()
    assert executor.together == [[f"test/shop-{n}" for n in range(3)]]
    assert executor.alone[3:] == [(f"test/shop-{n}", "a view") for n in range(3)]


def test_a_view_is_used_once() -> None:
    """Where a shared look shows nothing of a command, or in the next step, no view of an earlier step is used."""
    w, executor = observing("first", None, "third")
    for _ in range(4):
        w.clock.time += w.runner.step()
    assert [view for _, view in executor.alone] == [None, "first", None, "third"]


def test_what_comes_along_unseen_waits_for_its_own_turn() -> None:
    """A command that is not due yet, and of which a shared look shows nothing, is not looked at before its time."""
    w, executor = observing(None, streams=1)
    w.runner.step()
    w.clock.time += 1.5
    wanted = asked("shop-1", template(), quick=True)
    w.runner.request("d", wanted.spec, wanted.templates)
    w.runner.step()
    w.clock.time += 1
    w.runner.step()
    assert executor.together == [["test/shop-0", "test/shop-1"]]
    assert [key for key, _ in executor.alone] == ["test/shop-0", "test/shop-1", "test/shop-0"]


def test_a_hint_is_followed_up_alone() -> None:
    """A command that is to be looked at now is not waited for by others, nor seen with them: it may have news."""
    w, executor = observing(streams=2)
    w.runner.step()
    command = w.journal.head("test/shop-1").state.pending[0].id
    w.runner.hurry("test/shop-1", command)
    w.runner.step()
    assert executor.together == []
    assert executor.alone[2:] == [("test/shop-1", None)]


def test_the_look_after_a_deadline_is_made_alone() -> None:
    """The look that decides whether a command is given up reads all that there is."""
    w, executor = observing(looks=[moving, moving], timeout=10)
    w.runner.step()
    w.clock.time += 20
    w.runner.step()
    assert executor.together == []
    assert [view for _, view in executor.alone] == [None, None]
    assert "no end within 10 s" in w.notices[0].reason


def test_trouble_of_a_shared_look_is_trouble_of_each() -> None:
    """A throttled look fails nothing, acts on nothing, and is made again together, later and later."""
    throttled = Refused("Throttling")
    w, executor = observing(throttled, throttled, streams=2, jitter=lambda: 1.0)
    waits = []
    for _ in range(4):
        waits.append(w.runner.step())
        w.clock.time += waits[-1]
    assert waits == [5.0, 10.0, 20.0, pytest.approx(5 + 35 / 10)]
    assert [len(works) for works in executor.together] == [2, 2, 2]
    assert [view for _, view in executor.alone] == [None, None, "a view", "a view"]


def test_credentials_that_end_in_a_shared_look_fail_nothing() -> None:
    """As in any other look: the run ends, and is carried on after a login."""
    w, _ = observing(Refused("ExpiredToken"))
    w.clock.time += w.runner.step()
    with pytest.raises(LoginNeeded):
        w.runner.step()
    assert w.notices == []


def test_what_may_not_be_seen_together_is_looked_at_alone() -> None:
    """A shared look that is refused for good is no answer to any command: each is looked at by itself."""
    w, executor = observing(Refused("AccessDenied"))
    w.clock.time += w.runner.step()
    w.runner.step()
    assert [view for _, view in executor.alone] == [None, None]
    assert w.notices == []


def test_a_mistake_in_a_shared_look_is_not_hidden() -> None:
    """What is no error of AWS's ends the run."""
    w, _ = observing(KeyError("oops"))
    w.clock.time += w.runner.step()
    with pytest.raises(KeyError):
        w.runner.step()


def test_commands_of_different_ages_are_soon_seen_together() -> None:
    """Whatever the moments at which they began, a few looks later all come along with each other."""
    w, executor = observing(streams=0, jitter=lambda: 1.0)
    for n in range(20):
        wanted = asked(f"shop-{n}", template(), quick=True)
        w.runner.request("d", wanted.spec, wanted.templates)
        w.runner.step()
        w.clock.time += 1.7
    for _ in range(30):
        w.clock.time += w.runner.step()
    executor.together.clear()
    for _ in range(5):
        w.clock.time += w.runner.step()
    assert [len(works) for works in executor.together] == [20] * 5


def test_a_long_step_is_broken_off() -> None:
    """A step begins no more looks after its time; the rest is due at once, and what was seen together comes first."""

    def slow(work: Work) -> Act:
        w.clock.time += SLICE / 2
        yield work.reply(CREATING)

    w, executor = observing(looks=[slow] * 5, streams=5)
    assert w.runner.step() == pytest.approx(0.001)
    assert [key for key, _ in executor.alone] == ["test/shop-0", "test/shop-1", "test/shop-2"]
    w.clock.time += SLICE
    w.runner.step()
    assert executor.together == [["test/shop-0", "test/shop-1", "test/shop-2"]]
    assert [(key, view is None) for key, view in executor.alone[3:]] == [
        *((f"test/shop-{n}", False) for n in range(3)),
        *((f"test/shop-{n}", True) for n in (3, 4)),
    ]


def test_a_shared_look_that_takes_long_is_not_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes to see all that is due, what was seen is then acted on."""
    w, executor = observing("seen")
    observe = Observing.observe

    def slow(self: Observing, works: Sequence[Work]) -> Mapping[CommandId, object]:
        w.clock.time += SLICE * 2
        return observe(self, works)

    monkeypatch.setattr(Observing, "observe", slow)
    for _ in range(2):
        w.clock.time += w.runner.step()
    assert executor.alone[1:] == [("test/shop-0", "seen")]


def test_a_view_that_was_not_used_is_void() -> None:
    """What a step has seen and had no time for is not acted on in the next one."""

    def slow(work: Work) -> Act:
        w.clock.time += SLICE * 2
        yield work.reply(CREATING)

    w, executor = observing("old", None, looks=[moving, moving, slow], streams=2)
    for _ in range(3):
        w.clock.time += w.runner.step()
    assert executor.alone[2:] == [("test/shop-0", "old"), ("test/shop-1", None)]


def test_an_update_that_follows_ours_unseen_delays_its_end_and_no_more() -> None:
    """Ours ends and somebody else's begins between two looks that show the same status: it is DONE when theirs ends."""
    bed = SimulatedBed("shop")
    bed.rule(on="update_stack", takes=100, cleanup_takes=1)
    bed.deploy("d1", quick=True)
    ended: list[float] = []

    def theirs(step: Step) -> None:
        if not ended and any(p.seen == "UPDATE_IN_PROGRESS" for p in step.after.pending):
            ended.append(bed.clock.now())
            bed.clock.sleep(110)
            bed.others_update({"Version": "7"}, takes=300)

    bed.request("d2", quick=True, version="2")
    runner = bed.make_runner(pace=Pace(10, 10), watch=theirs)
    runner.run([bed.key])
    assert bed.outcome("d2").outcome == "DONE"
    assert bed.clock.now() - ended[0] > 400
    events = [row.event for row in bed.journal.events(bed.key)]
    statuses = [
        e.answer.status for e in events if isinstance(e, Replied) and isinstance(e.answer, StackStatus)
    ]
    assert statuses[-2:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]


# At scale


def per_minute(crowd: Crowd, minutes: int = 8) -> float:
    """Calls in a minute of many stacks that are under way."""
    crowd.get_under_way()
    crowd.carry_on(240)
    return crowd.carry_on(minutes * 60).total() / minutes


def test_calls_depend_on_pages_and_not_on_stacks() -> None:
    """200 stacks under way cost as many calls a minute as 20 do, in accounts of two pages; four pages cost as much each."""
    few, many, large = Crowd(20, others=180), Crowd(200), Crowd(20, others=380)
    assert (few.pages, many.pages, large.pages) == (2, 2, 4)
    rates = [per_minute(crowd) / crowd.pages for crowd in (few, many, large)]
    assert max(rates) < 1.35 * min(rates)
    assert max(rates) < 6


def test_few_stacks_in_a_large_account_cost_a_call_each() -> None:
    """Where the account has more pages than stacks are under way, each stack costs one call a look."""
    crowd = Crowd(4, others=12 * PAGE)
    assert per_minute(crowd) <= 4 * 6
    assert all("StackName" in call.request for call in crowd.sim.calls[-20:])


def test_a_crowd_comes_to_its_end() -> None:
    """All are done, each is created once, and each costs a handful of calls of its own from its request to its end."""
    crowd = Crowd(120, takes=600)
    crowd.get_under_way()
    before = crowd.sim.call_counts
    crowd.runner.run()
    assert sorted(notice.outcome for notice in crowd.notices) == ["DONE"] * 120
    assert len(crowd.sim.changes) == 120
    own = crowd.sim.call_counts - before
    assert own["describe_stack_events"] <= 2 * 120, "once for each status that is news"


def test_many_whole_deployments_share_their_looks() -> None:
    """Thirty stacks that are migrated at once cost each less than half of what one alone does: what is its own."""
    alone, each = full_path(1).total(), {name: n / 30 for name, n in full_path(30).items()}
    assert sum(each.values()) < alone / 2
    assert each["describe_tasks"] < 5
    assert each["list_tasks"] == 4
    assert each["list_stack_resources"] == each["describe_services"] == 2


@pytest.mark.parametrize("rule", [{"on": "describe_stacks", "every": 3, "throttle": True}])
def test_throttled_pages_hold_nothing_up(rule: dict[str, Any]) -> None:
    """With a third of all looks throttled, a crowd comes to its end all the same."""
    crowd = Crowd(110, takes=600, rules=[rule])
    crowd.runner.run()
    assert sorted(notice.outcome for notice in crowd.notices) == ["DONE"] * 110
    assert len(crowd.sim.changes) == 110
