"""Questions about a pending command. Pure."""

from deployer_aws.ports import Work
from deployer_core.engine.messages import Pending, StopTask
from deployer_core.engine.state import DeployerState
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.postgres_migration import CleanupDatabase, UpsertDatabase


def find(state: DeployerState, command: int) -> Pending | None:
    """Return the command of an id, if it is still pending."""
    return next((p for p in state.pending if p.id == command), None)


def is_open(pending: Pending) -> bool:
    """Tell whether a runner can still do something about it, other than look."""
    return not (isinstance(pending.command, StopTask) and pending.unresolved)


def since(pending: Pending) -> float:
    """Return when it was sent, or else issued."""
    return pending.attempt.at if pending.attempt is not None else pending.issued


def last_moment(pending: Pending) -> float:
    """Return until when it is waited for. The time of a StopTask begins when it is first sent."""
    if isinstance(pending.command, StopTask) and pending.attempt is not None:
        return pending.attempt.at + pending.deadline - pending.issued
    return pending.deadline


def in_words(work: Work) -> str:
    """Describe the command for people."""
    command = work.pending.command
    name = type(command).__name__
    if isinstance(command, RunTask | StopTask):
        return f"{name} {command.run.id} of {work.key}"
    if isinstance(command, UpsertDatabase | CleanupDatabase):
        return f"{name} {work.pending.database} of {work.key}"
    return f"{name} of stack {command.stack.name}"
