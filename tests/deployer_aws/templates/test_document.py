"""Texts of templates as plain data."""

import re
from typing import Any

import pytest

from deployer_aws.documents.findings import Wrong
from deployer_aws.templates.document import load

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A: !Ref B", {"Ref": "B"}),
        ("A: !Condition B", {"Condition": "B"}),
        ("A: !GetAtt B.C.D", {"Fn::GetAtt": ["B", "C.D"]}),
        ("A: !GetAtt [B, C]", {"Fn::GetAtt": ["B", "C"]}),
        ("A: !Sub ['${x}', {x: !Ref B}]", {"Fn::Sub": ["${x}", {"x": {"Ref": "B"}}]}),
        ("A: !Transform {Name: T}", {"Fn::Transform": {"Name": "T"}}),
        ("A: 2026-01-01", "2026-01-01"),
        ("A: !!binary aGk=", "aGk="),
        ("A: [1, 1.5, true, null, '1', 0x_]", [1, 1.5, True, None, "1", "0x_"]),
        ("A: " + "1" * 5000, "1" * 5000),
        ("A: {123456789012: {80: x, yes: y}}", {"123456789012": {"80": "x", "yes": "y"}}),
        ("B: &b {c: 1}\nA: *b", {"c": 1}),
        ("B: &b {c: 1}\nA: {<<: *b, d: 2}", {"c": 1, "d": 2}),
        ('{"A":\n\t{"B": 1.50}}', {"B": 1.5}),
        ("{A: !Ref B}", {"Ref": "B"}),
    ],
)
def test_values_are_what_cloudformation_takes_them_for(text: str, value: Any) -> None:
    """Short tags have their long names, keys are texts as they were written, and dates stay as they are."""
    assert load(text)["A"] == value


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("A: &a [*a]", (1, 4), "contains itself"),
        ("A: " + "[" * 60 + "]" * 60, (1, 53), "nested more than 50 deep"),
        (BOMB, (6, 4), "more values than it may have"),
        ("A: 1\n? [b]\n: c", (2, 3), "a list or a map stands where a key should be"),
        ("A: {<<: b}", (1, 9), "expected a mapping or list of mappings for merging"),
        ("A:\n  B: c: d", (2, 7), "not YAML: mapping values are not allowed here"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, place: tuple[int, int], words: str) -> None:
    """The line and the column are those of the template."""
    with pytest.raises(Wrong) as caught:
        load(text)
    (finding,) = caught.value.findings
    assert (finding.line, finding.column) == place
    assert re.search(words, finding.text)
