"""The executors pass the contract of executors, which finds what an executor does wrong."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.ports import Act, Executor, Work
from deployer_aws.simulator import Simulator
from deployer_aws.testing import Calls, ExecutorContract, World, streams
from deployer_core.engine.messages import DeadlinePassed
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    Errored,
    UpsertDatabase,
    UpsertDone,
)
from tests.deployer_aws.scenarios.specs import Asked, asked, template

# The executors


class Amazon(World):
    """A simulated AWS, and an executor that has these of its clients."""

    def __init__(self, make: Callable[..., Executor], script: dict[str, Any], **clients: str) -> None:
        self._make, self._clients, self._aws = make, clients, Simulator(script)
        self.clock = self._aws.clock

    def executor(self, calls: Calls) -> Executor:
        clients = {name: calls.wrap(self._aws.client(service)) for name, service in self._clients.items()}
        return self._make(**clients)

    def changes(self) -> Sequence[object]:
        return [(change.action, change.target.split("/")[0]) for change in self._aws.changes]


def shop(version: str, *, quick: bool = False) -> Asked:
    return asked("shop", template(), version=version, quick=quick)


class TestCloudFormation(ExecutorContract):
    @pytest.fixture
    def new_world(self) -> Callable[[], World]:
        def make() -> World:
            world = Amazon(CloudFormation, {}, client="cloudformation", ecs="ecs")
            world.specs = [shop("1").spec, shop("2").spec, shop("3", quick=True).spec]
            world.texts = shop("1").templates
            return world

        return make

    def among(self, points: range) -> Iterable[int]:
        return points[::7]


@pytest.mark.thorough
class TestCloudFormationAtEachMoment(TestCloudFormation):
    def among(self, points: range) -> Iterable[int]:
        return points


class TestEcs(ExecutorContract):
    @pytest.fixture
    def new_world(self) -> Callable[[], World]:
        def make() -> World:
            definition = {"family": "migrate", "containers": ["main"]}
            script = {"clusters": ["main"], "task_definitions": [definition]}
            world = Amazon(Ecs, script, client="ecs", logs="logs")
            world.specs = [streams.spec("1", databases=1), streams.spec("2", databases=1)]
            world.outputs = streams.OUTPUTS
            return world

        return make


# What the contract finds


class Server:
    """A server of databases, by name."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def exists(self, name: str) -> bool:
        return name in self.made

    def create(self, name: str) -> None:
        self.made.append(name)


class Careful:
    """An executor that does all well."""

    commands: tuple[type, ...] = (UpsertDatabase, CleanupDatabase)

    def __init__(self, server: Any) -> None:
        self.server = server

    def act(self, work: Work) -> Act:
        command = work.pending.command
        if isinstance(command, UpsertDatabase):
            yield from self.upsert(work, command.database.spec.name)
        else:
            yield work.reply(CleanupDone())

    def upsert(self, work: Work, name: str) -> Act:
        if not self.server.exists(name):
            yield work.attempt(1)
            self.server.create(name)
        yield work.reply(UpsertDone())


class Silent(Careful):
    """Says nothing before it sends."""

    def upsert(self, work: Work, name: str) -> Act:
        if not self.server.exists(name):
            self.server.create(name)
        yield work.reply(UpsertDone())


class Stubborn(Careful):
    """Sends though its attempt was stale."""

    def upsert(self, work: Work, name: str) -> Act:
        if not self.server.exists(name):
            try:
                yield work.attempt(1)
            finally:
                self.server.create(name)
        yield work.reply(UpsertDone())


class Blind(Careful):
    """Sends without a look."""

    def upsert(self, work: Work, name: str) -> Act:
        yield work.attempt(1)
        self.server.create(name)
        yield work.reply(UpsertDone())


class Trusting(Careful):
    """Takes an attempt for a thing that was done."""

    def upsert(self, work: Work, name: str) -> Act:
        if work.pending.attempt is None:
            yield work.attempt(1)
            self.server.create(name)
        yield work.reply(UpsertDone())


class Hasty(Careful):
    """Gives up for an error that passes."""

    def upsert(self, work: Work, name: str) -> Act:
        try:
            yield from super().upsert(work, name)
        except ConnectionError as error:
            yield work.reply(Errored(str(error)))


