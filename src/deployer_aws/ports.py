"""What a runner asks of its environment: a clock, a journal, executors, and a source of events.

A journal holds one *stream* a stack, named `environment/application`. The head of a stream is the state after its last
event; the events are the truth, the head is a cache of it that is replaced in the same transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

from deployer_core.engine.messages import (
    Accepted,
    Answer,
    Attempted,
    Event,
    Failure,
    Infrastructure,
    Notice,
    Pending,
    Refused,
    Replied,
    StopTask,
    token,
)
from deployer_core.engine.state import INITIAL, Commands, DeployerState
from deployer_core.machines import ecs_task, postgres_migration
from deployer_core.machines.deployment import StabiliseStack
from deployer_core.machines.ecs_task import RunTask


class Clock(Protocol):
    """The time by which a runner works; a simulated AWS has its own."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Return the seconds since some moment; they never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or earlier."""
        ...


# The journal


@frozen
class Head:
    """A stream's state after its last event; `version` counts its events, 0 before the first."""

    state: DeployerState = INITIAL
    version: int = 0


@frozen
class Account:
    """An AWS account and a region, or an emulator's."""

    id: str
    region: str
    endpoint_url: str = ""

    def __str__(self) -> str:
        at = f" at {self.endpoint_url}" if self.endpoint_url else ""
        return f"the AWS account {self.id} in {self.region}{at}"


@frozen
class Binding:
    """Bind a stream to the account where it is deployed, and to the name of its CloudFormation stack there."""

    account: Account
    stack_name: str


@frozen
class Properties:
    """Say what a request brings along for the journal to keep beside the events: typed, once, and for ever.

    `simulated` is a property of the whole journal: its streams are deployed to a simulated AWS. `binding` is one of
    the request's stream, on the real AWS.
    """

    simulated: bool = False
    binding: Binding | None = None


NO_PROPERTIES = Properties()


@frozen
class Entry:
    """One event to append: `before` is the head that it was reduced from, `after` the state that came of it.

    `blobs` are texts by their SHA-256, kept with the event that first needs them.
    """

    key: str
    before: Head
    event: Event
    after: DeployerState
    notices: tuple[Notice, ...] = ()
    blobs: Mapping[str, str] = field(factory=dict[str, str])
    properties: Properties = NO_PROPERTIES


@frozen
class Recorded:
    """One event as it was written down, by which logic version; `version` is the stream's after it.

    A `checkpoint` is the state that a newer logic version found when it first appended: replaying starts there.
    """

    version: int
    logic: int
    event: Event | None
    checkpoint: DeployerState | None = None


@frozen
class LeaseRow:
    """Say who may act on a stream. `generation` rises with each change; `owner` is empty where it was released."""

    owner: str
    generation: int


@frozen
class Appended:
    """One event that a runner has appended: the stream's state before and after it, and the commands that it gave."""

    key: str
    before: DeployerState
    event: Event
    after: DeployerState
    commands: Commands


class Conflict(Exception):
    """Somebody else appended first: the head that the entry was reduced from is not the newest. Nothing was written."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the journal of {key} has moved on; read its head again")


class JournalError(Exception):
    """The journal cannot be used as it is; says which file or table, why, and what to do."""


class Journal(Protocol):
    """The durable truth. Everything that returns has been written; a crash in between has written all or nothing."""

    def head(self, key: str) -> Head:
        """Return the newest head of a stream; that of an empty one is `Head()`.

        Raises JournalError where newer logic wrote it: this version of the deployer must not go on from it.
        """
        ...

    def append(self, entries: Sequence[Entry]) -> None:
        """Write all entries, of different streams, in one transaction, or none: raises Conflict.

        Where older logic wrote a stream's head, a checkpoint of it is written before the event. Raises ValueError for
        two entries of one stream, and for a blob under a name that is not its SHA-256.
        """
        ...

    def events(self, key: str, *, after: int = 0, from_checkpoint: bool = False) -> Iterator[Recorded]:
        """Yield all that was written to a stream after the event of a version, oldest first.

        With `from_checkpoint` only from its last checkpoint on, that included. A checkpoint has the version of the
        event before it, and comes after that. None of what is left out is decoded.
        """
        ...

    def streams(self, *, pending_only: bool = False) -> list[str]:
        """Return the names of all streams, sorted, or of those whose heads have something pending."""
        ...

    def blob(self, sha256: str) -> str:
        """Return a text by its SHA-256. Raises JournalError where there is none."""
        ...

    def is_simulated(self) -> bool:
        """Tell whether the journal was written to for a simulated AWS."""
        ...

    def bindings(self, key: str) -> tuple[Binding, ...]:
        """Return what a stream was bound to, oldest first: one binding for each stack name that it was deployed by.

        A stream that was requested without a binding has none.
        """
        ...

    def bound_streams(self, binding: Binding) -> list[str]:
        """Return the names of the streams with this binding, sorted."""
        ...

    def notices(self) -> list[tuple[int, str, Notice]]:
        """Return the notices not yet delivered, oldest first: a number for `delivered`, the stream, and the notice."""
        ...

    def delivered(self, number: int) -> None:
        """Mark a notice as delivered."""
        ...

    def lease(self, key: str) -> LeaseRow | None:
        """Return the lease of a stream as it stands."""
        ...

    def compare_and_set_lease(self, key: str, owner: str, expected: LeaseRow | None) -> LeaseRow | None:
        """Acquire, renew or (with an empty owner) release a lease that still is as expected; else return None."""
        ...

    def renew(self, owner: str, expected: Mapping[str, LeaseRow]) -> Mapping[str, LeaseRow]:
        """Renew many leases, in few transactions; return those that still were as expected, as they are now."""
        ...

    def close(self) -> None:
        """Close what the journal holds open."""
        ...


# Executors

CommandId: TypeAlias = tuple[str, int]
"""A stream's name, and the id of a command that is pending there."""


