"""Write what is derived from the machines anew: `python -m tests.regenerate`, then review the difference as text.

The diagrams go to `diagrams/`, the golden matrices to `tests/core/golden/`. A test fails while a file differs from
what would be written.
"""

from pathlib import Path

from deployer_core.diagram import machines, mermaid
from tests.core.matrix import matrix

ROOT = Path(__file__).resolve().parent.parent


def derived() -> dict[Path, str]:
    """Each derived file, and what belongs in it."""
    diagrams = {ROOT / "diagrams" / f"{key}.mmd": mermaid(machine) for key, machine in machines().items()}
    matrices = {ROOT / "tests" / "core" / "golden" / f"{key}.txt": matrix(key) for key in machines()}
    return {**diagrams, **matrices}


def main() -> None:
    """Write the files that differ, and take away those that no machine stands for any more."""
    wanted = derived()
    for folder in {path.parent for path in wanted}:
        for stale in {*folder.glob("*.mmd"), *folder.glob("*.txt")} - {*wanted}:
            stale.unlink()
            print(f"gone     {stale.relative_to(ROOT)}")
    for path, text in sorted(wanted.items()):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written  {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
