"""The checks of the stack and its template."""

from typing import Any

import pytest
from attrs import evolve

from deployer_aws.aws.clients import Options
from deployer_aws.aws.stacks import WAYS_OUT
from deployer_aws.preflight import Verdict, examine
from deployer_core.spec import AdminIam, Output
from tests.deployer_aws.preflight.examined import SPEC, TEMPLATE, Examined, refusal

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("UPDATE_COMPLETE", Verdict.OK),
        ("UPDATE_IN_PROGRESS", Verdict.WARNING),
        ("UPDATE_ROLLBACK_FAILED", Verdict.FAULT),
        ("DELETE_COMPLETE", Verdict.OK),
    ],
)
def test_a_stack_that_cannot_be_changed_is_a_fault(examined: Examined, status: str, result: Verdict) -> None:
    """One that somebody changes is waited for; one that was deleted is none."""
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    examined.expect("stack", result)


@pytest.mark.parametrize("status", [*WAYS_OUT, "QUANTUM_COMPLETE"])
def test_a_stack_without_a_way_out_says_what_to_do(examined: Examined, status: str) -> None:
    """As the deployment's failure would, and of a status that nobody knows that somebody must look."""
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    text = examined.expect("stack", Verdict.FAULT)
    assert text.endswith(WAYS_OUT.get(status, "look at the stack in CloudFormation"))


def test_a_protected_rolled_back_creation_is_a_fault(examined: Examined) -> None:
    """It would have to be deleted first; one without protection is."""
    left = {"StackStatus": "ROLLBACK_COMPLETE", "EnableTerminationProtection": True}
    examined.answers["describe_stacks"] = {"Stacks": [left]}
    examined.expect("stack", Verdict.FAULT, "termination protection")
    examined.answers["describe_stacks"] = {"Stacks": [{**left, "EnableTerminationProtection": False}]}
    examined.expect("stack", Verdict.OK)


def test_a_template_that_is_refused_is_a_fault_in_awss_words(examined: Examined) -> None:
    """As ValidateTemplate says it."""
    examined.answers["validate_template"] = refusal("ValidationError", "Template format error: x")
    examined.expect("template", Verdict.FAULT, "Template format error: x")


def test_capabilities_and_parameters_that_are_missing_are_faults(examined: Examined) -> None:
    """As ValidateTemplate lists them, for a template that is not here to be read."""
    examined.spec = SPEC.replace("template: template.yaml", "template: s3://templates/a.yaml")
    examined.answers["validate_template"] = {
        "Capabilities": ["CAPABILITY_IAM"],
        "CapabilitiesReason": "it has a role",
        "Parameters": [{"ParameterKey": "Zone"}, {"ParameterKey": "Kind", "DefaultValue": "small"}],
    }
    findings = examined.findings("template")
    assert {f.result for f in findings} == {Verdict.FAULT}
    texts = " ".join(f.text for f in findings)
    for words in (
        "CAPABILITY_IAM: it has a role",
        "no parameter DesiredCount",
        "parameter Zone has no default",
    ):
        assert words in texts
    assert "Kind" not in texts


def test_a_long_template_needs_a_bucket(examined: Examined) -> None:
    """With one, it is CloudFormation that says more, once it is uploaded."""
    examined.template += "# " + "x" * 51_200
    examined.expect("template", Verdict.FAULT, "--template-bucket")
    examined.options = Options(template_bucket="templates")
    examined.expect("template", Verdict.UNVERIFIED)


@pytest.mark.parametrize("scheme", ["s3://templates/", "https://templates.s3.amazonaws.com/"])
def test_a_template_by_url_is_validated_where_it_is(examined: Examined, scheme: str) -> None:
    """And what only its text could say is not verifiable."""
    examined.spec = SPEC.replace("template: template.yaml", f"template: {scheme}a.yaml")
    examined.spec = examined.spec.replace("host: db.example.com", "host: {output: Host}")
    examined.expect("template", Verdict.OK)
    url = "https://templates.s3.amazonaws.com/a.yaml"
    assert ("validate_template", {"TemplateURL": url}) in examined.client.asked
    for check in ("outputs", "services", "circuit breaker", "databases"):
        examined.expect(check, Verdict.UNVERIFIED)
    outputs = [{"OutputKey": "Host", "OutputValue": "db.example.com"}]
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}
    for check in ("outputs", "databases"):
        examined.expect(check, Verdict.OK)


