"""The golden matrices: every (state, event) cell of a machine decided, as text that a person can review."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable

from attrs import field, frozen

from deployer_core.analysis.diagram import machines
from deployer_core.kernel.machine import IllegalEvent, name_of
from tests.deployer_core.plausible import AnyMachine, events, states

LEGEND = """\
{name}: what each state does with each event.

    TARGET    the state that the edge leads to; (TARGET) is an auto state, left at once
    A | B     the handler decides
    TARGET ?  a guard refuses some of the events, or all of them in some of the states
    .         refused, always
"""


@frozen
class Cell:
    """What was seen of a cell over all plausible values."""

    targets: set[str] = field(factory=set)
    refusals: list[IllegalEvent] = field(factory=list)


@functools.cache
def observed(key: str) -> dict[tuple[str, str], Cell]:
    """Every plausible event given to every plausible state, and what came of it. Whatever is raised comes through."""
    machine = machines()[key]
    cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
    all_events = events(machine)
    for state in states(machine):
        for event in all_events:
            cell = cells[name_of(type(state)), type(event).__name__]
            try:
                machine.reduce(state, event)
            except IllegalEvent as refusal:
                cell.refusals.append(refusal)
            else:
                cell.targets.add(machine.microsteps(state, event)[0].edge.target)
    return cells


def matrix(key: str) -> str:
    """The matrix of a machine: what comes from outside, then what a state raises by itself."""
    machine = machines()[key]
    declared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in machine.edges:
        declared[edge.source, edge.event].append(edge.target)
    own = {(edge.source, edge.event) for edge in machine.edges if edge.auto}
    outside = [
        e.__name__ for e in machine.events if any((s, e.__name__) not in own for s in _takers(declared, e))
    ]
    raised = [e.__name__ for e in machine.events if any((s, e.__name__) in own for s in _takers(declared, e))]

    def from_outside(state: str, event: str) -> str:
        if (state, event) in own or (state, event) not in declared:
            return "."
        guard = " ?" if observed(key)[state, event].refusals else ""
        return _targets(machine, declared[state, event]) + guard

    def by_itself(state: str, event: str) -> str:
        return _targets(machine, declared[state, event]) if (state, event) in own else "."

    names = [name_of(state) for state in machine.states]
    raising = [name for name in names if any(state == name for state, _ in own)]
    return "\n".join(
        [
            LEGEND.format(name=machine.name),
            "From outside\n",
            *_table(names, outside, from_outside),
            "\nRaised by the state itself, and refused from outside everywhere else\n",
            *_table(raising, raised, by_itself),
            "",
        ]
    )


def _takers(declared: Iterable[tuple[str, str]], event: type) -> list[str]:
    return [state for state, taken in declared if taken == event.__name__]


def _targets(machine: AnyMachine, targets: Iterable[str]) -> str:
    return " | ".join(f"({target})" if target in machine.auto else target for target in targets)


def _table(rows: list[str], columns: list[str], cell: Callable[[str, str], str]) -> list[str]:
    table = [["", *columns], *([row, *(cell(row, column) for column in columns)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in table]
