"""Findings: where something is wrong with a file, and how an error of many reads."""

import pytest

from deployer_aws.documents.findings import DocumentError, Finding, Path, Wrong, gather, shown

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("databases", "orders", "extensions", 1), "databases.orders.extensions[1]"),
        (("Fn::Sub", "a b"), "Fn::Sub.'a b'"),
        ((0, "a"), "[0].a"),
    ],
)
def test_a_path_reads_as_it_is_written(path: Path, text: str) -> None:
    """Keys that are no plain words are quoted."""
    assert shown(path) == text


def test_a_finding_names_what_it_knows() -> None:
    """File, line and column, path and text; a part that is not known leaves no trace."""
    assert Finding("a.b", 3, "wrong", 7).of("f.yaml") == "f.yaml:3:7: a.b: wrong"
    assert Finding("", 0, "empty").of("f.yaml") == "f.yaml: empty"
    assert [str(Finding("a", 3, "x")), str(Finding("", 3, "x")), str(Finding("", 0, "x"))] == [
        "line 3, a: x",
        "line 3: x",
        "x",
    ]


def test_one_problem_is_a_line_and_many_are_a_list() -> None:
    """In the order of their lines, each once, cut after the tenth."""
    one = Finding("a", 2, "wrong", 1)
    assert str(DocumentError("f", [one, one])) == "f:2:1: a: wrong"
    many = DocumentError("f", [Finding("", n, "wrong", 1) for n in range(13, 0, -1)])
    first, *rest = str(many).splitlines()
    assert first == "f: 13 problems"
    assert (rest[0], rest[-1], len(rest)) == ("  f:1:1: wrong", "  and 3 more", 11)
    assert [finding.line for finding in many.problems] == [*range(1, 14)]


def test_all_reads_are_tried_before_anything_is_raised() -> None:
    """What can be read is given where nothing is wrong."""

    def fails(line: int) -> int:
        raise Wrong(Finding("", line, "wrong"))

    assert gather([lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(Wrong) as raised:
        gather([lambda: fails(1), lambda: 2, lambda: fails(3)])
    assert [finding.line for finding in raised.value.findings] == [1, 3]
