"""Scripts: what they may say, and what the reader of a wrong one is told."""

from pathlib import Path
from typing import Any

import pytest

from deployer_aws.simulator import ScriptError, Simulator, load_script

WRONG: list[tuple[Any, str]] = [
    (
        "rules: [{on: update_stack, colour: red}]",
        r"^rules\[0\]\.colour: unknown key; accepted here: .*exit_code.*throttle",
    ),
    ("colour: red", "^colour: unknown key; accepted here: clusters, events"),
    (
        "rules: [{on: sing, throttle: true}]",
        r"^rules\[0\]\.on: unknown operation 'sing'; accepted: \*, .*describe_stacks",
    ),
    ("rules: [{throttle: true}]", r"^rules\[0\]\.on: missing"),
    ("rules: [{on: run_task}]", r"^rules\[0\]: says when, but not what"),
    ("rules: [{on: run_task, throttle: true, exit_code: 1}]", r"^rules\[0\]: a fault stands alone"),
    ("rules: [{on: run_task, throttle: true, denied: true}]", r"^rules\[0\]: a fault stands alone"),
    ("rules: [{on: run_task, fail: true}]", r"^rules\[0\]\.fail: not for run_task"),
    ("rules: [{on: update_stack, exit_code: 1}]", r"^rules\[0\]\.exit_code: not for update_stack"),
    ("rules: [{on: describe_stacks, takes: 1}]", r"^rules\[0\]\.takes: only for rules on create_stack"),
    ("rules: [{on: run_task, takes: -1}]", r"^rules\[0\]\.takes: expected a number"),
    ("rules: [{on: run_task, nth: 0, throttle: true}]", r"^rules\[0\]\.nth: counting starts at 1"),
    ("rules: [{on: run_task, nth: 1.5, throttle: true}]", r"^rules\[0\]\.nth: expected a whole number"),
    ("rules: [{on: run_task, throttle: 1}]", r"^rules\[0\]\.throttle: expected true or false"),
    ("rules: [{on: run_task, exit_code: x}]", r"^rules\[0\]\.exit_code: expected a whole number"),
    (
        "rules: [{on: run_task, stop_code: Tired}]",
        r"^rules\[0\]\.stop_code: 'Tired' is not one of TaskFailedToStart",
    ),
    ("rules: [{on: run_task, exit_codes: 1}]", r"^rules\[0\]\.exit_codes: expected a mapping"),
    ("rules: [{on: run_task, exit_codes: {a: b}}]", r"^rules\[0\]\.exit_codes\.a: expected a whole"),
    ("rules: {on: run_task}", "^rules: expected a list"),
    ("rules: [run_task]", r"^rules\[0\]: expected a mapping"),
    ("stacks: [{name: true}]", r"^stacks\[0\]\.name: expected text"),
    (
        "stacks: [{name: x, status: CREATED}]",
        r"^stacks\[0\]\.status: 'CREATED' is not one of CREATE_IN_PROGRESS",
    ),
    (
        "rules: [{on: update_stack, meanwhile: [{after: 1, update: {template: t}}]}]",
        r"^rules\[0\]\.meanwhile\[0\]\.update\.template: no template is served as 't'; known: none",
    ),
    ("events: [{at: 1, stack: x, update: {colour: 1}}]", r"^events\[0\]\.update\.colour: unknown key"),
    ("events: [{at: 1, stack: x, update: 7}]", r"^events\[0\]\.update: expected a mapping"),
    ("start: tomorrow", "^start: expected a time such as"),
    ("templates: {a: {file: nowhere.yaml}}", r"^templates\.a\.file: .*nowhere"),
    ("a: [", "^not well-formed YAML"),
    ("- a", "^expected a mapping at the top"),
    ("nowhere.yaml", "^the script cannot be read: No such file"),
    ("latency: .inf", "latency: expected a number from 0 to"),
    ("start: 9999-12-31T00:00:00Z", "start: expected a time from 1971 to 2499"),
    (Path("nowhere"), "^the script cannot be read: No such file"),
]


@pytest.mark.parametrize(("script", "complaint"), WRONG)
def test_wrong_scripts_are_explained(script: Any, complaint: str) -> None:
    """The message names the path of what is wrong, and what is accepted there."""
    with pytest.raises(ScriptError, match=complaint):
        load_script(script)


def test_an_empty_script_is_the_good_account() -> None:
    """No script, an empty text and an empty mapping all stand for the same account without faults."""
    assert load_script(None) == load_script("") == load_script({}) == load_script("# nothing\n")
    script = load_script("")
    assert load_script(script) is script


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    """A script's file may name templates in files beside it; its own text needs no file any more."""
    (tmp_path / "orders.yaml").write_text("Resources: {T: {Type: 'AWS::SNS::Topic'}}\n")
    (tmp_path / "script.yaml").write_text(
        "templates: {orders: {file: orders.yaml}}\nstacks: [{name: orders, template: orders, protected: true}]\n"
    )
    for named in (tmp_path / "script.yaml", str(tmp_path / "script.yaml")):
        sim = Simulator(named)
        stack = sim.client("cloudformation").describe_stacks(StackName="orders")["Stacks"][0]
        assert (stack["StackStatus"], stack["EnableTerminationProtection"]) == ("CREATE_COMPLETE", True)
    (tmp_path / "orders.yaml").unlink()
    assert load_script(sim.script.source) == sim.script


def test_a_template_that_is_not_served_is_explained() -> None:
    """A stack of the script that names no template of the script is an error that tells which there are."""
    with pytest.raises(ScriptError, match="no template is served as 'b'; known: a"):
        load_script("{templates: {a: 'Resources: {}'}, stacks: [{name: x, template: b}]}")


def test_containers_are_named_or_described() -> None:
    """Of containers that are only named the first is essential; described ones are what they say."""
    sim = Simulator(
        {
            "task_definitions": [
                {"family": "a", "containers": ["one", "two"]},
                {
                    "family": "b",
                    "containers": [{"name": "one", "essential": False}, {"name": "two", "image": "x:1"}],
                },
                {"family": "a", "revision": 2},
            ]
        }
    )
    ecs = sim.client("ecs")

    def essential(definition: str) -> list[bool]:
        described = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        return [container["essential"] for container in described["containerDefinitions"]]

    assert (essential("a:1"), essential("b"), essential("a")) == ([True, False], [False, True], [True])
