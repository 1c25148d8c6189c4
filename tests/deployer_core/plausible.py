"""Plausible values for every state, event and command of a machine, built from the type hints.

The pools are small, so that guards are hit both ways, and fixed, so that what is derived from them (the golden
matrices) is the same on every machine. Specs check themselves where they are made, so those are written out here.
"""

import functools
import importlib
import itertools
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from attrs import fields, has

from deployer_core.analysis.diagram import machines
from deployer_core.kernel.machine import Absent, Machine
from deployer_core.machines.deployment import Cause, NoWayBack, ScaleStack, Terms, WayBack
from deployer_core.machines.ecs_task import EXITED, Exit
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    Migration,
    Output,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateUrl,
)

AnyMachine = Machine[Any, Any, Any]
KEYS = tuple(machines())
"""The discovered machines, for `parametrize`."""

TASK = TaskSpec(cluster="main", task_definition="migrate:1")
ADMIN = AdminSecret("rds/admin")
PLAIN = DatabaseSpec[str]("a", ADMIN)
MIGRATED = DatabaseSpec("a", ADMIN, migrate=Migration(TASK))
EVALUATED = DatabaseSpec("a", ADMIN, migrate=Migration(TASK), evaluate=Evaluation(TASK))
FROM_OUTPUT = DatabaseSpec("b", AdminSecret(Output("Secret")))

TEMPLATE = TemplateUrl("https://example.com/stack.yaml")
QUICK = DeploymentSpec(
    "prod", "shop", "1", StackSpec("shop", TEMPLATE, scaling=(FixedCount("Count", 3),)), quick=True
)
FULL = DeploymentSpec(
    "prod",
    "shop",
    "2",
    StackSpec("shop", TEMPLATE, scaling=(PreviousCount("Count", 1),)),
    databases=(MIGRATED, FROM_OUTPUT),
    cancel_updates=True,
)
BARE = DeploymentSpec("prod", "shop", "3", StackSpec("shop", TEMPLATE))

BACK = ScaleStack("a", FULL.stack, (("Count", 4),))

BY_HINT: dict[Any, tuple[Any, ...]] = {
    str: ("a", "b"),
    bool: (False, True),
    int: (0, 1),
    DatabaseSpec[str]: (PLAIN, MIGRATED, EVALUATED),
    DeploymentSpec: (QUICK, FULL, BARE),
    StackSpec: (FULL.stack,),
    TaskSpec[str]: (TASK,),
    Terms: (Terms(), Terms(start_by=0.5)),
}
BY_FIELD: dict[str, tuple[Any, ...]] = {
    "id": ("a",),
    "arn": ("arn:1",),
    "by": ("ada",),
    "reason": ("", "it broke"),
    "DatabaseProgress.reason": ("it broke",),
    "queue_limit": (1, 100),
    "Started.at": (None, 0.0, 1.0),
    "back": (None, NoWayBack("it moved"), WayBack(None), WayBack(BACK)),
    "Stable.back": (None, WayBack(BACK)),
    "DbMigrating.back": (None, WayBack(BACK)),
    "change": (None, BACK),
    "cause": (Cause.FAILURE,),
    "zero": ((), (("Count", 0),)),
    "counts": ((), (("Count", 4),)),
    "outputs": ((), (("Secret", "rds/shop"),), (("Secret", "no secret's name"),)),
    "success": ((0,), (0, 1)),
    "stop_code": (EXITED, "", "TaskFailedToStart"),
    "last_status": ("PENDING", "RUNNING"),
    "exits": (
        (),
        (Exit("app", None, judged=True),),
        (Exit("app", 0, judged=True), Exit("sidecar", 137)),
        (Exit("app", 1, judged=True, reason="it broke"), Exit("sidecar", 0)),
        (Exit("sidecar", 0),),
        (Exit("app", 0, judged=True), Exit("proxy", 1, essential=True)),
    ),
}


@functools.cache
def values(hint: Any, field: str = "") -> tuple[Any, ...]:
    """Every plausible value of a type, or of a field of it (`Class.name`)."""
    if pool := BY_FIELD.get(field) or BY_FIELD.get(field.rpartition(".")[2]):
        return pool
    if hint in BY_HINT:
        return BY_HINT[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint)
    if get_origin(hint) is tuple:
        return _tuples(values(get_args(hint)[0]))
    if not has(hint):
        raise TypeError(f"no plausible values are known for {hint} ({field})")
    hints = get_type_hints(hint)
    pools = [values(hints[a.name], f"{hint.__name__}.{a.name}") for a in fields(hint)]
    return tuple(hint(*arguments) for arguments in itertools.product(*pools))


def _tuples(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """None, one, and two that are not about the same thing."""
    pairs = [(x, y) for x, y in itertools.combinations(items, 2) if _about(x) != _about(y)]
    return ((), *((item,) for item in items), *pairs)


def _about(item: Any) -> Any:
    return getattr(item, fields(type(item))[0].name) if has(type(item)) else item


def states(machine: AnyMachine) -> tuple[Any, ...]:
    """Every plausible state, that before the first event and auto states too."""
    classes: tuple[Any, ...] = (Absent, *machine.states)
    return tuple(value for cls in classes for value in values(cls))


def events(machine: AnyMachine) -> tuple[Any, ...]:
    """Every plausible event."""
    classes: tuple[Any, ...] = machine.events
    return tuple(value for cls in classes for value in values(cls))


def commands(key: str) -> tuple[type, ...]:
    """Return the members of a machine's `Command` union."""
    union = importlib.import_module(f"deployer_core.machines.{key.replace('-', '_')}").Command
    return get_args(union) or (union,)
