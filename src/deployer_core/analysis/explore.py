"""Every reachable state of the composed deployer, in a small world: nothing is sampled, nothing is left to luck.

    report = explore(deployments=2, databases=2)
    print(report)
    for violation in report.violations:
        print(report.trace(violation))

The walk is breadth first and calls the real reducer, so the first way to a violation is a shortest one. Two states
that can't be told apart by anything that will ever happen are one (`canonical`). What is done in one state (`expand`)
needs nothing of the others: a `Crew` may do it in several processes, and the report is the same.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from attrs import field, frozen

from deployer_core.analysis.choices import asked_as, earlier
from deployer_core.analysis.choices import events as choices_of
from deployer_core.analysis.expand import (
    MACHINES,
    START,
    Arrival,
    Choice,
    EdgeEnds,
    Expander,
    Found,
    Reducer,
    Scene,
    edge_ends,
)
from deployer_core.analysis.invariants import Taken
from deployer_core.analysis.traces import command_text, edge_text, event_text, state_text
from deployer_core.analysis.world import advance
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Requested
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.machines.deployment import DeploymentInfo

ENDS = "Every deployment ends: from every state, answers alone lead to where nothing is open."
EARLIER_DEPTH = 3
"""How many events lead to a stack that was deployed before; the walk starts from there too."""


@frozen
class Violation:
    """An invariant that does not hold, and the shortest way there."""

    sentence: str
    events: tuple[Event, ...]


@frozen
class Figures:
    """How far a walk is: states met, and how many of them are expanded."""

    states: int = 0
    expanded: int = 0
    transitions: int = 0
    refusals: int = 0
    violations: int = 0


Tell: TypeAlias = Callable[[Figures], bool]
"""Told how far the walk is, now and then; says whether it is to go on."""


@frozen
class Report:
    """What was found. It is complete where nothing cut the walk short."""

    deployments: int
    databases: int
    states: int
    transitions: int
    refusals: int
    complete: bool
    edges: tuple[EdgeEnds, ...]
    missing: tuple[EdgeEnds, ...]
    violations: tuple[Violation, ...]
    reducer: Reducer = field(repr=False, default=reducer.reduce)

    def __str__(self) -> str:
        """Return the figures, what was not covered, and what does not hold."""
        cut = "" if self.complete else ", cut short"
        found = f"{self.states} states, {self.transitions} transitions, {self.refusals} refusals"
        lines = [
            f"{self.deployments} deployments and {self.databases} databases{cut}: {found}",
            f"{len(self.edges)} edges covered, {len(self.missing)} not:",
            *("  " + edge_text(edge) for edge in self.missing),
            *(f"VIOLATED: {violation.sentence}" for violation in self.violations),
        ]
        return "\n".join(lines)

    def trace(self, violation: Violation) -> str:
        """Return the way to a violation, event by event, with what each led to and gave out."""
        lines, state = [f"VIOLATED: {violation.sentence}"], INITIAL
        for number, event in enumerate(violation.events, 1):
            lines.append(f"{number:3}. {event_text(event, state)}")
            try:
                state, commands = self.reducer(state, event)
            except Exception as error:
                lines.append(f"       raises {type(error).__name__}: {error}")
                break
            lines += [f"       gives out {command_text(command)}" for command in commands]
            lines.append(f"     = {state_text(state)}")
        return "\n".join(lines)


class Crew(Protocol):
    """Those who expand states: each has met some, and is called by its number."""

    def start(self) -> Arrival:
        """Meet the first state, each of them."""
        ...

    def start_later(self) -> Arrival | None:
        """Meet the state of a stack that was deployed before, each of them; None where no way leads there."""
        ...

    def expand(self, level: Sequence[tuple[Hashable, int]]) -> Iterator[tuple[int, Found]]:
        """Expand states, each by one that has met it, and give what each found in the same order."""
        ...

    def edges(self) -> set[EdgeEnds]:
        """Return the edges that they have taken."""
        ...


@frozen(eq=False)
class Alone:
    """One expander, in this process."""

    expander: Expander

    def start(self) -> Arrival:
        """Meet the first state."""
        return self.expander.arrive(START)

    def start_later(self) -> Arrival | None:
        """Meet the state of a stack that was deployed before."""
        scene = deployed_before(self.expander)
        return self.expander.arrive(scene) if scene else None

    def expand(self, level: Sequence[tuple[Hashable, int]]) -> Iterator[tuple[int, Found]]:
        """Expand states, one after the other."""
        for key, _ in level:
            yield 0, self.expander.expand(key)

    def edges(self) -> set[EdgeEnds]:
        """Return the edges that were taken."""
        return self.expander.edges


def deployed_before(expander: Expander) -> Scene | None:
    """Return a stack that was deployed before; None where the reducer raises, which the walk finds."""
    scene = START
    try:
        for event in earlier(expander.asks):
            scene = _after(expander, scene, event)
    except Exception:
        return None
    return scene


def _after(expander: Expander, scene: Scene, event: Event) -> Scene:
    after, commands = expander.reducer(scene.state, event)
    return Scene(after, advance(scene.world, Taken(scene.state, event, after, commands)))


def explore(
    deployments: int = 2,
    databases: int = 2,
    limit: int | None = None,
    *,
    reducer: Reducer = reducer.reduce,
    crew: Crew | None = None,
    tell: Tell = lambda _: True,
    until: str | None = None,
) -> Report:
    """Walk every state that so many deployments on so many databases can reach; `limit` is a number of states.

    Another `reducer` than the deployer's own shows whether its mistakes would be found. The walk ends at the
    first violation whose sentence begins with `until`, an empty one with any.
    """
    expander = Expander(deployments, databases, reducer, identify=lambda key: key)
    walk = _Walk(crew or Alone(expander))
    walk.run(limit, tell, until=until)
    walk.find_dead_ends()
    taken = walk.crew.edges()
    every = {edge_ends(m.name, e) for m in MACHINES for e in m.edges}
    return Report(
        deployments=deployments,
        databases=databases,
        states=walk.figures.states,
        transitions=walk.figures.transitions,
        refusals=walk.figures.refusals,
        complete=walk.complete,
        edges=tuple(sorted(taken)),
        missing=tuple(sorted(every - taken)),
        violations=tuple(
            Violation(sentence, _way(expander, *walk.way(number, choice)))
            for sentence, (number, choice) in walk.violations.items()
        ),
        reducer=reducer,
    )


class _Walk:
    """One walk: the states by number, how each was reached first, and what was found on the way."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.numbers: dict[Hashable, int] = {}
        self.ways: list[tuple[int, Choice]] = []
        self.answered: list[list[int]] = []
        self.ends: set[int] = set()
        self.violations: dict[str, tuple[int, Choice]] = {}
        self.expanded = self.transitions = self.refusals = 0
        self.complete = True

    @property
    def figures(self) -> Figures:
        """Return how far it is."""
        return Figures(
            len(self.numbers), self.expanded, self.transitions, self.refusals, len(self.violations)
        )

    def run(self, limit: int | None, tell: Tell, *, until: str | None = None) -> None:
        """Take every event in every state, one event further at a time, until no new state turns up."""
        level: list[tuple[Hashable, int]] = []
        depth = 0
        self.meet(self.crew.start(), (-1, (0, 0)), 0, level)
        while level:
            if depth == EARLIER_DEPTH and (there := self.crew.start_later()):
                self.meet(there, (-1, (1, 0)), 0, level)
            ahead: list[tuple[Hashable, int]] = []
            for (key, _), (who, found) in zip(level, self.crew.expand(level), strict=True):
                if (
                    (limit is not None and len(self.numbers) >= limit)
                    or (until is not None and any(v.startswith(until) for v in self.violations))
                    or (self.expanded % TOLD_EVERY == 0 and not tell(self.figures))
                ):
                    self.cut_short(self.numbers[key])
                    return
                self.take(self.numbers[key], who, found, ahead)
            level, depth = ahead, depth + 1
        tell(self.figures)

    def take(self, number: int, who: int, found: Found, ahead: list[tuple[Hashable, int]]) -> None:
        """Take in what was found in one state."""
        self.expanded += 1
        self.transitions += found.transitions
        self.refusals += found.refusals
        for sentence, choice in found.violations:
            self.violations.setdefault(sentence, (number, choice))
        for arrival in found.arrivals:
            there = self.meet(arrival, (number, arrival.choice), who, ahead)
            if arrival.answers:
                self.answered[there].append(number)

    def meet(
        self, arrival: Arrival, way: tuple[int, Choice], who: int, ahead: list[tuple[Hashable, int]]
    ) -> int:
        """Return the number of a state, a new one where it was not met before; then it is to be expanded."""
        there = self.numbers.setdefault(arrival.key, len(self.ways))
        if there == len(self.ways):
            self.ways.append(way)
            self.answered.append([])
            if arrival.sound:  # else what follows is of no interest
                ahead.append((arrival.key, who))
            if not arrival.sound or not arrival.open:
                self.ends.add(there)
        return there

    def cut_short(self, number: int) -> None:
        """End before this state: what was not expanded is no dead end."""
        self.complete = False
        self.ends.update(range(number, len(self.ways)))

    def way(self, number: int, *choices: Choice) -> tuple[bool, tuple[Choice, ...]]:
        """Return whether a way starts from a stack that was deployed before, and its choices from there."""
        while number >= 0:
            number, choice = self.ways[number]
            choices = (choice, *choices)
        return choices[0] == (1, 0), choices[1:]

    def find_dead_ends(self) -> None:
        """Walk back along the answers from every state where nothing is open: what is not met can't end by itself."""
        met, ahead = set(self.ends), deque(self.ends)
        while ahead:
            for number in self.answered[ahead.popleft()]:
                if number not in met:
                    met.add(number)
                    ahead.append(number)
        if len(met) < len(self.ways):
            number, choice = self.ways[min(set(range(len(self.ways))) - met)]
            self.violations.setdefault(ENDS, (number, choice))


