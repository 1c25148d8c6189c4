"""Streams that go anywhere: deployments driven through `reducer.reduce` by arbitrary answers.

Use it where a test of a journal needs more than `deployer_aws.testing.streams` has: what goes wrong, and large states.
"""

from collections.abc import Iterator, Sequence

from deployer_aws.testing.streams import OUTPUTS, request, spec
from deployer_core.engine import reducer
from deployer_core.engine.messages import (
    Accepted,
    Answer,
    Attempted,
    DeadlinePassed,
    Event,
    Failure,
    Pending,
    Repaired,
    Replied,
    StopTask,
    Terminated,
)
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import ecs_task, postgres_migration
from deployer_core.machines.stack_status import Lifecycle, StackStatus


def answers(pending: Pending) -> Sequence[Answer]:
    """Return what the world may answer to a command."""
    command = pending.command
    if isinstance(command, ecs_task.RunTask | StopTask):
        exits = [(ecs_task.Exit("main", code, judged=True),) for code in (2, 0, 1)]
        if command.run.purpose is ecs_task.Purpose.MIGRATE:
            exits = exits[1:]
        stopped = [ecs_task.StatusStopped(seen, ecs_task.EXITED) for seen in exits]
        return [
            *stopped,
            ecs_task.Started("arn:task"),
            ecs_task.Status("PENDING"),
            ecs_task.Errored("lost", True),
        ]
    if isinstance(command, postgres_migration.UpsertDatabase):
        return [postgres_migration.UpsertDone(), postgres_migration.Errored("no such host")]
    if isinstance(command, postgres_migration.CleanupDatabase):
        return [postgres_migration.CleanupDone(), postgres_migration.Errored("no such host")]
    return [
        StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", "", OUTPUTS, (("Count", 3),)),
        StackStatus(Lifecycle.PROGRESS, "UPDATE_IN_PROGRESS"),
        StackStatus(Lifecycle.MISSING, "does not exist"),
        StackStatus(Lifecycle.ROLLED_BACK, "UPDATE_ROLLBACK_COMPLETE", "Größe"),
        Failure("AccessDenied: \x00 \U0001f512"),
    ]


def moves(state: DeployerState, at: float) -> Iterator[tuple[Event, DeployerState]]:
    """Every event that is news to a state, with what comes of it."""
    for event in _thinkable(state, at):
        try:
            new, _ = reducer.reduce(state, event)
        except IllegalEvent:
            continue
        if new is not state:
            yield event, new


def _thinkable(state: DeployerState, at: float) -> Iterator[Event]:
    for pending in state.pending:
        yield from (Replied(pending.id, answer, at) for answer in answers(pending))
        yield Attempted(
            pending.id, pending.attempt.number + 1 if pending.attempt else 1, at, (("Priority", "7"),)
        )
        yield Accepted(pending.id, f"arn:{pending.id}", at)
        yield Replied(pending.id, DeadlinePassed(), pending.deadline)
    yield request(f"d-{len(state.known) + 1}", specified=spec(f"{at:g}", databases=1), at=at)
    yield from (Terminated(d.info.id, "an operator", at) for d in state.deployments)
    stops = [p.command.run.id for p in state.pending if isinstance(p.command, StopTask)]
    yield Repaired("an operator", at, tuple(stops))


def walk(choices: Sequence[int]) -> list[Event]:
    """Make a stream by choosing among all that may happen next."""
    events: list[Event] = []
    state = INITIAL
    for at, choice in enumerate(choices, 1):
        possible = list(moves(state, float(at)))
        event, state = possible[choice % len(possible)]
        events.append(event)
    return events
