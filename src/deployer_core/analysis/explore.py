"""Every reachable state of the composed deployer, in a small world: nothing is sampled, nothing is left to luck.

    report = explore(deployments=2, databases=2)
    print(report)
    for violation in report.violations:
        print(report.trace(violation))

The walk is breadth first and calls the real reducer, so the first way to a violation is a shortest one. Two states
that can't be told apart by anything that will ever happen are one (`canonical`).
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import field, frozen

from deployer_core.analysis import invariants
from deployer_core.analysis.canonical import canonical
from deployer_core.analysis.choices import AT, EARLIER, events, in_turn, left, specified_as, specs
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Notice, Pending, Replied, Requested, Terminated
from deployer_core.engine.routing import INITIAL, Commands, DeployerState
from deployer_core.kernel.machine import Edge, IllegalEvent, name_of
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.spec import DeploymentSpec

Reducer: TypeAlias = Callable[[DeployerState, Event], tuple[DeployerState, Commands]]
EdgeEnds: TypeAlias = tuple[str, str, str, str]
"""Machine, source, event (of an eventless edge its label, in brackets), target."""

MACHINES = (stack.MACHINE, deployment.MACHINE, postgres_migration.MACHINE, ecs_task.MACHINE)

SENSE = "What makes sense is taken, and what does not is refused."
ILLEGAL = "Nothing is raised but IllegalEvent."
ONCE = "The same event twice is the event once."
ENDS = "Every deployment ends: from every state, answers alone lead to where nothing is open."


@frozen
class Violation:
    """An invariant that does not hold, and the shortest way there."""

    sentence: str
    events: tuple[Event, ...]


@frozen
class Report:
    """What was found. It is complete where no `limit` cut the walk short."""

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


def explore(
    deployments: int = 2, databases: int = 2, limit: int | None = None, *, reducer: Reducer = reducer.reduce
) -> Report:
    """Walk every state that so many deployments on so many databases can reach; `limit` is a number of states.

    Another `reducer` than the deployer's own shows whether its mistakes would be found.
    """
    walk = _Walk(deployments, specs(databases), reducer)
    walk.run(limit)
    walk.find_dead_ends()
    edges = {_ends(m.name, e) for m in MACHINES for e in m.edges}
    return Report(
        deployments=deployments,
        databases=databases,
        states=len(walk.states),
        transitions=walk.transitions,
        refusals=walk.refusals,
        complete=walk.complete,
        edges=tuple(sorted(walk.edges)),
        missing=tuple(sorted(edges - walk.edges)),
        violations=tuple(walk.violations.values()),
        reducer=reducer,
    )


@frozen
class _Way:
    """How a state was first reached: from which one, by which events, if this had been `asked` for earlier."""

    start: int
    events: tuple[Event, ...]
    asked: Requested | None = None


class _Walk:
    """One walk: the states by number, how each was reached first, and what was found on the way."""

    def __init__(self, deployments: int, menu: tuple[DeploymentSpec, ...], reducer: Reducer) -> None:
        self.deployments, self.menu, self.reducer = deployments, menu, reducer
        self.states: list[DeployerState] = []
        self.parents: list[_Way] = []
        self.shapes: list[tuple[Any, ...]] = []
        self.answered: list[list[int]] = []
        self.numbers: dict[tuple[Any, ...], int] = {}
        self.ends: set[int] = set()
        self.broken: set[int] = set()
        self.transitions = self.refusals = 0
        self.edges: set[EdgeEnds] = set()
        self.seen: set[tuple[Any, ...]] = set()
        self.violations: dict[str, Violation] = {}
        self.complete = True

    def run(self, limit: int | None) -> None:
        """Take every event in every state, one event further at a time, until no new state turns up."""
        self.arrive(_Way(-1, ()), INITIAL)
        depth, first = 0, 0
        while first < len(self.states):
            if depth == len(EARLIER):
                self.start_later()
            ahead = range(first, len(self.states))
            for number in ahead:
                if limit is not None and len(self.states) >= limit:
                    self.complete = False
                    self.ends.update(range(number, len(self.states)))
                    return
                self.expand(number)
            depth, first = depth + 1, ahead.stop

    def start_later(self) -> None:
        """Start anew from a stack that was deployed before, as early as a way from the beginning leads there."""
        with suppress(Exception):  # where the reducer raises, the walk from the beginning finds it
            self.arrive(_Way(-1, EARLIER), reduce_all(EARLIER, self.reducer))

    def expand(self, number: int) -> None:
        """Take every event in one state, unless it should not be: what follows then is of no interest."""
        if number not in self.broken:
            for event in events(self.states[number], self.menu, self.deployments):
                self.take(number, self.states[number], event)

    def take(self, number: int, state: DeployerState, event: Event, asked: Requested | None = None) -> None:
        """One event in one state: refused with reason, or taken and checked."""
        way = _Way(number, (event,), asked)
        sense = invariants.makes_sense(state, event)
        try:
            after, commands = self.reducer(state, event)
        except IllegalEvent:
            self.refusals += 1
            if sense:
                self.violate(SENSE, way)
            return
        except Exception:
            self.violate(ILLEGAL, way)
            return
        if not sense:
            self.violate(SENSE, way)
            return
        self.transitions += 1
        changed = after is not state or bool(commands)
        step = invariants.Taken(state, event, after, commands)
        checked = invariants.STEP_INVARIANTS if changed else invariants.STALE_INVARIANTS
        wrong = [invariant for invariant in checked if not invariant.holds(step)]
        for invariant in wrong:
            self.violate(invariant.sentence, way)
        if wrong or not changed:
            return
        if not self.changes_nothing(after, event):
            self.violate(ONCE, way)
        there = self.arrive(way, after)
        if isinstance(event, Replied):
            self.answered[there].append(number)
        self.cover(number, state, event, there)
        if asked is None and after.stack is not state.stack and (turn := in_turn(state, after)):
            for spec in self.menu[1:]:
                self.take(number, specified_as(state, turn, spec), event, Requested(turn, spec, AT))

    def changes_nothing(self, state: DeployerState, event: Event) -> bool:
        """Check that an event that was just taken is stale, or nonsense now."""
        try:
            return self.reducer(state, event) == (state, ())
        except IllegalEvent:
            return not invariants.makes_sense(state, event)

    def arrive(self, way: _Way, after: DeployerState) -> int:
        """Where a way led: to a state that is known, or to a new one. Gives its number."""
        key = (left(after, self.deployments), *canonical(after))
        there = self.numbers.setdefault(key, len(self.states))
        if there == len(self.states):
            self.states.append(after)
            self.parents.append(way)
            self.shapes.append(_shape(after))
            self.answered.append([])
            wrong = [invariant for invariant in invariants.STATE_INVARIANTS if not invariant.holds(after)]
            for invariant in wrong:
                self.violate(invariant.sentence, way)
            if wrong:
                self.broken.add(there)
            if wrong or not invariants.opened(after):
                self.ends.add(there)
        return there

    def cover(self, number: int, state: DeployerState, event: Event, there: int) -> None:
        """Which edges were taken hangs on the event and on the kinds of the states around it, so each is asked once."""
        answer = type(event.answer) if isinstance(event, Replied) else None
        step = (self.shapes[number], type(event), answer, self.shapes[there])
        if step not in self.seen:
            self.seen.add(step)
            for machine, taken in reducer.microsteps(state, event):
                self.edges.add(_ends(machine, taken.edge))

    def violate(self, sentence: str, way: _Way) -> None:
        """Keep the first way to each violation: the walk is breadth first, so it is a shortest one."""
        if sentence in self.violations:
            return
        events, asked = way.events, {way.asked.deployment: way.asked} if way.asked else {}
        while way.start >= 0:
            way = self.parents[way.start]
            earlier = (asked.get(e.deployment, e) if isinstance(e, Requested) else e for e in way.events)
            events = (*earlier, *events)
            if way.asked:
                asked[way.asked.deployment] = way.asked
        self.violations[sentence] = Violation(sentence, events)

    def find_dead_ends(self) -> None:
        """Walk back along the answers from every state where nothing is open: what is not met can't end by itself."""
        met, ahead = set(self.ends), deque(self.ends)
        while ahead:
            for number in self.answered[ahead.popleft()]:
                if number not in met:
                    met.add(number)
                    ahead.append(number)
        if len(met) < len(self.states):
            self.violate(ENDS, self.parents[min(set(range(len(self.states))) - met)])


