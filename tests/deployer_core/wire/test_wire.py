"""What is written: forms, samples, equal bytes; and that it comes back."""

import subprocess
import sys
import types
from enum import Enum
from typing import Any, Generic, TypeVar

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from deployer_core import spec, testing, wire
from deployer_core.engine import messages
from deployer_core.engine.memory import Memory
from deployer_core.kernel.machine import Absent
from deployer_core.kernel.tags import TAGS, discover
from deployer_core.machines import deployment, ecs_task, stack
from deployer_core.wire import Wire, WireError, compiler, json_text
from tests.deployer_core.samples import stored, value, wanting
from tests.support.sampling import fewer

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Level(Enum):
    HIGH = 1


@frozen
class Inner:
    x: float


@frozen
class Other:
    y: int | None


@frozen
class Outer:
    text: str | None
    colour: Colour | None
    pair: tuple[str, Inner]
    rows: tuple[tuple[str, int], ...]
    either: Inner | Other
    maybe: tuple[Inner | None, ...]


LOCAL = Wire({"Inner/1": Inner, "Other/1": Other, "Outer/1": Outer})


# Every tag


@pytest.mark.parametrize("tag", sorted(discover()))
@fewer(5)
@given(data=st.data())
def test_what_is_written_comes_back(tag: str, data: st.DataObject) -> None:
    """Every value of every tag is equal once it is back, and gives the same bytes again."""
    before = data.draw(testing.from_tag(tag))
    line = wire.encode(before)
    cls: type[object] = discover()[tag]
    after = wire.decode(line, cls)
    assert after == before
    assert wire.encode(after) == line
    assert wire.decode_payload(*wire.encode_payload(before)) == before


def test_every_tag_has_a_sample_and_every_sample_a_tag() -> None:
    """No tag is without a stored sample, and every sample is of a tag that is known or upcast: add what is missing
    with `python -m tests.deployer_core.samples`.
    """
    assert {*stored()} == {*discover(), *wire.upcasters}


@pytest.mark.parametrize("tag", stored())
def test_samples_are_readable(tag: str) -> None:
    """Every form in which a tag was ever written is read."""
    for line in stored()[tag]:
        assert wire.tag_of(wire.decode(line)) in discover()


def test_samples_are_what_is_written_now() -> None:
    """The last sample of each tag gives the same bytes again."""
    assert wanting() == {}


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_bytes_are_the_same_in_every_process(seed: str) -> None:
    """Another process, with other hashes, writes the samples just so."""
    code = "from tests.deployer_core.samples import wanting; assert wanting() == {}"
    path = ":".join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sample_fills_every_field() -> None:
    """The samples' values are of their tags' classes."""
    assert [type(value(tag)) for tag in TAGS] == [*TAGS.values()]


# Forms


def test_the_outermost_form_is_tag_and_payload() -> None:
    """A value is written under its tag."""
    assert wire.encode(stack.Creating("d-1", ("d-2",))) == (
        b'["Stack.CREATING/1",{"current":"d-1","queue":["d-2"]}]'
    )
    assert wire.encode_payload(Absent()) == ("Absent/1", b"{}")
    assert wire.tag_of(Absent()) == "Absent/1"


def test_each_form() -> None:
    """Unions are tagged, one class is not; enumerations go by value, tuples are arrays, None is null."""
    outer = Outer(None, Colour.RED, ("a", Inner(1.5)), (("n", 2),), Other(None), (None, Inner(0.5)))
    assert LOCAL.encode(outer) == (
        b'["Outer/1",{"text":null,"colour":"red","pair":["a",{"x":1.5}],"rows":[["n",2]],'
        b'"either":["Other/1",{"y":null}],"maybe":[null,["Inner/1",{"x":0.5}]]}]'
    )
    assert LOCAL.decode(LOCAL.encode(outer), Inner | Outer) == outer


@pytest.mark.parametrize(("one", "same"), [(5, 5.0), (0.0, -0.0), (2**53, float(2**53))])
def test_equal_numbers_give_equal_bytes(one: float, same: float) -> None:
    """Where a float is meant, an int is written as one, and zero has no sign."""
    assert LOCAL.encode(Inner(one)) == LOCAL.encode(Inner(same))


def test_texts_outside_ascii_are_written_as_they_are() -> None:
    """Text is UTF-8 and comes back."""
    event = messages.Repaired("Zoë 🚀\0", 0.0)
    assert wire.decode(wire.encode(event), messages.Event) == event


def test_a_resolved_spec_refuses_outputs() -> None:
    """A generic class is read as its field says: where texts are resolved, an Output is out of place."""
    run = ecs_task.Run("d-1", "db", ecs_task.Purpose.MIGRATE, spec.TaskSpec("c", "t"), (0,))
    line = wire.encode(run).replace(b'"cluster":"c"', b'"cluster":["spec.Output/1",{"name":"C"}]')
    with pytest.raises(WireError, match=r"^\$\[1\]\.task\.cluster: a string is needed, not a list of 2$"):
        wire.decode(line)


