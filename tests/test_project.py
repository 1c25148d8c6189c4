"""The distribution: what is shipped, and what an install of the core alone asks for."""

import ast
import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import benchmarks
from tests.support.project import ROOT, SRC, pyproject

PACKAGES = sorted(path.parent.name for path in SRC.glob("*/__init__.py"))


def test_both_packages_are_found() -> None:
    """The tests below look at both packages, which are discovered."""
    assert PACKAGES == ["deployer_aws", "deployer_core"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_shipped_with_its_types(package: str) -> None:
    """Each package is in the wheel and tells type checkers that it is typed."""
    assert (SRC / package / "py.typed").is_file()
    assert f"src/{package}" in pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_every_benchmark_runs_without_arguments() -> None:
    """`make bench` calls each one's `main` as it is."""
    modules = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    found: list[Any] = [
        importlib.import_module(f"benchmarks.{name}") for name in modules if name != "__main__"
    ]
    mains = [module.main for module in found if hasattr(module, "main")]
    assert len(mains) >= 4
    for main in mains:
        inspect.signature(main).bind()


def test_the_documentation_says_where_each_thing_is() -> None:
    """Every public module and folder of the two packages, and every page, stands in a table of docs/README.md."""
    tables = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    modules = [
        f"`{path.name}`" if path.is_file() else f"`{path.name}/`"
        for package in ("deployer_core", "deployer_aws")
        for path in (ROOT / "src" / package).iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
    ]
    pages = [f"]({path.name})" for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert len(modules) > 15
    assert [name for name in (*modules, *pages) if name not in tables] == []


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    """What README.md, CONTRIBUTING.md and the pages of docs link to in this tree is there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    assert len(links) > 100
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_glossary_holds_to_the_code() -> None:
    """Each word is defined once, and each name in its definition stands in the file that its row names."""
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \| \[.+\]\(\.\./(.+)\) \|$", text, re.MULTILINE)
    words = [word for row, _, _ in rows for word in row.split(", ")]
    assert len(rows) == text.count("\n| **") > 50
    assert sorted({*words}) == sorted(words)
    assert [
        (word, name)
        for word, meaning, path in rows
        for name in re.findall(r"`([A-Za-z_.]+)(?:\(.*?\))?`", meaning)
        if not re.search(rf"\b{name.rpartition('.')[2]}\b", (ROOT / path).read_text(encoding="utf-8"))
    ] == []


def test_the_core_needs_three_packages() -> None:
    """A program that embeds the core takes on attrs, typing-extensions and msgspec, and nothing more."""
    names = {requirement.partition(">")[0] for requirement in pyproject()["project"]["dependencies"]}
    assert names == {"attrs", "typing-extensions", "msgspec"}


def test_every_test_states_the_fact_that_it_proves() -> None:
    """Every test function has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_lock_is_of_these_requirements() -> None:
    """requirements.lock has a version that fits for each requirement of a developer's; `make lock` makes it anew."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==([^ ;]+)", text, re.MULTILINE))
    project = pyproject()["project"]
    asked = [
        Requirement(line)
        for lines in (project["dependencies"], *project["optional-dependencies"].values())
        for line in lines
    ]
    others = [requirement for requirement in asked if requirement.name != project["name"]]
    assert len(others) > 20
    unfit = [r.name for r in others if not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"))]
    assert unfit == []
    assert "://" not in text
