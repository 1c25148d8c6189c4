"""The script of a simulated account: what is there at first, what goes wrong when, and what others do meanwhile.

An empty script is the good account. See `docs/simulator.md` for an example of every key.

    start: 2026-01-01T00:00:00Z
    clusters: [main]
    task_definitions:
      - {family: orders-migrate, containers: [migrate, log-router]}
    stacks:
      - {name: orders, template: orders.yaml, parameters: {Count: 2}}
    templates:
      orders.yaml: {file: examples/orders.yaml}
    rules:
      - {on: update_stack, stack: orders, nth: 2, fail: {resource: Service, reason: no capacity}, takes: 90}
      - {on: run_task, definition: orders-migrate, exit_code: 1}
      - {on: describe_stacks, every: 5, throttle: true}
    events:
      - {at: 300, stack: orders, update: {parameters: {Count: 3}}}

A rule has selectors (`on`, `stack`, `definition`, `nth`, `first`, `every`, `rate`) and then either one *fault* or any
*behaviours*. A fault is decided on every call; its rule counts calls. A behaviour is decided when a change truly
begins (refused calls and replayed tokens do not count); its rule counts changes. Among the rules of one sort the first
that applies decides.
"""

# ruff: noqa: RUF009 - `key`, `keys` and `needed` are attrs.field with a reader

import hashlib
import json

import attrs

from deployer_aws.documents.findings import Wrong
from deployer_aws.documents.readers import Place, Reader, either
from deployer_aws.documents.tree import Entries, plain, read_text
from deployer_aws.simulator.reading import (
    choice,
    count,
    flag,
    instant,
    integer,
    key,
    keys,
    mapping,
    needed,
    number,
    of,
    ordinal,
    switch_or,
    text,
)
from deployer_aws.simulator.statuses import STACK_STATUSES, STOP_CODES


@attrs.frozen
class ErrorSpec:
    """Any error whatever, by its code."""

    code: str = needed(text)
    message: str = key(text, "A scripted error.")
    http: int = key(count, 400)


@attrs.frozen
class Failure:
    """A resource that fails; without a name, the last one of the change."""

    resource: str | None = key(text)
    reason: str = key(
        text, "Resource handler returned message: as scripted (HandlerErrorCode: GeneralServiceException)"
    )


@attrs.frozen
class OutsideUpdate:
    """An update by somebody else; what is not given stays as it is."""

    template: str | None = key(text)
    parameters: dict[str, str] = mapping(text)
    token: str | None = key(text)
    takes: float | None = key(number)
    fail: Failure | None = key(switch_or(Failure))


@attrs.frozen
class OutsideRequest:
    """A cancel or a delete by somebody else."""

    token: str | None = key(text)


@attrs.frozen
class DesiredCount:
    """A service's count changed past CloudFormation: by hand or by auto scaling."""

    service: str = needed(text)
    count: int = needed(count)
    cluster: str | None = key(text)


@attrs.frozen
class StopTasks:
    """Every task of a definition's family that is not stopping yet is stopped."""

    definition: str = needed(text)
    stop_code: str = key(choice(*STOP_CODES), "SpotInterruption")
    reason: str = key(text, "Your Spot Task was interrupted.")


@attrs.frozen
class OutsideAction:
    """Something that somebody else does to the account."""

    stack: str | None = key(text)
    update: OutsideUpdate | None = key(switch_or(OutsideUpdate))
    cancel: OutsideRequest | None = key(switch_or(OutsideRequest))
    delete: OutsideRequest | None = key(switch_or(OutsideRequest))
    protect: bool | None = key(flag)
    desired_count: DesiredCount | None = key(of(DesiredCount))
    stop_tasks: StopTasks | None = key(of(StopTasks))
    deregister: str | None = key(text)


@attrs.frozen
class ScheduledAction(OutsideAction):
    """An action at a number of seconds after the script was first used."""

    at: float = key(number, 0.0)


@attrs.frozen
class MeanwhileAction(OutsideAction):
    """An action at a number of seconds after the change began which the rule is about."""

    after: float = key(number, 0.0)


