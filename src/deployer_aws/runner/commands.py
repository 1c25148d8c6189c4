"""What a runner wants to know of a pending command."""

from deployer_aws.ports import Work
from deployer_core.engine.messages import StopTask
from deployer_core.engine.reducer import DeployerState, Pending
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase


def find(state: DeployerState, command: int) -> Pending | None:
    """The command of an id, if it is still pending."""
    return next((p for p in state.pending if p.id == command), None)


def is_open(pending: Pending) -> bool:
    """Whether a runner can still do something about it, other than look."""
    return not (isinstance(pending.command, StopTask) and pending.unresolved)


def since(pending: Pending) -> float:
    """Since when it is under way: since it was sent, or else issued."""
    return pending.attempt.at if pending.attempt is not None else pending.issued


def last_moment(pending: Pending) -> float:
    """Until when it is waited for. A task that has to stop is given its time from when it was told to."""
    if isinstance(pending.command, StopTask) and pending.attempt is not None:
        return pending.attempt.at + pending.deadline - pending.issued
    return pending.deadline


def in_words(work: Work) -> str:
    """The command and what it is about, for people."""
    command = work.pending.command
    name = type(command).__name__
    if isinstance(command, RunTask | StopTask):
        return f"{name} {command.run.id} of {work.key}"
    if isinstance(command, UpsertDatabase | CleanupDatabase):
        return f"{name} {work.pending.database} of {work.key}"
    return f"{name} of stack {command.stack.name}"
