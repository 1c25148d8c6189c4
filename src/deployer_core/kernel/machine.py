"""The kernel: what a machine is, and how it runs an event to rest. `builder` makes one from typed handlers."""

import re
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

from attrs import field, frozen

from deployer_core.kernel.tags import tagged

S = TypeVar("S")
E = TypeVar("E")
C = TypeVar("C")

Step: TypeAlias = tuple[S, tuple[Any, ...]]
"""What a handler returns: the next state, and the commands that the edge gives out."""
Cells: TypeAlias = dict[tuple[type, type], Callable[[Any, Any], Step[Any]]]
"""The handlers of events, by state and event."""
Always: TypeAlias = dict[type, Callable[[Any], Step[Any] | None]]
"""The handlers of eventless edges, by state."""


@tagged("Absent/1")
@frozen
class Absent:
    """The state before the first event, drawn `[*]`."""


ABSENT = Absent()


@frozen
class Edge:
    """One arrow of a diagram.

    `event` is empty where the state takes the edge by itself. `label` stands on the arrow; where the arrow passes a
    `choice`, `guard` stands on its second half. `drawn` is the node that it ends in, since a diagram may draw one state
    in several places. An `extension` is an edge that the specified diagrams lack.
    """

    source: str
    event: str
    label: str
    target: str
    drawn: str
    extension: bool = False
    choice: str = ""
    guard: str = ""

    @property
    def auto(self) -> bool:
        """Whether the state takes the edge by itself, without an event."""
        return not self.event

    @property
    def name(self) -> str:
        """The event's name; of an eventless edge its label or its guard, without markup."""
        return self.event or " ".join(re.sub(r"<[^>]*>", " ", self.label or self.guard).split())


@frozen
class Microstep(Generic[S, C]):
    """One edge taken: its event (None where it has none), the state after it, and the commands that it gave out."""

    edge: Edge
    event: object
    state: S
    commands: tuple[C, ...]


class IllegalEvent(Exception):
    """An event that a state does not take. Nothing has changed.

    `machine`, `state` and `event` name the cell, `legal` the events that the state would take, `why` the guard that
    refused; it is empty where the state never takes such an event.
    """

    def __init__(
        self, machine: str, state: str, event: object, legal: tuple[str, ...], why: str = ""
    ) -> None:
        self.machine: str = machine
        self.state: str = state
        self.event: object = event
        self.legal: tuple[str, ...] = legal
        self.why: str = why
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
    """Return a state's name in diagrams and on the wire: `ScalingDown` is `SCALING_DOWN`."""
    return "[*]" if state is Absent else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", state.__name__).upper()


@frozen(eq=False)
class Machine(Generic[S, E, C]):
    """A sealed machine: `reduce` runs an event to rest, `microsteps` shows each edge, `edges` knows them all.

    `events` are those that may be sent. `failed`, `ends` and `auto` name the states in which something went wrong,
    those in which a run has come to its good end, and those that never rest; `leaves` those that a drawing has an arrow
    out of to `[*]`. `name_of(type(state)) in machine.failed` tells bad states from good.
    """

    name: str
    states: tuple[type[S], ...]
    events: tuple[type[E], ...]
    edges: tuple[Edge, ...]
    auto: tuple[str, ...]
    failed: tuple[str, ...]
    ends: tuple[str, ...]
    leaves: tuple[str, ...]
    _cells: Cells = field(alias="cells")
    _always: Always = field(alias="always")
    initial: Absent = ABSENT

    def reduce(self, state: S | Absent, event: E) -> tuple[S, tuple[C, ...]]:
        """Take one event, and every eventless edge that follows, to rest.

        Raises IllegalEvent, and changes nothing, where the state does not take the event. This is the hot path: the
        loop of `microsteps` without its records.
        """
        try:
            handler = self._cells[type(state), type(event)]
        except KeyError:
            raise self._illegal(state, event) from None
        try:
            after, commands = handler(state, event)
            while (go := self._always.get(type(after))) and (step := go(after)):
                after, more = step
                commands += more
        except GuardFailed as refusal:
            raise self._illegal(state, event, str(refusal)) from None
        return after, commands

    def microsteps(self, state: S | Absent, event: E) -> tuple[Microstep[S, C], ...]:
        """Take the same event one edge at a time; `reduce` is the fold of this, and refuses what this refuses."""
        self.reduce(state, event)
        steps: list[Microstep[S, C]] = []
        taken: E | None = event
        step: Step[S] | None = self._cells[type(state), type(event)](state, event)
        while step is not None:
            after, commands = step
            ends = name_of(type(state)), "" if taken is None else type(taken).__name__, name_of(type(after))
            edge = next(e for e in self.edges if (e.source, e.event, e.target) == ends)
            steps.append(Microstep(edge, taken, after, commands))
            state, taken, go = after, None, self._always.get(type(after))
            step = go(after) if go else None
        return tuple(steps)

    def takes(self, state: type) -> tuple[str, ...]:
        """Return the names of the events that a state takes."""
        return tuple(event.__name__ for source, event in self._cells if source is state)

    def _illegal(self, state: S | Absent, event: E, why: str = "") -> IllegalEvent:
        return IllegalEvent(self.name, name_of(type(state)), event, self.takes(type(state)), why)
