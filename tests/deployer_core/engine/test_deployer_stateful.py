"""Random lives of a larger deployer than the explorer can walk: three databases, many deployments, real times."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployer_core.analysis import invariants
from deployer_core.engine import reducer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Declined,
    Event,
    Failure,
    Infrastructure,
    Pending,
    Progress,
    Refused,
    Repaired,
    Replied,
    Requested,
    Rollback,
    StackProgress,
    StopTask,
    Terminated,
)
from deployer_core.engine.state import INITIAL
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.deployment import ScalableTarget
from deployer_core.machines.ecs_task import Again, Errored, RunTask, Started, Status
from deployer_core.machines.postgres_migration import CleanupDatabase, CleanupDone, UpsertDatabase, UpsertDone
from deployer_core.machines.postgres_migration import Errored as DatabaseErrored
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import DeploymentSpec, OnFailure
from tests.deployer_core.engine.model import Model
from tests.support.engine_words import QUICK, complete, exited, full, seen

KINDS = ("evaluated", "unevaluated", "unmigrated")
FULL = [full(*kinds, version="+".join(kinds) or "plain") for kinds in [(), KINDS, KINDS[:2], KINDS[1:2] * 3]]
SPECS: tuple[DeploymentSpec, ...] = (
    QUICK,
    *FULL,
    *(evolve(one, on_failure=OnFailure.RESTORE) for one in FULL),
)
ELSEWHERE = (
    evolve(QUICK, application="other"),
    evolve(FULL[0], stack=evolve(FULL[0].stack, name="renamed")),
)
"""Requests of another application, and of another stack."""
TARGETS = (ScalableTarget("service/main/web"), ScalableTarget("service/main/worker", scale_in=True))
STREAMS = ("5" * 32, "7" * 32)

OF_STACK: tuple[Any, ...] = (
    *(seen(lifecycle, count) for lifecycle in Lifecycle for count in (0, 3, 7)),
    evolve(complete(), removed=("Bucket",)),
    StackStatus(Lifecycle.COMPLETE, "COMPLETE without outputs"),
    *(Failure("denied", left) for left in Infrastructure),
    Refused("not so"),
    Progress("busy", StackProgress("UPDATE_IN_PROGRESS", suspending=TARGETS)),
    Progress("on its way back", StackProgress("UPDATE_ROLLBACK_IN_PROGRESS", rolling_back=True)),
)
OF_DATABASE: tuple[Any, ...] = (
    UpsertDone(),
    UpsertDone(took=True),
    CleanupDone(),
    DatabaseErrored("no connection"),
    DatabaseErrored("half of it", took=True),
)
OF_TASK: tuple[Any, ...] = (
    Started("arn:task"),
    Status("PENDING"),
    *(exited(code) for code in (0, 1, 2, None)),
    exited(0, "SpotInterruption"),
    Errored("refused"),
    Errored("lost", may_still_run=True),
    Again("TaskFailedToStart"),
    Declined(1, "no capacity"),
)
ANSWERS = (*OF_STACK, *OF_DATABASE, *OF_TASK)
BAD = (*OF_STACK[-7:-3], seen(Lifecycle.ROLLED_BACK), DatabaseErrored("no connection"), exited(1))
GOOD: dict[type, Any] = {
    UpsertDatabase: UpsertDone(),
    CleanupDatabase: CleanupDone(),
    StopTask: exited(),
}
NAMES = st.integers(1, 8).map("d{}".format)
PICK = st.integers(0, 1_000)
WORDS = st.fixed_dictionaries(
    {
        "supersede": st.booleans(),
        "exclusive": st.sampled_from([False, False, True]),
        "start_by": st.sampled_from([0, 60, 86_400]),
        "force": st.booleans(),
        "adopt": st.sampled_from(["", *STREAMS]),
        "queue_limit": st.sampled_from([1, 100]),
        "stream": st.sampled_from(["", *STREAMS]),
        "by": st.sampled_from(["", "ann"]),
    }
)


class Lives(RuleBasedStateMachine):
    """Requests, answers, duplicates, terminations and repairs in any order, sense and nonsense."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.now = INITIAL, 1_000.0
        self.model = Model()
        self.taken: list[Event] = []
        self.ids: set[int] = set()

    def take(self, event: Event) -> None:
        """Reduce it twice, check the step, and keep what came of it."""
        before, sense = self.state, self.model.sense(self.state, event)
        try:
            after, commands = reducer.reduce(before, event)
        except IllegalEvent as refusal:
            self.refused(event, str(refusal), sense=sense)
            return
        assert sense, "what makes no sense is refused"
        assert reducer.reduce(before, event) == (after, commands), "equal inputs, equal outputs"
        step = invariants.Taken(before, event, after, commands)
        stale = after is before and not commands
        for each in invariants.STALE_INVARIANTS if stale else invariants.STEP_INVARIANTS:
            assert each.holds(step), each.sentence
        self.model.follow(before, event, after, commands)
        self.state = after
        self.taken.append(event)
        new = {c.id for c in commands if isinstance(c, Pending)}
        assert not new & self.ids, "an id is given once"
        self.ids |= new

    def refused(self, event: Event, why: str, *, sense: bool) -> None:
        """Check that an error leaves no trace: it comes again in the same words, edge by edge too, and all is as it was."""
        assert not sense, why
        before, replayed = hash(self.state), INITIAL
        for run in (reducer.reduce, reducer.microsteps):
            with pytest.raises(IllegalEvent) as caught:
                run(self.state, event)
            assert str(caught.value) == why
        for taken in self.taken:
            replayed, _ = reducer.reduce(replayed, taken)
        assert (hash(self.state), self.state) == (before, replayed)

    @initialize(spec=st.sampled_from(SPECS), earlier=st.booleans())
    def begin(self, spec: DeploymentSpec, earlier: bool) -> None:
        """Ask for a first deployment, on a stack that may have had one before."""
        if earlier:
            self.take(Requested("d0", QUICK, self.now, STREAMS[0]))
            self.go_well(0, 2, 0)
        self.take(Requested("d1", spec, self.now, STREAMS[0]))

    @rule(name=NAMES, spec=st.sampled_from([*SPECS, *ELSEWHERE]), words=WORDS)
    def request(self, name: str, spec: DeploymentSpec, words: dict[str, Any]) -> None:
        self.take(Requested(name, spec, self.now, **words))

    @rule(name=NAMES, pick=PICK, keep=st.booleans(), changed=st.sampled_from([0, 0, 0, 1]), words=WORDS)
    def roll_back(self, name: str, pick: int, keep: bool, changed: int, words: dict[str, Any]) -> None:
        """With the target's spec, or another; of what was DONE, has FAILED, or was never requested."""
        names = [*self.model.done, *self.model.done, *self.model.ended, "d9"]
        repeated = names[pick % len(names)]
        asked = self.model.asked.get(repeated)
        spec = QUICK if changed or asked is None else evolve(asked.spec, quick=True)
        words = {**words, "supersede": words["supersede"] and not keep}
        rollback = Rollback(repeated, (("Image", "shop:1"),), keep)
        self.take(Requested(name, spec, self.now, rollback=rollback, **words))

    @rule(seconds=st.sampled_from([30.0, 30.0, 61.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def chosen(self, pick: int) -> Pending:
        return self.state.pending[pick % len(self.state.pending)]

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK, again=PICK)
    def answer(self, pick: int, again: int) -> None:
        """Return an answer that a command may have."""
        asked = self.chosen(pick)
        answers = _answers(asked)
        self.take(Replied(asked.id, answers[again % len(answers)], self.now))

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK, steps=st.integers(1, 12), code=st.sampled_from([0, 2]))
    def go_well(self, pick: int, steps: int, code: int) -> None:
        """Good answers for a while, so that lives get far."""
        for step in range(steps):
            if not self.state.pending:
                return
            asked = self.chosen(pick + step)
            if isinstance(asked.command, RunTask):
                self.take(Attempted(asked.id, asked.attempt.number + 1 if asked.attempt else 1, self.now))
            good = exited(code) if isinstance(asked.command, RunTask) else GOOD.get(type(asked.command))
            self.take(Replied(asked.id, good or complete(), self.now))

    @precondition(lambda self: self.state.pending)
    @rule(steps=st.integers(1, 8), bad=st.sampled_from(BAD))
    def go_wrong(self, steps: int, bad: Any) -> None:
        """Good answers for a while, and then one that is not."""
        self.go_well(0, steps, 0)
        if self.state.pending:
            self.take(Replied(self.state.pending[0].id, bad, self.now))

    @rule(command=st.integers(0, 40), answer=st.sampled_from(ANSWERS))
    def say_anything(self, command: int, answer: Any) -> None:
        """Any answer to any command, pending or not."""
        self.take(Replied(command, answer, self.now))

    @rule(command=st.integers(0, 40), attempt=st.integers(1, 3))
    def attempt(self, command: int, attempt: int) -> None:
        self.take(Attempted(command, attempt, self.now))

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK, suspending=st.sampled_from([(), TARGETS[:1], TARGETS]))
    def send(self, pick: int, suspending: tuple[ScalableTarget, ...]) -> None:
        asked = self.chosen(pick)
        number = asked.attempt.number + 1 if asked.attempt else 1
        self.take(Attempted(asked.id, number, self.now, suspending=suspending))

    @rule(command=st.integers(0, 40), ref=st.sampled_from(["", "ref"]))
    def accept(self, command: int, ref: str) -> None:
        self.take(Accepted(command, ref, self.now))

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK)
    def be_late(self, pick: int) -> None:
        asked = self.chosen(pick)
        self.now = max(self.now, asked.deadline)
        self.take(Replied(asked.id, DeadlinePassed(), self.now))

    @precondition(lambda self: self.taken)
    @rule(pick=PICK)
    def repeat(self, pick: int) -> None:
        """Something that was said before, however long ago."""
        self.take(self.taken[pick % len(self.taken)])

    @rule(name=NAMES)
    def terminate(self, name: str) -> None:
        self.take(Terminated(name, "ann", self.now))

    @rule(named=st.booleans(), withdraw=st.booleans())
    def repair(self, named: bool, withdraw: bool) -> None:
        runs = tuple(p.command.run.id for p in self.state.pending if isinstance(p.command, StopTask))
        self.take(Repaired("ann", self.now, runs if named else (), withdraw_queue=withdraw))

    @invariant()
    def all_invariants_hold(self) -> None:
        for each in invariants.STATE_INVARIANTS:
            assert each.holds(self.state), each.sentence

    @invariant()
    def each_has_ended_once_or_is_there(self) -> None:
        there = [d.info.id for d in self.state.deployments]
        assert sorted([*self.model.ended, *there]) == sorted(self.model.asked)

    def teardown(self) -> None:
        """Check that a replay of all that was taken gives the same state, edge by edge."""
        state = INITIAL
        for event in self.taken:
            state, _ = reducer.reduce(state, event)
        assert state == self.state
        assert hash(state) == hash(self.state)


def _answers(asked: Pending) -> tuple[Any, ...]:
    if not asked.database:
        return OF_STACK
    if isinstance(asked.command, RunTask):
        return (*OF_TASK, Declined(asked.attempt.number if asked.attempt else 1, "no capacity"))
    return OF_TASK if isinstance(asked.command, StopTask) else OF_DATABASE


TestLives = Lives.TestCase
