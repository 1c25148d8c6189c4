"""Checks of the stack and its template."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from deployer_aws.aws.errors import Kind, understand
from deployer_aws.aws.stacks import WAYS_OUT, lifecycle
from deployer_aws.aws.template_urls import INLINE, https
from deployer_aws.preflight.context import Case, Found, fault, ok, unverified, warning
from deployer_aws.templates import Template, as_map
from deployer_core.analysis.preview import cautions
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import TemplateUrl, outputs_named

_SERVICE = "AWS::ECS::Service"


def stack(case: Case) -> Iterator[Found]:
    """The stack is in a state that it can be changed from."""
    found = case.stack
    if found is None:
        yield ok(f"{case.spec.stack.name} does not exist yet, and is created")
        return
    status = str(found["StackStatus"])
    text = f"{case.spec.stack.name} is {status}"
    if lifecycle(status) is Lifecycle.TERMINAL:
        yield fault(text, WAYS_OUT.get(status, "look at the stack in CloudFormation"))
    elif lifecycle(status) is Lifecycle.ROLLED_BACK_CREATION and found.get("EnableTerminationProtection"):
        yield fault(
            f"{text}, and is protected", "switch its termination protection off: it has to be deleted first"
        )
    elif lifecycle(status) in (Lifecycle.PROGRESS, Lifecycle.ROLLING_BACK):
        yield warning(f"{text}: somebody changes it", "the deployment waits until that is over")
    else:
        yield ok(text)


def template(case: Case) -> Iterator[Found]:
    """CloudFormation accepts the template, and what the spec gives it."""
    request = _request(case)
    if isinstance(request, Found):
        yield request
        return
    try:
        answer = case.clients.cloudformation.validate_template(**request)
    except Exception as error:
        problem = understand(error)
        if problem is None or problem.kind is not Kind.PERMANENT or problem.code != "ValidationError":
            raise
        yield fault(f"CloudFormation refuses it: {problem.message}", "correct the template")
        return
    found = [*_capabilities(case, answer), *_parameters(case, answer)]
    yield from found or [ok("CloudFormation accepts it")]


def _request(case: Case) -> dict[str, str] | Found:
    source = case.spec.stack.template
    if isinstance(source, TemplateUrl):
        return {"TemplateURL": https(source.url, case.clients.s3)}
    text = case.template or ""
    size = len(text.encode())
    if size <= INLINE:
        return {"TemplateBody": text}
    if not case.options.template_bucket:
        return fault(
            f"it has {size:,} bytes, and {INLINE:,} fit into a request",
            "name a bucket by --template-bucket, or give the template by its s3:// URL",
        )
    return unverified(f"it has {size:,} bytes, so CloudFormation sees it only when it was uploaded")


def _capabilities(case: Case, answer: Mapping[str, Any]) -> Iterator[Found]:
    given = set(case.spec.stack.capabilities)
    given |= {"CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in given else set()
    if missing := sorted(set(answer.get("Capabilities", [])) - given):
        names = ", ".join(missing)
        yield fault(
            f"it needs {names}: {answer.get('CapabilitiesReason', '')}", f"add {names} to stack.capabilities"
        )


def _parameters(case: Case, answer: Mapping[str, Any]) -> Iterator[Found]:
    """Where the template is here, its parameters were read when the spec was; emulators list none."""
    if case.facts is not None or case.clients.endpoint_url:
        return
    declared = {p["ParameterKey"]: p.get("DefaultValue") for p in answer.get("Parameters", [])}
    given = {name for name, _ in case.spec.stack.parameters} | {s.parameter for s in case.spec.stack.scaling}
    if unknown := sorted(given - set(declared)):
        yield fault(f"it has no parameter {', '.join(unknown)}", "correct stack.parameters or stack.counts")
    if missing := sorted(name for name, default in declared.items() if default is None and name not in given):
        yield fault(f"its parameter {', '.join(missing)} has no default", "set it under stack.parameters")


def outputs(case: Case) -> Iterator[Found]:
    """The outputs that the databases name exist."""
    names = () if case.spec.quick else outputs_named(case.spec.databases)
    declared = set(case.facts.outputs) if case.facts else set[str]()
    missing = sorted(set(names) - declared - set(case.outputs))
    if not names:
        yield ok("no database names one")
    elif not missing:
        yield ok(", ".join(names))
    elif case.facts is None or case.facts.macros:
        yield unverified(
            f"{', '.join(missing)}: the stack does not have it yet, and the template cannot be read here",
            "make sure that the template has it",
        )
    else:
        yield fault(f"the template has no output {', '.join(missing)}", "add it, or correct the databases")


def services(case: Case) -> Iterator[Found]:
    """Each ECS service goes to zero with the counts: else the deployment would fail with the others at zero."""
    counted = {scale.parameter for scale in case.spec.stack.scaling}
    if case.spec.quick or not counted:
        yield ok("none is scaled to zero")
        return
    if case.facts is None:
        yield unverified("the template is not here", "let each service's DesiredCount be one of stack.counts")
        return
    found = case.facts.properties(_SERVICE)
    if not found:
        yield _no_service(case, case.facts)
        return
    fixed = {
        name: why for name, s in found.items() if (why := _never_zero(s, counted, case.facts.parameters))
    }
    for name, why in sorted(fixed.items()):
        may_be_left_out = case.facts.macros or "Condition" in case.facts.resources[name]
        advice = "let one of stack.counts carry its DesiredCount, or say scaling: none"
        yield (warning if may_be_left_out else fault)(f"{name} {why}, and never goes to zero", advice)
    if not fixed:
        yield ok(", ".join(sorted(found)))


def _no_service(case: Case, facts: Template) -> Found:
    if facts.macros or facts.properties("AWS::CloudFormation::Stack"):
        return unverified("the template itself has no ECS service")
    return (fault if case.stack else warning)(
        "the template has no ECS service that stack.counts could scale to zero", "say scaling: none"
    )


def _never_zero(service: Mapping[str, Any], counted: Collection[str], parameters: Collection[str]) -> str:
    """Why a service does not follow the counts, as far as its template says."""
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


def circuit_breaker(case: Case) -> Iterator[Found]:
    """Each ECS service gives up a deployment whose tasks do not start."""
    if case.facts is None:
        yield unverified("the template is not here", "give its services a deployment circuit breaker")
        return
    states = {name: _breaks(properties) for name, properties in case.facts.properties(_SERVICE).items()}
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
    """Whether a service has a circuit breaker, or needs none; None where an intrinsic function decides."""
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


def spec(case: Case) -> Iterator[Found]:
    """Nothing in the spec is likely to be a mistake, or is one for the stack as it is."""
    anyway, found = cautions(case.spec), cautions(case.spec, case.stack is not None)
    for caution in found:
        advice = f"look at {caution.field} in the spec"
        yield warning(caution.text, advice) if caution in anyway else fault(caution.text, advice)
    if not found:
        yield ok(f"{case.spec.key} version {case.spec.version}")


CHECKS = (spec, stack, template, outputs, services, circuit_breaker)
