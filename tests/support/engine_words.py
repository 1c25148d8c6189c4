"""What a deployment, a status and an answer of the transcripts are: their words, and the values that tests share."""

import re
from collections.abc import Callable
from typing import Any

from attrs import evolve

from deployer_core.analysis.menu import STACK, database
from deployer_core.engine.messages import (
    Declined,
    Failure,
    Infrastructure,
    Pending,
    Progress,
    Refused,
    StackProgress,
    StopTask,
)
from deployer_core.machines import ecs_task, postgres_migration
from deployer_core.machines.deployment import (
    ScalableTarget,
)
from deployer_core.machines.ecs_task import EXITED, Exit, RunTask, Started, Status, StatusStopped
from deployer_core.machines.postgres_migration import CleanupDone, UpsertDone
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from deployer_core.spec import (
    DatabaseSpec,
    DeploymentSpec,
    FixedCount,
    Previous,
    PreviousCount,
    Scale,
    StackSpec,
    Text,
)

PLAIN = DeploymentSpec("staging", "shop", "1", STACK)
QUICK = evolve(PLAIN, version="quick", quick=True)


def full(
    *kinds: str, version: str = "1", scaling: tuple[Scale, ...] = (PreviousCount("Count", 1),)
) -> DeploymentSpec:
    """Return a full deployment with databases db0, db1, ... of these kinds."""
    stack = StackSpec("shop", STACK.template, scaling=scaling)
    return DeploymentSpec(
        "staging", "shop", version, stack, tuple(database(f"db{i}", kind) for i, kind in enumerate(kinds))
    )


OUTPUTS = (("Cluster", "main"),)


def seen(lifecycle: Lifecycle, count: int = 3, outputs: Any = OUTPUTS) -> StackStatus:
    """Return the stack, seen in a lifecycle, with a desired count."""
    if lifecycle is Lifecycle.MISSING:
        return StackStatus(lifecycle, lifecycle.value)
    return StackStatus(lifecycle, lifecycle.value, outputs=outputs, counts=(("Count", count),))


def complete(count: int = 3) -> StackStatus:
    """Return the stack at rest, with a desired count."""
    return seen(Lifecycle.COMPLETE, count)


def exited(code: int | None = 0, stop_code: str = EXITED, *beside: Exit) -> StatusStopped:
    """Return a task that has stopped."""
    return StatusStopped((Exit("main", code, judged=True, essential=True), *beside), stop_code)


def read_scaling(text: str) -> tuple[Scale, ...]:
    """Read `Count=5` as a fixed count, `Count:1` as the previous one, or 1 where there was none; `none` as nothing."""
    found: list[Scale] = []
    for each in text.split(",") if text != "none" else ():
        name, count = re.split("[=:]", each)
        found.append(FixedCount(name, int(count)) if "=" in each else PreviousCount(name, int(count)))
    return tuple(found)


def with_parameters(spec: DeploymentSpec, given: dict[str, str]) -> DeploymentSpec:
    """Add the parameter that keeps its value (`previous=Image`), or the one that is given (`set=Image=shop:2`)."""
    parameters: tuple[tuple[str, Any], ...] = ()
    if "previous" in given:
        parameters += ((given["previous"], Previous()),)
    if "set" in given:
        parameters += (read_pair(given["set"]),)
    return evolve(spec, stack=evolve(spec.stack, parameters=parameters))


def excusing(spec: DatabaseSpec[Text], container: str) -> DatabaseSpec[Text]:
    assert spec.migrate is not None
    task = evolve(spec.migrate.task, excused=(container,))
    return evolve(spec, migrate=evolve(spec.migrate, task=task))


def read_pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _beside(text: str) -> Exit:
    """Read `proxy:1` as another essential container and its exit code."""
    name, _, code = text.partition(":")
    return Exit(name, int(code), essential=True)


def read_answer(pending: Pending, kind: str, *words: str) -> Any:
    """Read an answer of the world; what is no other word is a stack's lifecycle."""
    text = " ".join(words)
    if kind in _PLAIN:
        return _PLAIN[kind](text)
    if kind == "exited":
        code, *stop = [word for word in words if "=" not in word]
        beside = [_beside(word.partition("=")[2]) for word in words if "=" in word]
        return exited(None if code == "none" else int(code), stop[0] if stop else EXITED, *beside)
    if kind == "declined":
        return Declined(int(words[0]), " ".join(words[1:]))
    if kind == "errored":
        of_task = isinstance(pending.command, RunTask | StopTask)
        if of_task:
            return ecs_task.Errored(text)
        return postgres_migration.Errored(text.removeprefix("took "), took=text.startswith("took "))
    given = dict(word.split("=", 1) for word in words)
    reason = given.pop("reason", "").replace("_", " ")
    outputs: dict[str, Any] = {"outputs": ()} if given.pop("outputs", "") == "none" else {}
    removed = tuple(filter(None, given.pop("removed", "").split(",")))
    status = evolve(seen(Lifecycle[kind.upper()], **outputs), reason=reason, removed=removed)
    counts = tuple((name, int(count)) for name, count in given.items() if count != "none")
    return evolve(status, counts=counts) if given else status


_PLAIN: dict[str, Callable[[str], Any]] = {
    "upserted": lambda text: UpsertDone(took=text == "took"),
    "again": ecs_task.Again,
    "refused": Refused,
    "unchanged": lambda text: Failure(text, Infrastructure.AS_BEFORE),
    "changed": lambda text: Failure(text, Infrastructure.NEW),
    "suspending": lambda text: Progress(text, StackProgress("", suspending=(ScalableTarget(text),))),
    "cleaned": lambda _: CleanupDone(),
    "started": Started,
    "status": Status,
    "lost": lambda text: ecs_task.Errored(text, may_still_run=True),
    "gone": lambda _: ecs_task.StatusStopped((), "", "gone"),
    "failure": Failure,
    "taken_over": lambda text: Failure(text, taken_over=True),
    "progressed": Progress,
}
