"""Random lives of a larger deployer than the explorer can walk: three databases, many deployments, real times."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployer_core.analysis import choices, invariants
from deployer_core.analysis.choices import KINDS, QUICK
from deployer_core.engine import reducer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.engine.routing import INITIAL
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    UpsertDatabase,
    UpsertDone,
)
from deployer_core.spec import DeploymentSpec, digest
from tests.support.engine_player import exited, full

SPECS: tuple[DeploymentSpec, ...] = (
    QUICK,
    *(full(*kinds, version="+".join(kinds) or "plain") for kinds in [(), KINDS, KINDS[:2], KINDS[1:2] * 3]),
)
ANSWERS: tuple[Any, ...] = (*choices.OF_STACK, *choices.OF_DATABASE, *choices.OF_TASK, *choices.OF_STOP)
GOOD: dict[type, Any] = {
    UpsertDatabase: UpsertDone(),
    CleanupDatabase: CleanupDone(),
    RunTask: None,
    StopTask: exited(),
}
NAMES = st.integers(1, 6).map("d{}".format)
PICK = st.integers(0, 1_000)


class Lives(RuleBasedStateMachine):
    """Requests, answers, duplicates, terminations and repairs in any order, sense and nonsense."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.now = INITIAL, 1_000.0
        self.taken: list[Event] = []
        self.ended: list[str] = []
        self.ids: set[int] = set()

    def take(self, event: Event) -> None:
        """Reduce it twice, check the step, and keep what came of it."""
        before = self.state
        try:
            after, commands = reducer.reduce(before, event)
        except IllegalEvent:
            assert not self.meaningful(event)
            return
        assert self.meaningful(event)
        assert reducer.reduce(before, event) == (after, commands), "equal inputs, equal outputs"
        step = invariants.Taken(before, event, after, commands)
        for each in invariants.STEP_INVARIANTS:
            assert each.holds(step), each.sentence
        self.state = after
        self.taken.append(event)
        self.ended += [c.deployment for c in commands if isinstance(c, Notice)]
        new = {c.id for c in commands if isinstance(c, Pending)}
        assert not new & self.ids, "an id is given once"
        self.ids |= new

    def meaningful(self, event: Event) -> bool:
        """Whether it has to be taken; an id that stands for two specs is nonsense too."""
        if isinstance(event, Requested):
            known = dict(self.state.known).get(event.deployment)
            if known not in (None, digest(event.spec)):
                return False
        return invariants.makes_sense(self.state, event)

    @initialize(spec=st.sampled_from(SPECS))
    def begin(self, spec: DeploymentSpec) -> None:
        self.take(Requested("d1", spec, self.now, "s"))

    @rule(
        name=NAMES,
        spec=st.sampled_from(SPECS),
        limit=st.sampled_from([1, 100]),
        stream=st.sampled_from(["", "s"]),
    )
    def request(self, name: str, spec: DeploymentSpec, limit: int, stream: str) -> None:
        self.take(Requested(name, spec, self.now, stream, limit))

    def chosen(self, pick: int) -> Pending:
        return self.state.pending[pick % len(self.state.pending)]

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK, again=PICK)
    def answer(self, pick: int, again: int) -> None:
        """Return an answer that a command may have."""
        asked = self.chosen(pick)
        answers = [a for a in choices.answers(asked) if not isinstance(a, DeadlinePassed)]
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
            good = GOOD.get(type(asked.command), choices.COMPLETE)
            self.take(Replied(asked.id, exited(code) if good is None else good, self.now))

    @rule(command=st.integers(0, 40), answer=st.sampled_from(ANSWERS))
    def say_anything(self, command: int, answer: Any) -> None:
        """Any answer to any command, pending or not."""
        self.take(Replied(command, answer, self.now))

    @rule(command=st.integers(0, 40), attempt=st.integers(1, 3))
    def attempt(self, command: int, attempt: int) -> None:
        self.take(Attempted(command, attempt, self.now))

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK)
    def send(self, pick: int) -> None:
        asked = self.chosen(pick)
        self.take(Attempted(asked.id, asked.attempt.number + 1 if asked.attempt else 1, self.now))

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

    @rule(named=st.booleans())
    def repair(self, named: bool) -> None:
        self.take(Repaired("ann", self.now, tuple(invariants.stops(self.state)) if named else ()))

    @invariant()
    def all_invariants_hold(self) -> None:
        for each in invariants.STATE_INVARIANTS:
            assert each.holds(self.state), each.sentence

    @invariant()
    def each_has_ended_once_or_is_there(self) -> None:
        known = [name for name, _ in self.state.known]
        assert sorted([*self.ended, *invariants.requested(self.state)]) == sorted(known)

    def teardown(self) -> None:
        """Check that a replay of all that was taken gives the same state, edge by edge."""
        state = INITIAL
        for event in self.taken:
            state, _ = reducer.reduce(state, event)
        assert state == self.state
        assert hash(state) == hash(self.state)


TestLives = Lives.TestCase
