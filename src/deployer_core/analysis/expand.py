"""One state of the explorer's, expanded: every event is taken in it, and what comes of each is checked.

It is a pure part of the walk (`explore`): many of these, each in a process of its own, walk together and find the same.
"""

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, NamedTuple, TypeAlias, get_args

from attrs import field, frozen

from deployer_core.analysis import invariants
from deployer_core.analysis.canonical import Key, canonical
from deployer_core.analysis.choices import events, in_turn, specified_as
from deployer_core.analysis.legal import makes_sense, opened, queue, requested
from deployer_core.analysis.menu import Ask, menu
from deployer_core.analysis.world import NOTHING, Move, World, advance
from deployer_core.analysis.world_invariants import MOVE_INVARIANTS
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Replied, Terminated
from deployer_core.engine.state import INITIAL, Commands, DeployerState
from deployer_core.kernel.machine import Edge, IllegalEvent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack

Reducer: TypeAlias = Callable[[DeployerState, Event], tuple[DeployerState, Commands]]
Identify: TypeAlias = Callable[[Key], Hashable]
EdgeEnds: TypeAlias = tuple[str, str, str, str]
"""Machine, source, event (of an eventless edge its label, in brackets), target."""
Choice: TypeAlias = tuple[int, int]
"""Which of the events of a state, and, where it gives a deployment its turn, as what that one had been asked for."""
FIRST: Choice = (0, 0)

MACHINES = (stack.MACHINE, deployment.MACHINE, postgres_migration.MACHINE, ecs_task.MACHINE)

SENSE = "What makes sense is taken, and what does not is refused."
ILLEGAL = "Nothing is raised but IllegalEvent."
ONCE = "The same event twice is the event once."


@frozen
class Scene:
    """A state of the deployer, and the world beside it."""

    state: DeployerState = INITIAL
    world: World = NOTHING


START = Scene()
STEPS = {kind: [i for i in invariants.STEP_INVARIANTS if i.is_of_kind(kind)] for kind in get_args(Event)}
MOVES = {kind: [i for i in MOVE_INVARIANTS if i.is_of_kind(kind)] for kind in get_args(Event)}


class Arrival(NamedTuple):
    """Where an event led: a state by its key; `fresh` where it was not met here before.

    `answers`: an answer of the world leads there. `open`: something is to come. `sound`: its invariants hold.
    """

    key: Hashable
    choice: Choice
    answers: bool
    fresh: bool
    open: bool = True
    sound: bool = True


class Found(NamedTuple):
    """What came of all the events in one state."""

    transitions: int
    refusals: int
    violations: tuple[tuple[str, Choice], ...]
    arrivals: tuple[Arrival, ...]


@frozen
class Outcome:
    """One event taken: where it led, or what is wrong."""

    after: Scene | None = None
    wrong: tuple[str, ...] = ()
    refused: bool = False
    changed: bool = False


def digest_of(key: Key) -> bytes:
    """Return sixteen bytes that stand for a key in every process."""
    return hashlib.blake2b(repr(key).encode(), digest_size=16).digest()


