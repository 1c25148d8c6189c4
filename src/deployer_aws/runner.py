"""The runner: append, then act.

The only loop there is: read the heads that have something pending, let an executor look at each pending command and
take one step with it, reduce and append what it saw, and come again. Nothing is sent before it is written down that it
is about to be; so a runner may die at any moment, and the next one carries on from the journal alone.
"""

import logging
import math
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import frozen

from deployer_aws.executors.errors import Kind, Problem, understand
from deployer_aws.leases import Leases
from deployer_aws.ports import Clock, Conflict, Entry, Executor, Head, Journal, Work
from deployer_core import deployer
from deployer_core.deployer import DeployerState, Event, Notice, Pending
from deployer_core.ecs_task import RunTask
from deployer_core.postgres_migration import CleanupDatabase, UpsertDatabase
from deployer_core.spec import DeploymentSpec
from deployer_core.stack import QUEUE_LIMIT
from deployer_core.world import (
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

log = logging.getLogger("deployer")


BREATH = 0.001
"""The shortest sleep in seconds: what is nearly due is due then, however finely the clock is divided."""
LAST_TRIES = 10
"""How often in a row a look may fail after a command's deadline, before the command is given up without one."""

_LATER = "when AWS answers again, repair the stack and deploy again"


class LoginNeeded(Exception):
    """AWS no longer knows who we are. Nothing has failed; log in, and resume."""

    def __init__(self, key: str, problem: Problem, doing: str = "") -> None:
        self.key, self.problem = key, problem
        super().__init__(f"{key} waits for credentials{f', for {doing}' if doing else ''}: {problem}")


@frozen
class Step:
    """One event that was appended, for whoever watches."""

    key: str
    before: DeployerState
    event: Event
    after: DeployerState
    commands: deployer.Commands


@frozen
class Pace:
    """How often the world is looked at, in seconds: from `quick`, slower as a command grows old, to `slow` at the most.

    Retries after a transient error double from `quick` to `slow`, with full jitter.
    """

    quick: float = 2.0
    slow: float = 20.0

    def look(self, age: float) -> float:
        """Until the next look at a command of this age."""
        return min(self.slow, self.quick + age / 30)

    def wait(self, pending: Pending, now: float) -> float:
        """Until the next look at this command."""
        return self.look(now - pending.issued)

    def retry(self, tries: int) -> float:
        """The longest wait before the n-th try."""
        return min(self.slow, self.quick * 2.0 ** min(tries, 10))


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
        pace: Pace | None = None,
        notify: Callable[[str, Notice], None] | None = None,
        watch: Callable[[Step], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._journal, self._clock = journal, clock
        self._executors = {command: executor for executor in executors for command in executor.commands}
        self._leases = Leases(journal, clock, owner or secrets.token_hex(8), term)
        self._margin = 3 * client_timeout
        self._pace, self._jitter = pace or Pace(), jitter
        self._notify, self._watch = notify, watch
        self._due: dict[tuple[str, int], float] = {}
        self._tries: dict[tuple[str, int], int] = {}
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
            if self._watch is not None:
                self._watch(Step(key, head.state, event, after, commands))
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
        """Do all that is due, once; the seconds until something is due again, or None where nothing is left to do."""
        waits: list[float] = []
        for key in sorted(self._journal.streams(pending_only=True) if keys is None else keys):
            waits += self._work_on(key)
        self._deliver()
        return max(BREATH, min(waits)) if waits else None

    def hurry(self, key: str, command: int) -> None:
        """Look at a pending command with the next step; after an error of AWS it still waits for its turn."""
        if (key, command) not in self._tries:
            self._due.pop((key, command), None)

    def waiting_for(self, key: str) -> str:
        """Who holds the lease of a stream that this runner waits for, or nothing."""
        return self._leases.holder(key)

    def _work_on(self, key: str) -> list[float]:
        """Act on what is due in one stream; the waits until the rest is. What is unresolved is not waited for."""
        pending = self._journal.head(key).state.pending
        if not pending:
            self._leases.release(key)
            return []
        if not self._leases.hold(key):
            return [self._pace.quick] if any(map(_open, pending)) else []
        done: set[int] = set()
        while due := [
            p for p in self._journal.head(key).state.pending if self._is_due(key, p) and p.id not in done
        ]:
            done.add(due[0].id)
            self._act(key, due[0])
        pending = self._journal.head(key).state.pending
        now = self._clock.monotonic()
        waits = [self._due.get((key, p.id), now) - now for p in pending if any(map(_open, pending))]
        self._forget(key, {p.id for p in pending})
        if not waits:
            self._leases.release(key)
        return [min(wait, self._pace.slow) for wait in waits]

    def _is_due(self, key: str, pending: Pending) -> bool:
        return self._due.get((key, pending.id), -math.inf) <= self._clock.monotonic()

    def _forget(self, key: str, still: set[int]) -> None:
        for gone in [known for known in self._due if known[0] == key and known[1] not in still]:
            del self._due[gone]
            self._tries.pop(gone, None)

    def _act(self, key: str, pending: Pending) -> None:
        """One look at a command, and one step on with it."""
        now = self._clock.now()
        head = self._journal.head(key)
        work = Work(key, head.state.stream, pending, now, self._journal.blob)
        this, trouble = (key, pending.id), ""
        try:
            for event in self._executors[type(pending.command)].act(work):
                if not self._record(key, pending, event):
                    break
        except Exception as error:
            problem = understand(error)
            if problem is None:
                raise
            trouble = f"{_what(work)}: {problem}"
            self._due[this] = self._clock.monotonic() + self._trouble(work, problem)
            if self._tries.get(this, 0) < LAST_TRIES:
                return
        else:
            self._tries.pop(this, None)
            wait = self._pace.wait(self._still(key, pending) or pending, now)
            self._due[this] = self._clock.monotonic() + wait * (0.5 + self._jitter() / 2)
        still = self._still(key, pending)
        if still is not None and now >= _latest(still) and not still.unresolved:
            if trouble:
                self.commit(key, work.reply(Progress(f"{trouble}; {_LATER}")))
            self.commit(key, work.reply(DeadlinePassed()))

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
        if (event.at >= _latest(pending) and not first_stop) or not self._leases.hold(key, self._margin):
            return False
        if pending.sent is None or pending.sent.attempt != event.attempt:
            return self.commit(key, event) is not None
        still = self._still(key, pending)
        return still is not None and still.sent == pending.sent

    def _still(self, key: str, pending: Pending) -> Pending | None:
        return next((p for p in self._journal.head(key).state.pending if p.id == pending.id), None)

    def _trouble(self, work: Work, problem: Problem) -> float:
        """What an error of AWS means for the command that met it; the seconds until it is tried again."""
        this = (work.key, work.pending.id)
        what = _what(work)
        if problem.kind is Kind.CREDENTIALS:
            raise LoginNeeded(work.key, problem, what)
        if problem.kind is Kind.PERMANENT:
            # What was sent before this look may have been accepted, whatever is refused now.
            self.commit(work.key, work.fail(f"{what}: {problem}", may_still_run=work.pending.may_have_begun))
            if not isinstance(work.pending.command, StopTask):
                return self._pace.quick
            # Only STOPPED ends it: a permission may yet be given, until its time is over.
        self._tries[this] = self._tries.get(this, 0) + 1
        log.info("%s: %s; trying again", what, problem)
        return self._pace.retry(self._tries[this]) * self._jitter()

    def _deliver(self) -> None:
        """Every notice that is due; one that cannot be delivered holds no other up, and is tried again."""
        for number, key, notice in self._journal.notices():
            this = ("notice", number)
            not_ours = self._notify is None and (key, notice) not in self._ended
            if not_ours or self._due.get(this, -math.inf) > self._clock.monotonic():
                continue
            try:
                (self._notify or _log_notice)(key, notice)
            except Exception as error:
                log.warning("a notice of %s could not be delivered, and will be tried again: %s", key, error)
                self._due[this] = self._clock.monotonic() + self._pace.slow
            else:
                self._journal.delivered(number)
                self._ended.discard((key, notice))


def _open(pending: Pending) -> bool:
    """Whether a runner can still do something about a command, other than look."""
    return not (isinstance(pending.command, StopTask) and pending.unresolved)


def _what(work: Work) -> str:
    """A command and what it is about, for people."""
    command = work.pending.command
    name = type(command).__name__
    if isinstance(command, RunTask | StopTask):
        return f"{name} {command.run.id} of {work.key}"
    if isinstance(command, UpsertDatabase | CleanupDatabase):
        return f"{name} {work.pending.database} of {work.key}"
    return f"{name} of stack {command.stack.name}"


def _latest(pending: Pending) -> float:
    """Until when a command is waited for. A task that has to stop is given its time from when it was told to."""
    if isinstance(pending.command, StopTask) and pending.sent is not None:
        return pending.sent.at + pending.deadline - pending.issued
    return pending.deadline


def _log_notice(key: str, notice: Notice) -> None:
    log.info(
        "%s: deployment %s of version %s is %s %s",
        key,
        notice.deployment,
        notice.version,
        notice.outcome,
        notice.reason,
    )
