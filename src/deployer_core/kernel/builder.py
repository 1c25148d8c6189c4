"""Machines from typed handlers: the signature is the edge.

A module declares its edges in the order of its diagram, and seals them:

    light = Builder[State, Event, Command]("Light", State, Event)

    @light.on
    def switch_on(_: Dark, event: Pressed) -> Step[Lit]:
        return to(Lit(event.at), Announce())

    MACHINE = light.seal()

`Step[A | B]` declares two edges. A constrained type variable as source and target declares a self-loop for each. A
union of sources with a union of targets would declare edges that do not exist, and is refused, unless they meet in
a named choice. An *auto* handler raises an event of the machine's own; a state that always raises one never rests.
"""

import functools
import operator
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints, overload

from attrs import evolve

from deployer_core.kernel.machine import ABSENT, Absent, C, E, Edge, Handler, Machine, S, name_of

F = TypeVar("F", bound=Callable[..., Any])


class MachineError(TypeError):
    """A machine whose declaration contradicts itself; raised when its module is imported."""


def _members(hint: Any) -> tuple[Any, ...]:
    """The classes that a hint names: one, a union's members, or a type variable's constraints."""
    if isinstance(hint, TypeVar):
        return hint.__constraints__
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _targets(returns: Any) -> Any:
    """The hint of the states in `Step[A]`, `Step[A | B]` or `Step[A] | Step[B]`; None where it is no step."""
    steps = [get_args(step)[:1] for step in _members(returns) if get_origin(step) is tuple]
    return functools.reduce(operator.or_, [state for (state,) in steps]) if steps else None


def _names(states: Iterable[type]) -> tuple[str, ...]:
    return tuple(name_of(state) for state in states)


