"""Machines from typed handlers: the signature is the edge.

A module declares its edges in the order of its diagram, and seals them:

    light = Builder[State, Event, Command]("Light", State, Event)

    @light.on
    def switch_on(_: Dark, event: Pressed) -> Step[Lit]:
        return to(Lit(event.at), Announce())

    @light.always(Arrow(Dark, "Burnt out"))
    def burn_out(state: Lit) -> Step[Dark] | None:
        return to(Dark()) if state.age > 1000 else None

    MACHINE = light.seal()

`on` declares the edges of an event, `always` those that a state takes by itself when it is entered. `Step[A | B]`
declares two edges. A constrained type variable as source and target declares a self-loop for each. A union of sources
with a union of targets may declare edges that do not exist, and is refused, unless they meet in a named choice, or
every arrow says that it is there from `each` source. A
state whose `always` never returns None is an *auto* state: it never rests.
"""

import functools
import operator
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from attrs import field, frozen

from deployer_core.kernel.machine import Absent, Always, C, Cells, E, Edge, Machine, S, Step, name_of

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
X = TypeVar("X")
V = TypeVar("V")
Takes: TypeAlias = Callable[[X, V], T]
Goes: TypeAlias = Callable[[X], T | None]


class MachineError(TypeError):
    """A machine whose declaration contradicts itself; raised when its module is imported."""


@frozen
class Arrow(Generic[T]):
    """How the edges to a target are drawn.

    `label` is the arrow's text, the event's name where none is given. An arrow that passes a `choice` has its `guard`
    on the second half. `nodes` names the node by source, where the target is drawn more than once. `each` says that it
    leaves from each of several sources. An `extension` is an edge that the specified diagrams lack.
    """

    target: type[T]
    label: str | None = None
    choice: str = field(default="", kw_only=True)
    guard: str = field(default="", kw_only=True)
    nodes: Mapping[type, str] = field(factory=dict[type, str], kw_only=True)
    each: bool = field(default=False, kw_only=True)
    extension: bool = field(default=False, kw_only=True)


