"""Print a state diagram."""

import click

from deployer_aws.cli._exit import Exit
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis.diagram import machines, mermaid


@command("deployer diagram stack > stack.mmd", "deployer diagram all --specified")
@click.argument("machine", type=click.Choice([*machines(), "all"]))
@click.option("--specified", is_flag=True, help="Leave out the edges that are extensions.")
def diagram(machine: str, specified: bool) -> Exit:
    """Print the state diagram of MACHINE as mermaid, from the very edges that run."""
    screen, drawn = Screen(), machines()
    if machine != "all":
        screen.text(mermaid(drawn[machine], specified=specified))
        return Exit.DONE
    screen.text("\n".join(f"%% {name}\n{mermaid(one, specified=specified)}" for name, one in drawn.items()))
    return Exit.DONE
