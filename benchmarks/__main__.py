"""Runs every benchmark of this folder: `make bench`, or one by `python -m benchmarks.NAME`."""

import importlib
import pkgutil

import benchmarks

for module in pkgutil.iter_modules(benchmarks.__path__):
    if module.name != "__main__" and hasattr(
        found := importlib.import_module(f"benchmarks.{module.name}"), "main"
    ):
        print(f"== {module.name}: {(found.__doc__ or '').splitlines()[0]}", flush=True)
        found.main()
        print()
