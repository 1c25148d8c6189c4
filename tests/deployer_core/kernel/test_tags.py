"""Tags: literal, versioned, each of one class."""

import pkgutil
import subprocess
import sys

import pytest

import deployer_core
from deployer_core.kernel.machine import Absent
from deployer_core.kernel.tags import TAGS, discover, tagged


@pytest.mark.parametrize("tag", ["Stack", "Stack/", "/1", "Stack/one", "Stack/1/2", ""])
def test_a_tag_has_a_name_and_a_version(tag: str) -> None:
    """A tag that says no version is refused where the class is defined."""
    with pytest.raises(ValueError, match="a wire tag reads 'Name/version', not"):
        tagged(tag)


def test_a_tag_names_one_class() -> None:
    """A second class under a tag is refused, and both are named."""
    with pytest.raises(ValueError, match="wire tag 'Absent/1' names both Absent and int"):
        tagged("Absent/1")(int)
    assert TAGS["Absent/1"] is Absent


def test_every_module_is_discovered() -> None:
    """A process that has imported nothing else knows every tag; Hypothesis is not needed for it."""
    code = "import sys; from deployer_core.kernel.tags import discover; print(len(discover()), 'hypothesis' in sys.modules)"
    path = ":".join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    ours = [tag for tag, cls in discover().items() if cls.__module__.startswith("deployer_core.")]
    assert done.stdout.split() == [str(len(ours)), "False"]


def test_every_module_that_tags_is_in_the_package() -> None:
    """Tags come from modules that the discovery walks through."""
    modules = {m.name for m in pkgutil.walk_packages(deployer_core.__path__, "deployer_core.")}
    assert {cls.__module__ for cls in discover().values()} <= modules
