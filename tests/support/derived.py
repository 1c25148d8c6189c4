"""Write what is derived from the code anew: `python -m tests.support.derived`, then review the difference as text.

The previews of the example's versions go to `tests/core/golden/preview/`, the tables of the spec file's keys to the end
of `docs/spec-file.md`. A test fails while a file differs from what would be written.
"""

from pathlib import Path

from deployer_aws import specfile
from deployer_core.preview import preview, render
from tests.support.project import ROOT

DOC = ROOT / "docs" / "spec-file.md"
GOLDEN = ROOT / "tests" / "core" / "golden" / "preview"
ORDERS = ROOT / "examples" / "orders"
PREVIEWS = {"v1-missing": False, "v2-exists": True, "v3-exists": True}
"""The example's versions, and whether the stack exists: the create, the full path, quick mode."""


def derived() -> dict[Path, str]:
    """Each derived file, and what belongs in it."""
    found = {DOC: f"{DOC.read_text(encoding='utf-8').partition('-->')[0]}-->\n\n{specfile.tables()}"}
    for name, exists in PREVIEWS.items():
        spec = specfile.load(ORDERS / f"{name.partition('-')[0]}.yaml").spec
        found[GOLDEN / f"{name}.txt"] = render(preview(spec, exists))
    return found


def main() -> None:
    """Write the files."""
    for path, text in derived().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
