"""A process that is killed between two calls to AWS, through boto3 over HTTP to an emulator, and the one that carries on.

The simulator's suite kills at every moment; here a sample shows that nothing hangs on the simulator.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import frozen

from deployer_aws.environment import SystemClock
from deployer_aws.journals.replay import verify
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import Requests
from deployer_core.kernel.machine import name_of
from tests.deployer_aws.scenarios.emulators import Ministack
from tests.support.project import ROOT, SRC

SAMPLE = 7
"""One moment in so many."""
AT_ONCE = 4


@frozen
class Ending:
    """What has become of a deployment, by the journal, and by what the emulator tells of its stack and its tasks."""

    stack: str
    pending: int
    changes: tuple[str, ...]
    """Of the stack, as its events tell: the status that each began with."""
    tokens: int
    """How many tokens these events bear."""
    tasks: int


@frozen
class Trial:
    """One stack, one journal."""

    env: Ministack
    folder: Path

    def ask(self, name: str, *, quick: bool) -> None:
        """Request a deployment, and leave it."""
        self.env.task_definition("orders-migrate")
        databases = () if quick else (self.env.database(),)
        wanted = self.env.asked(version=name, quick=quick, count=1, databases=databases)
        journal = SqliteJournal(self.journal)
        Requests(journal, SystemClock()).request(name, wanted.spec, wanted.templates)
        journal.close()

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal"

    def carry_on(self, *moment: str) -> subprocess.CompletedProcess[str]:
        """In a process of its own, which may be killed."""
        words = [str(self.journal), self.env.wire.endpoint, self.env.cluster, *moment]
        return subprocess.run(
            [sys.executable, "-m", "tests.deployer_aws.crash.over_http", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{SRC}:{ROOT}"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def ending(self) -> Ending:
        """How it ended."""
        journal, key = SqliteJournal(self.journal), self.env.key
        verify(journal, key)
        state = journal.head(key).state
        journal.close()
        stacks = self.env.wire.plain("cloudformation")
        events = stacks.describe_stack_events(StackName=self.env.stack)["StackEvents"]
        began = [
            event
            for event in reversed(events)
            if event["PhysicalResourceId"] == event["StackId"]
            and event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        ]
        return Ending(
            name_of(type(state.stack)),
            len(state.pending),
            tuple(event["ResourceStatus"] for event in began),
            len({event["ClientRequestToken"] for event in began}),
            len(self.env.tasks()),
        )


@pytest.fixture
def trial(credentials: None, ministack_endpoint: str, tmp_path: Path) -> Iterator[Callable[[str], Trial]]:
    """Make a trial by its name."""
    made: list[Ministack] = []

    def make(name: str) -> Trial:
        env = Ministack(f"shop-{name}", ministack_endpoint)
        made.append(env)  # by several threads at once
        folder = tmp_path / name
        folder.mkdir()
        return Trial(env, folder)

    yield make
    for env in made:
        env.close()


def first(trial: Trial) -> None:
    """Return a first deployment: the stack is created, and a task is run."""
    trial.ask("1", quick=False)


def later(trial: Trial) -> None:
    """Return a later one on the full path: the stack is scaled down, updated, and a task is run."""
    trial.ask("1", quick=True)
    assert trial.carry_on().returncode == 0
    trial.ask("2", quick=False)


@pytest.mark.parametrize(
    ("prepare", "changes"),
    [
        (first, ("create_stack:1", "run_task:1")),
        pytest.param(later, ("update_stack:1", "update_stack:2", "run_task:1"), marks=pytest.mark.thorough),
    ],
)
def test_killed_between_two_calls_it_changes_everything_once(
    trial: Callable[[str], Trial], prepare: Callable[[Trial], None], changes: tuple[str, ...]
) -> None:
    """After SIGKILL, just after each change and at a sample of all moments, each change and the task are there once."""
    name = getattr(prepare, "__name__", "")
    undisturbed = trial(f"{name}-undisturbed")
    prepare(undisturbed)
    done = undisturbed.carry_on()
    assert done.returncode == 0, done.stderr
    expected = undisturbed.ending()
    assert (expected.stack, expected.pending, expected.tasks) == ("BROKEN", 0, 1)
    assert expected.tokens == len(expected.changes)
    wanted = {"CREATE_IN_PROGRESS": 1} | ({"UPDATE_IN_PROGRESS": 2} if prepare is later else {})
    assert Counter(expected.changes) == wanted

    def killed(moment: str) -> tuple[str, Ending]:
        one = trial(f"{name}-{moment}".replace(":", "-").replace("_", "-"))
        prepare(one)
        died = one.carry_on(moment)
        assert died.returncode == -signal.SIGKILL, (moment, died.stderr)
        resumed = one.carry_on()
        assert resumed.returncode == 0, (moment, resumed.stderr)
        return moment, one.ending()

    moments = range(
        1, int(done.stdout) - 4, SAMPLE
    )  # the next run may look less often, and be a little shorter
    assert len(moments) >= 2
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for moment, ending in pool.map(killed, [*changes, *map(str, moments)]):
            assert ending == expected, moment
