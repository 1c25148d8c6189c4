"""Whether a stack's spec fits its template, and the stack as it is: what is known before anything is changed.

Asked by preflight, and by the executor before a deployment is begun: what is found there refuses it.
"""

from collections.abc import Collection, Iterator, Mapping

from deployer_aws.aws.template_urls import INLINE
from deployer_aws.preflight.context import CheckResult, fault
from deployer_aws.templates import Template, as_map
from deployer_core.spec import Pairs, Previous, StackSpec


def misfits(
    spec: StackSpec, template: Template, stack: Collection[str] | None, sent: Pairs = ()
) -> Iterator[CheckResult]:
    """Find what CloudFormation would refuse of a spec. `stack` are the stack's parameters, None where there is none.

    Nothing is found where a macro may still change the template. `sent` are values in the place of previous ones.
    """
    yield from unkept(spec, stack, sent)
    if template.macros:
        return
    declared = {name: "Default" in as_map(parameter) for name, parameter in template.parameters.items()}
    yield from parameters(spec, declared)
    needed, types = template.capabilities
    yield from capabilities(
        spec, needed, f"The following resource(s) require capabilities: [{', '.join(types)}]"
    )


def unkept(spec: StackSpec, stack: Collection[str] | None, sent: Pairs = ()) -> Iterator[CheckResult]:
    """Find parameters that shall keep a value which the stack has not."""
    kept = [name for name, value in spec.parameters if isinstance(value, Previous) and name not in dict(sent)]
    names = ", ".join(name for name in kept if stack is None or name not in stack)
    if names:
        why = "does not exist yet" if stack is None else "has no such parameter yet"
        yield fault(f"{names} cannot keep a previous value: the stack {spec.name} {why}", "give it a value")


def parameters(spec: StackSpec, declared: Mapping[str, bool]) -> Iterator[CheckResult]:
    """Find parameters that the template lacks, and those that the spec lacks; `declared` says which have a default."""
    given = {name for name, _ in spec.parameters} | {scale.parameter for scale in spec.scaling}
    if unknown := sorted(given - set(declared)):
        yield fault(
            f"the template has no parameter {', '.join(unknown)}", "correct stack.parameters or stack.counts"
        )
    if missing := sorted(name for name, default in declared.items() if not default and name not in given):
        yield fault(
            f"the template's parameter {', '.join(missing)} has no default", "set it under stack.parameters"
        )


def capabilities(spec: StackSpec, needed: Collection[str], reason: str) -> Iterator[CheckResult]:
    """Find capabilities that the template needs and the spec does not give (API Reference, CreateStack)."""
    given = set(spec.capabilities)
    given |= {"CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in given else set()
    if missing := sorted(set(needed) - given):
        names = ", ".join(missing)
        yield fault(f"the template needs {names}: {reason}", f"add {names} to stack.capabilities")


def too_large(text: str, bucket: str) -> Iterator[CheckResult]:
    """Find a template that neither fits into a request nor has a bucket to lie in (CloudFormation quotas)."""
    size = len(text.encode())
    if size > INLINE and not bucket:
        yield fault(
            f"the template has {size:,} bytes, and {INLINE:,} fit into a request",
            "name a bucket by --template-bucket, or give the template by its s3:// URL",
        )
