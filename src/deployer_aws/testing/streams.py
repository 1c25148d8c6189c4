"""Real streams: a deployment from its request to DONE, and its events as a runner appends them.

Use it where a test of a journal needs events that a deployment has, and not what they mean.
"""

import hashlib
from itertools import count

from deployer_aws.journals.replay import verify
from deployer_aws.ports import Conflict, Entry, Head, Journal
from deployer_core.engine import reducer
from deployer_core.engine.messages import (
    Accepted,
    Answer,
    Attempted,
    Event,
    Notice,
    Replied,
    Requested,
    StopTask,
    WorldCommand,
)
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.machines import ecs_task, postgres_migration
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    Migration,
    Output,
    Pairs,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateBody,
    Text,
)

KEY = "prod/orders"
OTHER = "staging/Größe"
TEMPLATE = "Resources: {}\n# Größe: 1 µm\n"
OUTPUTS = (("Admin", "orders/admin"), ("Cluster", "main"))


def sha256(text: str) -> str:
    """Return the name of a text in a journal."""
    return hashlib.sha256(text.encode()).hexdigest()


def spec(version: str = "1", *, databases: int = 2) -> DeploymentSpec:
    """Return a version on the full path, of `prod/orders`."""
    task = TaskSpec[Text](Output("Cluster"), "migrate:1")
    stack = StackSpec(
        "orders", TemplateBody(sha256(TEMPLATE), "template.yaml"), scaling=(PreviousCount("Count", 2),)
    )
    migrated = tuple(
        DatabaseSpec[Text](
            f"orders_{number}",
            AdminSecret[Text](Output("Admin")),
            migrate=Migration(task),
            evaluate=Evaluation(task),
        )
        for number in range(databases)
    )
    return DeploymentSpec("prod", "orders", version, stack, migrated)


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
    state = fold(events)
    for at in count(2):
        if not state.pending:
            return events
        first = state.pending[0]
        events.append(Attempted(first.id, 1, at))
        events.append(Accepted(first.id, f"arn:{first.id}", at))
        events.append(Replied(first.id, good_answer(first.command), at))
        state = fold(events[-3:], state)
    raise AssertionError


def good_answer(command: WorldCommand, outputs: Pairs = OUTPUTS) -> Answer:
    """Return the answer to a command that has done well: a stack has these outputs, an evaluation finds changes."""
    match command:
        case ecs_task.RunTask(run) | StopTask(run):
            code = 2 if run.purpose is ecs_task.Purpose.EVALUATE else 0
            return ecs_task.StatusStopped((ecs_task.Exit("main", code, judged=True),), ecs_task.EXITED)
        case postgres_migration.UpsertDatabase():
            return postgres_migration.UpsertDone()
        case postgres_migration.CleanupDatabase():
            return postgres_migration.CleanupDone()
        case _:
            return StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", "", outputs, (("Count", 3),))


def fold(events: list[Event], state: DeployerState = INITIAL) -> DeployerState:
    """Return what the events give."""
    for event in events:
        state, _ = reducer.reduce(state, event)
    return state


def attempt(journal: Journal, key: str) -> None:
    """Append the next attempt at the first pending command, however often somebody else is first."""
    while True:
        head = journal.head(key)
        pending = head.state.pending[0]
        event = Attempted(pending.id, pending.attempt.number + 1 if pending.attempt else 1, 2.0)
        try:
            journal.append([entry(key, head, event)])
        except Conflict:
            continue
        return


def check_attempts(journal: Journal, expected: int) -> None:
    """Check that so many attempts stand after the request of a stream, each on the one before it."""
    rows = list(journal.events(KEY))
    attempts = [row.event.number for row in rows if isinstance(row.event, Attempted)]
    assert attempts == list(range(1, expected + 1))
    assert [row.version for row in rows] == list(range(1, expected + 2))
    assert journal.head(KEY).version == expected + 1
    verify(journal, KEY)


def everything(journal: Journal, *keys: str) -> list[object]:
    """Return all that a journal says of some streams."""
    return [
        journal.streams(),
        journal.notices(),
        [(journal.head(key), list(journal.events(key)), journal.lease(key)) for key in keys],
    ]
