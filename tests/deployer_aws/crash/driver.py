"""Runs a deployment in a process that is killed at a given moment, then carries on in another; says what became of it.

A *moment* is just after an append to the journal, a change of a lease, or a call to AWS, and the very beginning: between
two moments a run leaves no trace outside of its own memory. Started as a program of its own, so that it may fork:

    python -m tests.deployer_aws.crash.driver FOLDER CASE DELAY RESIDUES

does what CASE is about after what it begins with, kills at all moments whose numbers have one of the RESIDUES (`0,1,2`,
see tests/support/moments.py), carries on DELAY virtual seconds later, and writes a line of JSON for each, after one
for a run that is not killed.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.journals.replay import verify
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import PollingPolicy, Runner
from deployer_aws.simulator import SimulatedPostgres, Simulator
from deployer_core.engine.messages import Notice, Requested
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment
from deployer_core.machines.deployment import InfraMigrate, ScalingUp, Upserting
from deployer_core.spec import OnFailure, TemplateBody
from tests.support.moments import among
from tests.support.orders import KEY, TEMPLATE, TEMPLATES, orders

_THEIRS = "theirs"
_NO_TERMS: Mapping[str, Any] = {}
_WITH_BUCKET = TEMPLATE.replace("Resources:\n", "Resources:\n  Kept:\n    Type: AWS::S3::Bucket\n", 1)
_SHA256 = hashlib.sha256(_WITH_BUCKET.encode()).hexdigest()
_TEMPLATES = {**TEMPLATES, _SHA256: _WITH_BUCKET}


@frozen
class Case:
    """A script, the versions that are there before, and what is done then: every step of it may be done again.

    `prepare` is done once after those versions, and never killed.
    """

    script: str
    steps: Callable[["Bench"], None]
    before: tuple[str, ...] = ()
    prepare: Callable[["Bench"], None] = lambda bench: None


def _put_back(bench: "Bench") -> None:
    bench.deploy("1.1", on_failure=OnFailure.RESTORE)


def _roll_back(bench: "Bench") -> None:
    bench.runner.rollback(KEY, "back", to="1.0", by="ann")
    bench.runner.run([KEY])


def _roll_back_from_broken(bench: "Bench") -> None:
    """End what waits and repair the stack by a rollback; what comes before that is done once."""
    if "back" not in dict(bench.journal.head(KEY).state.known):
        bench.deploy("1.1")
        bench.request("1.2")
    _roll_back(bench)


def _queue(bench: "Bench") -> None:
    """Of three one is terminated while WAITING, and one superseded."""
    for version in ("1.0", "1.1", "1.2"):
        bench.request(version, {"supersede": version == "1.2"})
    with suppress(IllegalEvent):  # it has ended before the kill
        bench.runner.terminate(KEY, "1.0", "ann")
    bench.runner.run([KEY])


def _repair(bench: "Bench") -> None:
    """Say that the stack is sound again, unless that was said before the kill."""
    with suppress(IllegalEvent):
        bench.runner.repair(KEY, "ann")


def _run(bench: "Bench") -> None:
    bench.runner.run([KEY])


def _too_late(bench: "Bench") -> None:
    """On a BROKEN stack one waits for too long; then ten take each other's place, and behind them one is too late."""
    bench.request("1.1", {"start_by": 10})
    bench.account.clock.sleep(20)
    _repair(bench)
    for number in range(10):
        bench.request(f"2.{number} quick", {"supersede": True})
    bench.request("3.0", {"start_by": 10})
    bench.runner.run([KEY])


def _with_nothing_to_migrate(bench: "Bench") -> None:
    """Evaluate the one database there is, and begin to scale up."""
    databases = tuple(database for database in orders("1.1").databases if database.evaluate)
    bench.request("1.1", on_failure=OnFailure.RESTORE, databases=databases)
    bench.run_until(ScalingUp)


def _with_bucket(bench: "Bench") -> None:
    stack = evolve(orders("1.0").stack, template=TemplateBody(_SHA256, "with-a-bucket.yaml"))
    bench.deploy("1.0 quick", stack=stack)
    bench.request("1.1", on_failure=OnFailure.RESTORE)
    bench.run_until(InfraMigrate)


def _fail_half_way(bench: "Bench") -> None:
    bench.deploy("1.1")
    _repair(bench)


def _fail_again(bench: "Bench") -> None:
    """Fail again where nothing can be put back, and then try a quick deployment."""
    bench.deploy("1.2", on_failure=OnFailure.RESTORE)
    if "1.3" not in dict(bench.journal.head(KEY).state.known):
        _repair(bench)
    bench.deploy("1.3 quick")


def _of_another(bench: "Bench") -> None:
    """Deploy the stack from another journal, whose next deployment fails and leaves it at zero."""
    theirs = Bench(bench.folder, None, journal=_THEIRS)
    theirs.deploy("1.0 quick")
    theirs.deploy("1.1")
    theirs.close()


