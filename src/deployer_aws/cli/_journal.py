"""What a journal holds, as a command names it."""

from pathlib import Path

from deployer_aws.cli._exit import BadInput
from deployer_aws.ports import Journal


def known_stacks(opened: Journal, stack: str | None, journal: Path) -> list[str]:
    """Return the stream of a stack, or all where none is named. Raises BadInput."""
    streams = opened.streams()
    if stack is None:
        return streams
    if stack not in streams:
        knows = f"it knows {', '.join(streams)}" if streams else "nothing was deployed yet"
        raise BadInput(
            f"the journal {journal} has no stack {stack!r:.80}: {knows}. A stack is named environment/application"
        )
    return [stack]
