"""What the documents about events and notices show is true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer_aws.events import read_event
from deployer_aws.notifications import changed, ended
from deployer_aws.ports import Appended
from deployer_core.engine.messages import DeploymentOutcome, Notice, Requested, token
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL
from deployer_core.machines.deployment import Cause
from tests.support.listening import SimulatedExample
from tests.support.orders import KEY, orders
from tests.support.project import ROOT


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


# The queue's template


def test_cfn_lint_accepts_the_template(tmp_path: Path) -> None:
    """The template of docs/events.md is one that CloudFormation would take."""
    cfnlint = pytest.importorskip("cfnlint.api")
    (template,) = blocks("events.md", "yaml")
    assert cfnlint.lint(template, regions=["eu-west-1"]) == []


class _Loader(yaml.SafeLoader):
    """YAML in which CloudFormation's short forms are only their arguments."""


def _argument(loader: yaml.SafeLoader, _: str, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _argument)


def test_the_rules_let_in_what_is_understood() -> None:
    """Sources and detail types of the rules are the ones that are understood, and tokens have the named prefix."""
    (template,) = blocks("events.md", "yaml")
    resources = yaml.load(template, _Loader)["Resources"]
    patterns = [
        r["Properties"]["EventPattern"] for r in resources.values() if r["Type"] == "AWS::Events::Rule"
    ]
    example = SimulatedExample()
    example.deploy()
    for event in example.sim.emitted:
        assert any(
            event["source"] in p["source"] and event["detail-type"] in p["detail-type"] for p in patterns
        )
        assert not read_event(event).broken
    prefix = patterns[1]["detail"]["$or"][0]["startedBy"][0]["prefix"]
    assert token("stream", "deployment", 1, 1).startswith(prefix)


# The notices' schema


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what a JSON schema of the few words that ours uses finds wrong with a value."""
    known = {
        "$schema",
        "title",
        "description",
        "format",
        "type",
        "required",
        "properties",
        "const",
        "enum",
        "oneOf",
    }
    assert set(schema) <= known, "a word that this validator does not know"
    found: list[str] = []
    if "type" in schema and not isinstance(value, {"object": dict, "string": str}[schema["type"]]):
        return [f"{value!r} is no {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is none of {schema['enum']}")
    found += [f"{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, inner in schema.get("properties", {}).items():
        found += faults(inner, value[name]) if name in value else []
    if "oneOf" in schema and sum(not faults(one, value) for one in schema["oneOf"]) != 1:
        found.append("it is not exactly one of the kinds")
    return found


def test_the_documented_examples_are_valid() -> None:
    """Both examples of docs/notices.md fulfil the schema there, and what is wrong does not."""
    schema, *examples = map(json.loads, blocks("notices.md", "json"))
    assert len(examples) == 2
    for example in examples:
        assert faults(schema, example) == []
        assert set(example) <= set(schema["properties"])
        assert faults(schema, example | {"schema": 2})
        assert faults(schema, {k: v for k, v in example.items() if k != "at"})
    assert faults(schema, examples[0] | examples[1])
    assert faults(schema, examples[0] | {"outcome": "PERHAPS"})
    assert faults(schema, examples[0] | {"version": 1})


def test_what_is_told_is_as_documented() -> None:
    """Real notices have the members of the examples, and fulfil the schema."""
    schema, end, change = map(json.loads, blocks("notices.md", "json"))
    notice = Notice(
        "2026-03-01-1", "1.2", DeploymentOutcome.FAILED, end["reason"], 1772390628.0, Cause.FAILURE
    )
    told = ended(KEY, notice).detail
    assert told == end
    event = Requested("1.0", orders("1.0"), 1000.0, 32 * "a")
    after, commands = reduce(INITIAL, event)
    changes = [message.detail for message in changed(Appended(KEY, INITIAL, event, after, commands))]
    assert [(c["machine"], c["from"], c["to"]) for c in changes] == [
        ("Deployment", "[*]", "WAITING"),
        ("Stack", "[*]", "CREATING"),
    ]
    for one in changes:
        assert faults(schema, one) == []
        assert set(one) == set(change)
