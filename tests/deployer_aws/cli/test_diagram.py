"""`deployer diagram`: the machines as mermaid."""

import re
from pathlib import Path

import pytest

from tests.support.command import EXAMPLE, invoke


@pytest.mark.parametrize("machine", ["stack", "deployment", "ecs-task", "postgres-migration"])
def test_a_diagram_is_what_the_repository_has(machine: str) -> None:
    """To the last byte."""
    assert invoke("diagram", machine).out == (EXAMPLE.parents[1] / f"diagrams/{machine}.mmd").read_text()


def test_all_diagrams_are_one_markdown_text() -> None:
    """Each stands in a fence of its own under its machine's name; extensions may be left out."""
    said = invoke("diagram", "all", "--specified").out
    blocks = re.findall(r"^## ([\w ]+)\n\n```mermaid\nstateDiagram-v2\n(?:    .*\n)+```$", said, re.MULTILINE)
    assert sorted(blocks) == ["Deployment", "EcsTask", "PostgresMigration", "Stack"]
    assert "(ext)" not in said


def test_diagrams_are_written_to_a_folder(tmp_path: Path) -> None:
    """One file a machine, the same as printed; a folder that cannot be made is bad input."""
    assert invoke("diagram", "all", "--output", tmp_path / "new").out == ""
    written = {path.stem: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert written == {name: invoke("diagram", name).out for name in written}
    assert len(written) == 4
    (tmp_path / "file").touch()
    refused = invoke("diagram", "stack", "--output", tmp_path / "file" / "below")
    assert (refused.code, "cannot write to" in refused.err) == (2, True)
