"""The loop: append, then act.

Read the heads that have something pending, let an executor look at each pending command and take one step with it,
reduce and append what it saw, and come again. Nothing is sent before it is written down that it is about to be; so a
runner may die at any moment, and the next one carries on from the journal alone.

What is due in many streams is first looked at together, where an executor can do that (`ports.Observer`). Such a view
is for the look of the same step alone, and for none that a new command, an event's hint or a deadline calls for.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import evolve

from deployer_aws.aws.errors import ErrorClass, LoginNeeded, Problem, classify
from deployer_aws.ports import Act, Clock, CommandId, EventSource, Executor, Journal, Observer, Work
from deployer_aws.runner.commands import find, in_words, is_open, last_moment
from deployer_aws.runner.durations import Durations
from deployer_aws.runner.leases import Leases
from deployer_aws.runner.polling import PollingPolicy
from deployer_aws.runner.schedule import Schedule
from deployer_aws.runner.writer import Writer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Pending,
    Progress,
    Replied,
    StopTask,
)
from deployer_core.engine.state import DeployerState

log: logging.Logger = logging.getLogger("deployer")

BREATH = 0.001
"""The shortest wait in seconds, so that no step comes too early by a rounding error of the clock."""
SLICE = 10.0
"""Seconds after which a step begins no more looks, so that leases are renewed and running commands looked at."""
LAST_TRIES = 10
"""How often in a row a look may fail after a command's deadline, before the command is given up without one."""

_LATER = "when AWS answers again, repair the stack and deploy again"