class Raw(Careful):
    """Raises errors that have no class."""

    def upsert(self, work: Work, name: str) -> Act:
        try:
            yield from super().upsert(work, name)
        except Exception as error:
            raise ValueError(str(error)) from error


class Judge(Careful):
    """Gives a command up by itself."""

    def upsert(self, work: Work, name: str) -> Act:
        yield work.reply(DeadlinePassed())


class Numberless(Careful):
    """Numbers its attempts as it likes."""

    def upsert(self, work: Work, name: str) -> Act:
        yield work.attempt(5)
        yield from super().upsert(work, name)


class Idle(Careful):
    """Replies without doing a thing."""

    def upsert(self, work: Work, name: str) -> Act:
        yield work.reply(UpsertDone())


class Partial(Careful):
    """Says that it carries out a command that it never gets."""

    commands = (*Careful.commands, str)


class Observant(Careful):
    """Looks again before it replies, at many commands at once."""

    def upsert(self, work: Work, name: str) -> Act:
        if self.server.exists(name):
            yield work.reply(UpsertDone())
        else:
            yield work.attempt(1)
            self.server.create(name)

    def observe(self, works: Sequence[Work]) -> dict[Any, object]:
        return {work.id: True for work in works if isinstance(work.pending.command, UpsertDatabase)}


class Nosy(Observant):
    """Makes a database while it only observes."""

    def observe(self, works: Sequence[Work]) -> dict[Any, object]:
        self.server.create("seen")
        return super().observe(works)


class Unseeing(Observant):
    """Sees none of the commands."""

    def observe(self, works: Sequence[Work]) -> dict[Any, object]:
        return {}


class Databases(World):
    """A server, and an executor of its databases."""

    specs = (streams.spec(databases=1),)
    outputs = streams.OUTPUTS

    def __init__(self, kind: type[Careful]) -> None:
        super().__init__()
        self._kind, self._server = kind, Server()

    def executor(self, calls: Calls) -> Executor:
        return self._kind(calls.wrap(self._server))

    def changes(self) -> Sequence[object]:
        return self._server.made


class TestCareful(ExecutorContract):
    @pytest.fixture(params=[Careful, Observant])
    def new_world(self, request: pytest.FixtureRequest) -> Callable[[], World]:
        return lambda: Databases(request.param)


CONTRACT = ExecutorContract()


@pytest.mark.parametrize(
    ("kind", "law", "values"),
    [
        (Silent, CONTRACT.test_nothing_is_changed_before_it_is_written_down, ()),
        (Stubborn, CONTRACT.test_nothing_is_changed_before_it_is_written_down, ()),
        (Blind, CONTRACT.test_killed_after_any_call_it_changes_all_once, ()),
        (Blind, CONTRACT.test_a_call_that_fails_for_a_while_is_made_again, (False,)),
        (Trusting, CONTRACT.test_killed_after_any_event_it_changes_all_once, ()),
        (Trusting, CONTRACT.test_a_call_that_fails_for_a_while_is_made_again, (True,)),
        (Hasty, CONTRACT.test_a_call_that_fails_for_a_while_is_made_again, (True,)),
        (Raw, CONTRACT.test_a_refusal_is_an_answer, ()),
        (Judge, CONTRACT.test_what_it_yields_is_of_the_command, ()),
        (Numberless, CONTRACT.test_what_it_yields_is_of_the_command, ()),
        (Idle, CONTRACT.test_it_carries_out_each_of_its_commands, ()),
        (Partial, CONTRACT.test_it_carries_out_each_of_its_commands, ()),
        (Nosy, CONTRACT.test_what_is_seen_together_is_as_seen_alone, ()),
        (Unseeing, CONTRACT.test_what_is_seen_together_is_as_seen_alone, ()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(kind: type[Careful], law: Callable[..., None], values: tuple[bool]) -> None:
    """Each law that an executor breaks says so; errors that have no class end the runner."""
    with pytest.raises((AssertionError, ValueError)):
        law(lambda: Databases(kind), *values)
