"""Transcripts: text files that say what is put in and what comes of it. `make golden` writes what comes of it anew.

    === A deployment waits for the stack to be at rest, and scales it to zero.

    request d1
    reply complete
    ----
    d1 SCALING_DOWN
    ScaleStack Count=0

A scenario begins with `===` and the fact that it proves; each starts anew. A step is some lines of input, `----`, and
what they changed, and ends with an empty line. `#` begins a comment.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

TITLE, RULE = "=== ", "----"


class Player(Protocol):
    """Carries out a transcript's input."""

    def take(self, line: str) -> None:
        """Carry out one line."""
        ...

    def changed(self) -> list[str]:
        """Say what has changed since this was last called."""
        ...


@frozen
class Scenario:
    """A fact and the text that proves it, as it stands in the file."""

    fact: str
    place: str
    text: str = field(repr=False)

    def played(self, player: Player) -> str:
        """Return the text with what comes of it now."""
        paragraphs = self.text.split("\n\n")
        return "\n\n".join(_played(paragraph, player) for paragraph in paragraphs)


def _played(paragraph: str, player: Player) -> str:
    if paragraph.startswith(("#", TITLE)):
        return paragraph
    given, _, _ = paragraph.partition(f"\n{RULE}")
    for line in given.splitlines():
        try:
            player.take(line)
        except Exception as error:
            error.add_note(f"in the transcript's line: {line}")
            raise
    return "\n".join([given, RULE, *player.changed()])


def scenarios(path: Path) -> list[Scenario]:
    """Read a file of transcripts."""
    _, *texts = f"\n{path.read_text(encoding='utf-8')}".split(f"\n{TITLE}")
    found: list[Scenario] = []
    for text in texts:
        fact = text.partition("\n")[0]
        found.append(Scenario(fact, path.name, f"{TITLE}{text}".rstrip("\n")))
    return found


def written(path: Path, player: Callable[[], Player]) -> str:
    """Return what belongs in a file of transcripts."""
    head, _, _ = f"\n{path.read_text(encoding='utf-8')}".partition(f"\n{TITLE}")
    played = "\n\n".join(scenario.played(player()) for scenario in scenarios(path))
    return f"{head.strip()}\n\n{played}\n".lstrip()
