"""The laws that every machine obeys, written once and held against each machine that is discovered."""

import ast
import functools
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.analysis.diagram import arrows, machines, mermaid
from deployer_core.kernel.discovery import modules
from deployer_core.kernel.machine import Edge, IllegalEvent, name_of
from tests.deployer_core.drawing import parse
from tests.deployer_core.matrix import observed
from tests.deployer_core.plausible import KEYS, AnyMachine, commands, events, states
from tests.regenerate import BY_HAND, ROOT, derived

every_machine = pytest.mark.parametrize("key", KEYS)


@frozen
class Unheard:
    """An event, and a state, that no machine has heard of."""


def legal(machine: AnyMachine, state: Any) -> list[Any]:
    """Return the plausible events that a state takes."""
    return [event for event in events(machine) if takes(machine, state, event)]


def takes(machine: AnyMachine, state: Any, event: Any) -> bool:
    """Whether a state takes an event."""
    try:
        machine.reduce(state, event)
    except IllegalEvent:
        return False
    return True


@functools.cache
def reached(key: str) -> tuple[frozenset[Any], frozenset[Edge], frozenset[Any]]:
    """Every resting state, edge and command on any walk from `[*]` by plausible events."""
    machine = machines()[key]
    found: set[Any] = {machine.initial}
    edges: set[Edge] = set()
    given_out: set[Any] = set()
    frontier: set[Any] = set(found)
    while frontier:
        after: set[Any] = set()
        for state in frontier:
            for event in legal(machine, state):
                steps = machine.microsteps(state, event)
                edges |= {step.edge for step in steps}
                given_out |= {command for s in steps for command in s.commands}
                after.add(steps[-1].state)
        frontier = after - found
        found |= after
        assert len(found) < 5_000, (
            "from small pools a machine reaches few states, unless it lets something pile up"
        )
    return frozenset(found), frozenset(edges), frozenset(given_out)


def test_the_machines_are_discovered() -> None:
    """The four machines are found by looking, under their modules' names."""
    assert set(machines()) == {"stack", "deployment", "ecs-task", "postgres-migration"}


