"""What passes between a deployer and the world: commands that wait for an answer, and the six kinds of event.

Every event bears the time `at`, in seconds since 1970, that the adapter gives it: the core has no clock.
"""

import hashlib
import re
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.machines import ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import Cause, ScalableTarget, StackCommand, Terms
from deployer_core.machines.ecs_task import Run, RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase
from deployer_core.machines.stack_status import StackStatus
from deployer_core.spec import Counts, DeploymentSpec, Pairs, SpecError, digest

# Commands


@tagged("Deployer.Attempt/1")
@frozen
class Attempt:
    """The latest attempt at a command: its number, when it was first sent, what was resolved for it, and its token.

    `over` says that nothing of it runs or will, nor of an attempt before it: it was declined, or its run did nothing.
    """

    number: int
    at: float = field(converter=float)
    resolved: Pairs = ()
    over: bool = False
    token: str = ""


@tagged("Deployer.StopTask/1")
@frozen
class StopTask:
    """Stop a run that nobody waits for any more.

    `command` and `attempt` are those of its RunTask; `arn` is empty where it is unknown.
    """

    run: Run
    command: int
    attempt: Attempt
    arn: str


WorldCommand: TypeAlias = StackCommand | RunTask | StopTask | UpsertDatabase | CleanupDatabase


@tagged("Deployer.StackProgress/1")
@frozen
class StackProgress:
    """How far a stack's command has come.

    `status` is CloudFormation's, empty where it says nothing of this command; `running` are the services that have
    tasks which have not yet stopped, and how many. `unchanged` says that there was nothing to update: the change is
    not sent again. `rolling_back` says that the stack is on its way back. `suspending` are scalable targets that are
    about to be suspended.
    """

    status: str
    running: Counts = ()
    unchanged: bool = False
    rolling_back: bool = False
    suspending: tuple[ScalableTarget, ...] = ()


@tagged("Deployer.TaskProgress/1")
@frozen
class TaskProgress:
    """How far a task's command has come: ECS's status of the task."""

    last_status: str


CommandProgress: TypeAlias = StackProgress | TaskProgress


@tagged("Deployer.Pending/1")
@frozen
class Pending:
    """A command to the world that has not had its last answer, with all that a recovery needs.

    `database` is empty where the stack itself is meant. `attempt` is the latest one, None before the first; `ref` is
    what the world calls it (a StackId, a task ARN) once it was accepted. `progress` is the latest, where it has a form
    for programs; `seen` is the same in words for people, and decides nothing. A StopTask past its deadline is
    `unresolved`: its task may still run.
    """

    id: int
    deployment: str
    database: str
    command: WorldCommand
    issued: float = field(converter=float)
    deadline: float = field(converter=float)
    attempt: Attempt | None = None
    ref: str = ""
    seen: str = ""
    progress: CommandProgress | None = None
    unresolved: bool = False

    @property
    def may_have_begun(self) -> bool:
        """Tell whether the world may have taken it: it was seen there, or an attempt was made that is not over."""
        return bool(self.ref) or (self.attempt is not None and not self.attempt.over)


class DeploymentOutcome(StrEnum):
    """How a deployment ended."""

    DONE = "DONE"
    FAILED = "FAILED"


@tagged("Deployer.Notice/1")
@frozen
class Notice:
    """A deployment ended. The delivery of a notice holds nothing up, so it is never pending.

    `cause` is None where the outcome is DONE.
    """

    deployment: str
    version: str
    outcome: DeploymentOutcome
    reason: str
    at: float = field(converter=float)
    cause: Cause | None = None


def token(stream: str, deployment: str, command: int, attempt: int) -> str:
    """Make the token of an attempt: of this stream, deployment, command and attempt, and of no other.

    It is made once, before the attempt, and journaled with it. The stream's id is in it, so that a stack tells whose
    deployer changed it last (`stream_of`).

    64 characters of `[a-z0-9-]`: ECS takes 64 at most, CloudFormation 128 of `[a-zA-Z0-9][-a-zA-Z0-9]*`.
    """
    text = "\n".join((stream, deployment, str(command), str(attempt)))
    return f"deployer-{stream}-{hashlib.sha256(text.encode()).hexdigest()[:22]}"


def stream_of(token: str) -> str:
    """Return the id of the stream whose deployer made a token; empty where none did."""
    found = re.fullmatch(r"deployer-([0-9a-f]{32})-[0-9a-f]{22}", token)
    return found[1] if found else ""


# Events


DAY: Final = 24 * 3600


@tagged("Deployer.Rollback/1")
@frozen
class Rollback:
    """A request that repeats a deployment which was DONE, in quick mode.

    `target` is its id, and `sent` the values that were sent for it, for parameters taken from elsewhere. Those that
    wait are withdrawn, unless `keep_queue`.
    """

    target: str
    sent: Pairs = ()
    keep_queue: bool = False


