"""How outputs are put into a spec, and what is said of those that are missing."""

from typing import Any, cast

import pytest
from attrs import evolve, fields, has
from hypothesis import given
from hypothesis import strategies as st

from deployer_core import testing
from deployer_core.spec import (
    AdminIam,
    AdminSecret,
    DatabaseSpec,
    Migration,
    MissingOutputs,
    Output,
    SpecError,
    TaskSpec,
    Text,
    outputs_named,
    resolve,
)

DATABASE = DatabaseSpec[Text]("orders", AdminSecret("rds/admin"))


def _all_outputs(value: Any) -> set[str]:
    """Every Output in a value, found by looking at all of it."""
    if isinstance(value, Output):
        return {value.name}
    tuples = isinstance(value, tuple)
    parts = cast(list[Any], value if tuples else [getattr(value, a.name) for a in fields(value.__class__)])
    return {
        name
        for part in parts
        if has(part.__class__) or isinstance(part, tuple)
        for name in _all_outputs(part)
    }


@given(testing.values(DatabaseSpec[Text]))
def test_outputs_named_are_those_that_stand_there(database: DatabaseSpec[Text]) -> None:
    """All outputs, sorted, each once."""
    assert outputs_named(database) == tuple(sorted(_all_outputs(database)))


@given(testing.values(DatabaseSpec[Text]))
def test_resolving_leaves_no_output(database: DatabaseSpec[Text]) -> None:
    """A resolved spec names no output, and resolving it again changes nothing."""
    outputs = {name: f"value-of-{name}" for name in outputs_named(database)}
    resolved = resolve(database, outputs)
    assert outputs_named(resolved) == ()
    again: Any = resolved
    assert resolve(again, {}) is resolved


@given(testing.values(DatabaseSpec[str]))
def test_what_names_no_output_is_left_as_it_is(database: Any) -> None:
    """A spec without outputs is the same object afterwards."""
    assert resolve(database, {"Unused": "1"}) is database


@given(testing.values(DatabaseSpec[Text]), st.data())
def test_missing_outputs_are_all_named(database: DatabaseSpec[Text], data: st.DataObject) -> None:
    """The error has every output that is missing, not the first alone, and those that there are."""
    named = outputs_named(database)
    present = data.draw(st.sets(st.sampled_from(named))) if named else set[str]()
    missing = tuple(name for name in named if name not in present)
    if missing:
        with pytest.raises(MissingOutputs) as caught:
            resolve(database, dict.fromkeys(present, "value"))
        assert (caught.value.missing, caught.value.present) == (missing, tuple(sorted(present)))
        assert str(caught.value).startswith(f"the stack has no output {', '.join(missing)}; it has: ")
    else:
        resolve(database, {name: f"value-{name}" for name in present})


def test_each_place_of_an_output() -> None:
    """Outputs are put in wherever texts stand; in a list, one output may hold several values."""
    task = TaskSpec[Text](
        Output("Cluster"), Output("Task"), subnets=(Output("Nets"), "s-3"), security_groups=("g",)
    )
    database = DatabaseSpec[Text](
        "orders", AdminIam(Output("Host"), "admin"), app_secret=Output("Secret"), migrate=Migration(task)
    )
    outputs = {"Cluster": "c", "Task": "t:1", "Nets": "s-1, s-2", "Host": "h", "Secret": "app"}
    put_in = TaskSpec("c", "t:1", subnets=("s-1", "s-2", "s-3"), security_groups=("g",))
    assert resolve(database, outputs) == DatabaseSpec[str](
        "orders", AdminIam("h", "admin"), app_secret="app", migrate=Migration(put_in)
    )


def test_what_outputs_have_in_common_stands_there_once() -> None:
    """Two outputs may name the same subnet."""
    task = TaskSpec[Text]("c", "t", subnets=("s-1", Output("A"), Output("B")))
    database = evolve(DATABASE, migrate=Migration(task))
    resolved = resolve(database, {"A": "s-1,s-2", "B": "s-2,s-3"})
    assert resolved.migrate is not None
    assert resolved.migrate.task.subnets == ("s-1", "s-2", "s-3")


def test_an_output_has_to_fit() -> None:
    """What an output holds is held to the rules of its field."""
    with pytest.raises(SpecError, match="^secret: a secret's name or ARN"):
        resolve(DatabaseSpec("orders", AdminSecret(Output("S"))), {"S": "no secret"})


def test_no_output_at_all_is_said() -> None:
    """An empty stack has none."""
    with pytest.raises(MissingOutputs, match="^the stack has no output S; it has: none$"):
        resolve(DatabaseSpec("orders", AdminSecret(Output("S"))), {})
