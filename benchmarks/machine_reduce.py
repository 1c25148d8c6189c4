"""What the kernel costs: the Deployment machine on its long path beside the same written by hand as an if-chain.

    python benchmarks/machine_reduce.py

The chain makes the same states and the same commands, by the same helpers where there is something to compute, and asks
for the likeliest states first. So the ratio is the price of a table that can be drawn. The aim is 1.2 at the most.
"""

from typing import Any

from benchmarks.harness import interleaved, ratio, table
from deployer_core.kernel.machine import Absent, IllegalEvent
from deployer_core.machines import deployment as d
from deployer_core.machines.postgres_migration import Phase
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Migration,
    Output,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateUrl,
    Text,
)

LAPS = 40
AIM = 1.2

TASK = TaskSpec[Text](cluster="main", task_definition="migrate:1")
SPEC = DeploymentSpec(
    "prod",
    "shop",
    "2",
    StackSpec("shop", TemplateUrl("https://example.com/stack.yaml"), scaling=(PreviousCount("Count", 1),)),
    databases=(DatabaseSpec[Text]("shop", AdminSecret(Output("Secret")), migrate=Migration(TASK)),),
)
MOVES = d.Progress()
MIGRATE_DATA: Any = d.migrate_data  # as a handler of eventless edges it might give None
LONG_PATH: tuple[Any, ...] = (
    d.Requested(d.DeploymentInfo("d-1", SPEC)),
    d.Started(),
    MOVES,
    d.Stable(counts=(("Count", 2),), zero=(("Count", 0),)),
    *(MOVES,) * 3,
    d.Stable(),
    *(MOVES,) * 5,
    d.Stable(outputs=(("Secret", "rds/shop"),)),
    d.DatabaseReported(d.DatabaseProgress("shop", Phase.BLOCKED)),
    d.DatabaseReported(d.DatabaseProgress("shop", Phase.DONE)),
    *(MOVES,) * 3,
    d.Stable(),
)


def by_hand(state: Any, event: Any) -> tuple[Any, tuple[Any, ...]]:
    """Walk the long path and its failures as hand-written code would."""
    if isinstance(state, d.ScalingDown):
        if isinstance(event, d.Progress):
            return state, ()
        if isinstance(event, d.Stable):
            info = state.info
            update = d.UpdateStack(info.id, info.spec.stack, d._zero(state.counts))
            return d.InfraMigrate(info, state.counts), (update,)
        if isinstance(event, d.Failure):
            return failed(state.info, event.reason)
    elif isinstance(state, d.InfraMigrate):
        if isinstance(event, d.Progress):
            return state, ()
        if isinstance(event, d.Stable):
            return settled(
                *MIGRATE_DATA(d.InfraMigrated(state.info, state.counts, event.outputs, event.back))
            )
        if isinstance(event, d.Failure):
            return failed(state.info, event.reason)
    elif isinstance(state, d.ScalingUp):
        if isinstance(event, d.Progress):
            return state, ()
        if isinstance(event, d.Stable):
            return d.Done(state.info), (d.CompleteOnStack(state.info.id),)
        if isinstance(event, d.Failure):
            return failed(state.info, event.reason)
    elif isinstance(state, d.DbMigrating):
        if isinstance(event, d.DatabaseReported):
            return settled(*d.report(state, event))
    elif isinstance(state, d.Waiting):
        if isinstance(event, d.Progress):
            return state, ()
        if isinstance(event, d.Stable):
            info = state.info
            if event.exists and not info.spec.quick:
                scale = d.ScaleStack(info.id, info.spec.stack, event.zero)
                return d.ScalingDown(info, event.counts), (scale,)
        if isinstance(event, d.Failure):
            return failed(state.info, event.reason)
    elif isinstance(state, d.Queued):
        if isinstance(event, d.Started):
            spec = state.info.spec
            discard = spec.stack.discard_rolled_back_creation
            look = d.StabiliseStack(
                state.info.id, spec.stack, spec.wait_timeout, spec.cancel_updates, discard
            )
            return d.Waiting(state.info), (look,)
    elif isinstance(state, Absent) and isinstance(event, d.Requested):
        return d.Queued(event.info), (d.QueueOnStack(event.info.id),)
    raise IllegalEvent("Deployment", type(state).__name__, event, ())


def failed(info: d.DeploymentInfo, reason: str) -> tuple[d.Failed, tuple[d.BreakStack]]:
    """Fail, and break the stack."""
    return d.Failed(info, d.Cause.FAILURE, reason), (d.BreakStack(info.id, d.Cause.FAILURE, reason),)


def settled(state: Any, commands: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Decide what follows once every database has settled."""
    settles = d.settle(state)
    if settles is None:
        return state, commands
    after, more = settles
    if isinstance(after, d.Failed):
        return after, more
    info = state.info
    return d.ScalingUp(info), (*commands, d.ScaleStack(info.id, info.spec.stack, state.counts))


def fold(reduce: Any) -> tuple[Any, tuple[Any, ...]]:
    """Walk the long path; return the last state, and all commands."""
    state, commands = d.MACHINE.initial, ()
    for event in LONG_PATH:
        state, more = reduce(state, event)
        commands += more
    return state, commands


def laps(reduce: Any) -> None:
    """Take one turn."""
    for _ in range(LAPS):
        state = d.MACHINE.initial
        for event in LONG_PATH:
            state, _ = reduce(state, event)


def main() -> None:
    """Check that both do the same, let them take turns, print the table."""
    assert fold(d.MACHINE.reduce) == fold(by_hand)
    times = interleaved({"if-chain": lambda: laps(by_hand), "machine": lambda: laps(d.MACHINE.reduce)})
    print(table(times, "if-chain", LAPS * len(LONG_PATH)))
    found = ratio(times, "machine", "if-chain")
    print(
        f"\nmachine / if-chain: {found:.2f}, the aim is {AIM} at the most: {'met' if found <= AIM else 'missed'}"
    )


if __name__ == "__main__":
    main()
