"""The runner: append, then act.

The only loop there is: read the heads that have something pending, let an executor look at each pending command and
take one step with it, reduce and append what it saw, and come again. Nothing is sent before it is written down that it
is about to be; so a runner may die at any moment, and the next one carries on from the journal alone.

What is due in many streams is first looked at together, where an executor can do that (`ports.Observer`). Such a view
is for the look of the same step alone, and for none that a new command, a hint of the intake or a deadline calls for.
"""

import logging
import math
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import evolve

from deployer_aws.aws.errors import Kind, LoginNeeded, Problem, understand
from deployer_aws.ports import (
    Act,
    Appended,
    Clock,
    CommandId,
    Conflict,
    Entry,
    Executor,
    Head,
    Journal,
    Observer,
    Work,
)
from deployer_aws.runner.commands import find, in_words, is_open, last_moment
from deployer_aws.runner.durations import Durations
from deployer_aws.runner.leases import Leases
from deployer_aws.runner.polling import PollingPolicy
from deployer_aws.runner.schedule import Schedule
from deployer_core.engine import reducer as deployer
from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Progress,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.engine.reducer import DeployerState, Event, Notice, Pending
from deployer_core.machines.stack import QUEUE_LIMIT
from deployer_core.spec import DeploymentSpec

log = logging.getLogger("deployer")


BREATH = 0.001
"""The shortest sleep in seconds: what is nearly due is due then, however finely the clock is divided."""
SLICE = 10.0
"""Seconds of looks after which a step begins no more: in between, leases are renewed and what runs is seen to."""
LAST_TRIES = 10
"""How often in a row a look may fail after a command's deadline, before the command is given up without one."""

_LATER = "when AWS answers again, repair the stack and deploy again"


