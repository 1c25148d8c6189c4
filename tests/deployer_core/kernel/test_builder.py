"""Planted mistakes: machines that contradict themselves are refused when they are made, and told what and where."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import pytest
from attrs import frozen

from deployer_core.kernel.builder import Arrow, Builder, MachineError, SelfLoop
from deployer_core.kernel.machine import Absent, Step, to


@frozen
class Dark:
    """The lamp is off."""


@frozen
class Lit:
    """The lamp is on."""


@frozen
class Warming:
    """The lamp is on its way."""


@frozen
class Pressed:
    """The button."""


@frozen
class Warmed:
    """The lamp has come up."""


State: TypeAlias = Dark | Lit | Warming
Event: TypeAlias = Pressed | Warmed
Lamp: TypeAlias = Builder[Any, Any, Any]
Either = TypeVar("Either", Dark, Lit)
Other = TypeVar("Other", Dark, Lit)
Anything = TypeVar("Anything")


def lamp() -> Lamp:
    """Return a sound machine but for its sealing: dark, warming, lit, dark."""
    builder = Builder[State, Event, None]("Lamp", State, Event)

    @builder.on
    def install(_: Absent, __: Pressed) -> Step[Dark]:
        return to(Dark())

    @builder.on
    def switch_on(_: Dark, __: Pressed) -> Step[Warming]:
        return to(Warming())

    @builder.on
    def warm_up(_: Warming, __: Warmed) -> Step[Lit]:
        return to(Lit())

    return builder


def twice(builder: Lamp) -> None:
    @builder.on
    def again(_: Dark | Lit, __: Pressed) -> Step[Dark]:
        return to(Dark())


def unknown_state(builder: Lamp) -> None:
    @builder.on
    def melt(_: Lit, __: Pressed) -> Step[Event]:
        return to(Pressed())


def unknown_source(builder: Lamp) -> None:
    @builder.on
    def melt(_: int, __: Pressed) -> Step[Dark]:
        return to(Dark())


def unknown_event(builder: Lamp) -> None:
    @builder.on
    def dim(_: Lit, __: Dark) -> Step[Dark]:
        return to(Dark())


def missing_hint(builder: Lamp) -> None:
    @builder.on
    def dim(_, __: Pressed) -> Step[Dark]:  # type: ignore[no-untyped-def]  # the mistake
        return to(Dark())


def missing_return(builder: Lamp) -> None:
    @builder.on
    def dim(_: Lit, __: Pressed):  # type: ignore[no-untyped-def]  # the mistake
        return to(Dark())


def no_step(builder: Lamp) -> None:
    @builder.on
    def dim(_: Lit, __: Pressed) -> Dark:
        return Dark()


def unions(builder: Lamp) -> None:
    @builder.on
    def toggle(state: Lit | Warming, __: Pressed) -> Step[Dark | Lit]:
        return to(Dark())


def foreign_variable(builder: Lamp) -> None:
    @builder.on
    def stay(state: Either, __: Warmed) -> Step[Other]:
        raise NotImplementedError


def loose_variable(builder: Lamp) -> None:
    @builder.on
    def stay(state: Anything, __: Warmed) -> Step[Anything]:
        return to(state)


def unknown_copy(builder: Lamp) -> None:
    @builder.on(Arrow(Dark, nodes={Dark: "DARK_2"}))
    def dim(_: Lit, __: Pressed) -> Step[Dark]:
        return to(Dark())


def unknown_target(builder: Lamp) -> None:
    @builder.on(Arrow(Lit, choice="lit", guard="never"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def dim(_: Lit, __: Pressed) -> Step[Dark]:
        return to(Dark())


def missing_arrow(builder: Lamp) -> None:
    def dim(_: Lit, __: Pressed) -> Step[Dark] | Step[Warming]:
        return to(Dark())

    decorate: Any = builder.on(Arrow(Dark))
    decorate(dim)


def auto_takes_events(builder: Lamp) -> None:
    @builder.always(Arrow(Lit, "at once"))
    def expedite(_: Dark) -> Step[Lit]:
        return to(Lit())


def two_autos(builder: Lamp) -> None:
    @builder.always(Arrow(Lit, "at once"))
    def expedite(_: Warming) -> Step[Lit] | None:
        return to(Lit())

    @builder.always(Arrow(Dark, "at once"))
    def give_up(_: Warming) -> Step[Dark] | None:
        return None


def auto_unions(builder: Lamp) -> None:
    @builder.always(Arrow(Dark, "one"), Arrow(Warming, "other", choice="half"))
    def expedite(_: Warming | Lit) -> Step[Dark] | Step[Warming]:
        return to(Dark())


def auto_to_unknown(builder: Lamp) -> None:
    @builder.always(Arrow(int, "one"))
    def expedite(_: Warming) -> Step[int]:
        return to(1)


def auto_without_hint(builder: Lamp) -> None:
    @builder.always(Arrow(Lit, "at once"))
    def expedite(_):  # type: ignore[no-untyped-def]  # the mistake
        return to(Lit())


def auto_without_words(builder: Lamp) -> None:
    @builder.always(Arrow(Lit))
    def expedite(_: Warming) -> Step[Lit] | None:
        return to(Lit())


def circle(builder: Lamp) -> None:
    @builder.always(Arrow(Dark, "off"))
    def flicker(_: Lit) -> Step[Dark]:
        return to(Dark())

    @builder.always(Arrow(Lit, "on"))
    def flare(_: Dark) -> Step[Lit]:
        return to(Lit())

    del builder._handlers[Dark, Pressed]


MISTAKES: list[tuple[Callable[[Lamp], None], str]] = [
    (twice, "again: DARK takes Pressed already"),
    (unknown_state, "melt: <class '.*Pressed'> is not one of Dark, Lit, Warming"),
    (unknown_source, "melt: <class 'int'> is not one of Absent, Dark, Lit, Warming"),
    (unknown_event, "dim: <class '.*Dark'> is not one of Pressed, Warmed"),
    (missing_hint, "dim: the signature is the edge, so each of its parts needs a hint"),
    (missing_return, "dim: the signature is the edge, so each of its parts needs a hint"),
    (no_step, "dim: it has to return a Step, not <class '.*Dark'>"),
    (unions, "toggle: a union of sources with a union of targets needs a choice"),
    (foreign_variable, "stay: a type variable as target must be the source's own"),
    (loose_variable, "stay: ~Anything names no states: constrain it to those that it means"),
    (unknown_copy, "dim: <class '.*Dark'> is not one of Lit"),
    (unknown_target, "dim: <class '.*Lit'> is not one of Dark"),
    (missing_arrow, "dim: it has no arrow to WARMING"),
    (auto_takes_events, "DARK never rests, yet takes Pressed"),
    (two_autos, "give_up: WARMING goes on by itself already"),
    (auto_unions, "expedite: a union of sources with a union of targets needs a choice"),
    (auto_to_unknown, "expedite: <class 'int'> is not one of Dark, Lit, Warming"),
    (auto_without_hint, "expedite: the signature is the edge, so each of its parts needs a hint"),
    (auto_without_words, "expedite: the eventless edge to LIT needs a label or a guard"),
    (circle, r"auto states go in a circle: (DARK, LIT, DARK|LIT, DARK, LIT)$"),
]


def test_the_machine_without_a_mistake_is_sound() -> None:
    """What the mistakes are planted in is refused nothing."""
    machine = lamp().seal(failed=(Dark,), ends=(Lit,), leaves=(Lit,))
    assert machine.reduce(Dark(), Pressed()) == (Warming(), ())
    assert (machine.failed, machine.ends, machine.leaves) == (("DARK",), ("LIT",), ("LIT",))


@pytest.mark.parametrize(("plant", "message"), MISTAKES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_mistake_is_refused(plant: Callable[[Lamp], None], message: str) -> None:
    """Each mistake is refused by a message that names the machine, the place and the fault."""
    builder = lamp()
    with pytest.raises(MachineError, match="^Lamp") as caught:
        plant(builder)
        builder.seal()
    assert re.search(message, str(caught.value)), caught.value


def test_every_planted_mistake_is_tried() -> None:
    """No mistake of this file is forgotten in the list."""
    planted = {
        f
        for f in globals().values()
        if getattr(f, "__annotations__", {}) == {"builder": Lamp, "return": None}
    }
    assert planted == {plant for plant, _ in MISTAKES}


def test_a_state_without_a_way_to_it_is_refused() -> None:
    """A state that no path from `[*]` leads to is refused, an island of two as well."""
    builder = Builder[State, Event, None]("Lamp", State, Event)

    @builder.on
    def install(_: Absent, __: Pressed) -> Step[Dark]:
        return to(Dark())

    @builder.on
    def cool(_: Lit, __: Warmed) -> Step[Warming]:
        return to(Warming())

    @builder.on
    def warm_up(_: Warming, __: Warmed) -> Step[Lit]:
        return to(Lit())

    with pytest.raises(MachineError, match="^Lamp: no path leads to LIT; no path leads to WARMING$"):
        builder.seal()


def test_an_event_that_no_state_takes_is_refused() -> None:
    """A declared event must be of use."""
    builder = Builder[Dark, Event, None]("Lamp", Dark, Event)

    @builder.on
    def install(_: Absent, __: Pressed) -> Step[Dark]:
        return to(Dark())

    with pytest.raises(MachineError, match="^Lamp: no state takes Warmed$"):
        builder.seal()


@pytest.mark.parametrize("role", ["failed", "ends", "leaves"])
def test_a_strange_final_state_is_refused(role: str) -> None:
    """What is drawn as failed, as an end or as leaving must be a state of the machine."""
    roles: dict[str, Any] = {role: (Pressed,)}
    with pytest.raises(MachineError, match="^Lamp, .*seal: <class '.*Pressed'> is not one of Dark, Lit"):
        lamp().seal(**roles)


def test_an_unknown_word_about_the_drawing_is_refused() -> None:
    """A misspelt keyword of an arrow is an error, not an arrow drawn otherwise than meant."""
    options: dict[str, Any] = {"lable": "Off"}
    for arrow in (lambda: Arrow(Dark, **options), lambda: SelfLoop(**options)):
        with pytest.raises(TypeError, match="lable"):
            arrow()


def test_a_union_of_sources_and_targets_may_meet_in_a_choice() -> None:
    """Where every arrow passes a choice, each source leads to each target."""
    builder = lamp()

    @builder.on(Arrow(Dark, "toggle", choice="half"), Arrow(Warming, "toggle", choice="half", guard="again"))
    def toggle(_: Lit | Warming, __: Pressed) -> Step[Dark] | Step[Warming]:
        return to(Dark())

    edges = [e for e in builder.seal().edges if e.label == "toggle"]
    assert [(e.source, e.choice, e.guard, e.target) for e in edges] == [
        (source, "half", guard, target)
        for source in ("LIT", "WARMING")
        for guard, target in (("", "DARK"), ("again", "WARMING"))
    ]