def reduce_all(events: Iterable[Event], reducer: Reducer = reducer.reduce) -> DeployerState:
    """Return the state after these events, from the initial one."""
    state = INITIAL
    for event in events:
        state, _ = reducer(state, event)
    return state


def _shape(state: DeployerState) -> tuple[Any, ...]:
    """Return the kinds of all machines' states."""
    return (
        type(state.stack),
        *(type(d) for d in state.deployments),
        *(type(m) for m in state.migrations),
        *(type(t.state) for t in state.tasks),
    )


# What a person reads


def _ends(machine: str, edge: Edge) -> EdgeEnds:
    return machine, edge.source, f"({edge.name})" if edge.auto else edge.name, edge.target


def edge_text(edge: EdgeEnds) -> str:
    """Return an edge in a line."""
    machine, source, event, target = edge
    return f"{machine}: {source} --{event}--> {target}"


def event_text(event: Event, state: DeployerState) -> str:
    """Return an event in a line; an answer with the command that it answers."""
    if isinstance(event, Requested):
        return f"Requested {event.deployment} ({event.spec.version})"
    if isinstance(event, Terminated):
        return f"Terminated {event.deployment}"
    number = getattr(event, "command", None)
    if number is None:
        return f"{type(event).__name__} {' '.join(getattr(event, 'force', ()))}".rstrip()
    asked = next(
        (command_text(p) for p in state.pending if p.id == number), f"command {number}, which is not pending"
    )
    return f"{type(event).__name__} {getattr(event, 'answer', '')} to {asked}".replace("  ", " ")


def command_text(command: Pending | Notice) -> str:
    """Return a command in a line."""
    if isinstance(command, Notice):
        return f"notice: {command.deployment} is {command.outcome} {command.reason}".rstrip()
    return f"{command.id} {type(command.command).__name__} {command.deployment} {command.database}".rstrip()


def state_text(state: DeployerState) -> str:
    """Return a state in a line: the machines' states and what is pending."""
    parts = [f"stack {name_of(type(state.stack))}"]
    parts += [f"{d.info.id} {name_of(type(d))}" for d in state.deployments]
    parts += [f"{m.database.spec.name} {name_of(type(m))}" for m in state.migrations]
    parts += [f"task {t.purpose} of {t.database} {name_of(type(t.state))}" for t in state.tasks]
    return ", ".join(parts)