@attrs.frozen
class Rule:
    """Which calls it is about, and what becomes of them."""

    on: str = needed(text)
    stack: str | None = key(text)
    definition: str | None = key(text)
    nth: int | None = key(ordinal)
    first: int | None = key(ordinal)
    every: int | None = key(ordinal)
    rate: float | None = key(number)
    # faults
    throttle: bool = key(flag, False)
    denied: bool = key(flag, False)
    expired: bool = key(flag, False)
    lost_request: bool = key(flag, False)
    lost_reply: bool = key(flag, False)
    error: ErrorSpec | None = key(of(ErrorSpec))
    # behaviours of any change
    takes: float | None = key(number)
    hidden: float = key(number, 0.0)
    stale: float = key(number, 0.0)
    linger: float = key(number, 0.0)
    meanwhile: list[MeanwhileAction] = keys(of(MeanwhileAction))
    # behaviours of a stack's change
    fail: Failure | None = key(switch_or(Failure))
    rollback_takes: float | None = key(number)
    rollback_fails: str | None = key(text)
    cleanup_takes: float | None = key(number)
    # behaviours of a task
    starts_in: float | None = key(number)
    exit_code: int | None = key(integer)
    exit_codes: dict[str, int] = mapping(integer)
    stop_code: str | None = key(choice(*STOP_CODES))
    reason: str | None = key(text)
    no_exit_code: bool = key(flag, False)
    no_containers: bool = key(flag, False)
    oom: bool = key(flag, False)
    vanishes: float | None = key(number)
    capacity: str | None = key(text)
    log: list[str] = keys(text)

    @property
    def is_fault(self) -> bool:
        """True if this rule is about calls, rather than about changes."""
        return any(getattr(self, name) for name in FAULTS)


FAULTS = ("throttle", "denied", "expired", "lost_request", "lost_reply", "error")
SELECTORS = ("on", "stack", "definition", "nth", "first", "every", "rate")
CHANGES: dict[str, tuple[str, ...]] = {
    "create_stack": ("takes", "meanwhile", "fail", "rollback_takes", "rollback_fails", "hidden"),
    "update_stack": (
        "takes", "meanwhile", "fail", "rollback_takes", "rollback_fails", "cleanup_takes", "linger", "stale",
    ),
    "delete_stack": ("takes", "meanwhile", "fail", "linger", "stale"),
    "run_task": (
        "takes", "meanwhile", "hidden", "linger", "starts_in", "exit_code", "exit_codes", "stop_code", "reason",
        "no_exit_code", "no_containers", "oom", "vanishes", "capacity", "log",
    ),
}  # fmt: skip


@attrs.frozen
class InitialStack:
    """A stack that is there when the account begins."""

    name: str = needed(text)
    template: str | None = key(text)
    parameters: dict[str, str] = mapping(text)
    tags: dict[str, str] = mapping(text)
    status: str = key(choice(*STACK_STATUSES), "CREATE_COMPLETE")
    protected: bool = key(flag, False)
    token: str | None = key(text)


@attrs.frozen
class ContainerSpec:
    """A container of a declared task definition."""

    name: str = needed(text)
    essential: bool = key(flag, True)
    image: str = key(text, "simulated:latest")


CONTAINER = either(Reader("a name", lambda place: ContainerSpec(name=text.read(place))), of(ContainerSpec))


@attrs.frozen
class DefinitionSpec:
    """A task definition that exists outside of every stack; of containers by name, the first is the essential one."""

    family: str = needed(text)
    revision: int = key(ordinal, 1)
    containers: list[ContainerSpec] = keys(CONTAINER)
    status: str = key(choice("ACTIVE", "INACTIVE"), "ACTIVE")
    network_mode: str | None = key(text)
    arn: str | None = key(text)


LARGEST = 1_000_000
"""Bytes of a template's file."""


def _template_text(place: Place) -> str:
    if not isinstance(place.node, Entries):
        return text.read(place)
    if set(place.node.entries) != {"file"}:
        return json.dumps(plain(place.node))
    named = place.into("file")
    try:
        return read_text(place.files.folder / text.read(named), LARGEST, "template")
    except Wrong as wrong:
        raise named.wrong(wrong.findings[0].text) from None


TEMPLATE = Reader("a template, or a map that names its `file`", _template_text)


@attrs.frozen
class Script:
    """A whole script; every key may be left out."""

    start: float = key(instant, 1767225600.0)
    latency: float = key(number, 0.05)
    seed: int = key(count, 0)
    clusters: list[str] = keys(text)
    templates: dict[str, str] = mapping(TEMPLATE)
    task_definitions: list[DefinitionSpec] = keys(of(DefinitionSpec))
    stacks: list[InitialStack] = keys(of(InitialStack))
    rules: list[Rule] = keys(of(Rule))
    events: list[ScheduledAction] = keys(of(ScheduledAction))
    source: str = "{}"

    @property
    def digest(self) -> str:
        """A digest that identifies the script."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


def is_inline(template: str) -> bool:
    """Tell whether this is the text of a template rather than the name of one."""
    return "\n" in template or "{" in template
