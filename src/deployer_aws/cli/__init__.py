"""The `deployer` command.

The modules in here only read arguments and show results; whatever else a program may want is in the modules above.
"""

import importlib
import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line, and exit: 0 done, 1 the deployment failed, 2 bad input or usage, 3 still running."""
    for needed in ("click", "rich", "yaml"):
        try:
            importlib.import_module(needed)
        except ImportError:
            sys.stderr.write(
                "deployer: the command line needs the extra 'cli': pip install 'deployer-core[cli]'\n"
            )
            sys.exit(2)
    try:
        from deployer_aws.cli.commands import program
    except KeyboardInterrupt:
        sys.stderr.write("deployer: interrupted before anything was done\n")
        sys.exit(3)
    program(args, prog_name="deployer")
