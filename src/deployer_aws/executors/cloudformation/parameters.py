"""The parameters that CreateStack and UpdateStack are sent."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployer_aws.aws.pages import pages
from deployer_aws.aws.protocols import Elbv2Client
from deployer_aws.aws.stacks import StackDescription, StackReader
from deployer_core.spec import (
    Counts,
    ListenerPriority,
    Pairs,
    ParameterValue,
    Previous,
    StackOutput,
    StackSpec,
)


class UnresolvedValue(LookupError):
    """A value that the spec names does not exist."""


MASKED = "****"
"""What CloudFormation shows of a NoEcho parameter in the place of its value."""


def resolve(
    spec: StackSpec,
    stack: StackDescription | None,
    reader: StackReader,
    elbv2: Elbv2Client | None,
    sent: Pairs,
) -> Pairs:
    """Return the values of parameters that are taken from elsewhere. They are journaled before the first send.

    `stack` is the stack as it is, for what it keeps. `sent` are values in the place of what would be found now. A
    value that is kept is known where it may be shown, for the way back; it is not sent.
    """
    found: list[tuple[str, str]] = []
    taken: dict[str, set[int]] = {}
    has, given = dict(stack.parameters) if stack else dict[str, str](), dict(sent)
    for name, value in spec.parameters:
        if isinstance(value, str):
            continue
        if name in given:
            found.append((name, given[name]))
        elif isinstance(value, Previous):
            if has.get(name, MASKED) != MASKED:
                found.append((name, has[name]))
        elif isinstance(value, StackOutput):
            found.append((name, _output(name, value, reader)))
        else:
            if value.listener not in taken:
                taken[value.listener] = set(_priorities(name, value.listener, elbv2))
            priority = _priority(name, value, has.get(name, ""), taken[value.listener])
            taken[value.listener].add(priority)
            found.append((name, str(priority)))
    return tuple(found)


def _output(name: str, wanted: StackOutput, reader: StackReader) -> str:
    other = reader.describe(wanted.stack)
    if other is None:
        raise UnresolvedValue(
            f"parameter {name} needs an output of stack {wanted.stack}, which does not exist"
        )
    outputs = dict(other.outputs)
    if wanted.name not in outputs:
        has = ", ".join(sorted(outputs)) or "none"
        raise UnresolvedValue(
            f"parameter {name} needs output {wanted.name} of stack {wanted.stack}, which has: {has}"
        )
    return outputs[wanted.name]


def _priority(name: str, group: ListenerPriority, kept: str, taken: set[int]) -> int:
    """Return the stack's own priority where it lies in the range, else the lowest that no rule of the listener has."""
    if kept.isdigit() and group.lowest <= int(kept) <= group.highest:
        return int(kept)
    free = next((n for n in range(group.lowest, group.highest + 1) if n not in taken), None)
    if free is None:
        raise UnresolvedValue(
            f"parameter {name}: listener {group.listener} has no free priority from {group.lowest} to "
            f"{group.highest}; remove rules that are not needed, or widen the range"
        )
    return free


def _priorities(name: str, listener: str, elbv2: Elbv2Client | None) -> Iterator[int]:
    """Yield the priorities that a listener's rules have; its default rule has none."""
    if elbv2 is None:
        raise UnresolvedValue(
            f"parameter {name}: a listener's priorities cannot be read without a load balancer client"
        )
    for page in pages(elbv2.describe_rules, "NextMarker", "Marker", ListenerArn=listener):
        yield from (int(rule["Priority"]) for rule in page["Rules"] if rule["Priority"].isdigit())


def as_given(spec: StackSpec, resolved: Pairs, sent: Pairs) -> list[dict[str, Any]]:
    """Return the spec's own parameters. One that keeps its value is sent it only where it was sent before."""
    known, again = dict(resolved), dict(sent)
    return [_parameter(name, value, known, again) for name, value in spec.parameters]


def _parameter(
    name: str, value: ParameterValue, known: Mapping[str, str], again: Mapping[str, str]
) -> dict[str, Any]:
    if isinstance(value, Previous):
        if name not in again:
            return {"ParameterKey": name, "UsePreviousValue": True}
        value = again[name]
    elif not isinstance(value, str):
        value = known[name]
    return {"ParameterKey": name, "ParameterValue": value}


def with_counts(counts: Counts) -> list[dict[str, Any]]:
    """Return the parameters that carry counts."""
    return [{"ParameterKey": name, "ParameterValue": str(count)} for name, count in counts]


def for_scaling(stack: StackDescription, counts: Counts) -> list[dict[str, Any]]:
    """Return every parameter of the stack with its previous value, but for the counts.

    One that was left out would fall back to its default, and the `****` of NoEcho is never sent.
    """
    has = [name for name, _ in stack.parameters]
    scaled = tuple((name, count) for name, count in counts if name in has)
    if not scaled:
        raise UnresolvedValue(
            f"the stack {stack.name} has no parameter {', '.join(name for name, _ in counts)} to scale by; "
            "its parameters come with the first update: deploy once in quick mode, with its services stopped"
        )
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in has if name not in dict(scaled)]
    return [*kept, *with_counts(scaled)]
