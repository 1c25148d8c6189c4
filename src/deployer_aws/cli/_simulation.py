"""The script of a simulated AWS, as the command line reads it."""

from pathlib import Path

from deployer_aws.cli._exit import BadInput
from deployer_aws.simulator import Script, load_script


def read_script(script: Path | None) -> Script | None:
    """Read a simulation's script, before anything is opened. Raises BadInput and ScriptError."""
    if script is None:
        return None
    try:
        return load_script(script)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadInput(f"{script}: {error}") from None
