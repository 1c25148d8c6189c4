"""Write what is derived from the code anew: `make golden`, then review the difference as text.

The diagrams go to `diagrams/`, the golden matrices to `tests/deployer_core/golden/`, the previews of the example's versions to
`tests/deployer_core/golden/preview/`, the tables of the spec file's keys to the end of `docs/spec-file.md`, and what comes of
the transcripts' input into the transcripts. A test fails while a file differs from what would be written.
"""

from collections.abc import Callable
from pathlib import Path

from deployer_core.analysis.diagram import machines, mermaid
from tests.deployer_aws.executors.player import Looking
from tests.deployer_aws.runner.player import Running
from tests.deployer_core.matrix import matrix
from tests.support import derived as examples
from tests.support.engine_player import Engine
from tests.support.transcripts import Player, written

ROOT = Path(__file__).resolve().parent.parent

BY_HAND = ROOT / "diagrams" / "architecture.mmd"
"""The one drawing that is not made of a machine."""


def derived() -> dict[Path, str]:
    """Each derived file, and what belongs in it."""
    diagrams = {ROOT / "diagrams" / f"{key}.mmd": mermaid(machine) for key, machine in machines().items()}
    matrices = {ROOT / "tests" / "deployer_core" / "golden" / f"{key}.txt": matrix(key) for key in machines()}
    players: dict[str, Callable[[], Player]] = {
        "deployer_core/engine": Engine,
        "deployer_aws/executors": Looking,
        "deployer_aws/runner": Running,
    }
    transcripts = {
        path: written(path, player)
        for folder, player in players.items()
        for path in (ROOT / "tests" / folder / "transcripts").glob("*.txt")
    }
    return {**diagrams, **matrices, **transcripts, **examples.derived()}


def main() -> None:
    """Write the files that differ, and take away those that no machine stands for any more."""
    wanted = derived()
    for folder in {path.parent for path in wanted}:
        for stale in {*folder.glob("*.mmd"), *folder.glob("*.txt")} - {*wanted, BY_HAND}:
            stale.unlink()
            print(f"gone     {stale.relative_to(ROOT)}")
    for path, text in sorted(wanted.items()):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written  {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
