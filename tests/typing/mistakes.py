"""Mistakes that the type checkers see. Each line bears the errors it must give: an ignore that is not needed is one too.

Never imported; `tests/typing/test_typing.py` hands it to mypy and to pyright.
"""

from typing import TypeVar, assert_type

from deployer_core.kernel.builder import Arrow, SelfLoop
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
    """Return another state than the signature, which is the edge, says."""
    return to(stack.Creating(event.deployment))  # type: ignore[arg-type]  # pyright: ignore[reportReturnType]


def wrong_loop(state: Held, _: stack.Withdrawn) -> Step[Held]:
    """Lead a self-loop elsewhere for one of its states."""
    return to(stack.Creating(state.current))  # type: ignore[arg-type]  # pyright: ignore[reportReturnType]


def unknown_fact(state: stack.Available, _: stack.Triggered) -> Step[stack.Available]:
    """Ask a state for what it does not hold: nothing runs in AVAILABLE."""
    print(state.current)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return to(state)


def change(state: stack.Creating) -> None:
    """States are values."""
    state.current = "d-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


# What a machine raised by itself once: it has no event any more, and `Absent` is no state that is held.
stack.NothingQueued()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
ecs_task.MACHINE.reduce(ecs_task.Stopped(), "Done")  # type: ignore[call-arg,arg-type]  # pyright: ignore[reportCallIssue,reportArgumentType]
held: stack.State = Absent()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# Arrows are typed: a misspelt keyword, a text that is none, and words without an arrow are errors.
Arrow(stack.Stable, lable="Off")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Arrow(stack.Stable, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SelfLoop(choice="stable")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
stack.machine.on(label="Off")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
stack.machine.always(choice="stable")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


@stack.machine.on(Arrow(stack.Migrating, "Triggered"))
def an_arrow(_: stack.Available, event: stack.Triggered) -> Step[stack.Migrating]:
    """Give the target its arrow: this is accepted."""
    return to(stack.Migrating(event.deployment))


@stack.machine.on(Arrow(stack.Available), Arrow(stack.Migrating))
def two_arrows(_: stack.Broken, __: stack.Repaired) -> Step[stack.Available] | Step[stack.Migrating]:
    """Give each target its arrow: this is accepted."""
    return to(stack.Available())


@stack.machine.on(Arrow(stack.Broken))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def a_wrong_arrow(_: stack.Available, event: stack.Triggered) -> Step[stack.Migrating]:
    """Give an arrow to another target than the edge's."""
    return to(stack.Migrating(event.deployment))


@stack.machine.on(Arrow(stack.Migrating))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def a_missing_arrow(_: stack.Broken, __: stack.Repaired) -> Step[stack.Available] | Step[stack.Migrating]:
    """Leave a target without an arrow."""
    return to(stack.Available())


@stack.machine.on(SelfLoop("Withdrawn"))
def a_loop(state: Held, _: stack.Withdrawn) -> Step[Held]:
    """Lead each source to itself: this is accepted."""
    return to(state)


@stack.machine.on(SelfLoop("Withdrawn"))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
def no_loop(_: stack.Broken, __: stack.Withdrawn) -> Step[stack.Stable]:
    """Lead a loop elsewhere."""
    return to(stack.Stable())


@stack.machine.always(Arrow(stack.Available, "Nothing Queued"), Arrow(stack.Migrating, "Pops from queue"))
def settle(state: stack.Stable) -> Step[stack.Available] | Step[stack.Migrating] | None:
    """Give each target its arrow, and let a state rest: this is accepted."""
    return to(stack.Migrating(state.queue[0])) if state.queue else None


@stack.machine.always(Arrow(stack.Available))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def settle_unseen(state: stack.Stable) -> Step[stack.Available] | Step[stack.Migrating]:
    """Declare an eventless edge without an arrow."""
    return to(stack.Migrating(state.queue[0])) if state.queue else to(stack.Available())


@stack.machine.always(Arrow(stack.Broken))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def settle_wrongly(_: stack.Stable) -> Step[stack.Available]:
    """Declare an eventless edge with another's arrow."""
    return to(stack.Available())
