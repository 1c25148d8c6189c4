"""Machines from typed handlers: the signature is the edge.

A module declares its edges in the order of its diagram, and seals them:

    light = Builder[State, Event, Command]("Light", State, Event)

    @light.on
    def switch_on(_: Dark, event: Pressed) -> Step[Lit]:
        return to(Lit(event.at), Announce())

    MACHINE = light.seal()

`Step[A | B]` declares two edges. A constrained type variable as source and target declares a self-loop of each of its
states. A union of sources with a union of targets would declare edges that do not exist, and is refused, unless they
meet in a named choice. An *auto* handler raises an event of the machine's own; a state whose auto handler cannot
return nothing is an auto state: it is left in the reduction that entered it and never rests.
"""

import functools
import operator
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from attrs import evolve

from deployer_core.machine import ABSENT, C, E, Edge, Handler, Machine, S, name_of

F = TypeVar("F", bound=Callable[..., Any])


class MachineError(TypeError):
    """A machine whose declaration contradicts itself; raised when its module is imported."""


def _members(hint: Any) -> tuple[Any, ...]:
    """The classes that a hint names: one, a union's members, or a type variable's constraints."""
    if isinstance(hint, TypeVar):
        return hint.__constraints__
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _targets(hint: Any) -> Any:
    """The hint of the states in `Step[A]`, `Step[A | B]` or `Step[A] | Step[B]`."""
    steps = [get_args(step)[0] for step in _members(hint)]
    return steps[0] if len(steps) == 1 else functools.reduce(operator.or_, steps)


def _names(states: Collection[type]) -> tuple[str, ...]:
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
        self._edges: list[tuple[type, type, Edge]] = []

    @overload
    def on(self, handler: F, /) -> F: ...
    @overload
    def on(
        self,
        *,
        label: str | None = ...,
        guards: Mapping[type, str] | None = ...,
        choice: str = ...,
        drawn: Mapping[type, str] | None = ...,
        extension: bool = ...,
    ) -> Callable[[F], F]: ...
    def on(self, handler: Any = None, /, **drawing: Any) -> Any:  # type: ignore[misc]  # checked by _declare
        """Declare the edges of a handler: `(source, event) -> Step[target]`.

        `label` is the arrow's text where it differs from the event's name, `choice` the choice that the arrow passes
        and `guards` the text behind it by target, `drawn` the node's name by source where the target is drawn more
        than once, `extension` an edge that the asked-for diagrams lack.
        """
        if handler is None:
            return lambda function: self._declare(function, **drawing)
        return self._declare(handler)

    def auto(self, handler: F) -> F:
        """Declare which event of the machine's own a state raises when it is entered, or None for 'not yet'."""
        source, returns = self._signature(handler, 1)
        (state,) = _members(source[0])
        self._known(handler, (state,), self._states)
        if state in self._raises:
            raise MachineError(f"{self._name}: {name_of(state)} has two auto handlers")
        self._raises[state] = handler
        self._raised[state] = _members(returns)
        self._known(handler, [e for e in _members(returns) if e is not types.NoneType], self._events)
        return handler

    def seal(
        self, *, failed: Collection[type] = (), ends: Collection[type] = (), leaves: Collection[type] = ()
    ) -> Machine[S, E, C]:
        """Check the whole, and make the machine. Raises MachineError for what is declared and cannot happen."""
        self._check_whole()
        inner = {(s, e) for s, raised in self._raised.items() for e in raised}
        auto = {s for s, raised in self._raised.items() if types.NoneType not in raised}
        ordered = [state for state in self._states if state in auto]
        outer = {cell: h for cell, h in self._handlers.items() if cell not in inner}
        if stray := [f"{name_of(s)} takes {e.__name__}" for s, e in outer if s in auto]:
            raise MachineError(f"{self._name}: an auto state never rests, yet {'; '.join(stray)}")
        initial: Any = ABSENT
        return Machine(
            name=self._name,
            initial=initial,
            states=self._states,
            events=self._events,
            edges=tuple(evolve(edge, auto=(s, e) in inner) for s, e, edge in self._edges),
            auto=_names(ordered),
            failed=_names(failed),
            ends=_names(ends),
            leaves=_names(leaves),
            outer=outer,
            inner={cell: h for cell, h in self._handlers.items() if cell in inner},
            raises=self._raises,
        )

    def _declare(
        self,
        handler: Any,
        *,
        label: str | None = None,
        guards: Mapping[type, str] | None = None,
        choice: str = "",
        drawn: Mapping[type, str] | None = None,
        extension: bool = False,
    ) -> Any:
        (source_hint, event_hint), returns = self._signature(handler, 2)
        target_hint = _targets(returns)
        sources, events, targets = _members(source_hint), _members(event_hint), _members(target_hint)
        self._known(handler, (*sources, *targets), self._states)
        self._known(handler, events, self._events)
        loops = isinstance(target_hint, TypeVar)
        if loops and target_hint is not source_hint:
            raise MachineError(f"{handler.__qualname__}: a type variable as target must be the source's own")
        if not loops and len(sources) > 1 and len(targets) > 1 and not choice:
            raise MachineError(
                f"{handler.__qualname__}: a union of sources with a union of targets needs a choice"
            )
        for source in sources:
            for event in events:
                self._claim(handler, source, event)
                for target in (source,) if loops else targets:
                    edge = Edge(
                        name_of(source),
                        event.__name__,
                        event.__name__ if label is None else label,
                        name_of(target),
                        (drawn or {}).get(source, name_of(target)),
                        extension,
                        choice=choice,
                        guard=(guards or {}).get(target, ""),
                    )
                    self._edges.append((source, event, edge))
        return handler

    def _claim(self, handler: Handler, source: type, event: type) -> None:
        if (source, event) in self._handlers:
            raise MachineError(f"{self._name}: {name_of(source)} handles {event.__name__} twice")
        self._handlers[source, event] = handler

    def _signature(self, handler: Callable[..., Any], arity: int) -> tuple[list[Any], Any]:
        hints = get_type_hints(handler)
        returns = hints.pop("return", None)
        if len(hints) != arity or returns is None:
            raise MachineError(
                f"{handler.__qualname__}: the signature is the edge, so each of its parts needs a hint"
            )
        return list(hints.values()), returns

    def _known(self, handler: Callable[..., Any], names: Collection[Any], known: tuple[type, ...]) -> None:
        for name in names:
            if name not in known:
                raise MachineError(f"{handler.__qualname__}: {name!r} is not one of {self._name}'s own")

    def _check_whole(self) -> None:
        for state, raised in self._raised.items():
            for event in raised:
                if event is not types.NoneType and (state, event) not in self._handlers:
                    raise MachineError(
                        f"{self._name}: {name_of(state)} raises {event.__name__}, which it does not take"
                    )
        reached = {"[*]", *(edge.target for _, _, edge in self._edges)}
        if idle := [name_of(state) for state in self._states if name_of(state) not in reached]:
            raise MachineError(f"{self._name}: no edge leads to {', '.join(idle)}")
        if idle := [e.__name__ for e in self._events if all(e is not taken for _, taken in self._handlers)]:
            raise MachineError(f"{self._name}: no state takes {', '.join(idle)}")
