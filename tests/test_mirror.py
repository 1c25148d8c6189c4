"""The folders of tests mirror those of src, and tests/README.md says what is elsewhere."""

import re
from pathlib import Path

import pytest

from tests.support.project import ROOT, SRC

TESTS = ROOT / "tests"
README = (TESTS / "README.md").read_text(encoding="utf-8")
PACKAGES = ("deployer_core", "deployer_aws")


def rooms(package: str) -> list[Path]:
    """List the public modules and folders of a package."""
    return [
        path
        for path in sorted((SRC / package).iterdir())
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
    ]


def listed(heading: str) -> dict[str, str]:
    """Read the table of tests/README.md whose first column has this heading."""
    _, _, after = README.partition(f"| {heading} |")
    rows = after.split("\n\n")[0].splitlines()[2:]
    return {name.strip("`/"): rest for name, rest in (row.strip("| ").split(" | ") for row in rows)}


@pytest.mark.parametrize(
    "room", [room for package in PACKAGES for room in rooms(package)], ids=lambda r: r.name
)
def test_every_room_has_its_tests_where_a_reader_looks(room: Path) -> None:
    """What tests a room is in the folder or the file that is named as it is, or README.md says where."""
    where = TESTS / room.relative_to(SRC).with_suffix("")
    own = [*where.glob("test_*.py"), *where.parent.glob(f"test_{room.stem}*.py")]
    elsewhere = listed("room")
    name = str(room.relative_to(SRC))
    assert bool(own) != (name in elsewhere), (
        f"{name}: add {where.relative_to(ROOT)}/test_... , or a line to README.md"
    )
    for place in re.findall(r"`(.*?)`", elsewhere.get(name, "")):
        assert [*(TESTS / place).glob("test_*.py")]


def test_every_folder_is_a_room_or_is_explained() -> None:
    """A folder with tests is named as the room that it tests, or README.md says what it proves."""
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("*.py")} - {Path()}
    mirrored = {folder for folder in folders if (SRC / folder).is_dir()}
    assert {str(folder) for folder in folders - mirrored} == {*listed("folder")}


def test_every_command_is_a_target() -> None:
    """The commands that README.md names are targets of the Makefile."""
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"^\| `make ([a-z]+)`", README, re.MULTILINE)
    assert {"quick", "test", "thorough"} <= {*commands} <= {*targets}
