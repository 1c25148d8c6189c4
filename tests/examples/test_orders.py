"""The files of examples/orders fit together: what a spec names exists in the template."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import yaml

from deployer_aws.simulator import load_script
from tests.support.project import ROOT

ORDERS = ROOT / "examples" / "orders"
Yaml: TypeAlias = "dict[str, Yaml] | list[Yaml] | str | int | float | bool | None"
VERSIONS = ["v1.yaml", "v2.yaml", "v2b.yaml", "v3.yaml", "hotfix.yaml"]
LATER = ["later/v4/v4.yaml", "later/v5/v5.yaml", "later/v6/v6.yaml"]
OTHERS = {"template.yaml", "simulation.yaml"}
SPECS = sorted(
    path.relative_to(ORDERS).as_posix() for path in ORDERS.rglob("*.yaml") if path.name not in OTHERS
)


class TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (!Ref, !Sub) as their plain values."""


def plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    """Return the value of a tagged node, without its tag."""
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


# The stubs leave the constructor untyped.
TemplateLoader.add_multi_constructor("!", plain)


def template() -> dict[str, Any]:
    """Return the example's template."""
    found: dict[str, Any] = yaml.load((ORDERS / "template.yaml").read_text(encoding="utf-8"), TemplateLoader)
    return found


def spec(name: str) -> dict[str, Any]:
    """One of the example's specs."""
    found: dict[str, Any] = yaml.safe_load((ORDERS / name).read_text(encoding="utf-8"))
    return found


def outputs_named(value: Yaml) -> Iterator[str]:
    """Return the stack's own outputs that a spec names, wherever it does."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "output" and isinstance(inner, str):
                yield inner
            else:
                yield from outputs_named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from outputs_named(inner)


def test_every_spec_is_found() -> None:
    """The tests below look at the versions that `make run` and the walk-through deploy, and at the hotfix."""
    assert sorted([*VERSIONS, *LATER]) == SPECS


@pytest.mark.parametrize("name", SPECS)
def test_every_parameter_is_the_templates_and_none_is_missing(name: str) -> None:
    """CloudFormation refuses unknown parameters and, without a default, missing ones."""
    parameters = template()["Parameters"]
    stack = spec(name)["stack"]
    given = set(stack["parameters"]) | set(stack["counts"])
    assert set(stack["parameters"]) & set(stack["counts"]) == set()
    assert given <= set(parameters)
    assert {key for key, parameter in parameters.items() if "Default" not in parameter} <= given


@pytest.mark.parametrize("name", SPECS)
def test_every_output_that_is_named_is_the_templates(name: str) -> None:
    """A database that named an output which the stack lacks would fail only after the stack has changed."""
    assert set(outputs_named(spec(name))) <= set(template()["Outputs"])


@pytest.mark.parametrize("name", SPECS)
def test_the_container_that_is_judged_is_in_the_task(name: str) -> None:
    """A container that is named is one of the task definition's."""
    resources = template()["Resources"]
    for database in spec(name).get("databases", {}).values():
        task = database["migrate"]
        definition = resources[task["task_definition"]["output"]]["Properties"]
        containers = [container["Name"] for container in definition["ContainerDefinitions"]]
        assert task.get("container", containers[0]) in containers


@pytest.mark.parametrize("name", SPECS)
def test_the_credentials_are_written_where_the_tasks_read_them(name: str) -> None:
    """The spec's app_secret is the name from which the template's tasks take their credentials."""
    defaults = {
        parameter["Default"]
        for key, parameter in template()["Parameters"].items()
        if key.endswith("SecretName")
    }
    for database in spec(name).get("databases", {}).values():
        assert database["app_secret"] in defaults


@pytest.mark.parametrize("name", [name for name in SPECS if name != "hotfix.yaml"])
def test_a_rehearsal_does_what_the_deployment_does(name: str) -> None:
    """Every database is migrated, in the rehearsal up to the revision for which the spec and the rehearsal look."""
    databases = spec(name)["databases"]
    rehearsed = spec(name)["rehearse"]["databases"]
    assert set(rehearsed) == set(databases)
    for database, there in rehearsed.items():
        *migrate, revision = there["migrate"]
        definition = template()["Resources"][databases[database]["migrate"]["task_definition"]["output"]]
        (container,) = definition["Properties"]["ContainerDefinitions"]
        assert [*migrate, "head"] == container["Command"]
        assert ("evaluate" in there) == ("evaluate" in databases[database])
        if "evaluate" in there:
            assert there["evaluate"] == databases[database]["evaluate"]["command"]
            assert there["evaluate"][-2:] == [database, revision]


@pytest.mark.parametrize("name", SPECS)
def test_no_extension_is_needed_that_a_server_may_lack(name: str) -> None:
    """`make run` works with the PostgreSQL of the wheel, which has none of the contrib extensions."""
    wanted = {
        one for database in spec(name).get("databases", {}).values() for one in database.get("extensions", [])
    }
    assert wanted <= {"plpgsql"}


def test_the_first_version_keeps_nothing() -> None:
    """A stack that does not exist yet has no previous values."""
    assert {"previous": True} not in spec("v1.yaml")["stack"]["parameters"].values()


def test_the_versions_take_both_paths() -> None:
    """All take the full path but the hotfix, which is quick and has no databases: it would skip them."""
    assert [spec(name).get("quick", False) for name in VERSIONS] == [False, False, False, False, True]
    assert ["databases" in spec(name) for name in VERSIONS] == [True, True, True, True, False]
    assert len({spec(name)["stack"]["parameters"]["ImageTag"] for name in VERSIONS}) == 5


def test_the_simulation_is_sound_with_something_to_migrate() -> None:
    """All that is scripted is that the evaluations of `orders` in versions 2 and 3 find changes."""
    rules = load_script(ORDERS / "simulation.yaml").rules
    family = template()["Resources"]["OrdersMigration"]["Properties"]["Family"]
    (changes,) = spec("v2.yaml")["databases"]["orders"]["evaluate"]["changes"]
    wanted = ("run_task", family.replace("${AWS::StackName}", "staging-orders"), changes)
    assert {(rule.on, rule.definition, rule.exit_code) for rule in rules} == {wanted}
