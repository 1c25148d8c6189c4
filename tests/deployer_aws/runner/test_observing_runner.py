"""A runner that looks at many commands at once: who is seen together, and what becomes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attrs import define, field

from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.ports import Act, Appended, CommandId, Work
from deployer_aws.runner import PollingPolicy
from deployer_aws.runner.loop import SLICE
from deployer_core.engine.messages import Replied
from deployer_core.machines.stack_status import StackStatus
from tests.deployer_aws.aws_answers import Refused
from tests.deployer_aws.runner.scripted import CREATING, STACKS, moving, scripted
from tests.deployer_aws.scenarios.simulated import SimulatedEnvironment
from tests.deployer_aws.scenarios.specs import asked, template
from tests.support.many_stacks import PAGE, ManyStacks, full_path


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
    *views: Any, looks: Sequence[Any] = (), streams: int = 1, wait_timeout: int = 3_600, **settings: Any
) -> tuple[Any, Observing]:
    """Return a runner with such an executor, and so many streams that are under way."""
    executor = Observing(STACKS, list(views), looks=list(looks))
    w = scripted(others=[executor], **settings)
    for n in range(streams):
        wanted = asked(f"shop-{n}", template(), quick=True, wait_timeout=wait_timeout)
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
    w.runner.expedite("test/shop-1", command)
    w.runner.step()
    assert executor.together == []
    assert executor.alone[2:] == [("test/shop-1", None)]


def test_the_look_after_a_deadline_is_made_alone() -> None:
    """The look that decides whether a command is given up reads all that there is."""
    w, executor = observing(looks=[moving, moving], wait_timeout=10)
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
    env = SimulatedEnvironment("shop")
    env.rule(on="update_stack", takes=100, cleanup_takes=1)
    env.deploy("d1", quick=True)
    ended: list[float] = []

    def theirs(step: Appended) -> None:
        if not ended and any(p.seen == "UPDATE_IN_PROGRESS" for p in step.after.pending):
            ended.append(env.clock.now())
            env.clock.sleep(110)
            env.others_update({"Version": "7"}, takes=300)

    env.request("d2", quick=True, version="2")
    runner = env.make_runner(polling=PollingPolicy(10, 10), watch=theirs)
    runner.run([env.key])
    assert env.outcome("d2").outcome == "DONE"
    assert env.clock.now() - ended[0] > 400
    events = [row.event for row in env.journal.events(env.key)]
    statuses = [
        e.answer.status for e in events if isinstance(e, Replied) and isinstance(e.answer, StackStatus)
    ]
    assert statuses[-2:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]


# At scale


def per_minute(stacks: ManyStacks, minutes: int = 8) -> float:
    """Return the calls in a minute of many stacks that are under way."""
    stacks.get_under_way()
    stacks.carry_on(240)
    return stacks.carry_on(minutes * 60).total() / minutes


def test_calls_depend_on_pages_and_not_on_stacks() -> None:
    """200 stacks under way cost as many calls a minute as 20 do, in accounts of two pages; four pages cost as much each."""
    few, many, large = ManyStacks(20, others=180), ManyStacks(200), ManyStacks(20, others=380)
    assert (few.pages, many.pages, large.pages) == (2, 2, 4)
    rates = [per_minute(stacks) / stacks.pages for stacks in (few, many, large)]
    assert max(rates) < 1.35 * min(rates)
    assert max(rates) < 6


def test_few_stacks_in_a_large_account_cost_a_call_each() -> None:
    """Where the account has more pages than stacks are under way, each stack costs one call a look."""
    stacks = ManyStacks(4, others=12 * PAGE)
    assert per_minute(stacks) <= 4 * 6
    assert all("StackName" in call.request for call in stacks.sim.calls[-20:])


def test_many_stacks_come_to_their_end() -> None:
    """All are done, each is created once, and each costs a handful of calls of its own from its request to its end."""
    stacks = ManyStacks(120, takes=600)
    stacks.get_under_way()
    before = stacks.sim.call_counts
    stacks.runner.run()
    assert sorted(notice.outcome for notice in stacks.notices) == ["DONE"] * 120
    assert len(stacks.sim.changes) == 120
    own = stacks.sim.call_counts - before
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
    """With a third of all looks throttled, many stacks come to their end all the same."""
    stacks = ManyStacks(110, takes=600, rules=[rule])
    stacks.runner.run()
    assert sorted(notice.outcome for notice in stacks.notices) == ["DONE"] * 110
    assert len(stacks.sim.changes) == 110
