"""Reading a script: from a file, a text or plain data, with checks that each rule can do what it says."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from deployer_aws.simulator.reading import ScriptError, structure
from deployer_aws.simulator.rows import is_map
from deployer_aws.simulator.script import CHANGES, FAULTS, SELECTORS, Rule, Script, is_inline, template_text
from deployer_aws.simulator.service import operations


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
    """Read a script from a YAML text, a file, or plain data; by default, an empty one.

    Raises ScriptError, which names the path of the wrong key and the keys that are accepted there. Files that
    templates name are found from the script's own folder.
    """
    if isinstance(script, Script):
        return script
    data, folder = _plain(script)
    for name, template in _items(data.get("templates")):
        if is_map(template) and isinstance(template.get("file"), str):
            template["file"] = str(folder / template["file"])
        data["templates"][name] = template_text(template, f"templates.{name}")
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
    if rule.on != "*" and rule.on not in operations():
        raise ScriptError(
            f"{path}.on: unknown operation {rule.on!r}; accepted: *, {', '.join(sorted(operations()))}"
        )
    others = [name for name in data if name not in SELECTORS]
    if not others:
        raise ScriptError(f"{path}: says when, but not what is to happen")
    if rule.is_fault:
        wrong = [name for name in others if name not in FAULTS]
        if wrong or len(others) > 1:
            raise ScriptError(
                f"{path}: a fault stands alone in its rule, here with {', '.join(sorted(others))}"
            )
        return
    if rule.on not in CHANGES:
        raise ScriptError(f"{path}.{others[0]}: only for rules on {', '.join(sorted(CHANGES))}")
    for name in others:
        if name not in CHANGES[rule.on]:
            raise ScriptError(
                f"{path}.{name}: not for {rule.on}; accepted: {', '.join(sorted(CHANGES[rule.on]))}"
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
