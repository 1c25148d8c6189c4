"""What is read from templates: what would surely fail is refused, the rest is warned of."""

import re
from pathlib import Path

import pytest

from deployer_aws.specfile import SpecFileError
from tests.deployer_aws.specs import FULL, HEAD, MINIMAL, beside, read


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("", "the template is empty"),
        ("[]", "the template is no map"),
        ("a: b: c", "not YAML: mapping values are not allowed here"),
        ("\n\n'", "(line 3 of the template)"),
        ("{", "not YAML"),
        ("{" * 5000, "nested more than 50 deep"),
        ("Description: x", "the template has no Resources"),
        ("Resources: [a]", "the template's Resources are no map"),
        ("Resources: {A: {Type: x}}\nParameters: {Key: {Type: String}}", "Key is missing"),
        ("Resources: {A: {Type: x}}\nParameters: {Key: x}", "Key is missing"),
        ("Resources: {A: {Type: AWS::IAM::Role}}", "CAPABILITY_IAM is missing: the template's A"),
    ],
)
def test_templates_that_surely_fail(tmp_path: Path, template: str, rule: str) -> None:
    """What CloudFormation would refuse is refused before anything is touched."""
    with pytest.raises(SpecFileError, match=re.escape(rule)):
        beside(tmp_path, template, MINIMAL)


def test_acknowledged_resources_are_fine(tmp_path: Path) -> None:
    """With the capability, the same template passes; other resources, and what is no resource, need none."""
    spec = MINIMAL.replace("none}", "none, capabilities: [CAPABILITY_NAMED_IAM]}")
    assert beside(tmp_path, "Resources: {A: {Type: AWS::IAM::Role}}", spec).warnings == ()
    assert beside(tmp_path, "Resources: {A: x, B: {Type: AWS::SNS::Topic}}", MINIMAL).warnings == ()


@pytest.mark.parametrize(
    ("parameter", "fine"),
    [
        ("{MinValue: 1}", False),
        ("{MinValue: '0'}", True),
        ("{MinValue: many}", True),
        ("{MinValue: [1]}", True),
        ("{AllowedValues: [1, 2]}", False),
        ("{AllowedValues: [0, 1]}", True),
        ("{AllowedValues: 1}", True),
        ("x", True),
    ],
)
def test_a_count_has_to_be_able_to_be_zero(tmp_path: Path, parameter: str, fine: bool) -> None:
    """The full path scales to zero; quick mode does not."""
    template = f"Resources: {{A: {{Type: x}}}}\nParameters: {{Count: {parameter}}}"
    spec = HEAD + "stack: {template: template.yaml, counts: {Count: 3}}\n"
    beside(tmp_path, template, spec + "quick: true")
    if fine:
        beside(tmp_path, template, spec)
    else:
        with pytest.raises(SpecFileError, match=r"stack\.counts\.Count: the template does not let it be 0"):
            beside(tmp_path, template, spec)


@pytest.mark.parametrize(
    "macro", ["Transform: AWS::LanguageExtensions", "Fn::Transform: {Name: AWS::Include}"]
)
def test_macros_leave_only_warnings(tmp_path: Path, macro: str) -> None:
    """What a macro may still add is not refused."""
    loaded = beside(tmp_path, f"{macro}\nParameters: {{A: {{Type: String}}}}", FULL)
    assert {w.path for w in loaded.warnings} == {
        "stack.parameters",
        "stack.parameters.Image",
        "stack.parameters.Zone",
        "stack.counts.Count",
        "databases.shop",
    }


def test_templates_in_json(tmp_path: Path) -> None:
    """JSON may be indented with tabs, which YAML may not; a map in YAML's short form begins like JSON."""
    assert beside(tmp_path, '{\n\t"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}', MINIMAL).warnings == ()
    assert beside(tmp_path, "{Resources: {A: {Type: !Ref x}}}", MINIMAL).warnings == ()


def test_warnings() -> None:
    """What is not wrong and yet worth knowing stands beside the spec, with its place."""
    (quick,) = read(FULL + "quick: true").warnings
    assert (quick.path, quick.line) == ("quick", 26)
    assert "quick mode skips the databases" in str(quick)
    (unscaled,) = read(FULL.replace("counts: {Count: 3}", "scaling: none")).warnings
    assert (unscaled.path, unscaled.line) == ("stack.scaling", 8)
    assert "the application runs during its migrations" in unscaled.text