@frozen(eq=False)
class Expander:
    """Expands states that it has met itself, each by its key."""

    deployments: int
    databases: int
    reducer: Reducer = reducer.reduce
    identify: Identify = digest_of
    edges: set[EdgeEnds] = field(factory=set[EdgeEnds], init=False)
    _scenes: dict[Hashable, Scene] = field(factory=dict[Hashable, Scene], init=False)
    _met: set[Hashable] = field(factory=set[Hashable], init=False)
    _seen: set[tuple[Any, ...]] = field(factory=set[tuple[Any, ...]], init=False)

    @property
    def asks(self) -> tuple[Ask, ...]:
        """Return what may be asked for."""
        return menu(self.databases)

    def arrive(self, scene: Scene, choice: Choice = FIRST, *, answers: bool = False) -> Arrival:
        """Meet a state; keep it, to be expanded, where it is a new one."""
        key = self.identify(canonical(scene.state, scene.world, self.left(scene)))
        if key in self._met:
            return Arrival(key, choice, answers, fresh=False)
        self._met.add(key)
        self._scenes[key] = scene
        sound = not self.unsound(scene)
        return Arrival(key, choice, answers, True, bool(opened(scene.state)), sound)

    def unsound(self, scene: Scene) -> tuple[str, ...]:
        """Return what does not hold in a state."""
        return tuple(i.sentence for i in invariants.STATE_INVARIANTS if not i.check(scene.state))

    def left(self, scene: Scene) -> int:
        """Return how many deployments may still begin, apart from those that wait; that of `earlier` does not count."""
        return self.deployments - scene.world.begun - len(queue(scene.state))

    def retain(self, keys: Collection[Hashable]) -> None:
        """Forget the states that others expand."""
        for key in self._scenes.keys() - set(keys):
            del self._scenes[key]

    def give(self, keys: Collection[Hashable]) -> dict[Hashable, Scene]:
        """Give states away, to be expanded by another."""
        return {key: self._scenes.pop(key) for key in keys}

    def receive(self, scenes: dict[Hashable, Scene]) -> None:
        """Take states that another has met."""
        self._scenes.update(scenes)

    def expand(self, key: Hashable) -> Found:
        """Take every event in a state."""
        scene = self._scenes.pop(key)
        transitions = refusals = 0
        violations: list[tuple[str, Choice]] = []
        arrivals: dict[Hashable, Arrival] = {}
        for number, event in enumerate(events(scene.state, self.asks, self.left(scene))):
            taken = self.take(scene, event)
            every = [(0, scene, taken)]
            every += [(other, one, self.take(one, event)) for other, one in self.varied(scene, event, taken)]
            for other, varied, taken in every:
                choice = (number, other)
                violations += [(sentence, choice) for sentence in taken.wrong]
                refusals += taken.refused
                transitions += taken.after is not None
                if taken.after is None or not taken.changed:
                    continue
                there = self.arrive(taken.after, choice, answers=isinstance(event, Replied))
                if not there.sound:
                    violations += [(sentence, choice) for sentence in self.unsound(taken.after)]
                known = arrivals.setdefault(there.key, there)
                if there.answers and not known.answers:
                    arrivals[there.key] = known._replace(answers=True)
                self.cover(varied.state, event, taken.after.state)
        return Found(transitions, refusals, tuple(violations), tuple(arrivals.values()))

    def varied(self, scene: Scene, event: Event, taken: Outcome) -> Iterator[tuple[int, Scene]]:
        """Give the other states that an event is to be taken in, for a state in which it was taken.

        Where a deployment that waits has its turn by it, that is one for each thing that this may have been asked for.
        """
        after, state = taken.after and taken.after.state, scene.state
        if after and after.stack is not state.stack and (turn := in_turn(state, after)):
            for other, ask in enumerate(self.asks[1:], 1):
                yield other, Scene(specified_as(state, turn, ask), scene.world)

    def take(self, scene: Scene, event: Event) -> Outcome:
        """Take one event in one state: refused with reason, or taken and checked."""
        state = scene.state
        sense = makes_sense(state, event)
        try:
            after, commands = self.reducer(state, event)
        except IllegalEvent:
            return Outcome(wrong=(SENSE,) if sense else (), refused=True)
        except Exception:
            return Outcome(wrong=(ILLEGAL,))
        if not sense:
            return Outcome(wrong=(SENSE,))
        changed = after is not state or bool(commands)
        step = invariants.Taken(state, event, after, commands)
        if not changed:
            wrong = [i.sentence for i in invariants.STALE_INVARIANTS if not i.check(step)]
            return Outcome(scene, tuple(wrong))
        move = Move(scene.world, step, advance(scene.world, step))
        wrong = [i.sentence for i in STEPS[type(event)] if not i.check(step)]
        wrong += [i.sentence for i in MOVES[type(event)] if not i.check(move)]
        if not wrong and not self.changes_nothing(after, event):
            wrong.append(ONCE)
        return Outcome(Scene(after, move.after), tuple(wrong), changed=not wrong)

    def changes_nothing(self, state: DeployerState, event: Event) -> bool:
        """Check that an event that was just taken is stale, or nonsense now.

        Who terminates twice ends the way back too.
        """
        if isinstance(event, Terminated) and event.deployment in requested(state):
            return True
        try:
            return self.reducer(state, event) == (state, ())
        except IllegalEvent:
            return not makes_sense(state, event)

    def cover(self, state: DeployerState, event: Event, after: DeployerState) -> None:
        """Which edges were taken hangs on the event and on the kinds of the states around it, so each is asked once."""
        answer = type(event.answer) if isinstance(event, Replied) else None
        attempted = any(p.attempt for p in state.pending)
        given = after.next_command > state.next_command
        step = (_shape(state), type(event), answer, _shape(after), attempted, given)
        if step not in self._seen:
            self._seen.add(step)
            for machine, taken in reducer.microsteps(state, event):
                self.edges.add(edge_ends(machine, taken.edge))


def _shape(state: DeployerState) -> tuple[Any, ...]:
    """Return the kinds of all machines' states."""
    return (
        type(state.stack),
        *map(type, state.deployments),
        *map(type, state.migrations),
        *(type(t.state) for t in state.tasks),
    )


def edge_ends(machine: str, edge: Edge) -> EdgeEnds:
    """Return what tells an edge from the others of all machines."""
    return machine, edge.source, f"({edge.name})" if edge.auto else edge.name, edge.target
