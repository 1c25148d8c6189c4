"""The kernel: what a machine is, and how it runs an event to rest. `builder` makes one from typed handlers."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar, cast

from attrs import field, frozen

from deployer_core.kernel.tags import tagged

S = TypeVar("S")
E = TypeVar("E")
C = TypeVar("C")

Step: TypeAlias = tuple[S, tuple[Any, ...]]
"""What a handler returns: the next state, and the commands that the edge gives out."""
Handler: TypeAlias = Callable[[Any, Any], Step[Any]]
Cells: TypeAlias = Mapping[tuple[type, type], Handler]


@tagged("Absent/1")
@frozen
class Absent:
    """The state before the first event, drawn `[*]`."""


ABSENT = Absent()


@frozen
class Edge:
    """One arrow of a diagram.

    `label` stands on the arrow; where the arrow passes a `choice`, `guard` stands on its second half. `drawn` is the
    node that it ends in, since a diagram may draw one state in several places. An `auto` edge is raised by the
    machine itself. An `extension` is an edge that the specified diagrams lack.
    """

    source: str
    event: str
    label: str
    target: str
    drawn: str
    extension: bool = False
    auto: bool = False
    choice: str = ""
    guard: str = ""


@frozen
class Microstep(Generic[S, C]):
    """One edge taken: the event, the state that it led to, and the commands that it gave out."""

    edge: Edge
    event: object
    state: S
    commands: tuple[C, ...]


class IllegalEvent(Exception):
    """An event that a state does not take. Nothing has changed.

    `machine`, `state` and `event` name the cell, `legal` the events from outside that the state would take, `why` the
    guard that refused; it is empty where the state never takes such an event.
    """

    def __init__(
        self, machine: str, state: str, event: object, legal: tuple[str, ...], why: str = ""
    ) -> None:
        self.machine, self.state, self.event, self.legal, self.why = machine, state, event, legal, why
        refusal = f"{machine} in {state} refuses {type(event).__name__}{': ' if why else ''}{why}"
        super().__init__(f"{refusal}; it takes {', '.join(legal) or 'nothing from outside'}")


class GuardFailed(Exception):
    """Raised by a handler whose guard does not hold; the kernel makes an IllegalEvent of it."""


def to(state: S, *commands: object) -> Step[S]:
    """Go to a state, giving out commands."""
    return state, commands


def refuse(why: str) -> NoReturn:
    """Refuse an event, for a reason that a person can read."""
    raise GuardFailed(why)


def name_of(state: type) -> str:
    """A state's name in diagrams and on the wire: `ScalingDown` is `SCALING_DOWN`."""
    return "[*]" if state is Absent else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", state.__name__).upper()


@frozen(eq=False)
class Machine(Generic[S, E, C]):
    """A sealed machine: `reduce` runs an event to rest, `microsteps` shows each edge, `edges` knows them all.

    `failed`, `ends` and `auto` name the states that a drawing classes so, `leaves` those that it draws an arrow out of
    to `[*]`.
    """

    name: str
    initial: S
    states: tuple[type[S], ...]
    events: tuple[type[E], ...]
    edges: tuple[Edge, ...]
    auto: tuple[str, ...]
    failed: tuple[str, ...]
    ends: tuple[str, ...]
    leaves: tuple[str, ...]
    _outer: Cells = field(alias="outer")
    _inner: Cells = field(alias="inner")
    _raises: Mapping[type, Callable[[Any], Any]] = field(alias="raises")

    def reduce(self, state: S, event: E) -> tuple[S, tuple[C, ...]]:
        """Take one event from outside, and every auto edge that follows, to rest.

        Raises IllegalEvent, and changes nothing, where the state does not take the event. This is the hot path: the
        loop of `microsteps` without its records.
        """
        try:
            handler = self._outer[type(state), type(event)]
        except KeyError:
            raise self._illegal(state, event) from None
        try:
            after, commands = handler(state, event)
            while (raises := self._raises.get(type(after))) and (raised := raises(after)) is not None:
                after, more = self._inner[type(after), type(raised)](after, raised)
                commands += more
        except GuardFailed as refusal:
            raise self._illegal(state, event, str(refusal)) from None
        return after, commands

    def microsteps(self, state: S, event: E) -> tuple[Microstep[S, C], ...]:
        """The same reduction, one edge at a time; `reduce` is its fold, and refuses what this refuses."""
        self.reduce(state, event)
        steps: list[Microstep[S, C]] = []
        cells, current = self._outer, cast(Any, event)
        while current is not None:
            after, commands = cells[type(state), type(current)](state, current)
            ends = name_of(type(state)), type(current).__name__, name_of(type(after))
            edge = next(e for e in self.edges if (e.source, e.event, e.target) == ends)
            steps.append(Microstep(edge, current, after, commands))
            state, raises, cells = after, self._raises.get(type(after)), self._inner
            current = raises(after) if raises else None
        return tuple(steps)

    def takes(self, state: type) -> tuple[str, ...]:
        """The names of the events from outside that a state takes."""
        return tuple(event.__name__ for source, event in self._outer if source is state)

    def _illegal(self, state: S, event: E, why: str = "") -> IllegalEvent:
        return IllegalEvent(self.name, name_of(type(state)), event, self.takes(type(state)), why)
