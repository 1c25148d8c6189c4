"""Templates as a model, and what CloudFormation refuses of them."""

import pytest

from deployer_aws.templates import Evaluator, TemplateError, parse, read

ROLE = "{Type: AWS::IAM::Role, Properties: {RoleName: r}}"


def test_a_template_that_is_read_may_still_be_refused() -> None:
    """Whatever stands in its sections is kept; whether a resource is sound is seen when it is parsed."""
    template = read("Resources: {A: x, B: {Type: [y]}, C: {Type: T, Properties: z}}")
    assert [template.type_of(name) for name in "ABC"] == ["", "", "T"]
    assert template.properties("T") == {"C": {}}
    assert not template.macros
    with pytest.raises(TemplateError, match=r"\[/Resources/A\] Every Resources object must contain a Type"):
        parse("Resources: {A: x}")


@pytest.mark.parametrize(
    "text",
    ["Transform: T", "Fn::Transform: {Name: T}", "Outputs: {'Fn::ForEach::a': []}", "Transform: [T, U]"],
)
def test_a_macro_may_change_what_a_template_says(text: str) -> None:
    """It may stand at the top, or in a section."""
    assert read(text).macros


@pytest.mark.parametrize(
    ("text", "theirs", "ours"),
    [
        ("", "Template format error: YAML not well-formed.", "the template is empty"),
        (
            "a: [",
            "Template format error: YAML not well-formed. (line 1, column 5)",
            "not YAML: expected the node content, but found '<stream end>' (line 1 of the template)",
        ),
        ("[]", "Template format error: unsupported structure.", "the template is no map"),
        (
            "Resources:",
            "Template format error: unsupported structure in the Resources block.",
            "the template's Resources are no map",
        ),
    ],
)
def test_an_error_has_cloudformations_words_and_ours(text: str, theirs: str, ours: str) -> None:
    """The first are what a simulated CloudFormation answers, the second what a person is told of a spec file."""
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert (str(caught.value), caught.value.problem) == (theirs, ours)


def test_resources_of_iam_have_to_be_acknowledged() -> None:
    """One with a name of its own needs more."""
    assert parse(f"Resources: {{A: {ROLE}}}").capabilities == (["CAPABILITY_NAMED_IAM"], ["AWS::IAM::Role"])
    assert parse("Resources: {A: {Type: T}}").capabilities == ([], [])


def test_resources_are_made_after_what_they_refer_to() -> None:
    """Those of one depth are made together; a circle is refused."""
    template = parse(
        "Resources: {A: {Type: T}, B: {Type: T, DependsOn: A}, C: {Type: T, Properties: {x: !Sub '${B}-${A.Arn}'}}}"
    )
    assert template.depth == {"A": 0, "B": 1, "C": 2}
    with pytest.raises(TemplateError, match="Circular dependency between resources"):
        parse("Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, DependsOn: A}}")


def test_mappings_are_found_by_the_keys_as_they_were_written() -> None:
    """An account's number without quotes is a key like any other."""
    template = parse("Mappings: {M: {123456789012: {Size: big}}}\nResources: {A: {Type: T}}")
    evaluator = Evaluator(template, parameters={}, pseudo={"AWS::AccountId": "123456789012"}, physical={})
    assert evaluator.value({"Fn::FindInMap": ["M", {"Ref": "AWS::AccountId"}, "Size"]}) == "big"