@pytest.mark.parametrize("path", sorted(derived()), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_derived_is_up_to_date(path: Path) -> None:
    """Each diagram and golden matrix is what the code gives; if that was meant, `make golden`."""
    assert path.read_text(encoding="utf-8") == derived()[path]


def test_nothing_is_left_of_machines_that_are_gone() -> None:
    """No diagram and no matrix stands for a machine that does not exist."""
    kept = {*ROOT.glob("diagrams/*.mmd"), *ROOT.glob("tests/deployer_core/golden/*.txt")} - {BY_HAND}
    assert kept == {path for path in derived() if path.parent in {path.parent for path in kept}}


@every_machine
@pytest.mark.parametrize("specified", [True, False])
def test_the_drawing_is_the_edges(key: str, specified: bool) -> None:
    """What a reader of the mermaid text sees is the machine's edges, line by line, and one loop at most of a state."""
    machine = machines()[key]
    drawing = parse(mermaid(machine, specified=specified))
    wanted = arrows(machine, specified=specified)
    assert _lines(drawing.arrows) == _lines(
        [(a.source, a.label + (" (ext)" if a.extension else ""), a.target) for a in wanted]
    )
    loops = [source for source, _, target in drawing.arrows if source == target]
    assert len(loops) == len({*loops})
    drawn = {drawing.copies.get(node, node) for a in drawing.arrows for node in (a[0], a[2])}
    meant = [e for e in machine.edges if not (specified and e.extension)]
    assert drawn - drawing.choices == {"[*]", *(end for e in meant for end in (e.source, e.target))}


def _lines(found: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return sorted((source, line, target) for source, label, target in found for line in label.split("<br>"))


@every_machine
def test_nothing_but_a_refusal_escapes_and_every_cell_is_decided(key: str) -> None:
    """Any plausible state takes any plausible event by a declared edge, or refuses it; every edge can be taken."""
    machine = machines()[key]
    for (state, event), cell in observed(key).items():
        edges = [e for e in machine.edges if (e.source, e.event) == (state, event)]
        assert cell.targets == {edge.target for edge in edges}
        assert cell.targets or cell.refusals


@every_machine
def test_a_refusal_says_what_where_and_what_would_do(key: str) -> None:
    """The message of a refusal names the machine, the state, the event, the guard if there is one, and what is legal."""
    machine = machines()[key]
    for (state, event), cell in observed(key).items():
        for refusal in cell.refusals:
            message = str(refusal)
            assert (refusal.machine, refusal.state, type(refusal.event).__name__) == (
                machine.name,
                state,
                event,
            )
            assert message.startswith(f"{machine.name} in {state} refuses {event}")
            assert message.endswith(f"; it takes {', '.join(refusal.legal) or 'nothing from outside'}")
            assert refusal.why in message
            assert bool(refusal.why) == (event in refusal.legal)
        taken = {e.event for e in machine.edges if e.source == state and not e.auto}
        assert all(set(refusal.legal) == taken for refusal in cell.refusals)


@every_machine
def test_strangers_are_refused(key: str) -> None:
    """An event or a state of no machine is refused as clearly as any other."""
    machine = machines()[key]
    with pytest.raises(IllegalEvent, match=r"in \[\*\] refuses Unheard; it takes \w+$"):
        machine.reduce(machine.initial, Unheard())
    with pytest.raises(IllegalEvent, match="in UNHEARD refuses .*; it takes nothing from outside"):
        machine.reduce(Unheard(), events(machine)[0])


@every_machine
@given(data=st.data())
def test_a_refusal_changes_nothing(key: str, data: st.DataObject) -> None:
    """A state that has refused an event is what it was, and takes what it took."""
    machine = machines()[key]
    state = data.draw(st.sampled_from(states(machine)))
    event = data.draw(st.sampled_from([e for e in events(machine) if not takes(machine, state, e)]))
    before, choices = repr(state), legal(machine, state)
    for run in (machine.reduce, machine.microsteps):
        with pytest.raises(IllegalEvent):
            run(state, event)
    assert repr(state) == before
    assert legal(machine, state) == choices


@every_machine
def test_auto_states_never_rest(key: str) -> None:
    """No reduction returns an auto state, and an auto state takes nothing from outside."""
    machine = machines()[key]
    for state in machine.states:
        if name_of(state) in machine.auto:
            assert machine.takes(state) == ()
    resting = {name_of(state) for state in machine.states} - {*machine.auto}
    assert {name_of(type(state)) for state in reached(key)[0]} == {"[*]", *resting}


@every_machine
def test_walks_cover_every_edge(key: str) -> None:
    """Every edge is taken on some walk from `[*]`, extensions and those that the composition cannot reach included."""
    machine = machines()[key]
    assert reached(key)[1] == {*machine.edges}


@every_machine
def test_every_command_is_one_of_the_machines(key: str) -> None:
    """The commands that walks give out are the members of the machine's `Command` union, each of them."""
    assert {type(command) for command in reached(key)[2]} == set(commands(key))


@every_machine
def test_final_states_are_drawn_so(key: str) -> None:
    """A state that takes nothing from outside is auto, failed, an end, or drawn with an arrow to `[*]`."""
    machine = machines()[key]
    for state in machine.states:
        final = not machine.takes(state)
        named = {*machine.auto, *machine.failed, *machine.ends, *machine.leaves}
        assert not final or name_of(state) in named


@every_machine
@given(data=st.data())
def test_walks_rest_and_are_the_fold_of_their_microsteps(key: str, data: st.DataObject) -> None:
    """On a random walk each reduction rests, is the fold of its microsteps, and comes out the same when repeated."""
    machine = machines()[key]
    state: Any = machine.initial
    while choices := legal(machine, state):
        event = data.draw(st.sampled_from(choices))
        after, given_out = machine.reduce(state, event)
        steps = machine.microsteps(state, event)
        assert (after, given_out) == (steps[-1].state, tuple(c for step in steps for c in step.commands))
        assert (after, given_out) == machine.reduce(state, event)
        assert hash((after, given_out)) == hash(machine.reduce(state, event))
        assert [step.edge.auto for step in steps] == [False] + [True] * (len(steps) - 1)
        assert [step.edge.source for step in steps[1:]] == [step.edge.target for step in steps[:-1]]
        assert name_of(type(after)) not in machine.auto
        if not data.draw(st.integers(0, 9)):
            break
        state = after


MODULES = {name: module for name, module in modules().items() if name.startswith("deployer_core.machines.")}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_module_shows_what_it_defines_and_no_helper(module: ModuleType) -> None:
    """Completion and `help` show the states, events, commands and types; no import, builder, handler or type variable."""
    tree = ast.parse(inspect.getsource(module))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"}
    aliases = {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id != "machine"
    }
    functions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and node.name[0] != "_"
    }
    own = classes | aliases | functions | ({"MACHINE"} & vars(module).keys())
    assert not imported & {*dir(module)}
    assert dir(module) == sorted(own)
    constants = {n for n in vars(module) if n.isupper() and n[0] != "_"} - imported
    assert constants <= own, "a constant that others may read is annotated"
