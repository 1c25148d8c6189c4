"""The core is pure.

import-linter keeps the contracts of pyproject.toml, for the standard library too. These tests see what it
can't: packages that no contract names, impure corners of pure packages, built-ins that reach the
world, imports by name.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.project import SRC, modules, pyproject

CORE = modules("deployer_core")
WITH_HYPOTHESIS = "deployer_core.testing"
DISCOVERY = "deployer_core.kernel.discovery"  # imports this package's own modules by name
WITH_MSGSPEC = "deployer_core.wire.json_text"
IMPURE_CORNERS = {"urllib.request", "importlib.resources", "importlib.metadata", "email.utils"}
IMPURE_BUILTINS = {"open", "print", "input", "breakpoint", "exec", "eval", "compile", "__import__"}


def forbidden() -> set[str]:
    """Return what the contract `pure` of pyproject.toml forbids: the one list there is."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["id"] == "pure"]
    return set(pure["forbidden_modules"])


def allowed(module: str) -> set[str]:
    """Return the packages outside the standard library that a module of the core may import."""
    packages = {"deployer_core", "attr", "attrs", "typing_extensions"}
    if module == WITH_MSGSPEC:
        packages.add("msgspec")
    if module == WITH_HYPOTHESIS:
        packages.add("hypothesis")
    return packages


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every absolute import, wherever it stands, with its line; `from a import b` may mean a.b, so both."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def impurities(module: str, source: str) -> list[str]:
    """All that a module of the core may not do, one line each."""
    tree = ast.parse(source)
    found: list[str] = []
    for name, line in imports(tree):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            impure = top in forbidden() or name in IMPURE_CORNERS
        else:
            impure = top not in allowed(module)
        if impure:
            found.append(f"{module}:{line} imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in IMPURE_BUILTINS:
            found.append(f"{module}:{node.lineno} uses {node.id}")
        elif isinstance(node, ast.Attribute) and node.attr == "import_module" and module != DISCOVERY:
            found.append(f"{module}:{node.lineno} imports by name")
    return found


@pytest.mark.parametrize("module", CORE)
def test_every_module_of_the_core_is_pure(module: str) -> None:
    """No module of the core imports or calls what could make two runs differ."""
    assert impurities(module, CORE[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import datetime as dt",
        "from os import path",
        "import os.path",
        "from concurrent.futures import Future",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import requests",
        "import boto3",
        "import deployer_aws.runner.loop",
        "import msgspec",
        "from hypothesis import strategies",
        "def f():\n    import random",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio",
        "import importlib\nimportlib.import_module('time')",
        "open('state.json')",
        "printer = print",
    ],
)
def test_a_planted_impurity_is_found(source: str) -> None:
    """The check has teeth: each of these is found in a module that would otherwise pass."""
    assert impurities("deployer_core.machines.stack", source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "deployer_core.machines.stack",
            "from collections.abc import Callable\nfrom attrs import frozen\nimport attr",
        ),
        ("deployer_core.machines.stack", "from typing_extensions import TypeIs\nfrom hashlib import sha256"),
        ("deployer_core.machines.stack", "from . import machine\nfrom .machine import Machine"),
        ("deployer_core.spec", "from urllib.parse import urlsplit"),
        (WITH_MSGSPEC, "import msgspec.json"),
        ("deployer_core.testing", "from hypothesis import strategies as st"),
    ],
)
def test_what_the_core_may_import_passes(module: str, source: str) -> None:
    """The check lets through what the architecture allows, msgspec and Hypothesis in their one place each."""
    assert impurities(module, source) == []


def test_the_core_imports_without_any_extra() -> None:
    """Someone who installs the core alone can import all of it but its helpers for tests."""
    extras = ["boto3", "botocore", "psycopg", "yaml", "click", "rich", "hypothesis", "deployer_aws"]
    wanted = [module for module in CORE if module != WITH_HYPOTHESIS]
    script = f"import sys; sys.modules.update(dict.fromkeys({extras})); import {', '.join(wanted)}"
    # -I: neither the environment nor the working folder helps.
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-W",
            "error",
            "-c",
            f"import sys; sys.path.insert(0, {str(SRC)!r}); {script}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
