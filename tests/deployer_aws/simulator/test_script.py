"""Scripts: what they may say, and what the reader of a wrong one is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from deployer_aws.simulator import ScriptError, Simulator, load_script

WRONG: list[tuple[Any, str]] = [
    (
        "rules: [{on: update_stack, colour: red}]",
        r"^script:1:28: rules\[0\]\.colour: no key of this map; .*It takes on, stack, .*throttle.*exit_code",
    ),
    ("colour: red", "^script:1:1: colour: no key of this map; It takes start, latency, .*clusters"),
    (
        "rules: [{on: sing, throttle: true}]",
        r"^script:1:\d+: rules\[0\]\.on: unknown operation 'sing'; accepted: \*, .*describe_stacks",
    ),
    ("rules: [{throttle: true}]", r"^script:1:\d+: rules\[0\]: on is missing"),
    ("rules: [{on: run_task}]", r"^script:1:\d+: rules\[0\]: says when, but not what"),
    (
        "rules: [{on: run_task, throttle: true, exit_code: 1}]",
        r"^script:1:\d+: rules\[0\]: a fault stands alone",
    ),
    (
        "rules: [{on: run_task, throttle: true, denied: true}]",
        r"^script:1:\d+: rules\[0\]: a fault stands alone",
    ),
    ("rules: [{on: run_task, fail: true}]", r"^script:1:\d+: rules\[0\]\.fail: not for run_task"),
    (
        "rules: [{on: update_stack, exit_code: 1}]",
        r"^script:1:\d+: rules\[0\]\.exit_code: not for update_stack",
    ),
    (
        "rules: [{on: describe_stacks, takes: 1}]",
        r"^script:1:\d+: rules\[0\]\.takes: only for rules on create_stack",
    ),
    (
        "rules: [{on: run_task, takes: -1}]",
        r"^script:1:\d+: rules\[0\]\.takes: a number from 0 to 1e\+09, not '-1'",
    ),
    (
        "rules: [{on: run_task, nth: 0, throttle: true}]",
        r"^script:1:\d+: rules\[0\]\.nth: a whole number from 1, not '0'",
    ),
    (
        "rules: [{on: run_task, nth: 1.5, throttle: true}]",
        r"^script:1:\d+: rules\[0\]\.nth: a whole number in plain digits, not '1.5'",
    ),
    ("rules: [{on: run_task, throttle: 1}]", r"^script:1:\d+: rules\[0\]\.throttle: true or false, not '1'"),
    (
        "rules: [{on: run_task, exit_code: x}]",
        r"^script:1:\d+: rules\[0\]\.exit_code: a whole number in plain digits, not 'x'",
    ),
    (
        "rules: [{on: run_task, stop_code: Tired}]",
        r"^script:1:\d+: rules\[0\]\.stop_code: TaskFailedToStart or .*, not 'Tired'",
    ),
    (
        "rules: [{on: run_task, exit_codes: 1}]",
        r"^script:1:\d+: rules\[0\]\.exit_codes: a map from a name to a whole number, not '1'",
    ),
    (
        "rules: [{on: run_task, exit_codes: {a: b}}]",
        r"^script:1:\d+: rules\[0\]\.exit_codes\.a: a whole number",
    ),
    ("rules: {on: run_task}", r"^script:1:\d+: rules: a list of items, each a map, not a map"),
    ("rules: [run_task]", r"^script:1:\d+: rules\[0\]: a map with the keys on, stack"),
    ("stacks: [{name: true}]", r"^script:1:\d+: stacks\[0\]\.name: text, but 'true' is true or false"),
    (
        "stacks: [{name: x, status: CREATED}]",
        r"^script:1:\d+: stacks\[0\]\.status: CREATE_IN_PROGRESS or .*, not 'CREATED'",
    ),
    (
        "rules: [{on: update_stack, meanwhile: [{after: 1, update: {template: t}}]}]",
        r"^script:1:\d+: rules\[0\]\.meanwhile\[0\]\.update\.template: no template is served as 't'; known: none",
    ),
    (
        "events: [{at: 1, stack: x, update: {colour: 1}}]",
        r"^script:1:\d+: events\[0\]\.update\.colour: no key of this map",
    ),
    ("events: [{at: 1, stack: x, update: 7}]", r"^script:1:\d+: events\[0\]\.update: a map with the keys"),
    ("start: tomorrow", r"^script:1:\d+: start: a time such as .*, not 'tomorrow'"),
    ("templates: {a: {file: nowhere.yaml}}", r"^script:1:\d+: templates\.a\.file: .*nowhere"),
    ("a: [", "^script:1:5: not YAML: "),
    ("- a", "^script:1:1: a map with the keys start, .*, not a list"),
    ("nowhere.yaml", "^nowhere.*: there is no script nowhere"),
    ("latency: .inf", r"^script:1:\d+: latency: a number from 0 to .*, not '.inf'"),
    ("start: 9999-12-31T00:00:00Z", r"^script:1:\d+: start: a time from 1971 to 2499, not "),
    (Path("nowhere"), "^nowhere.*: there is no script nowhere"),
]


@pytest.mark.parametrize(("script", "complaint"), WRONG)
def test_wrong_scripts_are_explained(script: Any, complaint: str) -> None:
    """The message names the place and the path of what is wrong, and what is accepted there."""
    with pytest.raises(ScriptError, match=complaint):
        load_script(script)


def test_all_that_is_wrong_is_told_at_once_by_line_and_column(tmp_path: Path) -> None:
    """Of a file its name stands first; plain data has no lines."""
    file = tmp_path / "script.yaml"
    file.write_text(
        "rules:\n  - {on: sing, throttle: true}\n  - on: run_task\n    takes: [soon]\n    nth: 0\n"
    )
    with pytest.raises(ScriptError) as caught:
        load_script(file)
    assert [(p.line, p.column, p.path) for p in caught.value.problems] == [
        (4, 5, "rules[1].takes"),
        (5, 5, "rules[1].nth"),
    ]
    assert f"  {file}:4:5: rules[1].takes: a number from 0" in str(caught.value)
    with pytest.raises(ScriptError, match=r"^script: rules\[0\]: says when"):
        load_script({"rules": [{"on": "run_task"}]})


def test_a_template_in_a_script_may_have_short_tags() -> None:
    """What a template is in a file it is in a script too."""
    script = load_script(
        "templates: {a: {Parameters: {P: {Type: String, Default: x}}, Resources: {T: {Type: 'AWS::SNS::Topic', "
        "Properties: {TopicName: !Sub '${P}-y', Other: !GetAtt U.Arn, Third: !Join [a, [!Ref P]]}}}}}"
    )
    properties = json.loads(script.templates["a"])["Resources"]["T"]["Properties"]
    assert properties == {
        "TopicName": {"Fn::Sub": "${P}-y"},
        "Other": {"Fn::GetAtt": "U.Arn"},
        "Third": {"Fn::Join": ["a", [{"Ref": "P"}]]},
    }


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
