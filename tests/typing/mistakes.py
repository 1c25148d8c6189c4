"""Mistakes that the type checkers see. Each line bears the errors it must give: an ignore that is not needed is one too.

Never imported; `tests/typing/test_typing.py` hands it to mypy and to pyright.
"""

from typing import TypeVar, assert_type

from deployer_core.kernel.machine import Absent, Step, to
from deployer_core.machines import deployment, ecs_task, stack

Held = TypeVar("Held", stack.Creating, stack.Migrating)

# What holds: a reduction's types are those of its machine.
state, commands = stack.MACHINE.reduce(Absent(), stack.Triggered("d-1"))
assert_type(state, stack.State)
assert_type(commands, tuple[stack.Command, ...])
step = ecs_task.MACHINE.microsteps(Absent(), ecs_task.Started("arn"))[0]
assert_type(step.state, ecs_task.State)

# Another machine's event, and another machine's state.
stack.MACHINE.reduce(Absent(), deployment.Progress())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
stack.MACHINE.reduce(ecs_task.Done, stack.Repaired("ada"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
stack.MACHINE.microsteps(Absent(), "Triggered")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# A command that the machine does not give out.
run: tuple[ecs_task.RunTask, ...] = commands  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def wrong_target(_: stack.Available, event: stack.Triggered) -> Step[stack.Migrating]:
    """Returns another state than its signature, which is the edge, says."""
    return to(stack.Creating(event.deployment))  # type: ignore[arg-type]  # pyright: ignore[reportReturnType]


def wrong_loop(state: Held, _: stack.Withdrawn) -> Step[Held]:
    """A self-loop that leads elsewhere for one of its states."""
    return to(stack.Creating(state.current))  # type: ignore[arg-type]  # pyright: ignore[reportReturnType]


def unknown_fact(state: stack.Available, _: stack.Triggered) -> Step[stack.Available]:
    """A state holds only what it knows: nothing runs in AVAILABLE."""
    print(state.current)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return to(state)


def change(state: stack.Creating) -> None:
    """States are values."""
    state.current = "d-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


stack.machine.on(label=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
stack.machine.on(colour="red")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