class Builder(Generic[S, E, C]):
    """Collects the handlers of one machine; `states` and `events` are the unions that the module declares."""

    def __init__(self, name: str, states: object, events: object) -> None:
        self._name = name
        self._states: tuple[type, ...] = _members(states)
        self._events: tuple[type, ...] = _members(events)
        self._handlers: dict[tuple[type, type], Handler] = {}
        self._raises: dict[type, Callable[[Any], Any]] = {}
        self._raised: dict[type, tuple[type, ...]] = {}
        self._auto: list[type] = []
        self._edges: list[tuple[type, type, Edge]] = []

    @overload
    def on(self, handler: F, /) -> F: ...
    @overload
    def on(
        self,
        *,
        label: str | None = ...,
        guards: Mapping[type, str] = ...,
        choice: str = ...,
        drawn: Mapping[type, str] = ...,
        extension: bool = ...,
    ) -> Callable[[F], F]: ...
    # _declare has the parameters in full.
    def on(self, handler: Any = None, /, **drawing: Any) -> Any:  # type: ignore[misc]  # pyright: ignore[reportInconsistentOverload]
        """Declare the edges of a handler: `(source, event) -> Step[target]`.

        `label` is the arrow's text where it differs from the event's name, `choice` the choice that the arrow passes
        and `guards` the text behind it by target, `drawn` the node's name by source where the target is drawn more
        than once, `extension` an edge that the specified diagrams lack.
        """
        return self._declare(handler) if handler else functools.partial(self._declare, **drawing)

    def auto(self, handler: F) -> F:
        """Declare which event of the machine's own a state raises when it is entered, or None for 'not yet'."""
        source, returns = self._signature(handler, 1)
        sources, raised = _members(source), tuple(e for e in _members(returns) if e is not types.NoneType)
        self._known(handler, sources, self._states)
        self._known(handler, raised, self._events)
        if len(sources) > 1 and len(raised) > 1:
            raise self._error(handler, "a union of states may raise one event only")
        for state in sources:
            if state in self._raises:
                raise self._error(handler, f"{name_of(state)} has an auto handler already")
            self._raises[state], self._raised[state] = handler, raised
            if len(raised) == len(_members(returns)):
                self._auto.append(state)
        return handler

    def seal(
        self, *, failed: Collection[type] = (), ends: Collection[type] = (), leaves: Collection[type] = ()
    ) -> Machine[S, E, C]:
        """Check the whole, and make the machine. Raises MachineError for what is declared and cannot happen."""
        self._known(self.seal, (*failed, *ends, *leaves), self._states)
        inner = {(state, event) for state, raised in self._raised.items() for event in raised}
        self._check_cells(inner)
        self._check_paths()
        return Machine(
            name=self._name,
            initial=cast(Any, ABSENT),
            states=self._states,
            events=self._events,
            edges=tuple(evolve(edge, auto=(s, e) in inner) for s, e, edge in self._edges),
            auto=_names(s for s in self._states if s in self._auto),
            failed=_names(failed),
            ends=_names(ends),
            leaves=_names(leaves),
            outer={cell: h for cell, h in self._handlers.items() if cell not in inner},
            inner={cell: h for cell, h in self._handlers.items() if cell in inner},
            raises=self._raises,
        )

    def _declare(
        self,
        handler: Any,
        label: str | None = None,
        guards: Mapping[type, str] = types.MappingProxyType({}),
        choice: str = "",
        drawn: Mapping[type, str] = types.MappingProxyType({}),
        extension: bool = False,
    ) -> Any:
        source, taken, returns = self._signature(handler, 2)
        if (after := _targets(returns)) is None:
            raise self._error(handler, f"it has to return a Step, not {returns}")
        sources, events, targets = _members(source), _members(taken), _members(after)
        self._known(handler, (*sources, *targets), self._states)
        self._known(handler, events, self._events)
        self._known(handler, drawn, sources)
        self._known(handler, guards, targets)
        if (loops := isinstance(after, TypeVar)) and after is not source:
            raise self._error(handler, "a type variable as target must be the source's own")
        if not loops and len(sources) > 1 and len(targets) > 1 and not choice:
            raise self._error(handler, "a union of sources with a union of targets needs a choice")
        for one, event in ((s, e) for s in sources for e in events):
            if (one, event) in self._handlers:
                raise self._error(handler, f"{name_of(one)} takes {event.__name__} already")
            self._handlers[one, event] = handler
            for target in (one,) if loops else targets:
                text, node = event.__name__ if label is None else label, drawn.get(one, name_of(target))
                ends = name_of(one), event.__name__, text, name_of(target), node
                edge = Edge(*ends, extension, choice=choice, guard=guards.get(target, ""))
                self._edges.append((one, event, edge))
        return handler

    def _signature(self, handler: Callable[..., Any], arity: int) -> list[Any]:
        hints = get_type_hints(handler)
        if "return" not in hints or len(hints) != arity + 1:
            raise self._error(handler, "the signature is the edge, so each of its parts needs a hint")
        if loose := [h for h in hints.values() if isinstance(h, TypeVar) and not h.__constraints__]:
            raise self._error(handler, f"{loose[0]} names no states: constrain it to those that it means")
        return list(hints.values())

    def _known(self, handler: Callable[..., Any], names: Iterable[Any], known: tuple[type, ...]) -> None:
        for name in names:
            if name not in known:
                raise self._error(handler, f"{name!r} is not one of {', '.join(k.__name__ for k in known)}")

    def _check_cells(self, inner: set[tuple[type, type]]) -> None:
        """What is raised is taken, what an auto state takes is raised, and every event is taken by some state."""
        cells, taken = {*self._handlers}, {event for _, event in self._handlers}
        self._refuse(f"{name_of(s)} raises {e.__name__}, which it does not take" for s, e in inner - cells)
        stray = [(s, e) for s, e in cells - inner if s in self._auto]
        self._refuse(f"{name_of(s)} never rests, yet takes {e.__name__}" for s, e in stray)
        self._refuse(f"no state takes {event.__name__}" for event in self._events if event not in taken)

    def _check_paths(self) -> None:
        """Every state can be reached, and no circle of auto states keeps a reduction from its rest."""
        reached, frontier = set[str](), {name_of(Absent)}
        while frontier:
            reached |= frontier
            frontier = {e.target for _, _, e in self._edges if e.source in reached} - reached
        self._refuse(f"no path leads to {name}" for name in _names(self._states) if name not in reached)
        own = [edge for state, _, edge in self._edges if state in self._auto]
        try:
            TopologicalSorter(
                {e.target: {b.source for b in own if b.target == e.target} for e in own}
            ).prepare()
        except CycleError as error:
            self._refuse([f"auto states go in a circle: {', '.join(error.args[1])}"])

    def _refuse(self, problems: Iterable[str]) -> None:
        if found := sorted(problems):
            raise MachineError(f"{self._name}: {'; '.join(found)}")

    def _error(self, handler: Callable[..., Any], what: str) -> MachineError:
        return MachineError(f"{self._name}, {handler.__qualname__}: {what}")
