"""The modules of this package, found and not listed: machines and tags need no list that somebody has to keep."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

import deployer_core

_PREFIX = f"{deployer_core.__name__}."


def modules() -> Mapping[str, ModuleType]:
    """Import every module of the core, by its full name. `testing` is left out: it needs Hypothesis."""
    found = pkgutil.walk_packages(deployer_core.__path__, _PREFIX)
    return {m.name: importlib.import_module(m.name) for m in found if m.name != f"{_PREFIX}testing"}
