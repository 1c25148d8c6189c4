"""Readers: what may stand at a place of a file, and what is said where something else does."""

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from deployer_aws.documents.findings import Wrong
from deployer_aws.documents.readers import (
    DURATION,
    FLAG,
    NUMBER,
    TEXT,
    VALUE,
    Files,
    Key,
    Place,
    Reader,
    Record,
    build,
    either,
    listing,
    mapping,
    variants,
    word,
)
from deployer_aws.documents.tree import Syntax, parse
from deployer_core.spec import SpecError

pytestmark = pytest.mark.quick


def place(text: str, folder: Path = Path()) -> Place:
    """Return the place of a document."""
    node = parse(text, Syntax("file"))
    return Place((), node, Files(folder), node.mark)


def read(reader: Reader[Any], text: str) -> Any:
    """Read the value of the key `a`."""
    return reader.read(place(f"a: {text}").into("a"))


def wrong(reader: Reader[Any], text: str) -> list[str]:
    """Return all that is wrong with the value of the key `a`."""
    with pytest.raises(Wrong) as raised:
        read(reader, text)
    return [str(finding) for finding in raised.value.findings]


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (TEXT, "x", "x"),
        (TEXT, "12", "12"),
        (TEXT, "'1.10'", "1.10"),
        (VALUE, "true", "true"),
        (VALUE, "False", "false"),
        (VALUE, "-7", "-7"),
        (NUMBER, "-7", -7),
        (FLAG, "yes", True),
        (FLAG, "Off", False),
        (DURATION, "90", 90),
        (DURATION, "1h30m", 5400),
        (DURATION, "2m5s", 125),
        (word("EC2", "FARGATE"), "EC2", "EC2"),
        (listing(TEXT, "texts"), "[x, 1]", ("x", "1")),
        (mapping(NUMBER, "a name"), "{x: 1, y: 2}", (("x", 1), ("y", 2))),
        (either(TEXT, mapping(TEXT, "a name"), lists=listing(TEXT, "texts")), "x", "x"),
        (either(TEXT, mapping(TEXT, "a name"), lists=listing(TEXT, "texts")), "[x]", ("x",)),
        (either(TEXT, mapping(TEXT, "a name"), lists=listing(TEXT, "texts")), "{x: y}", (("x", "y"),)),
    ],
)
def test_what_is_read(reader: Reader[Any], text: str, value: Any) -> None:
    """Each reader gives a value of its own kind."""
    assert read(reader, text) == value


@pytest.mark.parametrize(
    ("reader", "text", "rule"),
    [
        (TEXT, "1.10", "a: text, but '1.10' is a number to YAML; quote it"),
        (TEXT, "2024-05-01", "'2024-05-01' is a date to YAML; quote it"),
        (TEXT, "1:30", "'1:30' is a number to YAML; quote it"),
        (TEXT, "0123", "'0123' is a number to YAML; quote it"),
        (TEXT, "true", "'true' is true or false to YAML; quote it"),
        (TEXT, "", "text, not nothing: give a value, or leave the key out"),
        (TEXT, "[1]", "text, not a list"),
        (TEXT, "{x: 1}", "text, not a map"),
        (VALUE, "no", "'no' is true or false to YAML; quote it"),
        (NUMBER, "0x1", "a whole number in plain digits, not '0x1'"),
        (FLAG, "1", "true or false, not '1', which is a number to YAML"),
        (FLAG, "'true'", "true or false, not 'true'"),
        (DURATION, "15 minutes", "a duration: 90 (seconds), 90s, 30m, 2h or 1h30m, not '15 minutes'"),
        (DURATION, "''", "a duration: 90"),
        (word("EC2", "FARGATE"), "fargate", "EC2 or FARGATE, not 'fargate'"),
        (listing(TEXT, "texts"), "x", "a list of texts, not 'x'"),
        (mapping(TEXT, "a name"), "[x]", "a map from a name to text, not a list"),
    ],
)
def test_what_is_refused(reader: Reader[Any], text: str, rule: str) -> None:
    """One problem, with its line and path."""
    (found,) = wrong(reader, text)
    assert found.startswith("line 1, a: ")
    assert rule in found


@frozen
class Box:
    """What a record of this file makes."""

    size: int
    tags: tuple[str, ...] = ()


BOX = Record(
    "box",
    (Key("size", NUMBER, "how large it is"), Key("tags", listing(TEXT, "texts"), "", "[]")),
    lambda given, _: Box(**given),
)
BOTTLE = Record("bottle", (Key("litres", NUMBER, ""),), lambda given, _: given["litres"])


def test_a_record_makes_a_value_of_its_keys() -> None:
    """A key with a default may be left out."""
    assert read(BOX.reader, "{size: 3}") == Box(3)
    assert read(BOX.reader, "{size: 3, tags: [x]}") == Box(3, ("x",))
    assert BOX.reader.called == "a box"


def test_a_record_says_all_that_is_wrong_with_its_keys_at_once() -> None:
    """Unknown keys with a guess, missing ones with their meaning, and what stands in the others."""
    assert wrong(BOX.reader, "{siz: 3, zzz: 1, tags: [x, [y]]}") == [
        "line 1, a.siz: no key of this map; did you mean size? It takes size, tags",
        "line 1, a.zzz: no key of this map; It takes size, tags",
        "line 1, a: size is missing: how large it is",
        "line 1, a.tags[1]: text, not a list",
    ]
    assert wrong(BOX.reader, "[x]") == ["line 1, a: a map with the keys size, tags, not a list"]


def test_variants_are_told_apart_by_a_key() -> None:
    """None of the keys, or two of them, is no variant."""
    either_of = variants("a thing", {"size": BOX, "litres": BOTTLE})
    assert (read(either_of, "{size: 3}"), read(either_of, "{litres: 2}")) == (Box(3), 2)
    for text in ("x", "{tags: [x]}", "{size: 3, litres: 2}"):
        assert "a map with one of the keys size, litres" in wrong(either_of, text)[0]
    assert either_of.parts == (BOX, BOTTLE)


def short(tags: tuple[str, ...], size: int = 0) -> Box:
    """Make a box whose tags have a rule of their own."""
    if size > 9:
        raise SpecError("size", "9 at most")
    if any(len(tag) > 3 for tag in tags):
        raise SpecError("tags", "three letters at most")
    return Box(size, tags)


def test_a_broken_rule_is_said_of_the_value_that_breaks_it() -> None:
    """Of several the one, by trying each alone; `names` says what the file calls a field."""
    box = place("{labels: [abc, abcd], size: 10}")
    names = {"tags": "labels"}
    for given, where in (
        ({"tags": ("abc", "abcd")}, "labels[1]: three letters at most"),
        ({"tags": (), "size": 10}, "size: 9 at most"),
    ):
        with pytest.raises(Wrong) as raised:
            build(box, short, given, names)
        assert [finding.of("f").partition(": ")[2] for finding in raised.value.findings] == [where]
    assert build(box, short, {"tags": ("abc",)}, names) == Box(0, ("abc",))


def test_a_text_that_is_named_is_kept_under_its_digest(tmp_path: Path) -> None:
    """Paths are relative to the folder of the file."""
    (tmp_path / "t").write_text("x", encoding="utf-8")
    files = Files(tmp_path)
    digest = files.keep("t", 10, "template")
    assert files.texts == {digest: "x"}
    with pytest.raises(Wrong):
        files.keep("none", 10, "template")