@pytest.mark.parametrize(
    ("configuration", "result"),
    [
        ("DeploymentCircuitBreaker: {Enable: false, Rollback: true}", Verdict.WARNING),
        ("MaximumPercent: 200", Verdict.WARNING),
        ("DeploymentCircuitBreaker: {Enable: !Ref Switch, Rollback: true}", Verdict.UNVERIFIED),
        ("Fn::If: [A, B, C]", Verdict.UNVERIFIED),
    ],
)
def test_a_service_without_circuit_breaker_is_warned_of(
    examined: Examined, configuration: str, result: Verdict
) -> None:
    """A failed update of it hangs for hours."""
    examined.template = TEMPLATE.replace(
        "DeploymentCircuitBreaker: {Enable: true, Rollback: true}", configuration
    )
    examined.expect("circuit breaker", result, "Web")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ("DesiredCount: 2", "Web always has the desired count 2"),
        ("PlatformVersion: LATEST", "Web always has the desired count 1"),
        ("DesiredCount: !Ref Kept", "Web follows the parameter Kept, which is none of stack.counts"),
        ("DesiredCount: {Ref: Kept}", "Web follows the parameter Kept, which is none of stack.counts"),
        ("SchedulingStrategy: DAEMON", "Web is a daemon"),
    ],
)
def test_a_service_that_does_not_go_to_zero_is_a_fault(
    examined: Examined, properties: str, words: str
) -> None:
    """It would be seen when the others are at zero; one that may be left out of the stack is a warning."""
    kept = TEMPLATE.replace("Parameters:", "Parameters:\n  Kept: {Type: Number, Default: 1}")
    examined.template = kept.replace("DesiredCount: !Ref DesiredCount", properties)
    examined.expect("services", Verdict.FAULT, words, "scaling: none")
    examined.template = examined.template.replace("    Properties:", "    Condition: Big\n    Properties:")
    examined.expect("services", Verdict.WARNING)
    examined.spec = SPEC + "quick: true\n"
    examined.expect("services", Verdict.OK)


@pytest.mark.parametrize(
    "count", ["0", "{Ref: DesiredCount}", "!If [A, !Ref DesiredCount, 0]", "{'Fn::If': [A, 1, 0]}"]
)
def test_a_service_that_may_go_to_zero_is_none(examined: Examined, count: str) -> None:
    """What the counts carry goes to zero; what a function decides may."""
    examined.template = TEMPLATE.replace("DesiredCount: !Ref DesiredCount", f"DesiredCount: {count}")
    examined.expect("services", Verdict.OK)


def test_a_previous_value_of_a_stack_that_is_not_there_is_a_fault(examined: Examined) -> None:
    """It could not be created; nor could a stack be updated that has no such parameter yet."""
    examined.template = TEMPLATE.replace("Parameters:", "Parameters:\n  Zone: {Type: String}")
    examined.spec = SPEC.replace("  counts:", "  parameters: {Zone: {previous: true}}\n  counts:")
    examined.expect("template", Verdict.FAULT, "does not exist yet")
    there: dict[str, Any] = {"StackStatus": "UPDATE_COMPLETE"}
    examined.answers["describe_stacks"] = {"Stacks": [there]}
    examined.expect("template", Verdict.FAULT, "has no such parameter yet")
    there["Parameters"] = [{"ParameterKey": "Zone", "ParameterValue": "a"}]
    examined.expect("template", Verdict.OK)


def test_an_output_that_nobody_has_is_a_fault(examined: Examined) -> None:
    """Of a spec that was made in code, since a file's is compared with its template as it is read."""
    context = examined.context()
    (database,) = context.spec.databases
    lost = evolve(database, admin=AdminIam(Output("Nowhere"), "admin"))
    changed = evolve(context.loaded, spec=evolve(context.spec, databases=(lost,)))
    (found,) = (one for one in examine(evolve(context, loaded=changed)) if one.check == "outputs")
    assert (found.result, found.text) == (Verdict.FAULT, "the template has no output Nowhere")


def test_what_a_macro_makes_a_template_of_cannot_be_known_here(examined: Examined) -> None:
    """Before it ran, the template may have no resources at all."""
    examined.template = "Transform: Everything\nParameters:\n  DesiredCount: {Type: Number}\n"
    examined.expect("services", Verdict.UNVERIFIED, "the template itself has no ECS service")


def test_counts_without_a_service_scale_nothing(examined: Examined) -> None:
    """Services may come with the stack's other template, from a nested stack or a macro; else the counts are a mistake."""
    parts = examined.template.partition("Resources:\n")
    service, outputs = parts[2].split("Outputs:")
    without = f"{parts[0]}{parts[1]}  Topic: {{Type: AWS::SNS::Topic}}\nOutputs:{outputs}"
    assert "AWS::ECS::Service" in service
    examined.template = without
    examined.expect("services", Verdict.WARNING, "no ECS service", "scaling: none")
    nested = "  Topic: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: 'https://a/b'}}"
    examined.template = without.replace("  Topic: {Type: AWS::SNS::Topic}", nested)
    examined.expect("services", Verdict.UNVERIFIED)
    examined.template = without
    examined.answers["describe_stacks"] = {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]}
    examined.expect("services", Verdict.FAULT, "no ECS service")


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_a_service_that_ecs_does_not_roll_out_needs_no_circuit_breaker(
    examined: Examined, controller: str
) -> None:
    """It is for rolling updates alone (ECS API Reference, DeploymentCircuitBreaker)."""
    examined.template = TEMPLATE.replace(
        "      DeploymentConfiguration:\n        DeploymentCircuitBreaker: {Enable: true, Rollback: true}\n",
        f"      DeploymentController: {{Type: {controller}}}\n",
    )
    examined.expect("circuit breaker", Verdict.OK, "Web")
