"""Checks of the stack and its template."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from deployer_aws.aws.errors import ErrorClass, Problem
from deployer_aws.aws.stacks import MOVING, WAYS_OUT, lifecycle
from deployer_aws.aws.template_urls import INLINE
from deployer_aws.preflight import fit
from deployer_aws.preflight.context import CheckContext, CheckResult, fault, known, ok, unverified, warning
from deployer_aws.templates import Template, as_map
from deployer_core.analysis.preview import cautions
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import outputs_named

_SERVICE = "AWS::ECS::Service"


def stack(context: CheckContext) -> Iterator[CheckResult]:
    """Check that the stack is in a status that it can be changed from (User Guide, 'Stack status codes')."""
    found = context.stack
    if found is None:
        yield ok(f"{context.spec.stack.name} does not exist yet, and is created")
        return
    status = str(found["StackStatus"])
    text = f"{context.spec.stack.name} is {status}"
    if lifecycle(status) is Lifecycle.TERMINAL:
        yield fault(text, WAYS_OUT.get(status, "look at the stack in CloudFormation"))
    elif lifecycle(status) is Lifecycle.EMPTY_SHELL and found.get("EnableTerminationProtection"):
        yield fault(
            f"{text}, and is protected", "switch its termination protection off: it has to be deleted first"
        )
    elif lifecycle(status) in MOVING:
        yield warning(f"{text}: somebody changes it", "the deployment waits until that is over")
    else:
        yield ok(text)


def template(context: CheckContext) -> Iterator[CheckResult]:
    """Check that CloudFormation accepts the template, and what the spec gives it (API Reference, ValidateTemplate)."""
    unsent = _too_large(context)
    if unsent is not None:
        yield unsent
        return
    answer = context.facts.validation
    if (
        isinstance(answer, Problem)
        and answer.error_class is ErrorClass.PERMANENT
        and answer.code == "ValidationError"
    ):
        yield fault(f"CloudFormation refuses it: {answer.message}", "correct the template")
        return
    validated = known(answer) or {}
    found = [*_values(context, validated), *_capabilities(context, validated)]
    yield from found or [ok("CloudFormation accepts it")]


def _too_large(context: CheckContext) -> CheckResult | None:
    """Report a template that does not fit into a request (CloudFormation quotas)."""
    text = context.template_text or ""
    size = len(text.encode())
    if size <= INLINE:
        return None
    found = next(fit.too_large(text, context.options.template_bucket), None)
    return found or unverified(f"it has {size:,} bytes, so CloudFormation sees it only when it was uploaded")


def _values(context: CheckContext, answer: Mapping[str, Any]) -> Iterator[CheckResult]:
    """Check the parameters, by the template where it is here. Emulators list none."""
    spec, stack = context.spec.stack, context.stack
    has = None if stack is None else {p["ParameterKey"] for p in stack.get("Parameters", [])}
    if context.template is not None:
        yield from fit.misfits(spec, context.template, has)
        return
    yield from fit.unkept(spec, has)
    if not context.facts.endpoint_url:
        declared = {p["ParameterKey"]: "DefaultValue" in p for p in answer.get("Parameters", [])}
        yield from fit.parameters(spec, declared)


def _capabilities(context: CheckContext, answer: Mapping[str, Any]) -> Iterator[CheckResult]:
    """Check what CloudFormation itself says that it needs, beyond what the template here shows."""
    known_here = set(context.template.capabilities[0]) if context.template is not None else set[str]()
    needed = set(answer.get("Capabilities", [])) - known_here
    yield from fit.capabilities(context.spec.stack, needed, str(answer.get("CapabilitiesReason", "")))


def outputs(context: CheckContext) -> Iterator[CheckResult]:
    """Check that the outputs that the databases name exist: without one its database cannot be prepared."""
    names = () if context.spec.quick else outputs_named(context.spec.databases)
    declared = set(context.template.outputs) if context.template else set[str]()
    missing = sorted(set(names) - declared - set(context.outputs))
    if not names:
        yield ok("no database names one")
    elif not missing:
        yield ok(", ".join(names))
    elif context.template is None or context.template.macros:
        yield unverified(
            f"{', '.join(missing)}: the stack does not have it yet, and the template cannot be read here",
            "make sure that the template has it",
        )
    else:
        yield fault(f"the template has no output {', '.join(missing)}", "add it, or correct the databases")


def services(context: CheckContext) -> Iterator[CheckResult]:
    """Check that each ECS service goes to zero with the counts: else the deployment fails with the others at zero.

    A daemon has a task on every instance (ECS API Reference, CreateService, schedulingStrategy).
    """
    counted = {scale.parameter for scale in context.spec.stack.scaling}
    if context.spec.quick or not counted:
        yield ok("none is scaled to zero")
        return
    if context.template is None:
        yield unverified("the template is not here", "let each service's DesiredCount be one of stack.counts")
        return
    found = context.template.properties(_SERVICE)
    if not found:
        yield _no_service(context, context.template)
        return
    fixed = {
        name: why
        for name, s in found.items()
        if (why := _never_zero(s, counted, context.template.parameters))
    }
    for name, why in sorted(fixed.items()):
        may_be_left_out = context.template.macros or "Condition" in context.template.resources[name]
        advice = "let one of stack.counts carry its DesiredCount, or say scaling: none"
        yield (warning if may_be_left_out else fault)(f"{name} {why}, and never goes to zero", advice)
    if not fixed:
        yield ok(", ".join(sorted(found)))


def _no_service(context: CheckContext, template: Template) -> CheckResult:
    if template.macros or template.properties("AWS::CloudFormation::Stack"):
        return unverified("the template itself has no ECS service")
    return (fault if context.stack else warning)(
        "the template has no ECS service that stack.counts could scale to zero", "say scaling: none"
    )


def _never_zero(service: Mapping[str, Any], counted: Collection[str], parameters: Collection[str]) -> str:
    """Say why a service does not follow the counts, as far as its template tells."""
    if service.get("SchedulingStrategy") == "DAEMON":
        return "is a daemon, which has a task on every instance"
    count = service.get("DesiredCount", 1)
    if isinstance(count, dict):
        named = as_map(count).get("Ref")
        if not isinstance(named, str) or named not in parameters or named in counted:
            return ""
        return f"follows the parameter {named}, which is none of stack.counts"
    fixed = isinstance(count, int | str) and str(count).isdecimal() and int(count)
    return f"always has the desired count {count}" if fixed else ""


def circuit_breaker(context: CheckContext) -> Iterator[CheckResult]:
    """Check that each ECS service gives up when tasks do not start (ECS Developer Guide, 'Circuit breaker')."""
    if context.template is None:
        yield unverified("the template is not here", "give its services a deployment circuit breaker")
        return
    states = {name: _breaks(properties) for name, properties in context.template.properties(_SERVICE).items()}
    if without := sorted(name for name, state in states.items() if state is False):
        yield warning(
            f"{', '.join(without)}: without a deployment circuit breaker a failed update hangs for hours",
            "set DeploymentConfiguration.DeploymentCircuitBreaker to {Enable: true, Rollback: true}",
        )
    if unclear := sorted(name for name, state in states.items() if state is None):
        yield unverified(f"{', '.join(unclear)}: the template decides it only when it is deployed")
    if all(states.values()):
        yield ok(", ".join(sorted(states)) or "no service")


def _breaks(service: Mapping[str, Any]) -> bool | None:
    """Return whether a service has a circuit breaker, or needs none; None where an intrinsic function decides."""
    if as_map(service.get("DeploymentController")).get("Type") in ("CODE_DEPLOY", "EXTERNAL"):
        return True
    value: Any = service
    for key in ("DeploymentConfiguration", "DeploymentCircuitBreaker", "Enable"):
        if not isinstance(value, dict) or any(
            str(name).startswith(("Fn::", "Ref")) for name in cast(Any, value)
        ):
            return None
        value = cast(dict[str, Any], value).get(key)
        if value is None:
            return False
    return {"true": True, "false": False}.get(str(value).lower())


def spec(context: CheckContext) -> Iterator[CheckResult]:
    """Check that nothing in the spec is a likely mistake (`preview.cautions`), whatever the stack is like."""
    found = cautions(context.spec)
    yield from (warning(caution.text, f"look at {caution.field} in the spec") for caution in found)
    if not found:
        yield ok(f"{context.spec.key} version {context.spec.version}")


CHECKS = (spec, stack, template, outputs, services, circuit_breaker)
