"""The files that commands are given: spec files, and scripts of a simulation."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional

from deployer_aws import specfile
from deployer_aws.cli._screen import Screen

if TYPE_CHECKING:
    from deployer_aws.simulator import Script


def load_spec(screen: Screen, path: Path) -> specfile.LoadedSpec:
    """Load a spec file, and warn of what is odd in it. Raises SpecFileError."""
    loaded = specfile.load(path)
    for warning in loaded.warnings:
        screen.warn(f"{path}: {warning}")
    return loaded


def read_script(script: Path | None) -> Optional["Script"]:
    """Read a simulation's script, where one is given. Raises ScriptError."""
    if script is None:
        return None
    from deployer_aws.simulator import load_script  # what is about the real AWS does without

    return load_script(script)