@frozen
class SelfLoop:
    """How the self-loops of a handler are drawn: an `Arrow` from each source to itself."""

    label: str | None = None
    extension: bool = field(default=False, kw_only=True)


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the classes that a hint names: one, a union's members, or a type variable's constraints."""
    if isinstance(hint, TypeVar):
        return hint.__constraints__
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _targets(returns: Any) -> Any:
    """Return the hint of the states in `Step[A]`, `Step[A | B]` or `Step[A] | Step[B]`; None where it is no step."""
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
        self._handlers: Cells = {}
        self._always: Always = {}
        self._auto: list[type] = []
        self._edges: list[Edge] = []

    @overload
    def on(self, handler: F, /) -> F: ...
    @overload
    def on(self, loop: SelfLoop, /) -> Callable[[Takes[X, V, Step[X]]], Takes[X, V, Step[X]]]: ...
    @overload
    def on(self, a: Arrow[T1], /) -> Callable[[Takes[X, V, Step[T1]]], Takes[X, V, Step[T1]]]: ...
    @overload
    def on(
        self, a: Arrow[T1], b: Arrow[T2], /
    ) -> Callable[[Takes[X, V, Step[T1] | Step[T2]]], Takes[X, V, Step[T1] | Step[T2]]]: ...
    def on(self, *drawn: Any) -> Any:
        """Declare the edges of a handler: `(source, event) -> Step[target]`; `drawn` has an `Arrow` for each target."""
        if drawn and not isinstance(drawn[0], Arrow | SelfLoop):
            return self._declare(drawn[0], (), 2)
        return functools.partial(self._declare, drawn=drawn, arity=2)

    @overload
    def always(self, a: Arrow[T1], /) -> Callable[[Goes[X, Step[T1]]], Goes[X, Step[T1]]]: ...
    @overload
    def always(
        self, a: Arrow[T1], b: Arrow[T2], /
    ) -> Callable[[Goes[X, Step[T1] | Step[T2]]], Goes[X, Step[T1] | Step[T2]]]: ...
    @overload
    def always(
        self, a: Arrow[T1], b: Arrow[T2], c: Arrow[T3], /
    ) -> Callable[[Goes[X, Step[T1] | Step[T2] | Step[T3]]], Goes[X, Step[T1] | Step[T2] | Step[T3]]]: ...
    def always(self, *drawn: Any) -> Any:
        """Declare the edges that a state takes by itself: `(source) -> Step[target]`, or None to rest."""
        return functools.partial(self._declare, drawn=drawn, arity=1)

    def seal(
        self, *, failed: Collection[type] = (), ends: Collection[type] = (), leaves: Collection[type] = ()
    ) -> Machine[S, E, C]:
        """Check the whole, and make the machine. Raises MachineError for what is declared and cannot happen."""
        self._known(self.seal, (*failed, *ends, *leaves), self._states)
        self._check_cells()
        self._check_paths()
        return Machine(
            name=self._name,
            states=self._states,
            events=self._events,
            edges=tuple(self._edges),
            auto=_names(s for s in self._states if s in self._auto),
            failed=_names(failed),
            ends=_names(ends),
            leaves=_names(leaves),
            cells=self._handlers,
            always=self._always,
        )

    def _declare(self, handler: Any, drawn: tuple[Any, ...], arity: int) -> Any:
        source, *taken, returns = self._signature(handler, arity)
        if (after := _targets(returns)) is None:
            raise self._error(handler, f"it has to return a Step, not {returns}")
        sources, targets = _members(source), _members(after)
        self._known(handler, sources, (Absent, *self._states))
        self._known(handler, targets, self._states)
        arrows = self._arrows(handler, drawn, sources, targets)
        if (loops := isinstance(after, TypeVar)) and after is not source:
            raise self._error(handler, "a type variable as target must be the source's own")
        crossed = not loops and len(sources) > 1 and len(targets) > 1
        if crossed and not all(a.choice or a.each for a in arrows.values()):
            raise self._error(handler, "a union of sources with a union of targets needs a choice, or `each`")
        events = _members(taken[0]) if taken else ()
        self._known(handler, events, self._events)
        for one in sources:
            self._register(handler, one, events, types.NoneType not in _members(returns))
            for target, event in ((t, e) for t in ((one,) if loops else targets) for e in events or [None]):
                self._edges.append(self._edge(handler, one, event, arrows[target]))
        return handler

    def _arrows(
        self, handler: Any, drawn: tuple[Any, ...], sources: tuple[type, ...], targets: tuple[type, ...]
    ) -> dict[type, Arrow[Any]]:
        """Return the arrow to each target: as drawn, else the plain one of an event."""
        if not drawn or isinstance(drawn[0], SelfLoop):
            loop = drawn[0] if drawn else SelfLoop()
            return {target: Arrow(target, loop.label, extension=loop.extension) for target in targets}
        self._known(handler, (arrow.target for arrow in drawn), targets)
        self._known(handler, (source for arrow in drawn for source in arrow.nodes), sources)
        arrows = {arrow.target: arrow for arrow in drawn}
        if missing := ", ".join(_names(target for target in targets if target not in arrows)):
            raise self._error(handler, f"it has no arrow to {missing}")
        return arrows

    def _register(self, handler: Any, state: type, events: tuple[type, ...], auto: bool) -> None:
        for event in events:
            if (state, event) in self._handlers:
                raise self._error(handler, f"{name_of(state)} takes {event.__name__} already")
            self._handlers[state, event] = handler
        if not events:
            if state in self._always:
                raise self._error(handler, f"{name_of(state)} goes on by itself already")
            self._always[state] = handler
            self._auto += [state] if auto else []

    def _edge(self, handler: Any, source: type, event: type | None, arrow: Arrow[Any]) -> Edge:
        name = event.__name__ if event else ""
        label, target = name if arrow.label is None else arrow.label, name_of(arrow.target)
        if not (name or label or arrow.guard):
            raise self._error(handler, f"the eventless edge to {target} needs a label or a guard")
        node = arrow.nodes.get(source, target)
        return Edge(name_of(source), name, label, target, node, arrow.extension, arrow.choice, arrow.guard)

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

    def _check_cells(self) -> None:
        """Check that an auto state takes no event, and that every event is taken by some state."""
        taken = {event for _, event in self._handlers}
        stray = [(state, event) for state, event in self._handlers if state in self._auto]
        self._refuse(f"{name_of(s)} never rests, yet takes {e.__name__}" for s, e in stray)
        self._refuse(f"no state takes {event.__name__}" for event in self._events if event not in taken)

    def _check_paths(self) -> None:
        """Check that every state can be reached, and that no circle of auto states keeps a reduction from its rest."""
        reached, frontier = set[str](), {name_of(Absent)}
        while frontier:
            reached |= frontier
            frontier = {e.target for e in self._edges if e.source in reached} - reached
        self._refuse(f"no path leads to {name}" for name in _names(self._states) if name not in reached)
        auto = _names(self._auto)
        try:
            TopologicalSorter(
                {name: [e.target for e in self._edges if e.source == name] for name in auto}
            ).prepare()
        except CycleError as error:
            self._refuse([f"auto states go in a circle: {', '.join(error.args[1])}"])

    def _refuse(self, problems: Iterable[str]) -> None:
        if found := sorted(problems):
            raise MachineError(f"{self._name}: {'; '.join(found)}")

    def _error(self, handler: Callable[..., Any], what: str) -> MachineError:
        return MachineError(f"{self._name}, {handler.__qualname__}: {what}")


def listing(found: Mapping[str, Any]) -> list[str]:
    """List what a module of machines defines, by its globals: classes, functions, `MACHINE` and annotated names.

    Its imports, builder, handlers and type variables are left out.
    """
    builders = [value for value in found.values() if isinstance(value, Builder)]
    handlers = {h.__name__ for b in builders for h in (*b._handlers.values(), *b._always.values())}
    own = {name for name, value in found.items() if getattr(value, "__module__", "") == found["__name__"]}
    own |= {*found.get("__annotations__", ()), "MACHINE"} & found.keys()
    shown = (name for name in own - handlers if not isinstance(found[name], TypeVar | Builder))
    return sorted(name for name in shown if name[0] != "_")