# What cannot be written


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (stack.Creating("\ud800"), "$[1].current: JSON has no form for it"),
        (messages.Repaired(10**5000, 0.0), "$[1].by: a string is needed, not a huge number"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (messages.Accepted(10**5000, "r", 0.0), "$[1].command: JSON has no form for it"),
        (messages.Accepted(True, "r", 0.0), "$[1].command: a whole number is needed, not True"),
        (stack.Creating("d", ["e"]), "$[1].queue: a tuple is needed, not a list of 1"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (stack.Creating("d", ("e", {})), "$[1].queue[1]: a string is needed, not an object of 0"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (deployment.Queued("f"), "$[1].info: DeploymentInfo is needed, not 'f'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (deployment.DatabaseProgress("d", "DONE"), "$[1].phase: Phase is needed, not 'DONE'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Memory(baseline=(("a", 1.0),)), "$[1].baseline[0][1]: a whole number is needed, not 1.0"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Memory(baseline=(("a",),)), "$[1].baseline[0]: a tuple of 2 is needed, not a list of 1"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (ecs_task.Exit("c", "0"), "$[1].code: NoneType or int is needed, not '0'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(wrong: object, where: str) -> None:
    """What would not be read back is not written, and the error has the path."""
    with pytest.raises(WireError) as caught:
        wire.encode(wrong)
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    """JSON has no form for NaN and infinity; msgspec alone would write null."""
    with pytest.raises(WireError, match=r"^\$\[1\]\.x: a finite number is needed"):
        LOCAL.encode(Inner(number))


def test_a_wrong_value_in_a_union_has_the_path_of_its_payload() -> None:
    """The path leads through [tag, payload]."""
    with pytest.raises(WireError, match=r"^\$\[1\]\.either\[1\]\.x: a number is needed, not '1'$"):
        LOCAL.encode(Outer(None, None, ("a", Inner(1)), (), Inner("1"), ()))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_class_without_a_tag_cannot_be_written() -> None:
    """The author of the class is told what to do."""
    with pytest.raises(TypeError, match="Inner has no wire tag: mark the class @tagged"):
        wire.encode(Inner(1))


def _class(hint: Any, **options: Any) -> type:
    def body(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {options.get("name", "f"): hint}
        if "init" in options:
            namespace[options.get("name", "f")] = field(init=False, default=None)

    return frozen(types.new_class("Made", (), exec_body=body))


@pytest.mark.parametrize(
    ("hint", "why"),
    [
        (set[str], r"Made\.f cannot be stored: set\[str\]: it is none of"),
        (Any, r"Made\.f cannot be stored"),
        (tuple[dict[str, int], ...], r"Made\.f cannot be stored: dict"),
        (int | float, "two of its members look alike in JSON"),
        (bool | int, "two of its members look alike in JSON"),
        (str | Colour, "two of its members look alike in JSON"),
        (tuple[str, ...] | Inner | Other, "two of its members look alike in JSON"),
        (Level, "its values are not all strings"),
    ],
)
def test_a_type_without_one_form_is_refused(hint: Any, why: str) -> None:
    """A class whose field has no one form in JSON cannot be stored, and its author is told why."""
    made = _class(hint)
    with pytest.raises(TypeError, match=why):
        Wire({"Made/1": made, "Inner/1": Inner, "Other/1": Other}).decode(b'["Made/1",{}]')


@pytest.mark.parametrize("options", [{"name": "_f"}, {"init": False}])
def test_a_private_field_is_refused(options: dict[str, Any]) -> None:
    """What a constructor does not take under its name cannot be stored."""
    with pytest.raises(TypeError, match="is private, so it cannot be stored"):
        Wire({"Made/1": _class(int | None, **options)}).decode(b'["Made/1",{}]')


def test_a_class_that_is_not_attrs_is_refused() -> None:
    """A tag below the attrs decorator, or on another kind of class, is found out."""
    with pytest.raises(TypeError, match="is no attrs class"):
        Wire({"Int/1": int}).decode(b'["Int/1",{}]')
    with pytest.raises(TypeError, match="has no wire tag"):
        wire.decode(b"[]", str | int)


# Generics

Limited = TypeVar("Limited", int, str)


@frozen
class Box(Generic[Limited]):
    held: Limited
    more: tuple[Limited, ...] = ()


@pytest.mark.parametrize("held", [1, "one"])
def test_a_constrained_variable_is_one_of_its_constraints(held: Any) -> None:
    """A class alone stands for its variables' constraints or bounds."""
    boxes = Wire({"Box/1": Box})
    assert boxes.decode(boxes.encode(Box(held, (held,)))) == Box(held, (held,))


def test_a_class_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codecs are kept: the fields of a class are looked at when one is first met, and never again."""
    asked: list[object] = []

    def fields_of(hint: Any) -> dict[str, Any]:
        asked.append(hint)
        return {"x": float}

    monkeypatch.setattr(compiler, "fields_of", fields_of)
    local = Wire({"Inner/1": Inner})
    assert asked == []
    assert [local.decode(local.encode(Inner(1.5))) for _ in range(3)] == [Inner(1.5)] * 3
    assert asked == [Inner]


def test_what_is_remembered_of_specs_changes_no_bytes() -> None:
    """However many specs came in between, and whether it is the same object or an equal one."""
    outputs = [spec.StackOutput("network", f"Name{n}") for n in range(json_text.REMEMBERED + 10)]
    first = [wire.encode(output) for output in outputs]
    assert [wire.encode(output) for output in outputs] == first
    assert [wire.encode(spec.StackOutput("network", output.name)) for output in outputs] == first
    assert len(set(first)) == len(outputs)