class Loop:
    """Carries out what is pending in a journal's streams, step by step.

    Nothing is sent under a lease with less than `margin` seconds left. `jitter` gives what part of a wait is waited.
    """

    def __init__(
        self,
        journal: Journal,
        executors: Sequence[Executor],
        clock: Clock,
        writer: Writer,
        events: EventSource,
        *,
        leases: Leases,
        schedule: Schedule,
        durations: Durations,
        polling: PollingPolicy,
        margin: float,
        jitter: Callable[[], float],
    ) -> None:
        self._journal, self._clock, self._commit = journal, clock, writer.commit
        self._executors = {command: executor for executor in executors for command in executor.commands}
        self._observers = [executor for executor in executors if isinstance(executor, Observer)]
        self._leases, self._schedule, self._durations = leases, schedule, durations
        self._polling, self._events = polling, events
        self._margin, self._jitter = margin, jitter
        self._views: dict[CommandId, object] = {}
        self._part: float | None = None

    def step(self, keys: Collection[str] | None = None) -> float | None:
        """Do all that is due, once; return the seconds until something is due again, or None where nothing is left.

        A step that takes long ends early, and returns almost no wait.
        """
        self._views, self._part = {}, None
        self._durations.step()
        states, waits = self._ours(sorted(self._journal.streams(pending_only=True) if keys is None else keys))
        self._observe(states)
        began = self._clock.monotonic()  # a shared look may take longer than that, and must not be in vain
        for key in self._in_turn(states):
            spent = self._clock.monotonic() - began > SLICE
            waits += self._waits(key, states[key] if spent else self._work_on(key, states[key]))
        return max(BREATH, min(waits)) if waits else None

    def _ours(self, keys: Sequence[str]) -> tuple[dict[str, DeployerState], list[float]]:
        """Return the states of the streams whose leases are ours, and the waits for the others."""
        states = {key: self._journal.head(key).state for key in keys}
        ours: dict[str, DeployerState] = {}
        waits: list[float] = []
        self._leases.renew(key for key, state in states.items() if state.pending)
        for key, state in states.items():
            if not state.pending:
                self._schedule.retain(key, ())
                self._leases.release(key)
            elif self._leases.acquire(key):
                ours[key] = state
            elif any(map(is_open, state.pending)):
                waits.append(self._polling.quick)
        return ours, waits

    def _observe(self, states: Mapping[str, DeployerState]) -> None:
        """Have each executor look once at all that is due and all that is batchable; what it has seen is due then."""
        now, today = self._clock.monotonic(), self._clock.now()
        for executor in self._observers:
            works = [
                Work(key, state.stream, p, today, self._journal.blob)
                for key, state in states.items()
                for p in state.pending
                if isinstance(p.command, executor.commands)
                and self._schedule.is_batchable((key, p.id), now)
                and today < last_moment(p)
            ]
            if any(self._schedule.is_due(work.id, now) for work in works):
                seen = executor.observe(works)
                self._views |= seen
                for command in seen:
                    self._schedule.bring_forward(command, now)

    def _in_turn(self, states: Mapping[str, DeployerState]) -> list[str]:
        """Sort streams: first those seen together, while that is fresh, then those that are due the longest."""
        seen = {key for key, _ in self._views}

        def turn(key: str) -> tuple[bool, float]:
            return key not in seen, min(self._schedule.at((key, p.id)) for p in states[key].pending)

        return sorted(states, key=turn)

    def _work_on(self, key: str, state: DeployerState) -> DeployerState:
        """Act on what is due in one stream; return its state after that.

        The given state may be older than our lease, so the state is read again before anything is done.
        """
        done: set[int] = set()
        if self._first_due(key, state, done):
            state = self._journal.head(key).state
        while due := self._first_due(key, state, done):
            done.add(due.id)
            state = self._act(key, state, due)
        return state

    def _first_due(self, key: str, state: DeployerState, done: Collection[int]) -> Pending | None:
        now = self._clock.monotonic()
        left = (p for p in state.pending if p.id not in done)
        return next((p for p in left if self._schedule.is_due((key, p.id), now)), None)

    def _waits(self, key: str, state: DeployerState) -> list[float]:
        """Return the waits until what is pending in a stream is due. What is unresolved is not waited for."""
        pending = state.pending
        now = self._clock.monotonic()
        self._schedule.retain(key, (p.id for p in pending))
        if not any(map(is_open, pending)):
            self._leases.release(key)
            return []
        return [min(self._schedule.at((key, p.id)) - now, self._polling.slow) for p in pending]

    def _act(self, key: str, state: DeployerState, pending: Pending) -> DeployerState:
        """Look at a command once, and take one step with it; return the stream's state after that."""
        now = self._clock.now()
        view = self._views.pop((key, pending.id), None)
        work = Work(key, state.stream, pending, now, self._journal.blob, view)
        problem: Problem | None = None
        try:
            for event in self._look(work):
                if not self._record(key, pending, event):
                    break
        except Exception as error:
            problem = classify(error)
            if problem is None:
                raise
            self._handle(work, problem)
        state = self._journal.head(key).state
        still = find(state, pending.id)
        if still is None or (problem is not None and self._schedule.tries(work.id) < LAST_TRIES):
            return state
        if problem is None:
            self._wait(work.id, still, now)
        if now < last_moment(still) or still.unresolved:
            return state
        if problem is not None:
            self._commit(key, work.reply(Progress(f"{in_words(work)}: {problem}; {_LATER}")))
        self._commit(key, work.reply(DeadlinePassed()))
        return self._journal.head(key).state

    def _look(self, work: Work) -> Act:
        """Have an executor look at a command: by itself, where seeing it with others was refused."""
        if isinstance(work.view, Exception):
            problem = classify(work.view)
            if problem is None or problem.error_class is not ErrorClass.PERMANENT:
                raise work.view
            work = evolve(work, view=None)
        return self._executors[type(work.pending.command)].act(work)

    def _wait(self, command: CommandId, pending: Pending, now: float) -> None:
        """Set the next look after a random part of the wait that the policy gives."""
        usual = self._durations.usual(command[0], pending)
        wait = self._polling.wait(pending, now, usual, heard=self._events.available)
        self._schedule.set(command, self._clock.monotonic(), wait * self._jittered())

    def _jittered(self) -> float:
        """Return the part of each wait that is waited: the same for all in one step, so that they stay together.

        With a part for each, one of a thousand commands would be due at any time, and all would be looked at with it.
        """
        if self._part is None:
            self._part = self._jitter()
        return self._part

    def _record(self, key: str, pending: Pending, event: Attempted | Accepted | Replied) -> bool:
        """Append what an executor yields; return False where it must not be resumed."""
        if isinstance(event, Attempted):
            return self._may_send(key, pending, event)
        self._commit(key, event)
        return self._still(key, pending) is not None

    def _may_send(self, key: str, pending: Pending, event: Attempted) -> bool:
        """Tell whether an attempt may be sent: before the deadline, under our lease, and while the command is pending.

        The first StopTask is sent even after its deadline.
        """
        first_stop = isinstance(pending.command, StopTask) and pending.attempt is None
        if event.at >= last_moment(pending) and not first_stop:
            return False
        if not self._leases.acquire(key, self._margin):
            return False
        if pending.attempt is None or pending.attempt.number != event.number:
            return self._commit(key, event) is not None
        still = self._still(key, pending)
        return still is not None and (still.attempt, still.ref) == (pending.attempt, pending.ref)

    def _still(self, key: str, pending: Pending) -> Pending | None:
        return find(self._journal.head(key).state, pending.id)

    def _handle(self, work: Work, problem: Problem) -> None:
        """Decide what an error of AWS means for the command that met it, and when it is tried again."""
        what, now = in_words(work), self._clock.monotonic()
        if problem.error_class is ErrorClass.CREDENTIALS:
            raise LoginNeeded(work.key, problem, what)
        if problem.error_class is ErrorClass.PERMANENT:
            # What was sent before this look may have been accepted, whatever is refused now.
            self._commit(work.key, work.fail(f"{what}: {problem}", may_still_run=work.pending.may_have_begun))
            if not isinstance(work.pending.command, StopTask):
                self._schedule.set(work.id, now, self._polling.quick)
                return
            # Only STOPPED ends it: a permission may yet be given, until its time is over.
        tries = self._schedule.tries(work.id) + 1
        log.info("%s: %s; trying again", what, problem)
        self._schedule.set(work.id, now, self._polling.retry(tries) * self._jittered(), tries)
