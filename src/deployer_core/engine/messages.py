"""What passes between a deployer and the world: commands that wait for an answer, and the six kinds of event.

Every event bears the time `at`, in seconds since 1970, that the adapter gives it: the core has no clock.
"""

import hashlib
import re
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.deployment import StackCommand
from deployer_core.machines.ecs_task import Run, RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase
from deployer_core.machines.stack_status import StackStatus
from deployer_core.spec import Counts, DeploymentSpec, Pairs, SpecError

# Commands


@tagged("Deployer.Attempt/1")
@frozen
class Attempt:
    """The latest attempt at a command: its number, when it was first sent, what was resolved for it, and its token.

    `refused` says that it has certainly begun nothing, as no attempt before it has.
    """

    number: int
    at: float = field(converter=float)
    resolved: Pairs = ()
    refused: bool = False
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
    not sent again.
    """

    status: str
    running: Counts = ()
    unchanged: bool = False


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
        """Tell whether the world may have taken it: it was seen there, or an attempt was made that was not refused."""
        return bool(self.ref) or (self.attempt is not None and not self.attempt.refused)


class DeploymentOutcome(StrEnum):
    """How a deployment ended."""

    DONE = "DONE"
    FAILED = "FAILED"


@tagged("Deployer.Notice/1")
@frozen
class Notice:
    """A deployment ended. The delivery of a notice holds nothing up, so it is never pending."""

    deployment: str
    version: str
    outcome: DeploymentOutcome
    reason: str
    at: float = field(converter=float)


def token(stream: str, deployment: str, command: int, attempt: int) -> str:
    """Make the token of an attempt: of this stream, deployment, command and attempt, and of no other.

    It is made once, before the attempt, and journaled with it.

    49 characters of `[a-z0-9-]`: ECS takes 64 at most, CloudFormation 128 of `[a-zA-Z0-9][-a-zA-Z0-9]*`.
    """
    text = "\n".join((stream, deployment, str(command), str(attempt)))
    return f"deployer-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


# Events


@tagged("Deployer.Requested/1")
@frozen
class Requested:
    """Somebody asks for a deployment. The first one of a stream gives the stream its random id."""

    deployment: str
    spec: DeploymentSpec
    at: float = field(converter=float)
    stream: str = ""
    queue_limit: int = stack.QUEUE_LIMIT

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}", self.deployment):
            rule = "letters, digits, hyphens and dots, a letter or digit first, 128 at most"
            raise SpecError("deployment", f"{rule}, not {self.deployment!r:.80}")


@tagged("Deployer.Attempted/1")
@frozen
class Attempted:
    """The adapter is about to send a command for the n-th time, with what it resolved for it, and this token."""

    command: int
    number: int
    at: float = field(converter=float)
    resolved: Pairs = ()
    token: str = ""


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


@tagged("Deployer.AttemptRefused/1")
@frozen
class AttemptRefused:
    """An attempt at RunTask was refused for now: it has begun nothing, and another may be made."""

    number: int
    reason: str


Answer: TypeAlias = (
    StackStatus
    | deployment.Failure
    | ecs_task.Started
    | ecs_task.Status
    | ecs_task.StatusStopped
    | ecs_task.Errored
    | postgres_migration.UpsertDone
    | postgres_migration.CleanupDone
    | postgres_migration.Errored
    | DeadlinePassed
    | Progress
    | AttemptRefused
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


@tagged("Deployer.Repaired/1")
@frozen
class Repaired:
    """An operator says that the stack is sound; `force` names runs whose tasks are taken for stopped, unseen."""

    by: str
    at: float = field(converter=float)
    force: tuple[str, ...] = ()


Event: TypeAlias = Requested | Attempted | Accepted | Replied | Terminated | Repaired
