"""What the composition costs: `deployer.reduce` on the long path beside the bare machines on the same path.

    python -m benchmarks.deployer_reduce

Both take the same events, from the request to DONE, with progress as CloudFormation gives it. The bare Deployment
machine does nothing else; the deployer also holds the lock and the queue, keeps what is pending with its progress,
numbers commands, drops what is stale and remembers the counts. The aim is 4 at the most. On the path with a database
the deployer is measured beside all four bare machines, as their events would be told to them by hand.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.harness import interleaved, ratio, table
from deployer_core.analysis.menu import STACK, database
from deployer_core.engine import reducer
from deployer_core.engine.messages import Accepted, Attempted, Event, Replied, Requested
from deployer_core.engine.state import INITIAL
from deployer_core.kernel.machine import ABSENT
from deployer_core.machines import deployment as d
from deployer_core.machines import ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import EXITED, Exit
from deployer_core.machines.postgres_migration import Phase
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import DeploymentSpec, resolve

LAPS = 20
AIM = 4.0
OUTPUTS = (("Cluster", "main"),)
STOPPED = ecs_task.StatusStopped((Exit("main", 0, judged=True),), EXITED)


def moves(command: int, times: int) -> list[Event]:
    """Progress, as a poll of CloudFormation sees it: the same again and again."""
    return [Replied(command, StackStatus(Lifecycle.PROGRESS, "UPDATE_IN_PROGRESS"), 0)] * times


def rests(command: int) -> Event:
    """Return the stack at rest."""
    return Replied(
        command, StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", "", OUTPUTS, (("Count", 2),)), 0
    )


STABLE = d.Stable(True, OUTPUTS, (("Count", 2),))


def without_databases() -> tuple[list[Any], list[Event]]:
    """Return the long path: 1 wait, 3 changes, 12 times progress."""
    spec = DeploymentSpec("prod", "shop", "2", STACK)
    bare: list[Any] = [d.Requested(d.DeploymentInfo("d-1", spec)), d.Started()]
    events: list[Event] = [Requested("d-1", spec, 0, "s")]
    for command, times in ((1, 1), (2, 3), (3, 5), (4, 3)):
        bare += [*(d.Progress(),) * times, STABLE]
        events += [*moves(command, times), rests(command)]
    return bare, events


ONE = DeploymentSpec("prod", "shop", "2", STACK, (database("db", "unevaluated"),))
STEPS = ((1, 1), (2, 3), (3, 5))
"""The commands before the databases, and how often each is seen to move."""


def with_a_database() -> list[Event]:
    """Return the long path with one database that is migrated."""
    return [
        Requested("d-1", ONE, 0, "s"),
        *(event for command, times in STEPS for event in (*moves(command, times), rests(command))),
        Replied(4, postgres_migration.UpsertDone(), 0),
        Attempted(5, 1, 0),
        Accepted(5, "arn", 0),
        Replied(5, ecs_task.Started("arn"), 0),
        Replied(5, STOPPED, 0),
        Replied(6, postgres_migration.CleanupDone(), 0),
        *moves(7, 3),
        rests(7),
    ]


def with_a_database_by_hand() -> list[tuple[Any, Any]]:
    """Return the long path of the bare machines: each event with its machine."""
    migration = postgres_migration.Database("d-1", resolve(ONE.databases[0], dict(OUTPUTS)))
    assert migration.spec.migrate is not None
    run = ecs_task.Run("d-1", "db", ecs_task.Purpose.MIGRATE, migration.spec.migrate.task, (0,))
    of, db, task, lock = d.MACHINE, postgres_migration.MACHINE, ecs_task.MACHINE, stack.MACHINE
    blocked, done = (
        d.DatabaseReported(d.DatabaseProgress("db", phase)) for phase in (Phase.BLOCKED, Phase.DONE)
    )
    return [
        (of, d.Requested(d.DeploymentInfo("d-1", ONE))),
        (lock, stack.Triggered("d-1")),
        (of, d.Started()),
        *((of, event) for _, times in STEPS for event in (*(d.Progress(),) * times, STABLE)),
        (db, postgres_migration.Prepare(migration)),
        (db, postgres_migration.UpsertDone()),
        (of, blocked),
        (db, postgres_migration.Unblocked()),
        (task, ecs_task.Request(run)),
        (task, ecs_task.Started("arn")),
        (task, STOPPED),
        (db, postgres_migration.MigrateDone()),
        (db, postgres_migration.CleanupDone()),
        (of, done),
        *((of, d.Progress()),) * 3,
        (of, STABLE),
        (lock, stack.DeploymentCompleted("d-1")),
    ]


def composed(events: list[Event]) -> Callable[[], None]:
    """Count turns of the deployer, and check once that the path ends where it should."""
    state = INITIAL
    for event in events:
        state, _ = reducer.reduce(state, event)
    assert isinstance(state.stack, stack.Available), state

    def laps() -> None:
        for _ in range(LAPS):
            state = INITIAL
            for event in events:
                state, _ = reducer.reduce(state, event)

    return laps


def bare_machine(events: list[Any]) -> Callable[[], None]:
    """Count turns of the Deployment machine alone."""

    def laps() -> None:
        for _ in range(LAPS):
            state: Any = ABSENT
            for event in events:
                state, _ = d.MACHINE.reduce(state, event)

    return laps


def bare_machines(events: list[Any]) -> Callable[[], None]:
    """Count turns of all four machines, each given its events."""

    def laps() -> None:
        for _ in range(LAPS):
            states: dict[Any, Any] = {}
            for machine, event in events:
                states[machine], _ = machine.reduce(states.get(machine, ABSENT), event)

    return laps


def main() -> None:
    """Let them take turns, print the tables."""
    bare, events = without_databases()
    times = interleaved({"Deployment machine": bare_machine(bare), "deployer": composed(events)})
    print(table(times, "Deployment machine", LAPS * len(events)))
    found = ratio(times, "deployer", "Deployment machine")
    print(
        f"deployer / machine: {found:.2f}, the aim is {AIM} at the most: {'met' if found <= AIM else 'missed'}\n"
    )
    events = with_a_database()
    times = interleaved(
        {"four machines": bare_machines(with_a_database_by_hand()), "deployer": composed(events)}
    )
    print(table(times, "four machines", LAPS * len(events)))


if __name__ == "__main__":
    main()