def _adopt(bench: "Bench") -> None:
    """Adopt it once it is up again; it is refused before that, and so is a deployment that does not name their stream.

    A stack by another name is none of this stream's.
    """
    theirs = Bench(bench.folder, None, journal=_THEIRS)
    adopt = {"adopt": theirs.journal.head(KEY).state.stream}
    bench.deploy("2.0 quick")
    bench.deploy("2.1 quick", adopt)
    _repair(theirs)
    theirs.deploy("1.2 quick")
    theirs.close()
    bench.deploy("2.2 quick", adopt)
    _is_refused(lambda: bench.request("2.3", stack=evolve(orders("2.3").stack, name="orders-2")))


def _begin_quick(bench: "Bench") -> None:
    bench.request("1.1 quick")
    bench.run_until(Upserting)


def _roll_back_behind(bench: "Bench") -> None:
    bench.runner.rollback(KEY, "back", by="ann")
    bench.runner.run([KEY])


def _migrate_before_a_rollback(bench: "Bench") -> None:
    """Ask for a rollback behind one that runs, which then migrates."""
    bench.request("1.1")
    bench.runner.rollback(KEY, "back", by="ann")
    bench.run_until(ScalingUp)


def _roll_back_over_migrated(bench: "Bench") -> None:
    """Go on to the turn of the rollback that waits; ask for one that is refused at once, and for one that is forced."""
    bench.runner.run([KEY])
    _is_refused(lambda: bench.runner.rollback(KEY, "unforced", to="1.0", by="ann"))
    bench.runner.rollback(KEY, "forced", to="1.0", by="ann", force=True)
    bench.runner.run([KEY])


def _is_refused(ask: Callable[[], object]) -> None:
    """Ask for what makes no sense as the stack stands, whatever was done before the kill."""
    try:
        ask()
    except IllegalEvent:
        return
    raise AssertionError("it was taken")


_CHANGES = "{on: run_task, nth: 1, exit_code: 2}"
CASES = {
    "created": Case(f"rules: [{_CHANGES}]", lambda bench: bench.deploy("1.0")),
    "full": Case(f"rules: [{_CHANGES}]", lambda bench: bench.deploy("1.1"), ("1.0",)),
    "stuck": Case(
        f"rules: [{_CHANGES}, {{on: run_task, nth: 2, takes: 1000000}}]", lambda bench: bench.deploy("1.0")
    ),
    "rolled back by CloudFormation": Case(
        "rules: [{on: update_stack, nth: 3, fail: true}]", _put_back, ("1.0",)
    ),
    "evaluation refused": Case("rules: [{on: run_task, nth: 3, exit_code: 1}]", _put_back, ("1.0",)),
    "past the barrier": Case("rules: [{on: run_task, nth: 4, exit_code: 1}]", _put_back, ("1.0",)),
    "refused": Case("rules: [{on: describe_stacks, denied: true}]", lambda bench: bench.deploy("1.0")),
    "queue": Case("rules: []", _queue),
    "rollback": Case("rules: []", _roll_back, ("1.0", "1.0.1 quick")),
    "rollback of a broken one": Case(
        "rules: [{on: update_stack, nth: 3, fail: true}]", _roll_back_from_broken, ("1.0",)
    ),
    "rollback behind a running one": Case("rules: []", _roll_back_behind, ("1.0 quick",), _begin_quick),
    "rollback over migrated databases": Case(
        f"rules: [{_CHANGES}]", _roll_back_over_migrated, ("1.0 quick",), _migrate_before_a_rollback
    ),
    "too late": Case(
        "rules: [{on: update_stack, nth: 1, fail: true}]", _too_late, ("1.0 quick", "1.0.1 quick")
    ),
    "crashing image": Case(
        "rules: [{on: update_stack, nth: 3, fail: true}]", _run, ("1.0 quick",), _with_nothing_to_migrate
    ),
    "bucket removed": Case("rules: [{on: run_task, nth: 1, exit_code: 1}]", _run, prepare=_with_bucket),
    "second failure": Case(
        "rules: [{on: run_task, nth: 2, exit_code: 1}, {on: update_stack, nth: 3, fail: true}]",
        _fail_again,
        ("1.0 quick",),
        _fail_half_way,
    ),
    "another journal's": Case("rules: [{on: update_stack, nth: 2, fail: true}]", _adopt, prepare=_of_another),
}
"""In the first three `orders` has changes to migrate; in `stuck` a migration never ends by itself, and has to be stopped.

The next three fail with `on_failure: restore`: the infrastructure's update, the evaluation, and a migration. Others are
prepared up to where their own story begins, since what comes before it is killed in an earlier case.
"""


