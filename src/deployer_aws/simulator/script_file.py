"""Reading a script: from a file, a text or plain data, with checks that each rule can do what it says."""

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from attrs import evolve

from deployer_aws.documents.findings import Finding, Wrong
from deployer_aws.documents.readers import Files, Place
from deployer_aws.documents.tree import LARGEST, Syntax, parse, plain, read_text, tree_of
from deployer_aws.simulator.reading import ScriptError, entries, record
from deployer_aws.simulator.script import CHANGES, SELECTORS, Rule, Script, is_inline
from deployer_aws.simulator.service import operations

Source: TypeAlias = str | Path | dict[str, Any] | Script | None

_SYNTAX = Syntax("script", plain_words=True, short_tags=True, may_be_empty=True)
_FILE = re.compile(r"[^\n{}]+\.(ya?ml|json)")


def load_script(script: Source = None) -> Script:
    """Read a script from a YAML text, a file, or plain data; by default, an empty one.

    Raises ScriptError, which names the place and the path of each wrong key and what is accepted there. Files that
    templates name are found from the script's own folder.
    """
    if isinstance(script, Script):
        return script
    file = script if isinstance(script, Path) else None
    if isinstance(script, str) and _FILE.fullmatch(script):
        file = Path(script)
    try:
        return _read(_place(script, file))
    except Wrong as wrong:
        raise ScriptError(str(file or "script"), wrong.findings) from None


def _place(script: str | Path | dict[str, Any] | None, file: Path | None) -> Place:
    if isinstance(script, dict):
        tree = tree_of(script)
    else:
        tree = parse(read_text(file, LARGEST, "script") if file else str(script or ""), _SYNTAX)
    return Place((), tree, Files(file.parent if file else Path()), tree.mark)


def _read(root: Place) -> Script:
    """Return a script, whose `source` is its own text, with the templates in it, so that it needs no file."""
    made = record(Script).read(root)
    problems: list[Finding] = []
    for index, rule in enumerate(made.rules):
        problems += _problems_of_rule(rule, root.at("rules", index))
    problems += _problems_of_templates(made, root)
    if problems:
        raise Wrong(*problems)
    data = plain(root.node)
    if made.templates:
        data["templates"] = made.templates
    return evolve(made, source=json.dumps(data, sort_keys=True))


def _problems_of_rule(rule: Rule, place: Place) -> list[Finding]:
    """Find why a rule could never do what it says."""
    if rule.on != "*" and rule.on not in operations():
        known = ", ".join(sorted(operations()))
        return [place.into("on").finding(f"unknown operation {rule.on!r}; accepted: *, {known}")]
    others = [name for name in entries(place) if name not in SELECTORS]
    if not others:
        return [place.finding("says when, but not what is to happen")]
    if rule.is_fault:
        together = ", ".join(sorted(others))
        return [place.finding(f"a fault stands alone in its rule, here with {together}")] * (len(others) > 1)
    if rule.on not in CHANGES:
        return [place.into(others[0]).finding(f"only for rules on {', '.join(sorted(CHANGES))}")]
    accepted = ", ".join(sorted(CHANGES[rule.on]))
    return [
        place.into(name).finding(f"not for {rule.on}; accepted: {accepted}")
        for name in others
        if name not in CHANGES[rule.on]
    ]


def _problems_of_templates(script: Script, root: Place) -> list[Finding]:
    """Find names of templates that the script does not serve."""
    named = [(root.at("stacks", index), stack.template) for index, stack in enumerate(script.stacks)]
    actions = [(root.at("events", index), event) for index, event in enumerate(script.events)] + [
        (root.at("rules", index, "meanwhile", position), action)
        for index, rule in enumerate(script.rules)
        for position, action in enumerate(rule.meanwhile)
    ]
    named += [(place.into("update"), action.update.template) for place, action in actions if action.update]
    known = ", ".join(sorted(script.templates)) or "none"
    return [
        place.into("template").finding(f"no template is served as {template!r}; known: {known}")
        for place, template in named
        if template is not None and not is_inline(template) and template not in script.templates
    ]
