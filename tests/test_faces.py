"""The faces: what `import deployer_core` and `import deployer_aws` offer, and that nothing inside needs them."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

import pytest

import deployer_aws
import deployer_core
from tests.support.project import SRC, modules

FACES = [deployer_core, deployer_aws]
MODULES = {name: path for face in FACES for name, path in modules(face.__name__).items()}


def imports_of_a_face(source: str) -> Iterator[str]:
    """Return what a module imports from a package itself, and not from one of its modules."""
    faces = {face.__name__ for face in FACES}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in faces)
        elif isinstance(node, ast.ImportFrom) and node.module in faces:
            names = (f"{node.module}.{name.name}" for name in node.names)
            yield from (name for name in names if name not in MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_inside_imports_a_face(module: str) -> None:
    """The faces stand above all else: a module imports what it needs from where that is defined."""
    assert [*imports_of_a_face(MODULES[module].read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "import deployer_core",
        "import deployer_aws as d",
        "from deployer_core import reduce",
        "from deployer_core import *",
        "from deployer_core import wire, deployment",
        "def late():\n    from deployer_aws import Runner",
    ],
)
def test_a_planted_import_of_a_face_is_found(source: str) -> None:
    """The check has teeth."""
    assert [*imports_of_a_face(source)] != []


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_face_is_documented_and_complete(face: ModuleType) -> None:
    """Each name is there once, and has words of its own; completion shows these names alone."""
    names: list[str] = face.__all__
    assert dir(face) == sorted({*names}) == sorted(names)
    for name in names:
        value = getattr(face, name)
        if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = face.nothing


def test_checkers_see_what_is_imported_late() -> None:
    """The adapter's face imports each name when it is first used, from where type checkers are told that it is."""
    told: dict[str, str] = {}
    for node in ast.walk(ast.parse(MODULES["deployer_aws"].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module != "typing":
            told |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    late = {
        name: f"{home}.{deployer_aws._NAMED_THERE.get(name, name)}"
        for name, home in deployer_aws._MODULES.items()
    }
    assert told == late
    assert sorted(told) == sorted(deployer_aws.__all__)


def python(code: str, *absent: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has not got some packages."""
    without = f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
    command = [sys.executable, "-c", f"sys.path.insert(0, {str(SRC)!r})\n{code}".join((without, ""))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_faces_need_no_extra() -> None:
    """Both are imported without boto3, psycopg and the like, and the adapter's without the core's machines."""
    code = "import deployer_aws; print('deployer_core' in sys.modules); import deployer_core; print(deployer_aws.Runner)"
    done = python(code, "boto3", "botocore", "psycopg", "yaml", "click", "rich", "hypothesis")
    assert (done.stdout, done.stderr) == ("False\n<class 'deployer_aws.runner.runner.Runner'>\n", "")


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("Postgres", "psycopg", "aws"), ("load_spec", "yaml", "cli")]
)
def test_a_missing_extra_is_named(name: str, package: str, extra: str) -> None:
    """Who uses what an extra brings is told which one to install."""
    done = python(f"from deployer_aws import {name}", package)
    advice = f"pip install 'deployer-core[{extra}]'"
    assert (
        f"ImportError: deployer_aws.{name} needs {package}, of the extra {extra!r}: {advice}" in done.stderr
    )


def test_both_have_the_version_that_is_installed() -> None:
    """The version is written down once; `python -m deployer_aws` is `deployer`, and says it too."""
    version = metadata.version("deployer-core")
    assert deployer_core.__version__ == deployer_aws.__version__ == version
    done = subprocess.run(
        [sys.executable, "-m", "deployer_aws", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"deployer, version {version}\n"
