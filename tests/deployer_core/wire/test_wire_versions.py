"""Old forms: upcasters, chains of them, and classes that have got a new version inside others."""

from typing import Any

import pytest
from attrs import frozen

from deployer_core.wire import Payload, Wire, WireError


@frozen
class Lamp:
    """Once `{on}` (1), then `{level}` (2), now `{level, unit}` (3)."""

    level: int
    unit: str


@frozen
class Torch:
    lit: bool


@frozen
class Room:
    lamp: Lamp
    best: Lamp | Torch


def _wire() -> Wire:
    local = Wire({"Lamp/3": Lamp, "Torch/1": Torch, "Room/1": Room})

    @local.upcaster("Lamp/1", "Lamp/2")
    def _(old: Payload) -> Payload:
        return {"level": 100 if old["on"] else 0}

    @local.upcaster("Lamp/2", "Lamp/3")
    def _(old: Payload) -> Payload:
        old["unit"] = "%"
        return old

    return local


@pytest.mark.parametrize(
    "line",
    [b'["Lamp/1",{"on":true}]', b'["Lamp/2",{"level":100}]', b'["Lamp/3",{"level":100,"unit":"%"}]'],
)
def test_every_version_is_read_as_the_newest(line: bytes) -> None:
    """A chain of upcasters is followed to its end, and the newest form is written."""
    local = _wire()
    assert (
        local.decode(line) == local.decode(line, Lamp) == local.decode(line, Lamp | Torch) == Lamp(100, "%")
    )
    assert local.encode(local.decode(line)) == b'["Lamp/3",{"level":100,"unit":"%"}]'


def test_a_payload_apart_is_upcast() -> None:
    """The tag's column names the version."""
    assert _wire().decode_payload("Lamp/1", b'{"on":false}', Lamp) == Lamp(0, "%")


@pytest.mark.parametrize("lamp", [b'{"on":true}', b'["Lamp/1",{"on":true}]', b'["Lamp/2",{"level":100}]'])
def test_a_field_of_one_class_without_a_tag_is_its_first_version(lamp: bytes) -> None:
    """A class can get a new version while those that hold it keep theirs."""
    line = b'["Room/1",{"lamp":' + lamp + b',"best":["Lamp/1",{"on":false}]}]'
    room = _wire().decode(line)
    assert room == Room(Lamp(100, "%"), Lamp(0, "%"))
    assert _wire().encode(room) == (
        b'["Room/1",{"lamp":["Lamp/3",{"level":100,"unit":"%"}],"best":["Lamp/3",{"level":0,"unit":"%"}]}]'
    )


@frozen
class Shed:
    torch: Torch


def test_a_first_version_may_bear_its_tag() -> None:
    """A field that was once a union is read when one class is left of it."""
    local = Wire({"Torch/1": Torch, "Shed/1": Shed})
    assert local.decode(b'["Shed/1",{"torch":["Torch/1",{"lit":true}]}]') == Shed(Torch(True))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'["Lamp/1",{}]', r"^\$\[1\]: the upcaster from Lamp/1 to Lamp/2 failed: KeyError\('on'\)$"),
        (b'["Lamp/1",[]]', r"^\$\[1\]: an object is needed, not a list of 0$"),
        (b'["Lamp/2",{"levels":1}]', r"^\$\[1\]: Lamp/3 lacks level; Lamp/3 has no field levels"),
        (
            b'["Lamp/4",{}]',
            r"^\$\[0\]: unknown tag 'Lamp/4' \(known of that name: Lamp/1, Lamp/2, Lamp/3\); written by",
        ),
        (b'["Room/1",{"lamp":{},"best":1}]', r"^\$\[1\]\.lamp: the upcaster from Lamp/1 to Lamp/2 failed"),
        (b'["Room/1",{"lamp":7,"best":1}]', r"^\$\[1\]\.lamp: an object is needed, not 7$"),
        (
            b'["Room/1",{"lamp":["Lamp/1",{"on":1}],"best":["Room/1",{}]}]',
            r"^\$\[1\]\.best\[0\]: a Room/1 does not belong here$",
        ),
    ],
)
def test_errors_of_old_forms(line: bytes, error: str) -> None:
    """What an upcaster cannot make sense of is a WireError with its path."""
    with pytest.raises(WireError, match=error):
        _wire().decode(line)


def test_an_old_tag_out_of_place() -> None:
    """A chain that ends in a class that is not expected is refused."""
    with pytest.raises(WireError, match=r"^\$\[0\]: a Lamp/1 does not belong here$"):
        _wire().decode(b'["Lamp/1",{"on":true}]', Torch)


def test_wrong_values_of_later_versions_have_their_paths() -> None:
    """A tagged field of one class is refused where it is wrong."""
    with pytest.raises(WireError, match=r"^\$\[1\]\.lamp: Lamp is needed, not 1$"):
        _wire().encode(Room(1, Torch(True)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(WireError, match=r"^\$\[1\]\.lamp\[1\]\.level: a whole number is needed, not '1'$"):
        _wire().encode(Room(Lamp("1", "%"), Torch(True)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("old", "new"), [("Lamp/2", "Lamp/2"), ("Lamp/2", "Lamp/1"), ("Torch/1", "Lamp/1")])
def test_versions_rise(old: str, new: str) -> None:
    """An upcaster leads to a higher version, so chains end."""
    with pytest.raises(ValueError, match=f"an upcaster raises the version: '{old}' to '{new}' does not"):
        _wire().upcaster(old, new)


def test_one_upcaster_for_each_old_tag() -> None:
    """What an old tag becomes is said once."""
    with pytest.raises(ValueError, match="'Lamp/1' is already upcast to 'Lamp/2'"):
        _wire().upcaster("Lamp/1", "Lamp/3")


def test_tags_are_discovered_when_one_is_missing() -> None:
    """The modules that define tags are imported when a tag is first asked for that nobody knows, and once."""
    tags: dict[str, type] = {}
    calls: list[Any] = []

    def find() -> None:
        calls.append(1)
        tags["Torch/1"] = Torch

    local = Wire(tags, find)
    assert local.decode(b'["Torch/1",{"lit":true}]') == Torch(True)
    with pytest.raises(WireError, match="unknown tag 'None/1'"):
        local.decode(b'["None/1",{}]')
    assert len(calls) == 1


def test_upcasters_are_discovered_when_one_is_missing() -> None:
    """Where a class is known already, an old form of it still finds the module that says how it is read."""

    def find() -> None:
        @local.upcaster("Shed/1", "Shed/2")
        def _(old: Payload) -> Payload:
            return {"torch": {"lit": old["lit"]}}

    local = Wire({"Torch/1": Torch, "Shed/2": Shed}, find)
    assert local.decode_payload("Shed/1", b'{"lit":true}', Shed) == Shed(Torch(True))
