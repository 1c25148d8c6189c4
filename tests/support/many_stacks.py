"""Many stacks under way at once through one runner, on a simulated account; its calls are counted.

Use it where a test asks how the number of calls grows with the number of stacks.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from deployer_aws.environment.simulated import simulated_environment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.simulator import Simulator
from deployer_core.engine.messages import Notice
from deployer_core.spec import DeploymentSpec, StackSpec, TemplateBody
from tests.deployer_aws.scenarios.environment import InstantPostgres
from tests.deployer_aws.scenarios.specs import asked, database, template

TEMPLATE = "Resources: {Topic: {Type: 'AWS::SNS::Topic'}}"
SHA256 = hashlib.sha256(TEMPLATE.encode()).hexdigest()
PAGE = 100
"""Stacks to a page of the simulated account."""


def kept_in(notices: list[Notice]) -> Callable[[str, Notice], None]:
    """Return what a runner notifies: it keeps each notice."""
    return lambda _, notice: notices.append(notice)


class ManyStacks:
    """So many stacks that are created at once, in an account that has others too; each takes as long as is said."""

    def __init__(self, count: int, *, others: int = 0, takes: float = 3_600.0, **script: Any) -> None:
        self.sim = Simulator(
            {
                "templates": {"plain": TEMPLATE},
                "stacks": [{"name": f"other-{n}", "template": "plain"} for n in range(others)],
                "rules": [*script.pop("rules", []), {"on": "create_stack", "takes": takes}],
                **script,
            }
        )
        self.pages = -(-(count + others) // PAGE)
        self.journal = SqliteJournal(":memory:")
        self.notices: list[Notice] = []
        self.runner = simulated_environment(self.sim, self.journal, InstantPostgres()).runner(
            notify=kept_in(self.notices),
            jitter=random.Random(count).random,
        )
        for n in range(count):
            stack = StackSpec(f"app-{n}", TemplateBody(SHA256, "plain"), timeout=100_000)
            spec = DeploymentSpec("prod", f"app-{n}", "1", stack, quick=True)
            self.runner.request("d", spec, {SHA256: TEMPLATE})

    def carry_on(self, seconds: float) -> Counter[str]:
        """Let so much time pass; return the calls that were made."""
        before, until = self.sim.call_counts, self.sim.clock.monotonic() + seconds
        while (now := self.sim.clock.monotonic()) < until:
            wait = self.runner.step()
            assert wait is not None, "there is nothing under way any more"
            self.sim.clock.sleep(min(wait, until - now))
        return self.sim.call_counts - before

    def get_under_way(self) -> None:
        """Carry on until every stack was seen to be under way."""
        while not all(
            p.seen and p.ref for key in self.journal.streams() for p in self.journal.head(key).state.pending
        ):
            self.carry_on(10)


def full_path(count: int) -> Counter[str]:
    """Count the calls of so many stacks that are migrated at once, each with a service, a database and its task."""
    sim = Simulator(
        {
            "clusters": ["main"],
            "task_definitions": [{"family": "orders-migrate", "containers": ["migrate"]}],
            "rules": [{"on": "update_stack", "takes": 120}, {"on": "run_task", "takes": 90}],
        }
    )
    notices: list[Notice] = []
    runner = simulated_environment(sim, SqliteJournal(":memory:"), InstantPostgres()).runner(
        notify=kept_in(notices),
        jitter=random.Random(count).random,
    )
    before = Counter[str]()
    for version in ("1", "2"):
        before = sim.call_counts
        for n in range(count):
            wanted = asked(f"app-{n}", template(), version=version, databases=(database(),))
            runner.request(version, wanted.spec, wanted.templates)
        runner.run()
    assert [notice.outcome for notice in notices] == ["DONE"] * 2 * count
    return sim.call_counts - before
