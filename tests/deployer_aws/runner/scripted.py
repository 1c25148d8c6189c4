"""A runner with an executor that does as it is told, on a journal and a clock of its own.

Use it where a test asks what a transcript of the runner (runner/player.py) does not show: errors, metrics, settings.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Appended, Journal, Work
from deployer_aws.runner import Runner
from deployer_core.engine.messages import Notice
from deployer_core.engine.state import DeployerState
from deployer_core.machines.deployment import (
    CreateStack,
    ScaleStack,
    StabiliseStack,
    UpdateStack,
    UpsertStack,
)
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from tests.deployer_aws.scenarios.specs import Asked, asked, template

KEY = "test/shop"
STACKS = (StabiliseStack, CreateStack, UpdateStack, UpsertStack, ScaleStack)
COMPLETE = StackStatus(Lifecycle.COMPLETE, "CREATE_COMPLETE", "", (("Cluster", "main"),))
CREATING = StackStatus(Lifecycle.PROGRESS, "CREATE_IN_PROGRESS")


class Clock:
    """Time that passes in sleep alone."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@define
class Script:
    """An executor that does what it is told, look by look; after that it says that all is complete."""

    looks: list[Callable[[Work], Act]]
    commands: tuple[type, ...] = STACKS
    seen: list[Work] = field(factory=list[Work])

    def act(self, work: Work) -> Act:
        self.seen.append(work)
        yield from (self.looks.pop(0) if self.looks else complete)(work)


def complete(work: Work) -> Act:
    """Reply that the stack is as it should be."""
    yield work.reply(COMPLETE)


def moving(work: Work) -> Act:
    """Reply that the stack moves."""
    yield work.reply(CREATING)


def raising(error: Exception) -> Callable[[Work], Act]:
    """Return a look at which AWS raises an error."""

    def look(work: Work) -> Act:
        yield from ()
        raise error

    return look


@frozen
class ScriptedRunner:
    """A runner with everything that it needs."""

    journal: Journal
    clock: Clock
    runner: Runner
    script: Script
    steps: list[Appended]
    notices: list[Notice]

    @property
    def state(self) -> DeployerState:
        return self.journal.head(KEY).state

    def request(self, name: str = "d1", *, quick: bool = True, **settings: Any) -> Asked:
        """Ask for a deployment."""
        wanted = asked("shop", template(), quick=quick, **settings)
        self.runner.request(name, wanted.spec, wanted.templates)
        return wanted


def scripted(*looks: Callable[[Work], Act], others: Sequence[Any] = (), **settings: Any) -> ScriptedRunner:
    """Return a runner whose executor does as told."""
    clock, script = settings.pop("clock", None) or Clock(), Script(list(looks))
    steps: list[Appended] = []
    notices: list[Notice] = []
    journal = settings.pop("journal", None) or SqliteJournal(":memory:")

    def notify(_: str, notice: Notice) -> None:
        notices.append(notice)

    settings = {
        "notify": notify,
        "watch": steps.append,
        "jitter": lambda: 0.5,
        **settings,
    }
    runner = Runner(journal, [script, *others], clock, **settings)
    return ScriptedRunner(journal, clock, runner, script, steps, notices)
