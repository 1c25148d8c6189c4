"""Names for values that outlive the process: every class that is stored says its wire tag where it is defined."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

TAGS: dict[str, type] = {}
"""Every tagged class by its tag, filled as the modules are imported."""
_NAMES: dict[type, str] = {}


def tagged(tag: str) -> Callable[[type[T]], type[T]]:
    """Give a class its literal, versioned tag, `Machine.NAME/version`.

    The tag, not the class's name, is what is written down, so renaming a class leaves stored data readable. A new
    shape is a new version: the class takes the new tag, and `wire.upcaster` says how the old one is read.
    """
    name, slash, version = tag.partition("/")
    if not (name and slash and version.isdigit()):
        raise ValueError(f"a wire tag reads 'Name/version', not {tag!r}")

    def mark(cls: type[T]) -> type[T]:
        if tag in TAGS:
            raise ValueError(f"wire tag {tag!r} names both {TAGS[tag].__qualname__} and {cls.__qualname__}")
        TAGS[tag] = cls
        _NAMES[cls] = tag
        return cls

    return mark


def tag_of(cls: type) -> str:
    """Return the tag of a class; raises KeyError where it has none."""
    return _NAMES[cls]


def discover() -> Mapping[str, type]:
    """Every tag of this package, whichever of its modules were imported before."""
    from deployer_core.kernel.discovery import modules  # they use `tagged` themselves

    modules()
    return TAGS