TOLD_EVERY = 256
"""After how many states it is told how far the walk is."""


def _way(expander: Expander, later: bool, choices: tuple[Choice, ...]) -> tuple[Event, ...]:
    """Return the events of a way. A deployment that waited has been requested as what it was taken for in its turn."""
    scene = deployed_before(expander) if later else START
    assert scene is not None
    events: list[Event] = [*earlier(expander.asks)] if later else []
    for number, other in choices:
        every = choices_of(scene.state, expander.asks, expander.left(scene))
        event = next(event for at, event in enumerate(every) if at == number)
        varied = scene
        if other:
            taken = expander.take(scene, event)
            (varied,) = [each for at, each in expander.varied(scene, event, taken) if at == other]
        infos = {d.info.id: d.info for d in varied.state.deployments}
        if other:
            events = [_asked_as(e, infos) for e in events]
        events.append(event)
        try:
            scene = _after(expander, varied, event)
        except Exception:
            break
    return tuple(events)


def _asked_as(event: Event, infos: dict[str, DeploymentInfo]) -> Event:
    if isinstance(event, Requested) and event.deployment in infos:
        return asked_as(event, infos[event.deployment])
    return event


def reduce_all(events: Iterable[Event], reducer: Reducer = reducer.reduce) -> DeployerState:
    """Return the state after these events, from the initial one."""
    state = INITIAL
    for event in events:
        state, _ = reducer(state, event)
    return state
