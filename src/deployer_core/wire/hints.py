"""Type hints of what is stored, taken apart: the members of a union, the class that a hint names, and its fields."""

from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from attrs import fields, has


def members_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def class_of(hint: Any) -> Any:
    """Return the attrs class that a hint names, with or without arguments; None where it names no such class."""
    cls = get_origin(hint) or hint
    return cls if isinstance(cls, type) and has(cls) else None


def fields_of(hint: Any) -> dict[str, Any]:
    """Return the fields of an attrs class with their hints; a type variable is its argument, by default its bound."""
    cls = class_of(hint)
    variables = getattr(cls, "__parameters__", ())
    bound = dict(zip(variables, get_args(hint) or map(_widest, variables), strict=True))
    hints = get_type_hints(cls)
    for attribute in fields(cls):
        if attribute.alias != attribute.name or not attribute.init:
            raise TypeError(f"{cls.__qualname__}.{attribute.name} is private, so it cannot be stored")
    return {attribute.name: _filled(hints[attribute.name], bound) for attribute in fields(cls)}


def _widest(variable: TypeVar) -> Any:
    return Union[variable.__constraints__] if variable.__constraints__ else variable.__bound__  # noqa: UP007


def _filled(hint: Any, bound: dict[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return bound[hint]
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(bound[variable] for variable in variables)] if variables else hint
