"""Print the state diagrams, or write them to a folder."""

from collections.abc import Mapping
from pathlib import Path

import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_core.analysis.diagram import machines, mermaid


@command("deployer diagram stack > stack.mmd", "deployer diagram all > machines.md")
@click.argument("machine", type=click.Choice([*machines(), "all"]))
@click.option("--specified", is_flag=True, help="Leave out the edges that are extensions.")
@click.option(
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a file MACHINE.mmd for each to this folder.",
)
def diagram(machine: str, specified: bool, folder: Path | None) -> ExitCode:
    """Print the state diagram of MACHINE as mermaid, from the very edges that run; all of them as one Markdown text."""
    wanted = machines() if machine == "all" else {machine: machines()[machine]}
    drawn = {name: mermaid(one, specified=specified) for name, one in wanted.items()}
    if folder is not None:
        _write(folder, drawn)
    elif machine == "all":
        titled = (f"## {machines()[name].name}\n\n```mermaid\n{text}```\n" for name, text in drawn.items())
        Screen().text("\n".join(titled))
    else:
        Screen().text(drawn[machine])
    return ExitCode.DONE


def _write(folder: Path, drawn: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in drawn.items():
            (folder / f"{name}.mmd").write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"cannot write to {folder}: {error.strerror}", param_hint="--output"
        ) from None
