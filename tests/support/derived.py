"""What is derived from the examples and the spec file's keys; `tests.regenerate` writes it."""

from pathlib import Path

from deployer_aws import specfile
from deployer_core.analysis.preview import preview
from deployer_core.analysis.preview_values import render
from deployer_core.engine.memory import EMPTY, completed
from deployer_core.machines.deployment import DeploymentInfo
from deployer_core.spec import DeploymentSpec
from tests.support.project import ROOT

DOC = ROOT / "docs" / "spec-file.md"
GOLDEN = ROOT / "tests" / "deployer_core" / "golden" / "preview"
ORDERS = ROOT / "examples" / "orders"
PREVIEWS = {
    "v1-missing": False,
    "v2-exists": True,
    "v2b-exists": True,
    "v3-exists": True,
    "hotfix-exists": True,
}
"""The example's versions, and whether the stack exists: the create, the full path with one and two evaluations, one that is put back, quick mode."""
AFTER_V2 = ("v2b-exists",)
"""Those of a stack that remembers version 2: what fails is put back to it."""


def derived() -> dict[Path, str]:
    """Each derived file, and what belongs in it."""
    found = {DOC: f"{DOC.read_text(encoding='utf-8').partition('-->')[0]}-->\n\n{specfile.tables()}"}
    for name, exists in PREVIEWS.items():
        memory = completed(EMPTY, DeploymentInfo("v2", _version("v2"))) if name in AFTER_V2 else EMPTY
        found[GOLDEN / f"{name}.txt"] = render(preview(_version(name.partition("-")[0]), exists, memory))
    return found


def _version(name: str) -> DeploymentSpec:
    return specfile.load(ORDERS / f"{name}.yaml").spec
