"""A reader of mermaid's state diagrams, as much of them as is used here; it shares no code with what prints them."""

import re
from collections import defaultdict

from attrs import field, frozen


@frozen
class Drawing:
    """What a drawing says: its arrows, its choices, which states a node stands for, and the classes of its nodes."""

    arrows: list[tuple[str, str, str]] = field(factory=list)
    choices: set[str] = field(factory=set)
    copies: dict[str, str] = field(factory=dict)
    groups: dict[str, list[str]] = field(factory=dict)
    classes: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    defined: set[str] = field(factory=set)

    def nodes(self, kind: str) -> set[str]:
        """Return the nodes of a class."""
        return {node for node, kinds in self.classes.items() if kind in kinds}


_NODE = r"(\[\*\]|\w+)(?::::(\w+))?"
_ARROW = re.compile(rf"{_NODE}\s*-->\s*{_NODE}(?:\s*:\s*(.*))?")
_COPY = re.compile(rf"{_NODE}\s*:\s*(\w+)")
_GROUP = re.compile(r"(\w+)\s*:\s*any of((?:<br>\w+)+)")
_CHOICE = re.compile(r"state (\w+) <<choice>>")
_CLASS = re.compile(r"class (\w+) (\w+)")
_DEFINITION = re.compile(r"classDef (\w+) \S+")


def parse(text: str) -> Drawing:
    """Read a drawing; whatever is not understood is an error."""
    first, *lines = [line.strip() for line in text.splitlines() if line.strip()]
    if first != "stateDiagram-v2":
        raise ValueError(f"not a state diagram: {first}")
    drawing = Drawing()
    for line in lines:
        _read(drawing, line)
    drawing.arrows[:] = [
        (source, label, target)
        for node, label, target in drawing.arrows
        for source in drawing.groups.get(node, [node])
    ]
    return drawing


def _read(drawing: Drawing, line: str) -> None:
    if match := _ARROW.fullmatch(line):
        source, source_class, target, target_class, label = match.groups()
        drawing.arrows.append((source, label or "", target))
        _classify(drawing, source, source_class)
        _classify(drawing, target, target_class)
    elif match := _CHOICE.fullmatch(line):
        drawing.choices.add(match[1])
    elif match := _DEFINITION.fullmatch(line):
        drawing.defined.add(match[1])
    elif match := _CLASS.fullmatch(line):
        _classify(drawing, match[1], match[2])
    elif match := _GROUP.fullmatch(line):
        drawing.groups[match[1]] = match[2].split("<br>")[1:]
    elif match := _COPY.fullmatch(line):
        drawing.copies[match[1]] = match[3]
        _classify(drawing, match[1], match[2])
    else:
        raise ValueError(f"not understood: {line}")


def _classify(drawing: Drawing, node: str, kind: str | None) -> None:
    if kind:
        drawing.classes[node].add(kind)
