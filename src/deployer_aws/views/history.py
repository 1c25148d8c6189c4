"""Project a stream's events to its history: every deployment ever requested, what became of it, and when.

    for deployment in read_history(journal, "staging/orders").deployments:
        print(deployment.id, deployment.outcome, deployment.duration)

The events are replayed through the deployer itself, so nothing stands here that did not happen there.
`StreamHistory.take` gives what each event changed, for those who watch a deployment while it goes on.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from attrs import asdict, evolve, frozen

from deployer_aws.ports import Journal, Recorded
from deployer_aws.views.describe import (
    DATABASE,
    DEPLOYMENT,
    Description,
    Microsteps,
    answer_text,
    command_what,
    describe_event,
    event_text,
    failed,
    rests,
)
from deployer_core.engine import messages, reducer
from deployer_core.engine.messages import (
    Attempted,
    DeploymentOutcome,
    Event,
    Notice,
    Pending,
    Replied,
    Requested,
)
from deployer_core.engine.state import INITIAL, Commands, DeployerState
from deployer_core.kernel.machine import name_of
from deployer_core.machines.deployment import MACHINE, Cause, Done, Queued, Restoring, Waiting
from deployer_core.spec import OnFailure

ENDS: Final = (*MACHINE.failed, name_of(Done))
"""The states in which a deployment has ended."""
_WITHOUT_A_TURN: Final = (*MACHINE.failed, name_of(Queued))
UNCHANGED: Final = ("", name_of(Queued), name_of(Waiting))
"""The steps in which nothing was changed yet."""


class HistoryOutcome(StrEnum):
    """What became of a deployment, as far as its stream tells.

    Of one that an older logic version carried out it is unknown: its events are no longer replayed.
    """

    OPEN = "OPEN"
    DONE = DeploymentOutcome.DONE.value
    FAILED = DeploymentOutcome.FAILED.value
    UNKNOWN = "UNKNOWN"


@frozen
class StateInterval:
    """A state that was rested in; `until` is None while it lasts."""

    state: str
    since: float
    until: float | None = None


@frozen
class CommandRecord:
    """One command to the world, from when it was issued to its last answer: `end` says what that was.

    `ended` is None while it is pending; `good` is None until then, and where it was dropped.
    """

    id: int
    name: str
    what: str
    database: str
    issued: float
    deadline: float
    attempts: int = 0
    ref: str = ""
    seen: str = ""
    ended: float | None = None
    end: str = ""
    good: bool | None = None

    @property
    def text(self) -> str:
        """The command in a line."""
        return f"{self.name} {self.what}".rstrip()


@frozen
class DatabaseHistory:
    """One database of a deployment; `reason` where it failed."""

    name: str
    intervals: tuple[StateInterval, ...] = ()
    reason: str = ""

    @property
    def state(self) -> str:
        """The state that it came to."""
        return self.intervals[-1].state


@frozen
class DeploymentHistory:
    """One deployment, from its request on. Times are in seconds since 1970.

    `by` and `asked` say who asked for it, and why; `rollback` is the deployment that it repeats. It is not begun after
    `start_by`. `cause` is why it
    FAILED, None where it did not. `put_back` tells whether what it had changed was put back, as it was: None where it
    was not to be, or had changed nothing.
    """

    id: str
    version: str
    quick: bool
    requested: float
    by: str = ""
    asked: str = ""
    rollback: str = ""
    start_by: float | None = None
    outcome: HistoryOutcome = HistoryOutcome.OPEN
    cause: Cause | None = None
    put_back: bool | None = None
    reason: str = ""
    ended: float | None = None
    intervals: tuple[StateInterval, ...] = ()
    databases: tuple[DatabaseHistory, ...] = ()
    commands: tuple[CommandRecord, ...] = ()

    @property
    def started(self) -> float | None:
        """When it was its turn."""
        return next((s.since for s in self.intervals if s.state not in _WITHOUT_A_TURN), None)

    @property
    def duration(self) -> float | None:
        """Seconds from its turn to its end; None while it waits or runs, and where it never had a turn."""
        return None if self.ended is None or self.started is None else self.ended - self.started

    @property
    def step(self) -> str:
        """The state that it is in; of one that has ended the last before that, or the one that it was put back from."""
        over = ENDS if self.ended is None else (*ENDS, name_of(Restoring))
        rested = [interval.state for interval in self.intervals if interval.state not in over]
        return rested[-1] if rested else ""


def as_data(deployment: DeploymentHistory) -> dict[str, Any]:
    """Return the history for a program, what follows from it included."""
    follows = {"started": deployment.started, "duration": deployment.duration, "step": deployment.step}
    return {**asdict(deployment), **follows}


@frozen
class StreamChange:
    """What one event changed: the event itself, and descriptions of what it changed."""

    version: int
    event: Event
    descriptions: tuple[Description, ...]


class StreamHistory:
    """A stream's history, event by event. `state` and `version` are those after the last one taken."""

    def __init__(self) -> None:
        self.state: DeployerState = INITIAL
        self.version: int = 0
        self._deployments: dict[str, DeploymentHistory] = {}

    @property
    def deployments(self) -> tuple[DeploymentHistory, ...]:
        """All, in the order of their requests."""
        return tuple(self._deployments.values())

    def find(self, deployment: str) -> DeploymentHistory | None:
        """Return the deployment of an id, if it was ever requested."""
        return self._deployments.get(deployment)

    def read(self, rows: Iterable[Recorded]) -> tuple[StreamChange, ...]:
        """Take what was recorded after what is known already."""
        changes: list[StreamChange] = []
        for row in rows:
            if row.checkpoint is not None and row.version >= self.version and row.logic == reducer.LOGIC:
                self._resume_from(row.version, row.checkpoint)
            elif row.version > self.version and row.event is not None:
                if row.logic == reducer.LOGIC:
                    changes.append(self.take(row.event))
                else:
                    self._skip(row.version, row.event)
        return tuple(changes)

    def take(self, event: Event) -> StreamChange:
        """Reduce the next event, and remember what it changed."""
        before = self.state
        after, commands = reducer.reduce(before, event)
        steps = reducer.microsteps(before, event)
        described = describe_event(before, event, after, commands, steps)
        self.state, self.version = after, self.version + 1
        if isinstance(event, Requested):
            self._keep(_requested(event))
        self._enter(event.at, steps)
        self._follow_commands(before, event, after, commands, failed(steps))
        for notice in (c for c in commands if isinstance(c, Notice)):
            ended = evolve(
                self._deployments[notice.deployment],
                outcome=HistoryOutcome(notice.outcome),
                cause=notice.cause,
                reason=notice.reason,
                ended=notice.at,
            )
            self._keep(evolve(ended, put_back=_put_back(before, after, ended)))
        return StreamChange(self.version, event, described)

    def _keep(self, deployment: DeploymentHistory) -> None:
        self._deployments[deployment.id] = deployment

    # States

    def _enter(self, at: float, steps: Microsteps) -> None:
        for (kind, _), step in rests(steps).items():
            state: Any = step.state
            if kind == DEPLOYMENT:
                known = self._deployments[state.info.id]
                self._keep(evolve(known, intervals=_entered(known.intervals, step.edge.target, at)))
            elif kind == DATABASE:
                self._enter_database(state, step.edge.target, at)

    def _enter_database(self, state: Any, name: str, at: float) -> None:
        known = self._deployments[state.database.deployment]
        databases = {database.name: database for database in known.databases}
        own = state.database.spec.name
        database = databases.get(own, DatabaseHistory(own))
        intervals = _entered(database.intervals, name, at)
        databases[own] = evolve(database, intervals=intervals, reason=getattr(state, "reason", ""))
        self._keep(evolve(known, databases=tuple(databases.values())))

    # Commands

    def _follow_commands(
        self, before: DeployerState, event: Event, after: DeployerState, commands: Commands, bad: bool
    ) -> None:
        still = {pending.id: pending for pending in after.pending}
        for pending in before.pending:
            if pending.id not in still:
                self._end(pending, event, bad)
        for pending in (c for c in commands if isinstance(c, Pending)):
            self._update(pending)
        if isinstance(event, Attempted | messages.Accepted | Replied) and event.command in still:
            self._update(still[event.command])

    def _update(self, pending: Pending) -> None:
        self._replace(pending.deployment, _record(pending))

    def _replace(self, deployment: str, record: CommandRecord) -> None:
        known = self._deployments[deployment]
        others = (c for c in known.commands if c.id != record.id)
        self._keep(evolve(known, commands=tuple(sorted((*others, record), key=lambda c: c.id))))

    def _end(self, pending: Pending, event: Event, bad: bool) -> None:
        answered = isinstance(event, Replied) and event.command == pending.id
        end = answer_text(event.answer) if isinstance(event, Replied) and answered else "dropped"
        ended = evolve(_record(pending), ended=event.at, end=end, good=not bad if answered else None)
        self._replace(pending.deployment, ended)

    # What an older logic version left

    def _skip(self, version: int, event: Event) -> None:
        self.version = version
        if isinstance(event, Requested) and event.deployment not in self._deployments:
            old = _requested(event)
            why = "carried out by an older version of the deployer"
            self._keep(evolve(old, outcome=HistoryOutcome.UNKNOWN, reason=why))

    def _resume_from(self, version: int, state: DeployerState) -> None:
        self.version, self.state = version, state
        for deployment in state.deployments:
            if known := self._deployments.get(deployment.info.id):
                intervals = (StateInterval(name_of(type(deployment)), known.requested),)
                self._keep(evolve(known, outcome=HistoryOutcome.OPEN, reason="", intervals=intervals))
        for pending in state.pending:
            if pending.deployment in self._deployments:
                self._update(pending)


