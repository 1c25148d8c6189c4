"""Documents as trees: what YAML may not hold here, and what a tree keeps of it."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from deployer_aws.documents.findings import Wrong
from deployer_aws.documents.tree import (
    LARGEST,
    Entries,
    Items,
    Scalar,
    Syntax,
    decode,
    number_of,
    parse,
    plain,
    read_text,
    tree_of,
)

pytestmark = pytest.mark.quick
FILE = Syntax("spec file")


def wrong(text: str, syntax: Syntax = FILE) -> tuple[str, int, str]:
    """Return path, line and text of the first thing that is wrong with a document."""
    with pytest.raises(Wrong) as raised:
        parse(text, syntax)
    first = raised.value.findings[0]
    return first.path, first.line, first.text


@pytest.mark.parametrize(
    ("text", "path", "line", "rule"),
    [
        ("a: 1\na: 2", "a", 2, "twice, first on line 1"),
        ("on: 1", "", 1, "the key 'on' is true or false to YAML; quote it"),
        ("a: 1\n7: 1", "", 2, "the key '7' is a number to YAML; quote it"),
        ("? [a]\n: 1", "", 1, "a list or a map stands where a key should be"),
        ("!!binary aa: 1", "", 1, "the key 'aa' is no text to YAML"),
        ("<<: 1", "", 1, "'<<' takes a map, or a list of maps"),
        ("a: !Ref x", "a", 1, "the tag '!Ref' means nothing in a spec file"),
        ("a: [b, !!set {}]", "a[1]", 1, "the tag '!!set' means nothing in a spec file"),
        (r'a: "\ud800"', "a", 1, "half of a character"),
        (r'a: "\UFFFFFFFF"', "", 0, "not YAML"),
        ("[" + "a," * 20_000 + "]", "", 1, "more values than it may have"),
        ("", "", 0, "the spec file is empty"),
        ("# nothing\n---\n...\n", "", 0, "the spec file is empty"),
        ("a: 1\n---\na: 1", "", 2, "a second document begins"),
        ("a:\n\ttrue", "", 2, "indent with spaces, not with tabs"),
        ("a: b: c", "", 1, "quote a text that holds ': '"),
        ("a: *x", "", 1, "not YAML: found undefined alias 'x'"),
        ("a: [b", "", 1, "not YAML"),
        ("a: \x07", "", 1, "the character U+0007 may not stand in YAML"),
        ("a: &d {b: *d}", "a.b", 1, "contains itself, by way of an alias"),
        ("a: " + "[" * 60 + "]" * 60, "", 1, "nested more than 50 deep"),
    ],
)
def test_what_no_document_may_hold(text: str, path: str, line: int, rule: str) -> None:
    """What is wrong with a document itself is said with its path and line, before anybody asks what it means."""
    found = wrong(text)
    assert found[:2] == (path, line)
    assert rule in found[2]


def test_all_that_is_wrong_with_a_document_is_said_at_once() -> None:
    """A person mends a file in one go."""
    with pytest.raises(Wrong) as raised:
        parse("on: 1\na: 1\na: !Ref x\n", FILE)
    assert [finding.line for finding in raised.value.findings] == [1, 3, 3]


def test_an_alias_bomb_is_refused_fast() -> None:
    """A file of a few lines that stands for a billion values is not written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    assert "more than 20,000 values" in wrong("\n".join(lines))[2]
    assert time.monotonic() - started < 20


def test_a_ladder_of_aliases_is_refused() -> None:
    """Nesting is counted through aliases too."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]
    assert "nested more than 50 deep, with its aliases" in wrong("\n".join(lines))[2]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"a: \xff", "not UTF-8 but another encoding, by its byte 4: save it as UTF-8"),
        ("a: b".encode("utf-16"), "not UTF-8 but UTF-16"),
    ],
)
def test_bytes_that_are_no_utf8(data: bytes, rule: str) -> None:
    """The encoding is named where it can be told."""
    with pytest.raises(Wrong) as raised:
        decode(data)
    assert rule in raised.value.findings[0].text


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Editors on Windows write one."""
    assert decode(b"\xef\xbb\xbfa: 1") == "a: 1"


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    """A missing file, a folder, a name that no file can have, a device and a large file, each in its words."""
    (tmp_path / "large").write_bytes(b"[" * (LARGEST + 1))
    cases = {
        "none": "there is no spec file",
        ".": "is a folder; name the spec file in it",
        "a\0b": "can't read",
    }
    for name, rule in {**cases, os.devnull: "is no file", "large": "larger than 1,048,576 bytes"}.items():
        with pytest.raises(Wrong) as raised:
            read_text(tmp_path / name, LARGEST, "spec file", regular=True)
        assert rule in raised.value.findings[0].text


def test_each_value_has_its_place() -> None:
    """Lines and columns are counted from 1; an alias stands where it is written out."""
    assert parse("a: x\nb:\n  - 1", FILE) == Entries(
        (1, 1),
        {
            "a": ((1, 1), Scalar((1, 4), "text", "x")),
            "b": ((2, 1), Items((3, 3), (Scalar((3, 5), "a number", "1", whole=True),))),
        },
    )


def test_own_keys_win_over_merged_ones() -> None:
    """`<<` takes one map or several; of these the first counts."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}"
    assert plain(parse(text, FILE))["c"] == {"x": 3, "y": 1, "z": 2}


def test_a_syntax_says_what_else_may_stand() -> None:
    """CloudFormation's short tags, words that YAML 1.1 takes for more than text, and an empty document."""
    assert plain(parse("a: !Ref x\nb: !Sub y", Syntax("template", short_tags=True))) == {
        "a": {"Ref": "x"},
        "b": {"Fn::Sub": "y"},
    }
    words = plain(parse("on: no\nday: 2024-05-01\nreally: true", Syntax("template", plain_words=True)))
    assert words == {"on": "no", "day": "2024-05-01", "really": True}
    assert parse("", Syntax("script", may_be_empty=True)) == Entries((1, 1), {})


@pytest.mark.parametrize(
    "data", [{"a": [1, 1.5, "x", True, False, None]}, [], {}, "1", {"a": {"b": [[]]}}], ids=repr
)
def test_plain_data_comes_back(data: Any) -> None:
    """A tree of plain data is that data again."""
    assert plain(tree_of(data)) == data


@pytest.mark.parametrize(
    ("text", "value"), [("0x1F", 31), ("0o17", "0o17"), ("1_000", 1000), ("1:30", 90), ("1.5e+3", 1500.0)]
)
def test_numbers_are_read_as_yaml_reads_them(text: str, value: float | str) -> None:
    """What is no number to YAML 1.1 stays text."""
    assert plain(parse(f"a: {text}", FILE))["a"] == value


def test_a_number_that_python_does_not_know_stays_text() -> None:
    """Its form is not lost."""
    assert number_of(Scalar((1, 1), "a number", "1" * 5_000, whole=True)) == "1" * 5_000