class Runner:
    """Carries out what is pending in a journal's streams, and takes in what people ask for.

    `owner` names this runner in leases, and must be its own. `client_timeout` is the longest that a call to AWS may
    take, in seconds: nothing is sent under a lease with less than three times that left. `notify` is given each notice
    once at least; what it raises is logged, and holds nothing up. Without it the notices of what this runner itself has
    ended are logged, and others' are left to a runner that has somebody to tell.
    """

    def __init__(
        self,
        journal: Journal,
        executors: Sequence[Executor],
        clock: Clock,
        *,
        owner: str | None = None,
        term: float = 60.0,
        client_timeout: float = 15.0,
        polling: PollingPolicy | None = None,
        notify: Callable[[str, Notice], None] | None = None,
        watch: Callable[[Appended], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._journal, self._clock = journal, clock
        self._executors = {command: executor for executor in executors for command in executor.commands}
        self._observers = [executor for executor in executors if isinstance(executor, Observer)]
        self._leases = Leases(journal, clock, owner or secrets.token_hex(8), term)
        self._margin = 3 * client_timeout
        self._polling, self._jitter = polling or PollingPolicy(), jitter
        self._notify, self._watch = notify, watch
        self._schedule, self._durations = Schedule(), Durations(journal)
        self._views: dict[CommandId, object] = {}
        self._part: float | None = None
        self._postponed: dict[int, float] = {}
        self._ended: set[tuple[str, Notice]] = set()
        self.stale = 0
        """Events that changed nothing, so far: duplicates, late answers, progress that was no news."""

    # What people ask for

    def request(
        self,
        deployment: str,
        spec: DeploymentSpec,
        templates: Mapping[str, str],
        *,
        queue_limit: int = QUEUE_LIMIT,
    ) -> bool:
        """Ask for a deployment; the same again is no event, and False. `templates` are texts by their SHA-256.

        Raises IllegalEvent where the id stands for another spec, or too many are waiting.
        """
        event = Requested(deployment, spec, self._clock.now(), secrets.token_hex(16), queue_limit)
        return self.commit(spec.key, event, templates) is not None

    def terminate(self, key: str, deployment: str, by: str) -> None:
        """End a deployment. Raises IllegalEvent where there is none of that id to end."""
        self.commit(key, Terminated(deployment, by, self._clock.now()))

    def repair(self, key: str, by: str, force: tuple[str, ...] = ()) -> None:
        """Say that a stack is sound again. Raises IllegalEvent where it is not broken, or a task may still run."""
        self.commit(key, Repaired(by, self._clock.now(), force))

    def commit(self, key: str, event: Event, blobs: Mapping[str, str] | None = None) -> Head | None:
        """Reduce an event and append it; None where it was stale. Raises IllegalEvent for nonsense."""
        while True:
            head = self._journal.head(key)
            after, commands = deployer.reduce(head.state, event)
            if after is head.state:
                self.stale += 1
                return None
            notices = tuple(c for c in commands if isinstance(c, Notice))
            try:
                self._journal.append([Entry(key, head, event, after, notices, blobs or {})])
            except Conflict:
                continue
            self._ended |= {(key, notice) for notice in notices}
            self._durations.take(key, head.state, event)
            if self._watch is not None:
                self._watch(Appended(key, head.state, event, after, commands))
            return Head(after, head.version + 1)

    # The loop

    def run(self, keys: Collection[str] | None = None, *, until: Callable[[], bool] | None = None) -> None:
        """Carry on until nothing is pending, in these streams or in all, but tasks that are given up as unresolved.

        `until` is asked between two looks, and ends it earlier. Raises LoginNeeded when AWS refuses our credentials:
        nothing has failed, and another run carries on.
        """
        try:
            while (wait := self.step(keys)) is not None and not (until is not None and until()):
                self._clock.sleep(wait)
        finally:
            self._leases.release()

    def step(self, keys: Collection[str] | None = None) -> float | None:
        """Do all that is due, once; the seconds until something is due again, or None where nothing is left to do.

        Where that takes long it ends early, to be called again at once.
        """
        self._views, self._part = {}, None
        self._durations.step()
        states, waits = self._ours(sorted(self._journal.streams(pending_only=True) if keys is None else keys))
        self._observe(states)
        began = self._clock.monotonic()  # a shared look may take longer than that, and must not be in vain
        for key in self._in_turn(states):
            spent = self._clock.monotonic() - began > SLICE
            waits += self._waits(key, states[key] if spent else self._work_on(key, states[key]))
        self._deliver()
        return max(BREATH, min(waits)) if waits else None

    def expedite(self, key: str, command: int) -> None:
        """Look at a pending command with the next step; after an error of AWS it still waits for its turn."""
        self._schedule.expedite((key, command))

    def waiting_for(self, key: str) -> str:
        """Who holds the lease of a stream that this runner waits for, or nothing."""
        return self._leases.holder(key)

    def _ours(self, keys: Sequence[str]) -> tuple[dict[str, DeployerState], list[float]]:
        """The states of the streams that are ours to act on, and how long the others are waited for."""
        states = {key: self._journal.head(key).state for key in keys}
        ours: dict[str, DeployerState] = {}
        waits: list[float] = []
        self._leases.renew(key for key, state in states.items() if state.pending)
        for key, state in states.items():
            if not state.pending:
                self._schedule.keep_only(key, ())
                self._leases.release(key)
            elif self._leases.hold(key):
                ours[key] = state
            elif any(map(is_open, state.pending)):
                waits.append(self._polling.quick)
        return ours, waits

    def _observe(self, states: Mapping[str, DeployerState]) -> None:
        """One look of each executor at all that is due, and at what comes along; what of that was seen is due too."""
        now, today = self._clock.monotonic(), self._clock.now()
        for executor in self._observers:
            works = [
                Work(key, state.stream, p, today, self._journal.blob)
                for key, state in states.items()
                for p in state.pending
                if isinstance(p.command, executor.commands)
                and self._schedule.comes_along((key, p.id), now)
                and today < last_moment(p)
            ]
            if any(self._schedule.is_due(work.id, now) for work in works):
                seen = executor.observe(works)
                self._views |= seen
                for command in seen:
                    self._schedule.bring_forward(command, now)

    def _in_turn(self, states: Mapping[str, DeployerState]) -> list[str]:
        """What was seen together comes first, while that is fresh; then what has been due for the longest time."""
        seen = {key for key, _ in self._views}

        def turn(key: str) -> tuple[bool, float]:
            return key not in seen, min(self._schedule.at((key, p.id)) for p in states[key].pending)

        return sorted(states, key=turn)

    def _work_on(self, key: str, state: DeployerState) -> DeployerState:
        """Act on what is due in one stream; its state after that.

        The state may be from before the lease was ours: what is acted on is read anew.
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
        """The waits until what is pending in a stream is due. What is unresolved is not waited for."""
        pending = state.pending
        now = self._clock.monotonic()
        self._schedule.keep_only(key, (p.id for p in pending))
        if not any(map(is_open, pending)):
            self._leases.release(key)
            return []
        return [min(self._schedule.at((key, p.id)) - now, self._polling.slow) for p in pending]

    def _act(self, key: str, state: DeployerState, pending: Pending) -> DeployerState:
        """One look at a command, and one step on with it; the stream's state after that."""
        now = self._clock.now()
        view = self._views.pop((key, pending.id), None)
        work = Work(key, state.stream, pending, now, self._journal.blob, view)
        trouble: Problem | None = None
        try:
            for event in self._look(work):
                if not self._record(key, pending, event):
                    break
        except Exception as error:
            trouble = understand(error)
            if trouble is None:
                raise
            self._trouble(work, trouble)
        state = self._journal.head(key).state
        still = find(state, pending.id)
        if still is None or (trouble is not None and self._schedule.tries(work.id) < LAST_TRIES):
            return state
        if trouble is None:
            self._wait(work.id, still, now)
        if now < last_moment(still) or still.unresolved:
            return state
        if trouble is not None:
            self.commit(key, work.reply(Progress(f"{in_words(work)}: {trouble}; {_LATER}")))
        self.commit(key, work.reply(DeadlinePassed()))
        return self._journal.head(key).state

    def _look(self, work: Work) -> Act:
        """What an executor says of a command. What may not be seen with others is looked at by itself."""
        if isinstance(work.view, Exception):
            problem = understand(work.view)
            if problem is None or problem.kind is not Kind.PERMANENT:
                raise work.view
            work = evolve(work, view=None)
        return self._executors[type(work.pending.command)].act(work)

    def _wait(self, command: CommandId, pending: Pending, now: float) -> None:
        """Until the next look, a random part of what the policy gives."""
        wait = self._polling.wait(pending, now, self._durations.usual(command[0], pending))
        self._schedule.set(command, self._clock.monotonic(), wait * self._jittered())

    def _jittered(self) -> float:
        """The part of each wait that is waited: of all in one step the same, so that they stay together.

        Were it another one for each, then of a thousand one would be due at any time, and all would come along.
        """
        if self._part is None:
            self._part = self._jitter()
        return self._part

    def _record(self, key: str, pending: Pending, event: Attempted | Accepted | Replied) -> bool:
        """Write down what an executor says; False where it must not go on."""
        if isinstance(event, Attempted):
            return self._may_send(key, pending, event)
        self.commit(key, event)
        return self._still(key, pending) is not None

    def _may_send(self, key: str, pending: Pending, event: Attempted) -> bool:
        """Past its deadline a command is only looked at; else it must still be pending, and the lease be ours.

        A task that has to stop is told so however late.
        """
        first_stop = isinstance(pending.command, StopTask) and pending.sent is None
        if (event.at >= last_moment(pending) and not first_stop) or not self._leases.hold(key, self._margin):
            return False
        if pending.sent is None or pending.sent.attempt != event.attempt:
            return self.commit(key, event) is not None
        still = self._still(key, pending)
        return still is not None and (still.sent, still.ref) == (pending.sent, pending.ref)

    def _still(self, key: str, pending: Pending) -> Pending | None:
        return find(self._journal.head(key).state, pending.id)

    def _trouble(self, work: Work, problem: Problem) -> None:
        """What an error of AWS means for the command that met it, and when it is tried again."""
        what, now = in_words(work), self._clock.monotonic()
        if problem.kind is Kind.CREDENTIALS:
            raise LoginNeeded(work.key, problem, what)
        if problem.kind is Kind.PERMANENT:
            # What was sent before this look may have been accepted, whatever is refused now.
            self.commit(work.key, work.fail(f"{what}: {problem}", may_still_run=work.pending.may_have_begun))
            if not isinstance(work.pending.command, StopTask):
                self._schedule.set(work.id, now, self._polling.quick)
                return
            # Only STOPPED ends it: a permission may yet be given, until its time is over.
        tries = self._schedule.tries(work.id) + 1
        log.info("%s: %s; trying again", what, problem)
        self._schedule.set(work.id, now, self._polling.retry(tries) * self._jittered(), tries)

    def _deliver(self) -> None:
        """Every notice that is due; one that cannot be delivered holds no other up, and is tried again."""
        for number, key, notice in self._journal.notices():
            not_ours = self._notify is None and (key, notice) not in self._ended
            if not_ours or self._postponed.get(number, -math.inf) > self._clock.monotonic():
                continue
            try:
                (self._notify or _log_notice)(key, notice)
            except Exception as error:
                log.warning("a notice of %s could not be delivered, and will be tried again: %s", key, error)
                self._postponed[number] = self._clock.monotonic() + self._polling.slow
            else:
                self._postponed.pop(number, None)
                self._journal.delivered(number)
                self._ended.discard((key, notice))


def _log_notice(key: str, notice: Notice) -> None:
    log.info(
        "%s: deployment %s of version %s is %s %s",
        key,
        notice.deployment,
        notice.version,
        notice.outcome,
        notice.reason,
    )