def _requested(event: Requested) -> DeploymentHistory:
    repeats = event.rollback.target if event.rollback else ""
    spec = event.spec
    return DeploymentHistory(
        event.deployment,
        spec.version,
        spec.quick,
        event.at,
        event.by,
        event.reason,
        repeats,
        event.terms.start_by,
    )


def _put_back(before: DeployerState, after: DeployerState, ended: DeploymentHistory) -> bool | None:
    """Tell whether what a deployment had changed was put back; its services went to zero, and are there again."""
    if ended.cause is None or ended.step in UNCHANGED or ended.quick:
        return None
    if before.memory.unfinished and not after.memory.unfinished:
        return True
    own = next((d.info.spec for d in before.deployments if d.info.id == ended.id), None)
    return None if own is None or own.on_failure is OnFailure.LEAVE else False


def _entered(intervals: tuple[StateInterval, ...], state: str, at: float) -> tuple[StateInterval, ...]:
    """Add one more state, which ends the one before."""
    ended = tuple(
        evolve(interval, until=at) if interval.until is None else interval for interval in intervals
    )
    return (*ended, StateInterval(state, at))


def _record(pending: Pending) -> CommandRecord:
    return CommandRecord(
        pending.id,
        type(pending.command).__name__,
        command_what(pending.command, pending.database),
        pending.database,
        pending.issued,
        pending.deadline,
        pending.attempt.number if pending.attempt else 0,
        pending.ref,
        pending.seen,
    )


def read_history(journal: Journal, key: str) -> StreamHistory:
    """Return the history of a stream, all of it."""
    found = StreamHistory()
    found.read(journal.events(key))
    return found


@frozen
class Line:
    """One event of a stream, in words."""

    version: int
    at: float
    event: str
    text: str


def lines(journal: Journal, key: str) -> tuple[Line, ...]:
    """Return every event of a stream, described in a line."""
    known = StreamHistory()
    changes = known.read(journal.events(key))
    commands = {c.id: c.text for d in known.deployments for c in d.commands}
    return tuple(
        Line(
            change.version,
            change.event.at,
            type(change.event).__name__,
            event_text(change.event, commands.get(getattr(change.event, "command", 0), "")),
        )
        for change in changes
    )
