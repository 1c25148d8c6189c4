"""The contract: the machines draw the diagrams that were asked for, and nothing beside them but what is agreed on."""

import pytest

from deployer_core.analysis.diagram import DrawnArrow, arrows, machines, mermaid
from tests.deployer_core.drawing import parse
from tests.deployer_core.plausible import KEYS
from tests.deployer_core.specified import (
    ALIASES,
    ARROWS,
    CLASSES,
    EXTENSIONS,
    IMPOSSIBLE_IN_THE_COMPOSITION,
)

every_machine = pytest.mark.parametrize("key", KEYS)


def plain(arrow: DrawnArrow) -> tuple[str, str, str]:
    """Return an arrow in the contract's form."""
    return (arrow.source, arrow.label, arrow.target)


def test_every_specified_machine_exists() -> None:
    """There is a machine for each diagram that was asked for, and a diagram for each machine."""
    assert set(machines()) == set(ARROWS) == set(EXTENSIONS) == set(CLASSES)


@every_machine
def test_the_specified_arrows_are_drawn(key: str) -> None:
    """Without its extensions a machine draws every arrow that was asked for, each once, and no other."""
    assert sorted(plain(a) for a in arrows(machines()[key], specified=True)) == sorted(ARROWS[key])


@every_machine
def test_the_printed_drawing_holds_the_specified_arrows(key: str) -> None:
    """So does its mermaid text, with the copies of FAILED under their specified names and all classes as asked."""
    drawing = parse(mermaid(machines()[key], specified=True))
    used = {node for a in ARROWS[key] for node in (a[0], a[2])}
    assert sorted(drawing.arrows) == sorted(ARROWS[key])
    assert drawing.copies == {name: state for name, state in ALIASES.items() if name in used}
    assert {kind: drawing.nodes(kind) for kind in ("auto", "failed", "end")} == CLASSES[key]
    assert drawing.defined == {kind for kind, nodes in CLASSES[key].items() if nodes}
    assert drawing.choices == {node for node in used if node[0].islower()}


@every_machine
def test_the_specified_arrows_are_the_edges(key: str) -> None:
    """Every specified arrow between states is an edge of the machine under that label, ends taken for what they are."""
    machine = machines()[key]
    choices = {edge.choice for edge in machine.edges if edge.choice}
    asked = {
        (source, label, ALIASES.get(target, target))
        for source, label, target in ARROWS[key]
        if not {source, target} & choices and target != "[*]"
    }
    assert asked == {(e.source, e.label, e.target) for e in machine.edges if not e.extension and not e.choice}


@every_machine
def test_the_extensions_are_those_agreed_on(key: str) -> None:
    """The edges beyond the specified diagrams are those of the agreed tables, by state, label and state."""
    machine = machines()[key]
    extensions = [(e.source, e.label, e.target) for e in machine.edges if e.extension]
    assert sorted(extensions) == sorted(EXTENSIONS[key])


@every_machine
def test_extensions_are_drawn_apart(key: str) -> None:
    """Each extension's label says `(ext)`, and a node that extensions alone lead to has the class `extension`."""
    drawing = parse(mermaid(machines()[key]))
    lines = [line for _, label, _ in drawing.arrows for line in label.split("<br>")]
    asked = {node for a in ARROWS[key] for node in (a[0], a[2])}
    assert sum(line.endswith("(ext)") for line in lines) == len(EXTENSIONS[key])
    assert (
        drawing.nodes("extension") - {*drawing.groups} == {target for _, _, target in EXTENSIONS[key]} - asked
    )


def test_the_four_that_the_composition_cannot_reach_exist() -> None:
    """The migration's machine has the specified edges that only those see who use it by itself."""
    edges = {(e.source, e.name, e.target) for e in machines()["postgres-migration"].edges if not e.extension}
    assert edges >= set(IMPOSSIBLE_IN_THE_COMPOSITION)


@every_machine
def test_a_mermaid_parser_takes_the_drawing(key: str) -> None:
    """The printed drawings are valid mermaid, as an independent parser has it (where it is installed)."""
    merman = pytest.importorskip("merman")
    for specified in (True, False):
        result = merman.Merman().validate(mermaid(machines()[key], specified=specified), None)
        assert result.valid, result.error