@frozen
class Work:
    """One pending command, as an executor gets it: what it is, what time it is, and how to say what happened.

    `view` is what a batch describe of this step has shown of it (`Observer`), None where it is to be looked at by
    itself. It serves for waiting alone; before anything is sent, AWS is asked again.
    """

    key: str
    stream: str
    pending: Pending
    now: float
    read_blob: Callable[[str], str]
    view: object = None

    @property
    def id(self) -> CommandId:
        """The command's name for a runner."""
        return self.key, self.pending.id

    def token(self, number: int) -> str:
        """Return the token of the n-th attempt: the one that was journaled, or that of an attempt yet to be made."""
        latest = self.pending.attempt
        if latest is not None and latest.number == number:
            return latest.token
        return token(self.stream, self.pending.deployment, self.pending.id, number)

    def attempt(self, number: int, resolved: tuple[tuple[str, str], ...] = ()) -> Attempted:
        """Return the event that an attempt is about to be sent."""
        return Attempted(self.pending.id, number, self.now, resolved, self.token(number))

    def accept(self, ref: str) -> Accepted:
        """Return the event that AWS has accepted the command, and calls it `ref`."""
        return Accepted(self.pending.id, ref, self.now)

    def reply(self, answer: Answer) -> Replied:
        """Return the event of an answer, final or not."""
        return Replied(self.pending.id, answer, self.now)

    def fail(self, reason: str, *, may_still_run: bool = False) -> Replied:
        """Return the event that the command has failed, as the answer that its machine expects.

        That a stack cannot be looked at refuses the deployment. A change that was not attempted before this look, and
        was refused by it, has left the infrastructure as it was.
        """
        command = self.pending.command
        if isinstance(command, StabiliseStack):
            return self.reply(Refused(reason))
        if isinstance(command, RunTask | StopTask):
            return self.reply(ecs_task.Errored(reason, may_still_run))
        if self.pending.database:
            return self.reply(postgres_migration.Errored(reason))
        sent = self.pending.attempt is not None
        return self.reply(Failure(reason, Infrastructure.UNSURE if sent else Infrastructure.AS_BEFORE))


Act: TypeAlias = Iterator[Attempted | Accepted | Replied]
"""One look at a pending command, and at most one step.

An executor is written as a generator: the runner appends each event that it yields before it resumes it, and does not
resume it where the event was stale. So what follows a `yield` happens only after the event was written down.
"""


class Executor(Protocol):
    """Carries out the commands of some kinds."""

    commands: tuple[type, ...]

    def act(self, work: Work) -> Act:
        """Look first, then take at most one step. Called again until the command is no longer pending.

        A client's error may escape: the runner finds its class (`aws.errors`).
        """
        ...


@runtime_checkable
class Observer(Executor, Protocol):
    """An executor that can look at many commands at once, with fewer calls than one by one."""

    def observe(self, works: Sequence[Work]) -> Mapping[CommandId, object]:
        """Return what was seen of the commands, each for the `view` of its work. Changes nothing.

        A command that has to be looked at by itself is left out. Where a client's error kept a command from being seen,
        that error stands in the place of the view.
        """
        ...


# Event sources


@frozen
class Taken:
    """What comes of a message for one pending command: events to append, and whether the executor looks at it now."""

    events: tuple[Accepted | Replied, ...] = ()
    look: bool = False


@frozen
class Received:
    """A message of an event source, of which nothing is written down yet.

    `commands` are the pending commands that it concerns; `take` says what comes of it for one of them, as that stands
    then. `receipt` is the source's own.
    """

    name: str
    commands: tuple[CommandId, ...]
    take: Callable[[Work], Taken]
    receipt: Any = None


class EventSource(Protocol):
    """Tells a runner what happens to the commands that are pending. It may read the journal, and never writes to it."""

    @property
    def available(self) -> bool:
        """Whether events can be received. While they cannot, the runner polls as if there were no source."""
        ...

    def receive(self, seconds: float) -> Sequence[Received]:
        """Return what has come, after a wait of so many seconds at most, or nothing where nothing came."""
        ...

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Let go of messages: what they say is written down. One that is not acknowledged comes again."""
        ...
