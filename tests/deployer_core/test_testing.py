"""The strategies that users' tests are given."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from deployer_core import spec, testing
from deployer_core.machines import stack, stack_status


def _found(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], bool]) -> Any:
    """Return the first value that is wanted, however large: shrinking it would take long and prove nothing."""
    return find(
        strategy, wanted, settings=settings(phases=[Phase.generate], max_examples=1000, database=None)
    )


@given(testing.values(stack.State))
def test_a_union_gives_its_members(state: stack.State) -> None:
    """Values of a union are of its classes."""
    assert isinstance(state, stack.State)


def test_every_member_of_a_union_occurs() -> None:
    """No state is left out."""
    seen: set[type] = set()

    @settings(phases=[Phase.generate], max_examples=300, database=None, derandomize=True)
    @given(testing.values(stack.State))
    def look(state: stack.State) -> None:
        seen.add(type(state))

    look()
    assert seen == {*get_args(stack.State)}


@given(testing.values(tuple[int, stack_status.Lifecycle | None]))
def test_plain_types_have_strategies(value: tuple[int, stack_status.Lifecycle | None]) -> None:
    """Tuples, enumerations and plain types are drawn too."""
    assert [type(value[0]), type(value[1]) in (stack_status.Lifecycle, type(None))] == [int, True]


def test_a_resolved_spec_has_no_outputs() -> None:
    """Type arguments are heeded: texts alone where outputs are resolved, both where they are not."""
    _found(testing.values(spec.DatabaseSpec[spec.Text]), lambda d: spec.outputs_named(d) != ())

    @given(testing.values(spec.DatabaseSpec[str]))
    def resolved(database: spec.DatabaseSpec[str]) -> None:
        assert spec.outputs_named(database) == ()

    resolved()


RICH: list[Callable[[spec.DeploymentSpec], bool]] = [
    lambda d: len(d.stack.parameters) > 0 and len(d.stack.scaling) > 0,
    lambda d: any(b.evaluate and b.migrate and b.migrate.task.command for b in d.databases),
    lambda d: len(d.databases) > 1,
]


@pytest.mark.parametrize("wanted", RICH)
def test_specs_are_rich(wanted: Callable[[spec.DeploymentSpec], bool]) -> None:
    """The rules between fields leave what is interesting in reach."""
    assert wanted(_found(testing.values(spec.DeploymentSpec), wanted))


@pytest.mark.parametrize("hint", [set[str], Any, dict])
def test_what_cannot_be_stored_has_no_strategy(hint: Any) -> None:
    """The author of a test is told so."""
    with pytest.raises(TypeError, match="is none of the types that have a strategy"):
        testing.values(hint)


def test_an_unknown_tag_is_a_key_error() -> None:
    """A tag that no class bears has no strategy."""
    with pytest.raises(KeyError):
        testing.from_tag("Nobody/1")


def test_strategies_are_made_once() -> None:
    """The same type gives the same strategy."""
    strategy: st.SearchStrategy[Any] = testing.values(stack.State)
    assert testing.values(stack.State) is strategy


def test_a_scene_reads_given_when_then() -> None:
    """What is not as told fails with what is."""
    scene = testing.given(stack.MACHINE, stack.Triggered("a"))
    assert scene.then(stack.Creating, stack.TriggerDeployment("a")).current == "a"
    assert "not 'b'" in scene.refuses(stack.DeploymentCompleted("b"))
    with pytest.raises(AssertionError, match="it is in CREATING"):
        scene.then(stack.Available)
    with pytest.raises(AssertionError, match="CREATING took"):
        scene.refuses(stack.Triggered("b"))
