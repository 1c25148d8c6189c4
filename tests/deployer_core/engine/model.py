"""What a deployer has to take, and what becomes of those that wait: told again, from semantics.md, in plain Python.

It keeps books of its own and shares no rule with the engine. `sense` says beforehand whether an event is taken;
`follow` is told of each step that was, and raises AssertionError where something else should have come of it.
"""

from attrs import define, evolve, field

from deployer_core.engine.messages import (
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
from deployer_core.engine.state import Commands, DeployerState
from deployer_core.machines import deployment as d
from deployer_core.machines import postgres_migration as p
from deployer_core.machines import stack as s
from deployer_core.machines.postgres_migration import Phase
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import DeploymentSpec, OnFailure

Ended = dict[str, tuple[str, str]]
"""What has ended: its outcome and its cause, by its id."""


@define
class Model:
    """Who was asked for, who waits until when, what was ever sent, and how far the databases have moved."""

    stream: str = ""
    bound: tuple[str, str] | None = None
    asked: dict[str, Requested] = field(factory=dict)
    ended: Ended = field(factory=dict)
    queue: list[str] = field(factory=list)
    current: str = ""
    broken: bool = False
    sent: bool = False
    unfinished: bool = False
    half_way: set[str] = field(factory=set)
    moved: int = 0
    done: dict[str, int] = field(factory=dict)

    # Which events have to be taken

    def sense(self, state: DeployerState, event: Event) -> bool:
        """Tell whether an event has to be taken; what does not make sense has to be refused."""
        if isinstance(event, Replied):
            due = next((one.deadline for one in state.pending if one.id == event.command), event.at)
            return event.at >= due or not isinstance(event.answer, DeadlinePassed)
        if isinstance(event, Requested):
            return self._may_be_asked(state, event)
        if isinstance(event, Terminated):
            return event.deployment in self.asked.keys() - self.ended.keys()
        if isinstance(event, Repaired):
            return self.broken and set(event.force) == _stopping(state)
        return True

    def _may_be_asked(self, state: DeployerState, event: Requested) -> bool:
        if known := self.asked.get(event.deployment):
            return _terms(known) == _terms(event)
        if not event.stream and (not self.stream or event.adopt == self.stream):
            return False
        if self.bound not in (None, _bound(event)) and (self.sent or self.current or self.queue):
            return False
        if event.rollback and not self._may_roll_back(event):
            return False
        others = self._waiting(event.at)
        repairs = self.broken and event.rollback is not None
        if repairs and (_stopping(state) or (event.rollback and event.rollback.keep_queue and others)):
            return False
        waits = bool(self.current or (self.broken and not repairs))
        kept = [name for name in others if name not in self._withdrawn(event, others)]
        return not waits or not (event.exclusive or len(kept) >= event.queue_limit)

    def _may_roll_back(self, event: Requested) -> bool:
        assert event.rollback is not None
        target = event.rollback.target
        if target not in self.done:
            return event.force and target in self.asked
        same = evolve(self.asked[target].spec, quick=True) == event.spec
        return same and (event.force or self.done[target] == self.moved)

    def _waiting(self, at: float) -> list[str]:
        """Return those that wait and are not too late."""
        return [n for n in self.queue if at <= self.asked[n].at + self.asked[n].start_by]

    def _withdrawn(self, event: Requested, others: list[str]) -> list[str]:
        """Return those whose place a request takes."""
        if event.rollback:
            return [] if event.rollback.keep_queue else others
        return [name for name in others if event.supersede and self.asked[name].rollback is None]

    # What comes of them

    def follow(self, before: DeployerState, event: Event, after: DeployerState, commands: Commands) -> None:
        """Check a step that was taken, and keep what came of it."""
        over = {c.deployment: (str(c.outcome), str(c.cause or "")) for c in commands if isinstance(c, Notice)}
        assert not over.keys() & self.ended.keys(), "each ends once"
        new = isinstance(event, Requested) and event.deployment not in self.asked
        if isinstance(event, Requested) and new:
            self._ask(event)
        had = self.current
        if new or isinstance(event, Terminated | Repaired) or self.current in over:
            self._end_those_that_wait(event, over, new=new)
        self._databases(before, event, after)
        if _put_back(before, event):
            self.unfinished = False
        if had in over:
            self._free(before, over[had])
        if isinstance(event, Repaired) or (new and isinstance(event, Requested) and event.rollback):
            self.broken = False
        if not self.current and not self.broken and self.queue:
            self.current = self.queue.pop(0)
        self.ended |= over
        self._changes(before, event, after, commands)
        self._compare(after)

    def _ask(self, event: Requested) -> None:
        if not self.stream or event.adopt == self.stream:
            self.stream = event.stream
        self.bound = _bound(event)
        self.asked[event.deployment] = event

    def _end_those_that_wait(self, event: Event, over: Ended, *, new: bool) -> None:
        """Check who of the queue ends by this step, and why."""
        left = self._waiting(event.at)
        expected = {name: "EXPIRED" for name in self.queue if name not in left}
        if isinstance(event, Requested) and new:
            expected |= dict.fromkeys(self._withdrawn(event, left), "SUPERSEDED")
        if isinstance(event, Repaired) and event.withdraw_queue:
            expected |= dict.fromkeys(left, "TERMINATED")
        if isinstance(event, Terminated) and event.deployment in left:
            expected[event.deployment] = "TERMINATED"
        ended = {name: why for name, (_, why) in over.items() if name in self.queue}
        assert ended == expected, "who waits ends for its own reason"
        self.queue = [name for name in self.queue if name not in expected]
        if isinstance(event, Requested) and new:
            self.queue.append(event.deployment)

    def _free(self, before: DeployerState, how: tuple[str, str]) -> None:
        """Take the lock from what has ended; a person looks at the stack unless nothing was changed."""
        outcome, cause = how
        was, name = next(one for one in before.deployments if one.info.id == self.current), self.current
        if outcome == "DONE":
            self.unfinished, spec = False, self.asked[name].spec
            self.half_way -= set() if spec.quick else {one.name for one in spec.databases}
            self.done[name] = self.moved
        looked = any(one.deployment == name and one.attempt for one in before.pending)
        harmless = isinstance(was, d.Waiting) and cause != "FAILURE" and not looked
        self.current = ""
        self.broken = outcome != "DONE" and (not harmless or (self._left_over() and not self.queue))

    def _left_over(self) -> bool:
        return self.unfinished or bool(self.half_way)

    def _databases(self, before: DeployerState, event: Event, after: DeployerState) -> None:
        """Count the databases that were unblocked, or that something may have been taken from."""
        was, now = _unblocked(before), _unblocked(after)
        self.moved += len(now - was)
        self.half_way |= now - was
        kept = {one.id for one in after.pending}
        for gone in before.pending:
            if gone.id not in kept and isinstance(gone.command, p.UpsertDatabase):
                self.moved += _took(gone, event)

    def _changes(self, before: DeployerState, event: Event, after: DeployerState, commands: Commands) -> None:
        """Note what goes out, a look that changes something too, and that what is put back was asked for and may be."""
        looks = [one.id for one in before.pending if isinstance(one.command, d.StabiliseStack)]
        self.sent |= isinstance(event, Attempted) and event.command in looks and after is not before
        for command in commands:
            if isinstance(command, Pending) and isinstance(command.command, d.StackChange):
                self.sent = True
                (asker,) = [one for one in after.deployments if one.info.id == command.deployment]
                self.unfinished |= isinstance(asker, d.Creating | d.ScalingDown)
        for one in after.deployments:
            if isinstance(one, d.Restoring):
                assert one.info.spec.on_failure is OnFailure.RESTORE
                assert self.moved == (self.done[list(self.done)[-1]] if self.done else 0)

    def _compare(self, after: DeployerState) -> None:
        held = after.stack
        assert isinstance(held, s.Broken) == self.broken
        assert (held.current if isinstance(held, s.Creating | s.Migrating) else "") == self.current
        assert list(held.queue if isinstance(held, s.Creating | s.Migrating | s.Broken) else ()) == self.queue
        assert (after.stream, set(after.memory.half_way)) == (self.stream, self.half_way)
        assert [name for name, _ in after.known] == [*self.asked]


def _put_back(before: DeployerState, event: Event) -> bool:
    """Tell whether an answer is the good end of a way back."""
    if not isinstance(event, Replied) or not isinstance(event.answer, StackStatus):
        return False
    if event.answer.lifecycle is not Lifecycle.COMPLETE:
        return False
    asked = {one.deployment for one in before.pending if one.id == event.command}
    return any(
        isinstance(one, d.Restoring) and one.sent and one.info.id in asked for one in before.deployments
    )


def _bound(event: Requested) -> tuple[str, str]:
    return event.spec.key, event.spec.stack.name


def _terms(event: Requested) -> tuple[DeploymentSpec, bool, str, str]:
    return event.spec, event.force, event.adopt, event.rollback.target if event.rollback else ""


def _stopping(state: DeployerState) -> set[str]:
    return {one.command.run.id for one in state.pending if isinstance(one.command, StopTask)}


def _unblocked(state: DeployerState) -> set[str]:
    """Return the databases of the current deployment that have been unblocked."""
    past = (Phase.MIGRATING, Phase.DONE)
    found = {
        one.database
        for each in state.deployments
        if isinstance(each, d.DbMigrating)
        for one in each.progress
        if one.phase in past
    }
    begun = (p.Running, p.CleaningUp)
    return found | {one.database.spec.name for one in state.migrations if isinstance(one, begun)}


def _took(gone: Pending, event: Event) -> bool:
    """Tell whether a database's first step may have taken something, by its last answer or for want of one."""
    answer = event.answer if isinstance(event, Replied) and event.command == gone.id else None
    if isinstance(answer, p.UpsertDone | p.Errored):
        return answer.took
    return gone.attempt is not None
