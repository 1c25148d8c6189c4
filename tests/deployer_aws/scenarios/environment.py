"""A test environment: an AWS to deploy into, with the real runner and the real executors in front of it.

Scenarios speak to each of them in the same words. What one cannot do it skips, and says why.
Use it for whatever the executors must do alike on every simulated AWS, and where a process dies between its calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from attrs import frozen

from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_aws.executors.ecs import Ecs
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Appended, Clock, Journal, Work
from deployer_aws.runner import PollingPolicy, Runner
from deployer_core.engine.messages import Notice, Pending
from deployer_core.engine.state import DeployerState
from deployer_core.kernel import machine
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    UpsertDatabase,
    UpsertDone,
)
from deployer_core.spec import DatabaseSpec, Text
from tests.deployer_aws.scenarios.specs import Asked, asked, database, template


class InstantPostgres:
    """Databases that are made and tended at once: they are tested elsewhere."""

    commands: tuple[type, ...] = (UpsertDatabase, CleanupDatabase)

    def act(self, work: Work) -> Act:
        yield work.attempt(1)
        upsert = isinstance(work.pending.command, UpsertDatabase)
        yield work.reply(UpsertDone() if upsert else CleanupDone())


@frozen
class Change:
    """One change that AWS really made for us: what, to what, and by which request."""

    action: str
    target: str = ""
    token: str | None = None
    details: Mapping[str, Any] = {}


class Killed(BaseException):
    """The process dies here."""


class Dying:
    """A client under which the process dies, after a number of calls of all such clients."""

    def __init__(self, client: Any, lives: list[int]) -> None:
        self._client, self._lives = client, lives

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name in ("meta", "exceptions"):
            return method

        def call(**request: Any) -> Any:
            try:
                return method(**request)
            finally:
                self._lives.append(self._lives.pop() - 1)
                if self._lives == [0]:
                    raise Killed

        return call


def _half() -> float:
    return 0.5


class Environment(ABC):
    """What every test environment has. `lacks` says of what it cannot do, why."""

    name: ClassVar[str]
    lacks: ClassVar[Mapping[str, str]] = {}
    polling: ClassVar[PollingPolicy] = PollingPolicy()
    kill_points: ClassVar[Sequence[int]] = range(1, 1_000)
    """After which calls to AWS a runner is killed; where it survives, that was the last of them."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.key = f"test/{stack}"
        self.bucket = f"{stack}-templates"
        self.journal: Journal = SqliteJournal(":memory:")
        self.notices: list[Notice] = []
        self.seen: list[str] = []
        self.react: Callable[[Appended], None] | None = None
        self._runner: Runner | None = None

    # What a test environment has to have

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """Its time."""

    @abstractmethod
    def client(self, service: str) -> Any:
        """Its client of a service."""

    @abstractmethod
    def rule(self, **rule: Any) -> None:
        """Script what becomes of some calls or changes, in the words of the simulator's script."""

    @abstractmethod
    def event(self, **event: Any) -> None:
        """Script what others do, in the words of the simulator's script; `at` counts from the first deployment."""

    @abstractmethod
    def given_stack(self, **settings: Any) -> None:
        """Make a stack of the scenario's name that is there from the start, in the words of the simulator's script."""

    @abstractmethod
    def others_update(self, parameters: dict[str, str], takes: float) -> None:
        """Somebody else begins to update the stack, now; the parameters that are not given stay."""

    @abstractmethod
    def failing(self, change: str, nth: int = 1) -> tuple[str, str]:
        """Lets the n-th change of a kind fail; the template to change to, and the words of the failing resource."""

    @abstractmethod
    def cancelled_by_others(self) -> str:
        """Lets somebody cancel our next update from the console; the template to change to."""

    @abstractmethod
    def other_stack(self, sections: dict[str, Any]) -> str:
        """Another stack that is there from the start, with these sections of its template; its name."""

    @abstractmethod
    def listener(self, *priorities: int) -> str:
        """Make a load balancer's listener that others have rules on; return its ARN."""

    @abstractmethod
    def hasten(self) -> None:
        """Lets every change and task be over soon, so that few calls look at it."""

    @abstractmethod
    def parameter_store(self, name: str, value: str) -> None:
        """Put a value into the SSM Parameter Store."""

    @abstractmethod
    def sent(self, operation: str, **having: Any) -> list[dict[str, Any]]:
        """Our requests of an operation so far, the refused ones too, that have these members."""

    @abstractmethod
    def task_definition(self, family: str, **settings: Any) -> None:
        """Register a task definition that is there from the start."""

    @property
    @abstractmethod
    def changes(self) -> list[Change]:
        """What AWS has changed for us so far."""

    def lift(self, service: dict[str, Any], count: int) -> None:
        """Auto scaling, or somebody by hand, sets a service's count."""
        self.client("ecs").update_service(
            cluster=service["clusterArn"], service=service["serviceArn"], desiredCount=count
        )

    @property
    def cluster(self) -> str:
        """Where the migrations' tasks run."""
        return "main"

    def database(self, **settings: Any) -> DatabaseSpec[Text]:
        """Return a database whose tasks can run here."""
        settings.setdefault("cluster", self.cluster)
        return database(**settings)

    def tasks(self) -> list[str]:
        """Return the tasks of migrations, whatever has become of them."""
        ecs = self.client("ecs")
        asked: list[dict[str, Any]] = [{"desiredStatus": "RUNNING"}, {"desiredStatus": "STOPPED"}]
        found = [arn for a in asked for arn in ecs.list_tasks(cluster=self.cluster, **a)["taskArns"]]
        return sorted(found)

    def task_statuses(self) -> list[str]:
        """Return the statuses of the tasks of migrations."""
        found = self.client("ecs").describe_tasks(cluster=self.cluster, tasks=self.tasks())["tasks"]
        return [task["lastStatus"] for task in found]

    # What follows

    def needs(self, *abilities: str) -> None:
        """Skip, visibly, what cannot be done here."""
        for ability in abilities:
            if ability in self.lacks:
                pytest.skip(f"{self.name}: {self.lacks[ability]}")

    def make_runner(self, *, dies_after: int | None = None, **settings: Any) -> Runner:
        """Make a runner with the real executors; it may die after so many calls to AWS."""
        lives = [dies_after or 0]

        def client(service: str) -> Any:
            return Dying(self.client(service), lives) if dies_after else self.client(service)

        stacks = CloudFormation(
            client("cloudformation"),
            client("ecs"),
            s3=client("s3"),
            elbv2=client("elbv2"),
            settings=Settings(bucket=self.bucket),
        )
        tasks = Ecs(client("ecs"), logs=client("logs"))
        settings = {
            "polling": self.polling,
            "notify": self._note,
            "watch": self.watch,
            "jitter": _half,
            **settings,
        }
        return Runner(
            settings.pop("journal", self.journal), [stacks, tasks, InstantPostgres()], self.clock, **settings
        )

    @property
    def runner(self) -> Runner:
        """The runner of this scenario."""
        if self._runner is None:
            self._runner = self.make_runner()
        return self._runner

    def _note(self, _: str, notice: Notice) -> None:
        self.notices.append(notice)

    def watch(self, step: Appended) -> None:
        """Sees every event that is journaled."""
        self.seen += [p.seen for p in step.after.pending if p.seen]
        if self.react is not None:
            self.react(step)

    def asked(self, body: str | None = None, **settings: Any) -> Asked:
        """Request a deployment of this scenario's stack."""
        return asked(self.stack, self.template() if body is None else body, **settings)

    def template(self, **parts: Any) -> str:
        """Return the scenarios' template, as this test environment takes it."""
        return template(**parts)

    def seconds(self, scripted: int) -> int:
        """Return a time of the scenarios' as it is here."""
        return scripted

    def request(self, deployment: str, body: str | None = None, **settings: Any) -> bool:
        """Ask for a deployment, and do nothing yet. What is asked of the queue, and on which terms, is `Requested`'s."""
        terms = {name: settings.pop(name) for name in ("adopt", "force", "supersede") if name in settings}
        wanted = self.asked(body, **settings)
        return self.runner.request(deployment, wanted.spec, wanted.templates, **terms)

    def other_journal(self, journal: Journal | None = None) -> Journal:
        """Go on with another journal, as somebody elsewhere would, a new one by default; return the one until now."""
        before, self.journal, self._runner = self.journal, journal or SqliteJournal(":memory:"), None
        return before

    def deploy(self, deployment: str, body: str | None = None, **settings: Any) -> Notice:
        """Ask for a deployment, and carry on until it has ended; what is said of it at the end."""
        self.request(deployment, body, **settings)
        return self.finish(deployment)

    def finish(self, deployment: str) -> Notice:
        """Carry on until nothing is pending."""
        self.runner.run([self.key])
        return self.outcome(deployment)

    def outcome(self, deployment: str) -> Notice:
        """How a deployment ended."""
        return next(n for n in self.notices if n.deployment == deployment)

    def until(self, reached: Callable[[DeployerState], bool], runner: Runner | None = None) -> None:
        """Carry on until the state is as wanted."""
        for _ in range(2_000):
            if reached(self.state):
                return
            wait = (runner or self.runner).step([self.key])
            assert wait is not None, f"nothing is left to do in {self.state}"
            self.clock.sleep(wait)
        raise AssertionError(f"never came: {self.state}")

    @property
    def state(self) -> DeployerState:
        """The stack's state as journaled."""
        return self.journal.head(self.key).state

    @property
    def status(self) -> str:
        """The stack machine's status."""
        return machine.name_of(type(self.state.stack))

    def pending(self, kind: type) -> Pending | None:
        """Return the pending command of a kind, if there is one."""
        return next((p for p in self.state.pending if isinstance(p.command, kind)), None)

    @property
    def actions(self) -> list[str]:
        """What AWS has changed for us, by name."""
        return [change.action for change in self.changes]

    def describe(self) -> dict[str, Any]:
        """Return the stack as AWS describes it."""
        found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][
            0
        ]
        return found

    def parameters(self) -> dict[str, str]:
        """Return the stack's parameters as AWS describes them."""
        return {p["ParameterKey"]: p["ParameterValue"] for p in self.describe().get("Parameters", [])}

    def service(self) -> dict[str, Any]:
        """Return the stack's service as AWS describes it."""
        resources = self.client("cloudformation").list_stack_resources(StackName=self.stack)
        arns = [
            r["PhysicalResourceId"]
            for r in resources["StackResourceSummaries"]
            if r["ResourceType"] == "AWS::ECS::Service"
        ]
        cluster = arns[0].split("/")[-2]
        found: dict[str, Any] = self.client("ecs").describe_services(cluster=cluster, services=arns)[
            "services"
        ][0]
        return found

    def close(self) -> None:
        """Let go of what it holds."""
        self.journal.close()
