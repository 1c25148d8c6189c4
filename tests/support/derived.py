"""What is derived from the examples and the spec file's keys; `tests.regenerate` writes it."""

from pathlib import Path

from deployer_aws import specfile
from deployer_core.analysis.preview import preview
from deployer_core.analysis.preview_values import render
from tests.support.project import ROOT

DOC = ROOT / "docs" / "spec-file.md"
GOLDEN = ROOT / "tests" / "deployer_core" / "golden" / "preview"
ORDERS = ROOT / "examples" / "orders"
PREVIEWS = {"v1-missing": False, "v2-exists": True, "v3-exists": True, "hotfix-exists": True}
"""The example's versions, and whether the stack exists: the create, the full path with one and two evaluations, quick mode."""


def derived() -> dict[Path, str]:
    """Each derived file, and what belongs in it."""
    found = {DOC: f"{DOC.read_text(encoding='utf-8').partition('-->')[0]}-->\n\n{specfile.tables()}"}
    for name, exists in PREVIEWS.items():
        spec = specfile.load(ORDERS / f"{name.partition('-')[0]}.yaml").spec
        found[GOLDEN / f"{name}.txt"] = render(preview(spec, exists))
    return found
