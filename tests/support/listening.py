"""The example on the simulated AWS with a queue, through which its events go to the runner.

Use it where a test is about events, notices or what the example does as a whole.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from deployer_aws.aws.protocols import SqsClient
from deployer_aws.environment.simulated import simulated_environment
from deployer_aws.events import EventQueue
from deployer_aws.journals.replay import verify
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.notifications import Channel, Notices
from deployer_aws.ports import Clock, Journal
from deployer_aws.runner import PollingPolicy
from deployer_aws.simulator import SimulatedPostgres, Simulator
from deployer_core.engine.messages import Notice
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.machine import name_of
from tests.support.many_stacks import kept_in
from tests.support.orders import KEY, TEMPLATES, orders
from tests.support.sqs import URL, Sqs

CHANGES = "{on: run_task, nth: 1, exit_code: 2}"
SCRIPTS = {
    "good": f"rules: [{CHANGES}]",
    "nothing to migrate": "",
    "task fails": f"rules: [{CHANGES}, {{on: run_task, nth: 2, exit_code: 1, reason: the schema is locked}}]",
    "task cannot start": "rules: [{on: run_task, nth: 1, stop_code: TaskFailedToStart}]",
    "out of memory": f"rules: [{CHANGES}, {{on: run_task, nth: 2, oom: true}}]",
    "no exit code": "rules: [{on: run_task, nth: 1, no_exit_code: true}]",
    "no containers": "rules: [{on: run_task, nth: 1, no_containers: true}]",
    "no capacity": f"rules: [{CHANGES}, {{on: run_task, nth: 3, capacity: unavailable}}]",
    "hidden task": "rules: [{on: run_task, nth: 1, hidden: 10}]",
    "create fails": "rules: [{on: create_stack, nth: 1, fail: {reason: no capacity}}]",
    "update fails": "rules: [{on: update_stack, nth: 2, fail: {reason: no capacity}}]",
    "late reads": f"rules: [{CHANGES}, {{on: update_stack, stale: 5, linger: 60}}]",
    "throttled": "rules: [{on: describe_stacks, every: 3, throttle: true}, "
    "{on: describe_tasks, every: 2, throttle: true}]",
    "lost replies": "rules: [{on: update_stack, nth: 1, lost_reply: true}, {on: run_task, nth: 2, lost_reply: true}, "
    "{on: create_stack, nth: 1, lost_reply: true}]",
    "somebody else's update": "events: [{at: 300, stack: staging-orders, update: "
    "{parameters: {DesiredCount: 3}, takes: 60}}]",
}
"""Whatever may happen to the example's first two versions."""

Delivery = Callable[[list[Any]], list[Any]]


def _half() -> float:
    return 0.5


class SimulatedExample:
    """A simulated account, a journal, and a runner: one that polls, or one that listens to a queue as well."""

    def __init__(
        self,
        script: str = "",
        *,
        listens: bool = True,
        delivery: Delivery = list,
        polling: PollingPolicy | None = None,
        jitter: Callable[[], float] = _half,
        channel: Channel | None = None,
        changes: bool = False,
        keys: Collection[str] | None = None,
        queue: Callable[["SimulatedExample"], SqsClient] | None = None,
        url: str = URL,
    ) -> None:
        self.sim = Simulator(script)
        self.journal: Journal = SqliteJournal(":memory:")
        self.notices: list[Notice] = []
        self._read, self._delivery = 0, delivery
        self.sqs = Sqs(self.sim.clock, self._arriving)
        clock: Clock = self.sim.clock
        self.events = EventQueue(queue(self) if queue else self.sqs, url, self.journal, clock, keys)
        told = Notices(channel, clock, changes=changes) if channel else None
        self.runner = simulated_environment(self.sim, self.journal, SimulatedPostgres()).runner(
            events=self.events if listens else None,
            polling=polling,
            notify=told.notify if told else kept_in(self.notices),
            watch=told.watch if told else None,
            jitter=jitter,
        )

    def _arriving(self) -> list[Any]:
        events = self.sim.emitted[self._read :]
        self._read += len(events)
        return self._delivery(events)

    def request(self, version: str = "1.0") -> None:
        """Ask for a version of the example."""
        self.runner.request(version, orders(version), TEMPLATES)

    def deploy(self, *versions: str) -> None:
        """Carry versions out, one after the other."""
        for version in versions or ("1.0",):
            self.request(version)
            self.runner.run([KEY])

    def until(self, reached: Callable[[DeployerState], bool]) -> None:
        """Carry on until the state is as wanted, and not a look further."""
        for _ in range(1_000):
            if reached(self.state):
                return
            wait = self.runner.step([KEY])
            assert wait is not None
            if not reached(self.state):
                self.runner.wait(wait)
        raise AssertionError(f"never came: {self.state}")

    @property
    def state(self) -> DeployerState:
        """As journaled."""
        return self.journal.head(KEY).state

    @property
    def calls(self) -> Counter[str]:
        """Calls to CloudFormation and ECS."""
        return self.sim.call_counts

    def ending(self) -> dict[str, Any]:
        """How it ended, and what AWS truly did, without times and names that are different each time."""
        verify(self.journal, KEY)
        return {
            "stack": name_of(type(self.state.stack)),
            "pending": self.state.pending,
            "deployments": self.state.deployments,
            "baseline": self.state.memory.baseline,
            "notices": [(n.deployment, n.outcome, _plain(n.reason)) for n in self.notices],
            "changes": [(c.action, _plain(c.target)) for c in self.sim.changes],
        }


def _plain(text: str) -> str:
    return " ".join(word.rpartition("/")[0] if word.startswith("arn:") else word for word in text.split())


def carried_out(example: SimulatedExample) -> SimulatedExample:
    """Carry out two versions, the second one only where the first was done."""
    example.deploy("1.0")
    if example.notices[-1].outcome == "DONE":
        example.deploy("1.1")
    return example
