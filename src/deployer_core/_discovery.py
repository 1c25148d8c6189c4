"""The modules of this package, found and not listed: machines and tags need no list that somebody has to keep."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

import deployer_core


def modules() -> Mapping[str, ModuleType]:
    """Every module of the core by its name, imported. `testing` is left out: it needs Hypothesis."""
    names = [
        module.name for module in pkgutil.iter_modules(deployer_core.__path__) if module.name != "testing"
    ]
    return {name: importlib.import_module(f"{deployer_core.__name__}.{name}") for name in names}
