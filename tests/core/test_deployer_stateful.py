"""Random lives of a larger deployer than the explorer can walk: three databases, many deployments, real times."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployer_core import choices, deployer, invariants, routing
from deployer_core.choices import KINDS, QUICK
from deployer_core.deployer import (
    INITIAL,
    Accepted,
    Attempted,
    DeadlinePassed,
    Event,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    Terminated,
)
from deployer_core.machine import IllegalEvent
from deployer_core.spec import DeploymentSpec
from tests.support.deploying import full

SPECS: tuple[DeploymentSpec, ...] = (
    QUICK,
    *(full(*kinds, version="+".join(kinds) or "plain") for kinds in [(), KINDS, KINDS[:2], KINDS[1:2] * 3]),
)
ANSWERS: tuple[Any, ...] = (*choices.OF_STACK, *choices.OF_DATABASE, *choices.OF_TASK, *choices.OF_STOP)
IDS = st.integers(1, 6).map("d{}".format)
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
            after, commands = deployer.reduce(before, event)
        except IllegalEvent:
            assert not self.meaningful(event)
            return
        assert self.meaningful(event)
        assert deployer.reduce(before, event) == (after, commands), "equal inputs, equal outputs"
        for step in invariants.OF_STEPS:
            assert step.holds(before, event, after, commands), step.sentence
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
            if known not in (None, deployer.digest(event.spec)):
                return False
        return invariants.makes_sense(self.state, event)

    @rule(
        id=IDS,
        spec=st.sampled_from(SPECS),
        limit=st.sampled_from([1, 100]),
        stream=st.sampled_from(["", "s"]),
    )
    def request(self, id: str, spec: DeploymentSpec, limit: int, stream: str) -> None:
        self.take(Requested(id, spec, self.now, stream, limit))

    def chosen(self, pick: int) -> Pending:
        return self.state.pending[pick % len(self.state.pending)]

    @precondition(lambda self: self.state.pending)
    @rule(pick=PICK, again=PICK)
    def answer(self, pick: int, again: int) -> None:
        """An answer that a command may have."""
        asked = self.chosen(pick)
        answers = [a for a in choices.answers(asked) if not isinstance(a, DeadlinePassed)]
        self.take(Replied(asked.id, answers[again % len(answers)], self.now))

    @precondition(lambda self: self.state.pending)
    @rule(
        pick=PICK, good=st.sampled_from([choices.COMPLETE, *choices.OF_TASK[2:4], *choices.OF_DATABASE[:2]])
    )
    def succeed(self, pick: int, good: Any) -> None:
        """An answer that is good for some command, so that lives get far."""
        asked = self.chosen(pick)
        if good in choices.answers(asked) and not (asked.database and good is choices.COMPLETE):
            self.take(Replied(asked.id, good, self.now))

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
        self.take(Attempted(asked.id, asked.sent.attempt + 1 if asked.sent else 1, self.now))

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

    @rule(id=IDS)
    def terminate(self, id: str) -> None:
        self.take(Terminated(id, "ann", self.now))

    @rule(named=st.booleans())
    def repair(self, named: bool) -> None:
        self.take(Repaired("ann", self.now, tuple(invariants.stops(self.state)) if named else ()))

    @invariant()
    def all_invariants_hold(self) -> None:
        for each in invariants.OF_STATES:
            assert each.holds(self.state), each.sentence

    @invariant()
    def each_has_ended_once_or_is_there(self) -> None:
        known = [id for id, _ in self.state.known]
        assert sorted([*self.ended, *invariants.requested(self.state)]) == sorted(known)

    def teardown(self) -> None:
        """A replay of all that was taken gives the same state, and edge by edge leads to the same machines' states."""
        state = INITIAL
        for event in self.taken:
            state, _ = deployer.reduce(state, event)
        assert state == self.state
        assert hash(state) == hash(self.state)


TestLives = Lives.TestCase
