"""Real streams: deployments driven through `reducer.reduce` by scripted or arbitrary answers.

Use it where a test of a journal needs events that a deployment has, and not what they mean.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count

from attrs import evolve

from deployer_aws.ports import Entry, Head, Journal
from deployer_core.engine import reducer, routing
from deployer_core.engine.messages import (
    Accepted,
    Answer,
    Attempted,
    DeadlinePassed,
    Event,
    Failure,
    Notice,
    Pending,
    Repaired,
    Replied,
    Requested,
    StopTask,
    Terminated,
)
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import ecs_task, postgres_migration
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    Migration,
    Output,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateBody,
    Text,
)

TEMPLATE = "Resources: {}\n# Größe: 1 µm\n"
OUTPUTS = (("Admin", "orders/admin"), ("Cluster", "main"))


def sha256(text: str) -> str:
    """Return the name of a text in a journal."""
    return hashlib.sha256(text.encode()).hexdigest()


def spec(version: str = "1", *, databases: int = 2, parameter: str = "") -> DeploymentSpec:
    """Return a version on the full path, of `prod/orders`."""
    task = TaskSpec[Text](Output("Cluster"), "migrate:1")
    names = [f"orders_{number}" for number in range(databases)]
    return DeploymentSpec(
        "prod",
        "orders",
        version,
        StackSpec(
            "orders",
            TemplateBody(sha256(TEMPLATE), "template.yaml"),
            parameters=(("Text", parameter),),
            scaling=(PreviousCount("Count", 2),),
        ),
        tuple(
            DatabaseSpec[Text](
                n, AdminSecret[Text](Output("Admin")), migrate=Migration(task), evaluate=Evaluation(task)
            )
            for n in names
        ),
    )


def request(
    deployment: str = "d-1", *, specified: DeploymentSpec | None = None, at: float = 1.5
) -> Requested:
    """Return a request, the first of its stream or not."""
    return Requested(deployment, specified or spec(), at, stream=32 * "a")


def entry(key: str, before: Head, event: Event) -> Entry:
    """Return what an adapter appends for an event: the state that comes of it, its notices, and its template."""
    after, commands = reducer.reduce(before.state, event)
    notices = tuple(command for command in commands if isinstance(command, Notice))
    blobs = {sha256(TEMPLATE): TEMPLATE} if isinstance(event, Requested) else {}
    return Entry(key, before, event, after, notices, blobs)


def after(done: Entry) -> Head:
    """Return the head that an entry leads to."""
    return Head(done.after, done.before.version + 1)


def append(journal: Journal, key: str, *events: Event) -> Head:
    """Append one event after the other to a stream, as a runner does."""
    for event in events:
        journal.append([entry(key, journal.head(key), event)])
    return journal.head(key)


def good_path(specified: DeploymentSpec | None = None) -> list[Event]:
    """Return a deployment from its request to DONE: about twenty events."""
    events: list[Event] = [request(specified=specified)]
    state, _ = reducer.reduce(routing.INITIAL, events[0])
    for at in count(2):
        if not state.pending:
            return events
        for event in _answered(state.pending[0], float(at)):
            state, _ = reducer.reduce(state, event)
            events.append(event)
    raise AssertionError


def _answered(pending: Pending, at: float) -> Iterator[Event]:
    yield Attempted(pending.id, 1, at)
    yield Accepted(pending.id, f"arn:{pending.id}", at)
    yield Replied(pending.id, answers(pending)[0], at)


def answers(pending: Pending) -> Sequence[Answer]:
    """Return what the world may answer to a command, the good answer first."""
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


def moves(state: routing.DeployerState, at: float) -> Iterator[tuple[Event, routing.DeployerState]]:
    """Every event that is news to a state, with what comes of it."""
    for event in _thinkable(state, at):
        try:
            new, _ = reducer.reduce(state, event)
        except IllegalEvent:
            continue
        if new is not state:
            yield event, new


def _thinkable(state: routing.DeployerState, at: float) -> Iterator[Event]:
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
    state = routing.INITIAL
    for at, choice in enumerate(choices, 1):
        possible = list(moves(state, float(at)))
        event, state = possible[choice % len(possible)]
        events.append(event)
    return events


def fold(events: Sequence[Event]) -> routing.DeployerState:
    """Return what the events give."""
    state = routing.INITIAL
    for event in events:
        state, _ = reducer.reduce(state, event)
    return state


def large_state() -> routing.DeployerState:
    """Return a state of about two megabytes; no reduction gives it in a short time."""
    known = tuple((f"deployment-{number:06}", "0123456789abcdef") for number in range(50_000))
    return evolve(fold([request()]), known=known)
