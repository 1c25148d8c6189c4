"""What looking at AWS costs: many stacks through one runner, and a deployment beside the AWS CLI's waiters.

    python -m benchmarks.observing [STACKS ...]

All on the simulated AWS in virtual time, so the figures are calls and virtual seconds, the same on every machine.

First, 10, 100 and 1,000 stacks that are all being created: calls a minute while nothing happens, and calls that each
costs from its request to its end. The aim is that a minute's calls grow with the account's pages, of a hundred stacks
each, and not with the stacks under way.

Then whole deployments of so many stacks at once, each with a service that is scaled to zero and a task that migrates.

Last, the full path of the example (scaled to zero, updated, evaluated and migrated, scaled up), the first time and once
its usual durations are known. Beside it is what `aws cloudformation wait` and `aws ecs wait` would spend on the very
same changes and tasks, had each been started at the moment at which AWS accepted them.
"""

import random
import sys
from statistics import mean

from attrs import frozen

from deployer_core.engine.messages import Accepted, Replied
from tests.support.listening import SimulatedExample
from tests.support.many_stacks import ManyStacks, full_path
from tests.support.orders import KEY

MINUTES = 20
SEEDS = range(10)
STACK_WAITER, TASK_WAITER = 30, 6
"""Seconds between two calls of StackCreateComplete and StackUpdateComplete, which give up after 120 calls, and of
TasksStopped, after 100 (botocore 1.44.5, waiters-2.json of cloudformation/2010-05-15 and ecs/2014-11-13)."""
DEPLOYMENTS = 6
TOGETHER = (1, 10, 100)
CHANGES = {"create_stack", "update_stack", "run_task", "stop_task", "cancel_update_stack", "delete_stack"}


# Many stacks


def many_stacks(count: int) -> str:
    """Return a line of the first table."""
    many = ManyStacks(count, takes=MINUTES * 60 + count)
    many.get_under_way()
    many.carry_on(300)
    quiet = many.carry_on(MINUTES * 60 - 600).total() / (MINUTES - 10)
    many.runner.run()
    total = many.sim.call_counts
    done = sum(notice.outcome == "DONE" for notice in many.notices)
    return (
        f"{count:>8,}{many.pages:>8}{quiet:>12.1f}{quiet / many.pages:>12.1f}{total.total() / count:>16.1f}"
        f"{done:>8,}"
    )


def together(count: int) -> str:
    """Return a line of the second table."""
    calls = full_path(count)
    acting = sum(calls[name] for name in CHANGES)
    return f"{count:>8,}{(calls.total() - acting) / count:>12.1f}{acting / count:>12.1f}"


# One deployment, beside the waiters


@frozen
class Spent:
    """Calls that only look, and how late each end was noticed, in seconds."""

    calls: int
    late: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.calls:>10}{mean(self.late):>14.1f}{max(self.late):>12.1f}"


def rules(rng: random.Random) -> str:
    """Give each change and task a usual time, from which it differs by a tenth; each evaluation finds changes."""
    found: list[str] = []
    for change, least, most, times in (("update_stack", 60, 300, 3), ("run_task", 20, 120, 3)):
        usual = [rng.uniform(least, most) for _ in range(times)]
        for nth in range(1, times * DEPLOYMENTS + 1):
            takes = usual[nth % times] * rng.uniform(0.9, 1.1)
            code = ", exit_code: 2" if change == "run_task" and nth % 3 == 0 else ""
            found.append(f"{{on: {change}, nth: {nth}, takes: {takes:.1f}{code}}}")
    return f"rules: [{', '.join(found)}]"


def waited(took: float, delay: float) -> tuple[int, float]:
    """Return a waiter's calls for what takes so long, and how late it notices: it looks at once, then after delays."""
    looks = -int(-took // delay)
    return looks + 1, looks * delay - took


def ends(example: SimulatedExample) -> dict[str, float]:
    """When each change and task truly ended, by its token or ARN."""
    found: dict[str, float] = {}
    stacks, ecs = example.sim.client("cloudformation"), example.sim.client("ecs")
    pages = stacks.get_paginator("describe_stack_events").paginate(StackName="staging-orders")
    for event in reversed([event for page in pages for event in page["StackEvents"]]):
        if event["PhysicalResourceId"] == event["StackId"]:
            found[event["ClientRequestToken"]] = event["Timestamp"].timestamp()
    for change in example.sim.changes:
        if change.action == "run_task":
            cluster = change.target.split("/")[-2]
            for task in ecs.describe_tasks(cluster=cluster, tasks=[change.target])["tasks"]:
                found[change.target] = task["stoppedAt"].timestamp()
    return found


def spent(example: SimulatedExample, version: str) -> dict[str, Spent]:
    """One deployment: what we spent on looking, and what the waiters would have."""
    calls = example.calls
    since, version_before = example.sim.clock.now(), example.journal.head(KEY).version
    example.deploy(version)
    calls = example.calls - calls
    ours = sum(n for operation, n in calls.items() if operation not in CHANGES)
    truth = ends(example)
    late, theirs = list[float](), list[tuple[int, float]]()
    events = [row.event for row in example.journal.events(KEY) if row.version > version_before]
    accepted = {e.command: e for e in events if isinstance(e, Accepted)}
    last = {e.command: e.at for e in events if isinstance(e, Replied)}
    tokens = {change.target: change.token for change in example.sim.changes if change.at >= since}
    for command, at in last.items():
        if command not in accepted:
            continue
        ref: str = accepted[command].ref
        is_task = ":task/" in ref
        end = truth[ref] if is_task else max(t for token, t in truth.items() if _was_before(t, at, token))
        late.append(at - end)
        theirs.append(waited(end - accepted[command].at, TASK_WAITER if is_task else STACK_WAITER))
    assert tokens
    return {
        "deployer": Spent(ours, tuple(late)),
        "waiters": Spent(sum(n for n, _ in theirs), tuple(late for _, late in theirs)),
    }


def _was_before(end: float, noticed: float, token: str) -> bool:
    return end <= noticed and not token.startswith("arn:")


def deployments() -> None:
    """Print the third table."""
    rows: dict[str, list[dict[str, Spent]]] = {"the first time": [], "later on": []}
    for seed in SEEDS:
        rng = random.Random(seed)
        example = SimulatedExample(rules(rng), listens=False, jitter=rng.random)
        example.deploy("1.0")
        for version in range(1, DEPLOYMENTS):
            found = spent(example, f"1.{version}")
            if version in (1, DEPLOYMENTS - 1):
                rows["the first time" if version == 1 else "later on"].append(found)
    for name, runs in rows.items():
        for who in ("deployer", "waiters"):
            calls = round(mean(run[who].calls for run in runs))
            print(f"{name:<16}{who:<10}{Spent(calls, tuple(late for run in runs for late in run[who].late))}")


def main(counts: list[str] | None = None) -> None:
    """Print the tables."""
    print(f"{'stacks':>8}{'pages':>8}{'a minute':>12}{'and page':>12}{'in all, each':>16}{'done':>8}   calls")
    for count in map(int, counts or ["10", "100", "1000"]):
        print(many_stacks(count), flush=True)
    print(f"\n{'stacks':>8}{'to look':>12}{'to act':>12}   calls each, for a whole deployment")
    for count in TOGETHER:
        print(together(count), flush=True)
    print(f"\n{'the full path':<26}{'looks':>10}{'late on av.':>14}{'at most':>12}   calls, seconds")
    deployments()


if __name__ == "__main__":
    main(sys.argv[1:])
