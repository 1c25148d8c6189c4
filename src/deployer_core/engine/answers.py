"""What an answer of the world means to the machine that asked, and what is kept of it until the last one has come."""

from functools import lru_cache
from typing import Any, Final, get_args

from attrs import evolve

from deployer_core.engine import messages
from deployer_core.engine.messages import Answer, Pending, StopTask
from deployer_core.machines import deployment, ecs_task, postgres_migration
from deployer_core.machines.deployment import StabiliseStack, StackCommand
from deployer_core.machines.ecs_task import RunTask
from deployer_core.machines.stack_status import Lifecycle, StackStatus, read

ANSWERS: Final = frozenset(get_args(Answer))
TO_NO_MACHINE: Final = (messages.Progress, messages.Declined)
"""Answers that are about the command, and that no machine takes."""
FINAL: Final = frozenset(
    {
        deployment.Stable,
        deployment.Failure,
        ecs_task.StatusStopped,
        ecs_task.Errored,
        ecs_task.Again,
        postgres_migration.UpsertDone,
        postgres_migration.CleanupDone,
        postgres_migration.Errored,
    }
)
"""What machines take as the last word of a command."""
_OF_A_STACK = (deployment.ScaleStack, deployment.UpdateStack)
"""Commands that are given only where the stack was seen."""


def meaning_of(pending: Pending, answer: Any, at: float) -> Any:
    """Return the machine's own event for an answer."""
    if isinstance(answer, StackStatus):
        waiting = isinstance(pending.command, StabiliseStack)
        return read(
            answer, waiting=waiting, known=bool(pending.ref) or isinstance(pending.command, _OF_A_STACK)
        )
    if isinstance(answer, messages.DeadlinePassed):
        time = f"{pending.deadline - pending.issued:g} s"
        reason = f"no end within {time}" + (f"; last seen: {pending.seen}" if pending.seen else "")
        return failure(pending, reason, may_still_run=True)
    if isinstance(answer, messages.Failure | messages.Refused):
        return deployment.Failure(answer.reason)
    return evolve(answer, late=at >= pending.deadline) if isinstance(answer, ecs_task.Again) else answer


def failure(pending: Pending, reason: str, *, may_still_run: bool) -> Any:
    """Return a failure as an event of the machine that asked."""
    if not pending.database:
        return deployment.Failure(reason)
    if isinstance(pending.command, RunTask | StopTask):
        return ecs_task.Errored(reason, may_still_run)
    return postgres_migration.Errored(reason)


_stack_progress = lru_cache(maxsize=64)(messages.StackProgress)  # for speed: the same again and again


def progress_of(answer: Any) -> tuple[str, messages.CommandProgress | None]:
    """Return an answer that is not the last one as words for people, and as a value for programs."""
    if isinstance(answer, StackStatus):
        words = f"{answer.status}: {answer.reason}" if answer.reason else answer.status
        return words, _stack_progress(answer.status, rolling_back=answer.lifecycle is Lifecycle.ROLLING_BACK)
    if isinstance(answer, messages.Progress):
        return answer.text, answer.value
    status = answer.last_status if isinstance(answer, ecs_task.Status) else "RUNNING"
    return status, messages.TaskProgress(status)


def with_news(pending: Pending, answer: Answer) -> Pending:
    """Return the command with what was said of it, itself where that is no news. (`evolve` would be much slower.)"""
    seen, progress = progress_of(answer)
    progress = progress or pending.progress  # words alone unsay nothing: the stack may still be rolling back
    ref = pending.ref or (answer.arn if isinstance(answer, ecs_task.Started) else "")
    same = progress is pending.progress or progress == pending.progress
    if same and seen == pending.seen and ref == pending.ref:
        return pending
    return Pending(
        pending.id,
        pending.deployment,
        pending.database,
        pending.command,
        pending.issued,
        pending.deadline,
        pending.attempt,
        ref,
        seen,
        progress,
        pending.unresolved,
    )


def with_decline(pending: Pending, answer: messages.Declined) -> Pending:
    """Return the command with its latest attempt declined, itself where that is no news, or of an earlier attempt."""
    attempt = pending.attempt
    if not isinstance(pending.command, RunTask) or pending.ref or attempt is None or attempt.over:
        return pending
    if attempt.number != answer.number:
        return pending
    return evolve(pending, attempt=evolve(attempt, over=True), seen=answer.reason, progress=None)


def may_take_longer(pending: Pending) -> bool:
    """Tell whether a stack's command is waited for beyond its deadline: once, while the stack is rolling back."""
    command = pending.command
    if not rolls_back(pending) or not isinstance(command, StackCommand):
        return False
    timeout = command.timeout if isinstance(command, StabiliseStack) else command.stack.timeout
    return pending.deadline - pending.issued <= timeout


def rolls_back(pending: Pending) -> bool:
    """Tell whether the stack was last seen on its way back."""
    return isinstance(pending.progress, messages.StackProgress) and pending.progress.rolling_back
