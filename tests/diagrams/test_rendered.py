"""The rendered drawings: what mermaid itself made of the text, and that they are made of the text that is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from diagrams import render
from tests.deployer_core.drawing import parse
from tests.support.project import ROOT

DRAWINGS = sorted(path for path in ROOT.glob("diagrams/*.mmd") if path.stem != "architecture")
_NODE = re.compile(r'<g class="node ([^"]*)" id="[\w-]+?-state-(\w+)-\d+".*?style="([^"]*)"', re.DOTALL)

every_drawing = pytest.mark.parametrize("source", DRAWINGS, ids=lambda path: path.stem)


@every_drawing
def test_a_state_is_drawn_as_its_class_says(source: Path) -> None:
    """In the SVG every failed state is dark red, every auto one dark green and dashed, with light text on both."""
    drawing = parse(source.read_text(encoding="utf-8"))
    drawn = {
        node: (classes.split(), style)
        for classes, node, style in _NODE.findall(render.svg_of(source).read_text())
    }
    fills = {"failed": "fill:#330000", "auto": "fill:#002222", "end": "fill:#003300"}
    seen = 0
    for kind, fill in fills.items():
        for node in drawing.nodes(kind):
            classes, style = drawn[node]
            assert kind in classes
            assert fill in style
            seen += 1
    assert seen == sum(len(drawing.nodes(kind)) for kind in fills) > 0


def test_every_drawing_is_rendered_from_its_source() -> None:
    """Each SVG ends with the digest of the text beside it; if it was changed on purpose, `make drawings`."""
    assert render.stale() == []


def test_a_changed_source_is_told(tmp_path: Path) -> None:
    """`--check` names the SVG whose source is another one now, and exits 1."""
    for path in (ROOT / "diagrams").iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    command = [sys.executable, str(tmp_path / "render.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
    (tmp_path / "stack.mmd").write_text("stateDiagram-v2\n", encoding="utf-8")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "stack.svg is not of its source: make drawings\n")


@pytest.mark.thorough
def test_mermaid_draws_the_same_anew(tmp_path: Path) -> None:
    """A drawing that is rendered here and now has the nodes and classes of the one that is kept."""
    if missing := render.missing_tools():
        pytest.skip(f"rendering needs {' and '.join(missing)}")
    source = ROOT / "diagrams" / "ecs-task.mmd"
    render.render(source, tmp_path / "anew.svg")
    anew, kept = (
        sorted(_NODE.findall(path.read_text())) for path in (tmp_path / "anew.svg", render.svg_of(source))
    )
    assert anew == kept != []
