"""Machines to mermaid: the same edges that run are the ones that are drawn.

Mermaid cannot style a single arrow of a state diagram (its issue 1352), so an edge that the specified diagrams lack
bears `(ext)` in its label, stands below the others, and a node that only such edges lead to has the class `extension`.
It also draws several self-loops of a state one over the other (its issue 6132), so they are drawn as one, with a line
each, and so are extensions that lead from one node to the same other one. An extension that leaves from many states
alike is drawn once, from a node that names them all. A class on the line that renames a node is lost in mermaid 11, so
a node's class stands on the first arrow that has it.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attrs import frozen

from deployer_core.kernel.discovery import modules
from deployer_core.kernel.machine import Edge, Machine

EXTENSION = " (ext)"
"""What an extension's label ends in."""
MANY = 8
"""From how many states on an extension to the same target is drawn as one arrow."""
_CLASSES = {
    "auto": "fill:#002222,color:#ffffff,stroke-dasharray:4",
    "failed": "stroke:red,fill:#330000,color:#ffffff",
    "end": "stroke:green,fill:#003300,color:#ffffff",
    "extension": "stroke-width:2px,stroke-dasharray:2",
}


@frozen
class DrawnArrow:
    """One arrow as it is drawn: between states, their copies, choices and `[*]`."""

    source: str
    label: str
    target: str
    extension: bool = False


@functools.cache
def machines() -> Mapping[str, Machine[Any, Any, Any]]:
    """Return every machine of the package by its module's name, `ecs-task` for `ecs_task`: whatever has a `MACHINE`.

    The module `testing` is passed over: it needs Hypothesis, which only tests have.
    """
    found = {
        name.rpartition(".")[2].replace("_", "-"): machine
        for name, module in modules().items()
        if isinstance(machine := getattr(module, "MACHINE", None), Machine)
    }
    return MappingProxyType(found)


def arrows(machine: Machine[Any, Any, Any], *, specified: bool = False) -> tuple[DrawnArrow, ...]:
    """Return the arrows of a machine's drawing, in order, each once; `specified` leaves the extensions out."""
    asked = [arrow for edge in machine.edges if not edge.extension for arrow in _arrows(edge)]
    extra = [arrow for edge in machine.edges if edge.extension for arrow in _arrows(edge)]
    leaves = [DrawnArrow(name, "", "[*]") for name in machine.leaves]
    return tuple(dict.fromkeys([*asked, *leaves, *([] if specified else extra)]))


def _arrows(edge: Edge) -> Iterator[DrawnArrow]:
    if edge.choice:
        yield DrawnArrow(edge.source, edge.label, edge.choice, edge.extension)
        yield DrawnArrow(edge.choice, edge.guard, edge.drawn, edge.extension)
    else:
        yield DrawnArrow(edge.source, edge.label, edge.drawn, edge.extension)


def mermaid(machine: Machine[Any, Any, Any], *, specified: bool = False) -> str:
    """Return the machine as a `stateDiagram-v2`; `specified` leaves the extensions out."""
    drawn, groups = _gathered(arrows(machine, specified=specified))
    classes = {**_classes(machine, drawn), **{node: ["extension"] for node in groups}}
    used = {name for names in classes.values() for name in names}
    choices = {edge.choice for edge in machine.edges}
    copies = {edge.drawn: edge.target for edge in machine.edges if edge.drawn != edge.target}
    lines = [
        "stateDiagram-v2",
        *(f"classDef {name} {style}" for name, style in _CLASSES.items() if name in used),
    ]
    named: set[str] = set()

    def name(node: str) -> str:
        """Return a node's name, with its class where it stands for the first time."""
        first, kinds = node not in named, classes.get(node, [])
        named.add(node)
        return f"{node}:::{kinds[0]}" if first and kinds else node

    for arrow in _joined(drawn):
        if arrow.source in groups:
            lines.append(f"{arrow.source} : {'<br>'.join(('any of', *groups[arrow.source]))}")
        if arrow.target not in named and arrow.target in choices:
            lines.append(f"state {arrow.target} <<choice>>")
        if arrow.target not in named and arrow.target in copies:
            lines.append(f"{arrow.target} : {copies[arrow.target]}")
        text = f"{name(arrow.source)} --> {name(arrow.target)}"
        lines.append(f"{text} : {arrow.label}" if arrow.label else text)
    lines += [f"class {node} {kind}" for node, kinds in classes.items() for kind in kinds[1:]]
    return "\n    ".join(lines) + "\n"


def _classes(machine: Machine[Any, Any, Any], drawn: Iterable[DrawnArrow]) -> Mapping[str, list[str]]:
    """Return what each node is: auto, failed, an end; and whether extensions alone lead to it."""
    states = {edge.drawn: edge.target for edge in machine.edges} | {e.source: e.source for e in machine.edges}
    kinds = {"auto": machine.auto, "failed": machine.failed, "end": machine.ends}
    asked = {node for a in drawn if not a.extension for node in (a.source, a.target)}
    shown = {node: states[node] for a in drawn for node in (a.source, a.target) if node in states}
    return {
        node: [kind for kind, names in kinds.items() if state in names]
        + ([] if node in asked else ["extension"])
        for node, state in shown.items()
    }


def _gathered(drawn: Sequence[DrawnArrow]) -> tuple[Sequence[DrawnArrow], Mapping[str, Sequence[str]]]:
    """Draw extensions that leave from many states alike as one; also return which states each new node names."""
    alike: dict[tuple[str, str], list[DrawnArrow]] = {}
    for arrow in drawn:
        if arrow.extension and arrow.source != arrow.target:
            alike.setdefault((arrow.label, arrow.target), []).append(arrow)
    many = [same for same in alike.values() if len(same) >= MANY]
    groups = {f"any_{n}": [arrow.source for arrow in same] for n, same in enumerate(many, 1)}
    gathered = [
        DrawnArrow(node, same[0].label, same[0].target, extension=True)
        for node, same in zip(groups, many, strict=True)
    ]
    return [a for a in drawn if not any(a in same for same in many)] + gathered, groups


def _joined(drawn: Iterable[DrawnArrow]) -> Iterable[DrawnArrow]:
    """Return the same arrows with their extensions marked, self-loops and parallel extensions as one."""
    joined: dict[object, DrawnArrow] = {}
    for arrow in drawn:
        label = arrow.label + (EXTENSION if arrow.extension else "")
        alike = arrow.extension or arrow.source == arrow.target
        key = (arrow.source, arrow.target) if alike else arrow
        before = f"{joined[key].label}<br>" if key in joined else ""
        joined[key] = DrawnArrow(arrow.source, before + label, arrow.target)
    return joined.values()
