"""The `deployer` command: one file a command, named as the command.

A command reads its arguments, calls the rooms below, and shows what came of it. What commands share is in the modules
that begin with an underscore.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with one of the codes of `_exit`."""
    if not all(map(find_spec, ("click", "rich", "yaml"))):
        sys.stderr.write(
            "deployer: the command line needs the extra 'cli': pip install 'deployer-core[cli]'\n"
        )
        sys.exit(2)
    try:
        from deployer_aws.cli._program import program
    except KeyboardInterrupt:
        sys.stderr.write("deployer: interrupted before anything was done\n")
        sys.exit(3)
    program(args, prog_name="deployer")
