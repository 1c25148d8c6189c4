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
import re
from pathlib import Path
from typing import Any

import attrs
import yaml

from deployer_aws.simulator.reading import (
    ScriptError,
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
    structure,
    switch_or,
    text,
)
from deployer_aws.simulator.rows import is_map
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
    parameters: dict[str, str] = key(mapping(text), attrs.Factory(dict))
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
    """A action at a number of seconds after the script was first used."""

    at: float = key(number, 0.0)


@attrs.frozen
class MeanwhileAction(OutsideAction):
    """A action at a number of seconds after the change began which the rule is about."""

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
    exit_codes: dict[str, int] = key(mapping(integer), attrs.Factory(dict))
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
        """Whether this rule is about calls rather than about changes."""
        return any(getattr(self, name) for name in _FAULTS)


_FAULTS = ("throttle", "denied", "expired", "lost_request", "lost_reply", "error")
_SELECTORS = ("on", "stack", "definition", "nth", "first", "every", "rate")
_CHANGES: dict[str, tuple[str, ...]] = {
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
    parameters: dict[str, str] = key(mapping(text), attrs.Factory(dict))
    tags: dict[str, str] = key(mapping(text), attrs.Factory(dict))
    status: str = key(choice(*STACK_STATUSES), "CREATE_COMPLETE")
    protected: bool = key(flag, False)


@attrs.frozen
class ContainerSpec:
    """A container of a declared task definition."""

    name: str = needed(text)
    essential: bool = key(flag, True)
    image: str = key(text, "simulated:latest")


def _container(value: Any, path: str) -> ContainerSpec:
    return ContainerSpec(name=value) if isinstance(value, str) else structure(ContainerSpec, value, path)


@attrs.frozen
class DefinitionSpec:
    """A task definition that exists outside of every stack; of containers by name, the first is the essential one."""

    family: str = needed(text)
    revision: int = key(ordinal, 1)
    containers: list[ContainerSpec] = keys(_container)
    status: str = key(choice("ACTIVE", "INACTIVE"), "ACTIVE")
    network_mode: str | None = key(text)
    arn: str | None = key(text)


def _template(value: Any, path: str) -> str:
    if is_map(value) and set(value) == {"file"}:
        try:
            return Path(value["file"]).read_text()
        except OSError as error:
            raise ScriptError(f"{path}.file: {value['file']} cannot be read: {error.strerror}") from None
    return json.dumps(value) if is_map(value) else text(value, path)


@attrs.frozen
class Script:
    """A whole script; every key may be left out."""

    start: float = key(instant, 1767225600.0)
    latency: float = key(number, 0.05)
    seed: int = key(count, 0)
    clusters: list[str] = keys(text)
    templates: dict[str, str] = key(mapping(_template), attrs.Factory(dict))
    task_definitions: list[DefinitionSpec] = keys(of(DefinitionSpec))
    stacks: list[InitialStack] = keys(of(InitialStack))
    rules: list[Rule] = keys(of(Rule))
    events: list[ScheduledAction] = keys(of(ScheduledAction))
    source: str = attrs.field(default="{}", metadata={"read": text})

    @property
    def digest(self) -> str:
        """What tells one script from another."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


class PlainLoader(yaml.SafeLoader):
    """A safe YAML loader that leaves dates as text."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _ScriptLoader(PlainLoader):
    """YAML in which only true and false are booleans: `on` is a key here, not the truth."""


_BOOL = "tag:yaml.org,2002:bool"
_ScriptLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in PlainLoader.yaml_implicit_resolvers.items()
}
_ScriptLoader.add_implicit_resolver(_BOOL, re.compile("^(true|false)$"), list("tf"))


def load_script(script: str | Path | dict[str, Any] | Script | None = None) -> Script:
    """The script in a YAML text, in a file, or in plain data; nothing at all is the good account.

    Raises ScriptError, which names the path of the wrong key and the keys that are accepted there. Files that
    templates name are found from the script's own folder.
    """
    if isinstance(script, Script):
        return script
    data, folder = _plain(script)
    for name, template in _items(data.get("templates")):
        if is_map(template) and isinstance(template.get("file"), str):
            template["file"] = str(folder / template["file"])
        data["templates"][name] = _template(template, f"templates.{name}")
    data.pop("source", None)
    made = structure(Script, {**data, "source": json.dumps(data, sort_keys=True)}, "")
    for index, rule in enumerate(made.rules):
        _check_rule(rule, data["rules"][index], f"rules[{index}]")
    _check_templates(made)
    return made


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if is_map(value) else []


def _plain(script: str | Path | dict[str, Any] | None) -> tuple[dict[str, Any], Path]:
    folder = Path()
    if isinstance(script, dict):
        return json.loads(json.dumps(script)), folder
    if isinstance(script, Path) or (script and re.fullmatch(r"[^\n{}]+\.(ya?ml|json)", script)):
        folder = Path(script).parent
        try:
            script = Path(script).read_text(encoding="utf-8")
        except OSError as error:
            raise ScriptError(f"the script cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ScriptError("the script is not UTF-8: save it as UTF-8") from None
    try:
        data = yaml.load(script or "", _ScriptLoader)  # a safe loader
    except yaml.YAMLError as error:
        raise ScriptError(f"not well-formed YAML: {error}") from None
    if data is not None and not is_map(data):
        raise ScriptError(f"expected a mapping at the top, not {data!r}")
    return data or {}, folder


def _check_rule(rule: Rule, data: dict[str, Any], path: str) -> None:
    """Refuse a rule that could never do what it says."""
    from deployer_aws.simulator.service import operations  # the services read scripts too

    if rule.on != "*" and rule.on not in operations():
        raise ScriptError(
            f"{path}.on: unknown operation {rule.on!r}; accepted: *, {', '.join(sorted(operations()))}"
        )
    others = [name for name in data if name not in _SELECTORS]
    if not others:
        raise ScriptError(f"{path}: says when, but not what is to happen")
    if rule.is_fault:
        wrong = [name for name in others if name not in _FAULTS]
        if wrong or len(others) > 1:
            raise ScriptError(
                f"{path}: a fault stands alone in its rule, here with {', '.join(sorted(others))}"
            )
        return
    if rule.on not in _CHANGES:
        raise ScriptError(f"{path}.{others[0]}: only for rules on {', '.join(sorted(_CHANGES))}")
    for name in others:
        if name not in _CHANGES[rule.on]:
            raise ScriptError(
                f"{path}.{name}: not for {rule.on}; accepted: {', '.join(sorted(_CHANGES[rule.on]))}"
            )


def _check_templates(script: Script) -> None:
    """Refuse names of templates that the script does not serve."""
    updates = [(f"events[{index}].update", event.update) for index, event in enumerate(script.events)]
    for index, rule in enumerate(script.rules):
        updates += [
            (f"rules[{index}].meanwhile[{n}].update", action.update)
            for n, action in enumerate(rule.meanwhile)
        ]
    named = [(f"stacks[{index}]", stack.template) for index, stack in enumerate(script.stacks)]
    for path, template in named + [(path, update.template) for path, update in updates if update is not None]:
        if template is not None and not is_inline(template) and template not in script.templates:
            known = ", ".join(sorted(script.templates)) or "none"
            raise ScriptError(f"{path}.template: no template is served as {template!r}; known: {known}")


def is_inline(template: str) -> bool:
    """Whether this is a template itself rather than the name of one."""
    return "\n" in template or "{" in template