class Moments:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, fatal: int | None = None) -> None:
        self.passed = 0
        self._fatal = fatal
        self.next()

    def next(self) -> None:
        """One more moment has come."""
        if self.passed == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Make the call, with a moment after it, however it ended."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            finally:
                self.next()

        return watched


class Watched:
    """Something with a moment after each call of its methods, or of some of them."""

    def __init__(self, inner: Any, moments: Moments, only: tuple[str, ...] = ()) -> None:
        self._inner, self._moments, self._only = inner, moments, only

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        return self._moments.after(call) if not self._only or name in self._only else call


class Bench:
    """A journal and a simulated account in a folder, and a runner between them."""

    def __init__(
        self, folder: Path, script: str | None, moments: Moments | None = None, journal: str = "journal"
    ) -> None:
        moments = moments or Moments()
        self.folder = folder
        self.journal = SqliteJournal(folder / journal)
        self.account = Simulator.open(folder / "account", script)
        clients: dict[str, Any] = {
            name: Watched(self.account.client(name), moments) for name in ("cloudformation", "ecs")
        }
        watched: Any = Watched(self.journal, moments, ("append", "compare_and_set_lease", "delivered"))
        self.runner = Runner(
            watched,
            [
                CloudFormation(clients["cloudformation"], clients["ecs"]),
                Ecs(clients["ecs"]),
                SimulatedPostgres(),
            ],
            self.account.clock,
            polling=PollingPolicy(5.0, 30.0),
            jitter=lambda: 1.0,
        )

    def request(self, version: str, terms: Mapping[str, Any] = _NO_TERMS, **change: Any) -> None:
        """Ask for a version, which is no event where it was asked for before."""
        tag, _, quick = version.partition(" ")
        spec = evolve(orders(tag, quick=bool(quick)), **change)
        self.runner.request(tag, spec, _TEMPLATES, **terms)

    def deploy(self, version: str, terms: Mapping[str, Any] = _NO_TERMS, **change: Any) -> None:
        """Ask for a version, and carry on to the end."""
        self.request(version, terms, **change)
        self.runner.run([KEY])

    def run_until(self, status: type[deployment.State]) -> None:
        """Carry on until the open deployment has that status."""
        self.runner.run([KEY], until=lambda: self._is(status))

    def _is(self, status: type[deployment.State]) -> bool:
        return any(isinstance(found, status) for found in self.journal.head(KEY).state.deployments)

    def result(self) -> dict[str, Any]:
        """How it ended, and what AWS truly did, without the names that are different each time."""
        verify(self.journal, KEY)
        events = [recorded.event for recorded in self.journal.events(KEY) if recorded.event is not None]
        state, notices = INITIAL, list[Notice]()
        for event in events:
            state, commands = reduce(state, event)
            notices += [command for command in commands if isinstance(command, Notice)]
        return {
            "stack": type(state.stack).__name__,
            "pending": [type(pending.command).__name__ for pending in state.pending],
            "reasons": [notice.reason for notice in notices],
            "ends": [[notice.deployment, notice.outcome, notice.cause] for notice in notices],
            "remembered": [state.memory.baseline, state.memory.half_way, state.memory.infrastructure],
            "changes": [_without_arn(change) for change in self.account.changes],
            "requests": sum(isinstance(event, Requested) for event in events),
        }

    def close(self) -> None:
        """Let go of the folder."""
        self.journal.close()
        self.account.close()


def _without_arn(change: Any) -> str:
    definition = str(change.details.get("definition", "")).rpartition("/")[2]
    return f"{change.action} {definition}".rstrip()


def killed(moment: int, folder: Path, case: Case) -> bool:
    """Do what the case is about in a process that is killed at a moment; False where it ended before that."""
    child = os.fork()
    if child == 0:
        case.steps(Bench(folder, None, Moments(moment)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if status:
        raise RuntimeError(f"the run up to moment {moment} ended with status {status}")
    return False


def trials(folder: Path, case: Case, delay: float, moments: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Run undisturbed first; then kill at each moment in turn, carry on after the delay, and report."""
    prepared = folder / "prepared"
    prepared.mkdir()
    bench = Bench(prepared, case.script)
    for before in case.before:
        bench.deploy(before)
    case.prepare(bench)
    bench.close()
    for moment in chain([-1], moments):
        trial = folder / str(moment)
        shutil.copytree(prepared, trial)
        if moment >= 0 and not killed(moment, trial, case):
            return
        bench = Bench(trial, None)
        if moment >= 0:
            bench.account.clock.sleep(delay)
        case.steps(bench)
        yield {"moment": moment, **bench.result()}
        bench.close()
        shutil.rmtree(trial)


if __name__ == "__main__":
    where, which, after, residues = sys.argv[1:]
    chosen = (moment for moment in count() if among(residues, moment))
    for line in trials(Path(where), CASES[which], float(after), chosen):
        sys.stdout.write(json.dumps(line) + "\n")
