"""The modules of this package, found and not listed: machines and tags need no list that somebody has to keep."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]  # found by its name: nothing inside imports the package's face


def modules() -> Mapping[str, ModuleType]:
    """Import every module of the core, by its full name. `testing` is left out: it needs Hypothesis."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    found = pkgutil.walk_packages(folders, f"{_PACKAGE}.")
    return {m.name: importlib.import_module(m.name) for m in found if m.name != f"{_PACKAGE}.testing"}
