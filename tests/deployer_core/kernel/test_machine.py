"""The kernel itself: names, records, the ways a reduction can go."""

from typing import TypeAlias

import pytest
from attrs import frozen

from deployer_core.analysis import diagram
from deployer_core.kernel.builder import Arrow, Builder
from deployer_core.kernel.machine import (
    Absent,
    Edge,
    IllegalEvent,
    Machine,
    Microstep,
    Step,
    name_of,
    refuse,
    to,
)


@frozen
class Counting:
    """A number, and how far it may rise by itself."""

    at: int
    upto: int


@frozen
class Overflowed:
    """It rose too far."""


@frozen
class Set:
    """Begin here, and rise to there."""

    at: int
    upto: int


State: TypeAlias = Counting | Overflowed
Event: TypeAlias = Set

counter = Builder[State, Event, str]("Counter", State, Event)


@counter.on
def begin(_: Absent, event: Set) -> Step[Counting]:
    return to(Counting(event.at, event.upto), f"at {event.at}")


@counter.always(Arrow(Counting, "one <b>more</b>"), Arrow(Overflowed, choice="seven", guard="full<br>up"))
def rise(state: Counting) -> Step[Counting] | Step[Overflowed] | None:
    if state.at > 9:
        refuse("ten is the end")
    if state.at >= state.upto:
        return None
    if state.at == 7:
        return to(Overflowed(), "seven")
    return to(Counting(state.at + 1, state.upto), f"at {state.at + 1}")


MACHINE: Machine[State, Event, str] = counter.seal(failed=(Overflowed,))


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Absent, "[*]"),
        (Counting, "COUNTING"),
        (type("ScalingDown", (), {}), "SCALING_DOWN"),
        (type("DbMigrating", (), {}), "DB_MIGRATING"),
        (type("Step2Done", (), {}), "STEP2_DONE"),
    ],
)
def test_a_states_name_is_its_class_by_one_rule(cls: type, name: str) -> None:
    """`ScalingDown` is SCALING_DOWN wherever a person or a file sees it, and Absent is `[*]`."""
    assert name_of(cls) == name


def test_a_reduction_runs_until_it_rests() -> None:
    """Eventless edges follow one another, and their commands come in the order of the edges."""
    assert MACHINE.reduce(Absent(), Set(1, 3)) == (Counting(3, 3), ("at 1", "at 2", "at 3"))
    assert MACHINE.reduce(Absent(), Set(1, 1)) == (Counting(1, 1), ("at 1",))
    assert MACHINE.reduce(Absent(), Set(6, 9)) == (Overflowed(), ("at 6", "at 7", "seven"))


def test_microsteps_tell_each_edge() -> None:
    """Each microstep holds the edge with its drawing, the event if it has one, the state after it, and its commands."""
    one_more = Edge("COUNTING", "", "one <b>more</b>", "COUNTING", "COUNTING")
    assert MACHINE.microsteps(Absent(), Set(1, 2)) == (
        Microstep(Edge("[*]", "Set", "Set", "COUNTING", "COUNTING"), Set(1, 2), Counting(1, 2), ("at 1",)),
        Microstep(one_more, None, Counting(2, 2), ("at 2",)),
    )


def test_an_eventless_edge_is_named_by_its_label_or_its_guard() -> None:
    """An edge is named by its event; one without an event by the text of its arrow, without the markup."""
    taken = MACHINE.microsteps(Absent(), Set(6, 9))
    assert [(step.edge.name, step.edge.auto) for step in taken] == [
        ("Set", False),
        ("one more", True),
        ("full up", True),
    ]


@pytest.mark.parametrize("run", [MACHINE.reduce, MACHINE.microsteps], ids=["reduce", "microsteps"])
def test_a_refusal_on_the_way_refuses_the_whole(run: object) -> None:
    """A guard that refuses some edges later refuses the event from outside: a reduction happens whole or not at all."""
    assert callable(run)
    message = r"^Counter in \[\*\] refuses Set: ten is the end; it takes Set$"
    with pytest.raises(IllegalEvent, match=message) as caught:
        run(Absent(), Set(10, 12))
    refusal = caught.value
    assert (refusal.machine, refusal.state, refusal.event) == ("Counter", "[*]", Set(10, 12))
    assert (refusal.legal, refusal.why) == (("Set",), "ten is the end")


def test_machines_are_values_that_cannot_be_changed() -> None:
    """A sealed machine, its edges and the discovered machines are read-only."""
    with pytest.raises(AttributeError):
        MACHINE.name = "Other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        diagram.machines()["other"] = MACHINE  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


def test_a_small_machine_is_drawn() -> None:
    """An arrow is there once, however many targets share it; a failed state is classed where it stands."""
    assert diagram.mermaid(MACHINE) == (
        "stateDiagram-v2\n"
        "    classDef failed stroke:red,fill:#330000,color:#ffffff\n"
        "    [*] --> COUNTING : Set\n"
        "    COUNTING --> COUNTING : one <b>more</b>\n"
        "    state seven <<choice>>\n"
        "    COUNTING --> seven\n"
        "    seven --> OVERFLOWED:::failed : full<br>up\n"
    )
