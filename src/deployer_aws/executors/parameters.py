"""What CreateStack and UpdateStack are sent: the template, and each parameter's value."""

from collections.abc import Callable
from typing import Any

from deployer_aws.executors.stacks import Stack
from deployer_aws.ports import S3Client
from deployer_core.spec import Counts, ListenerPriority, Pairs, Previous, StackOutput, StackSpec, TemplateUrl

INLINE = 51_200
"""Bytes that a template may have in the request itself (CloudFormation quotas, 'Template body size')."""


class Unresolved(LookupError):
    """A value that the spec names, and that is not there."""


def resolve(spec: StackSpec, outputs_of: Callable[[str], Pairs | None]) -> Pairs:
    """The values that are only known late, by parameter: journaled before the first send, so a resend is the same."""
    found: list[tuple[str, str]] = []
    for name, value in spec.parameters:
        if isinstance(value, StackOutput):
            outputs = outputs_of(value.stack)
            if outputs is None:
                raise Unresolved(
                    f"parameter {name} needs an output of stack {value.stack}, which does not exist"
                )
            if value.name not in dict(outputs):
                has = ", ".join(key for key, _ in outputs) or "none"
                raise Unresolved(
                    f"parameter {name} needs output {value.name} of stack {value.stack}, which has: {has}"
                )
            found.append((name, dict(outputs)[value.name]))
        elif isinstance(value, ListenerPriority):
            raise Unresolved(
                f"parameter {name}: listener priorities cannot be resolved without a load balancer client"
            )
    return tuple(found)


def as_given(spec: StackSpec, resolved: Pairs, *, creates: bool) -> list[dict[str, Any]]:
    """The spec's own parameters."""
    values: dict[str, Any] = dict(spec.parameters) | dict(resolved)
    if creates and (kept := sorted(name for name, value in values.items() if isinstance(value, Previous))):
        raise Unresolved(
            f"{', '.join(kept)} cannot keep a previous value: the stack {spec.name} does not exist yet"
        )
    return [
        {"ParameterKey": name, "UsePreviousValue": True}
        if isinstance(value, Previous)
        else {"ParameterKey": name, "ParameterValue": value}
        for name, value in sorted(values.items())
    ]


def with_counts(counts: Counts) -> list[dict[str, Any]]:
    """The parameters that carry counts."""
    return [{"ParameterKey": name, "ParameterValue": str(count)} for name, count in counts]


def for_scaling(stack: Stack | None, counts: Counts) -> list[dict[str, Any]]:
    """Every parameter of the stack with its previous value, but for the counts.

    One that was left out would fall back to its default, and the `****` of NoEcho is never sent.
    """
    has = [name for name, _ in stack.parameters] if stack else []
    scaled = tuple((name, count) for name, count in counts if name in has)
    if stack and not scaled:
        raise Unresolved(
            f"the stack {stack.name} has no parameter {', '.join(name for name, _ in counts)} to scale by; "
            "its parameters come with the first update: deploy once in quick mode, with its services stopped"
        )
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in has if name not in dict(scaled)]
    return [*kept, *with_counts(scaled)]


def template(
    spec: StackSpec, read_blob: Callable[[str], str], s3: S3Client | None, bucket: str
) -> dict[str, str]:
    """The template as the request carries it: inline, or by URL where it is too long for that."""
    if isinstance(spec.template, TemplateUrl):
        return {"TemplateURL": _https(spec.template.url)}
    text = read_blob(spec.template.sha256)
    size = len(text.encode())
    if size <= INLINE:
        return {"TemplateBody": text}
    if s3 is None or not bucket:
        raise Unresolved(
            f"the template {spec.template.source} has {size} bytes, and {INLINE} fit into a request; "
            "name a bucket for templates, or give the template by its s3:// URL"
        )
    key = f"deployer/templates/{spec.template.sha256}"
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return {"TemplateURL": _https(f"s3://{bucket}/{key}")}


def _https(url: str) -> str:
    """CloudFormation takes https URLs alone."""
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return f"https://{bucket}.s3.amazonaws.com/{key}"
