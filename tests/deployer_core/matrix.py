"""The golden matrices: every (state, event) cell of a machine decided, as text that a person can review."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable

from attrs import field, frozen

from deployer_core.analysis.diagram import machines
from deployer_core.kernel.machine import Absent, IllegalEvent, name_of
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
    """Return the matrix of a machine: what each state does with each event, then what it does by itself."""
    machine = machines()[key]
    declared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in machine.edges:
        declared[edge.source, edge.event].append(edge.target)

    def cell(state: str, event: str) -> str:
        if (state, event) not in declared:
            return "."
        guard = " ?" if observed(key)[state, event].refusals else ""
        return _targets(machine, declared[state, event]) + guard

    classes: tuple[type, ...] = (Absent, *machine.states)
    names = [name_of(state) for state in classes]
    alone = [(e.source, e.name, _targets(machine, [e.target])) for e in machine.edges if e.auto]
    return "\n".join(
        [
            LEGEND.format(name=machine.name),
            "With an event\n",
            *_table(names, [event.__name__ for event in machine.events], cell),
            "\nWithout an event, when the state is entered\n",
            *_aligned([list(edge) for edge in sorted(alone, key=lambda edge: names.index(edge[0]))]),
            "",
        ]
    )


def _targets(machine: AnyMachine, targets: Iterable[str]) -> str:
    return " | ".join(f"({target})" if target in machine.auto else target for target in targets)


def _table(rows: list[str], columns: list[str], cell: Callable[[str, str], str]) -> list[str]:
    table = [["", *columns], *([row, *(cell(row, column) for column in columns)] for row in rows)]
    return _aligned(table)


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in table]