@tagged("Deployer.Requested/1")
@frozen
class Requested:
    """Somebody asks for a deployment. The first one of a stream gives it its random id, 32 hexadecimal digits.

    `by` and `reason` say who asked, and why. `supersede` withdraws those that wait. It is not begun later than
    `start_by` seconds from now. An `exclusive` one is refused where it would have to wait. `adopt` names another
    journal's stream, whose stack it takes over; where that is this stream's own id, it goes on under the new `stream`.
    `force` goes on where a risk would have it refused.
    """

    deployment: str
    spec: DeploymentSpec
    at: float = field(converter=float)
    stream: str = ""
    queue_limit: int = stack.QUEUE_LIMIT
    by: str = ""
    reason: str = ""
    supersede: bool = False
    start_by: int = DAY
    exclusive: bool = False
    adopt: str = ""
    force: bool = False
    rollback: Rollback | None = None

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}", self.deployment):
            rule = "letters, digits, hyphens and dots, a letter or digit first, 128 at most"
            raise SpecError("deployment", f"{rule}, not {self.deployment!r:.80}")
        for name, given in (("stream", self.stream), ("adopt", self.adopt)):
            if given and not re.fullmatch(r"[0-9a-f]{32}", given):
                raise SpecError(name, f"32 hexadecimal digits, not {given!r:.80}")
        if self.start_by < 0:
            raise SpecError("start_by", f"seconds from now, not {self.start_by}")
        if self.rollback and not self.spec.quick:
            raise SpecError("rollback", "in quick mode alone: the databases stay as they are")
        if self.rollback and self.rollback.keep_queue and self.supersede:
            raise SpecError("supersede", "not together with a rollback that keeps the queue")

    @property
    def digest(self) -> str:
        """What the request stands for: its spec, and what changes how it is carried out.

        Who asks and why, and what is asked of the queue, make no other deployment of it.
        """
        target = self.rollback.target if self.rollback else ""
        terms = (("force", "yes" * self.force), ("adopt", self.adopt), ("rollback", target))
        return ";".join([digest(self.spec), *(f"{name}={given}" for name, given in terms if given)])

    @property
    def terms(self) -> Terms:
        """What the deployment needs to know of the request."""
        target, sent = (self.rollback.target, self.rollback.sent) if self.rollback else ("", ())
        return Terms(self.by, self.reason, self.at + self.start_by, self.adopt, self.force, target, sent)


@tagged("Deployer.Attempted/1")
@frozen
class Attempted:
    """The adapter is about to send a command for the n-th time, with what it resolved for it, and this token.

    Of StabiliseStack: it is about to cancel an update, or to discard a shell. `suspending` are the scalable targets
    that it suspends, as they were before.
    """

    command: int
    number: int
    at: float = field(converter=float)
    resolved: Pairs = ()
    token: str = ""
    suspending: tuple[ScalableTarget, ...] = ()


@tagged("Deployer.Accepted/1")
@frozen
class Accepted:
    """The world took the command; `ref` is what it calls it."""

    command: int
    ref: str
    at: float = field(converter=float)


@tagged("Deployer.DeadlinePassed/1")
@frozen
class DeadlinePassed:
    """The command's deadline is over, and a look at the world that was made after it saw no end."""


@tagged("Deployer.Progress/1")
@frozen
class Progress:
    """How far a command has come, in words for people, and typed where a program needs to know.

    No machine takes it, and the same twice is no news.
    """

    text: str
    value: CommandProgress | None = None


@tagged("Deployer.Declined/1")
@frozen
class Declined:
    """An attempt at RunTask was declined for want of capacity: it has begun nothing, and another may be made."""

    number: int
    reason: str


class Infrastructure(Enum):
    """What a change that failed left of the infrastructure."""

    UNSURE = "UNSURE"
    AS_BEFORE = "AS_BEFORE"
    NEW = "NEW"


@tagged("Deployer.Failure/1")
@frozen
class Failure:
    """A stack's command failed: `reason`, in AWS's own words where it was AWS.

    `left` is AS_BEFORE where CloudFormation certainly changed nothing, or put it back, NEW where it had ended well.
    `removed` as in StackStatus. `taken_over` says that another stream's deployer has changed the stack since.
    """

    reason: str
    left: Infrastructure = Infrastructure.UNSURE
    removed: tuple[str, ...] = ()
    taken_over: bool = False


@tagged("Deployer.Refused/1")
@frozen
class Refused:
    """The deployment cannot be carried out as it was asked for: an answer to its first look at the stack."""

    reason: str


Answer: TypeAlias = (
    StackStatus
    | Failure
    | Refused
    | ecs_task.Again
    | ecs_task.Started
    | ecs_task.Status
    | ecs_task.StatusStopped
    | ecs_task.Errored
    | postgres_migration.UpsertDone
    | postgres_migration.CleanupDone
    | postgres_migration.Errored
    | DeadlinePassed
    | Progress
    | Declined
)


@tagged("Deployer.Replied/1")
@frozen
class Replied:
    """An answer to a command, for the machine that asked."""

    command: int
    answer: Answer
    at: float = field(converter=float)


@tagged("Deployer.Terminated/1")
@frozen
class Terminated:
    """An operator ends a deployment."""

    deployment: str
    by: str
    at: float = field(converter=float)
    reason: str = ""


@tagged("Deployer.Repaired/1")
@frozen
class Repaired:
    """An operator says that the stack is sound; `force` names runs whose tasks are taken for stopped, unseen.

    `withdraw_queue` ends all that wait, so that nothing is begun by it.
    """

    by: str
    at: float = field(converter=float)
    force: tuple[str, ...] = ()
    withdraw_queue: bool = False
    reason: str = ""


Event: TypeAlias = Requested | Attempted | Accepted | Replied | Terminated | Repaired
