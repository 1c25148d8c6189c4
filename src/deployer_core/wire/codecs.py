"""Codecs: how a value of a type becomes plain data (what JSON knows) and comes back.

`compiler` makes them from type hints, each once. What would not be read back is not written.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from types import NoneType
from typing import Any, TypeAlias

from attrs import frozen

from deployer_core.spec.errors import SpecError
from deployer_core.wire.errors import WireError, needed

Convert: TypeAlias = Callable[[Any], Any]
Field: TypeAlias = tuple[type | None, Convert]


class Unfit(TypeError):
    """A type that has no one form in JSON."""


@frozen(eq=False)
class Codec:
    """One type's way to plain data and back.

    `python` are the exact types of its values, `plain` those of their plain form. What is of the type `same` goes as
    it is, both ways, without a call.
    """

    encode: Convert
    decode: Convert
    python: tuple[type, ...]
    plain: tuple[type, ...]
    same: type | None = None


# Leaves


def leaf(kind: type, what: str) -> Codec:
    """Make the codec of a type that JSON knows. The type is exact: a bool is no int."""

    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise needed(what, value)
        return value

    return Codec(check, check, (kind,), (kind,), same=kind)


def _write_float(value: Any) -> float:
    """Write equal numbers alike: 5 as 5.0, -0.0 as 0.0. NaN and infinity have no form in JSON."""
    if type(value) not in (float, int):
        raise needed("a number", value)
    try:
        number = float(value) + 0.0
    except OverflowError:
        number = float("inf")
    if number - number != 0.0:
        raise needed("a finite number", value)
    return number


_number = leaf(float, "a number with a decimal point")
LEAVES: dict[Any, Codec] = {
    str: leaf(str, "a string"),
    int: leaf(int, "a whole number"),
    bool: leaf(bool, "true or false"),
    float: Codec(_write_float, _number.decode, (float, int), (float,)),
    NoneType: leaf(NoneType, "null"),
}


def enumeration(kind: type[Enum]) -> Codec:
    """Make the codec of an enumeration, by its values, which are all strings."""
    members = {member.value: member for member in kind}
    if any(type(value) is not str for value in members):
        raise Unfit("its values are not all strings")

    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise needed(kind.__name__, value)
        return value.value

    def decode(plain: Any) -> Any:
        member = members.get(plain) if type(plain) is str else None
        if member is None:
            raise needed(f"one of {', '.join(members)}", plain)
        return member

    return Codec(encode, decode, (kind,), (str,))


# Tuples


def row(item: Codec) -> Codec:
    """Make the codec of a tuple of any length: an array."""

    def walk(given: Any, what: str, convert: Convert, make: Callable[[list[Any]], Any]) -> Convert:
        same = item.same

        def run(value: Any) -> Any:
            if value.__class__ is not given:
                raise needed(what, value)
            made: list[Any] = []
            try:
                for one in value:
                    made.append(one if type(one) is same else convert(one))
            except WireError as error:
                error.within(f"[{len(made)}]")
                raise
            return make(made)

        return run

    encode, decode = walk(tuple, "a tuple", item.encode, _listed), walk(list, "a list", item.decode, tuple)
    return Codec(encode, decode, (tuple,), (list,))


def record(items: Sequence[Codec]) -> Codec:
    """Make the codec of a tuple of fixed length: an array."""

    def walk(given: Any, what: str, steps: list[Field], make: Callable[[list[Any]], Any]) -> Convert:
        def run(value: Any) -> Any:
            if value.__class__ is not given or len(value) != len(steps):
                raise needed(f"{what} of {len(steps)}", value)
            made: list[Any] = []
            try:
                for one, (same, convert) in zip(value, steps, strict=False):
                    made.append(one if type(one) is same else convert(one))
            except WireError as error:
                error.within(f"[{len(made)}]")
                raise
            return make(made)

        return run

    encode = walk(tuple, "a tuple", [(item.same, item.encode) for item in items], _listed)
    decode = walk(list, "a list", [(item.same, item.decode) for item in items], tuple)
    return Codec(encode, decode, (tuple,), (list,))


def _listed(items: list[Any]) -> list[Any]:
    return items


# Unions and classes


def union(members: Sequence[Codec]) -> Codec:
    """Make the codec of a union, whose members are told apart by the types of their values and plain forms."""
    encoders = {kind: member.encode for member in members for kind in member.python}
    decoders = {kind: member.decode for member in members for kind in member.plain}
    numbers = [kind for member in members for kind in {*member.plain} & {int, float, bool}]
    if len(decoders) < sum(len(member.plain) for member in members) or len(numbers) > 1:
        raise Unfit("two of its members look alike in JSON")

    def encode(value: object) -> Any:
        convert = encoders.get(type(value))
        if convert is None:
            raise needed(" or ".join(sorted(kind.__name__ for kind in encoders)), value)
        return convert(value)

    def decode(plain: object) -> Any:
        convert = decoders.get(type(plain))
        if convert is None:
            raise needed(" or ".join(_FORMS[kind] for kind in decoders), plain)
        return convert(plain)

    same = next((member.same for member in members if member.same not in (None, NoneType)), None)
    return Codec(encode, decode, tuple(encoders), tuple(decoders), same)


_FORMS = {
    str: "a string",
    int: "a whole number",
    float: "a number with a decimal point",
    bool: "true or false",
    NoneType: "null",
    list: "a list",
    dict: "an object",
}


def structure(cls: Any, tag: str, steps: Sequence[tuple[str, Codec]]) -> Codec:
    """Make the codec of an attrs class: an object with exactly its fields. Reading runs the class's validators."""
    names = frozenset(name for name, _ in steps)
    encoders = [(name, codec.same, codec.encode) for name, codec in steps]
    decoders = [(name, codec.same, codec.decode) for name, codec in steps]

    def encode(value: Any) -> Any:
        if type(value) is not cls:
            raise needed(cls.__name__, value)
        made: dict[str, Any] = {}
        name = ""
        try:
            for name, same, convert in encoders:
                one = getattr(value, name)
                made[name] = one if type(one) is same else convert(one)
        except WireError as error:
            error.within(f".{name}")
            raise
        return made

    def decode(plain: Any) -> Any:
        if plain.__class__ is not dict:
            raise needed("an object", plain)
        if plain.keys() != names:
            raise _misfit(tag, names, plain)
        made: dict[str, Any] = {}
        name = ""
        try:
            for name, same, convert in decoders:
                one = plain[name]
                made[name] = one if type(one) is same else convert(one)
        except WireError as error:
            error.within(f".{name}")
            raise
        return _made(cls, made)

    return Codec(encode, decode, (cls,), (dict,))


def _misfit(tag: str, names: frozenset[str], plain: dict[str, Any]) -> WireError:
    lacks, knows_not = sorted(names - plain.keys()), sorted(plain.keys() - names)
    said = [f"{tag} lacks {', '.join(lacks)}"] if lacks else []
    said += [f"{tag} has no field {', '.join(knows_not)}"] if knows_not else []
    return WireError(f"{'; '.join(said)[:400]}: a new shape needs a new tag and an upcaster")


def _made(cls: Any, values: dict[str, Any]) -> Any:
    """Make the object; whatever its validators and converters raise becomes a WireError."""
    try:
        return cls(**values)
    except SpecError as error:
        raise WireError(error.rule, f".{error.field}") from error
    except Exception as error:
        raise WireError(f"no {cls.__name__} can be made of it: {error}") from error
