"""What can be written: all that a journal may be given has a tag, and nothing else has one."""

from typing import Any, get_args

from deployer_core.engine.messages import Event, Notice
from deployer_core.engine.state import DeployerState
from deployer_core.kernel.tags import discover
from deployer_core.wire.hints import class_of, fields_of


def stored_classes(*hints: Any) -> frozenset[type]:
    """Return every class of which an instance may stand in a value of these types."""
    found: set[type] = set()
    seen: set[Any] = set()
    left = [*hints]
    while left:
        hint = left.pop()
        if hint in seen:
            continue
        seen.add(hint)
        if cls := class_of(hint):
            found.add(cls)
            left += fields_of(hint).values()
        else:
            left += [argument for argument in get_args(hint) if argument is not ...]
    return frozenset(found)


STORED = stored_classes(DeployerState, Event, Notice)


def test_what_can_be_written_has_a_tag() -> None:
    """Every class of which a value may stand in a state, an event or a notice says its tag."""
    assert [cls.__qualname__ for cls in STORED - {*discover().values()}] == []


def test_what_can_never_be_written_has_no_tag() -> None:
    """A tag promises that what bears it can be read for ever: a class that stays inside must not promise it."""
    assert [tag for tag, cls in discover().items() if cls not in STORED] == []


def test_what_is_stored_is_found_through_hints() -> None:
    """Unions, tuples and generic classes are looked into."""
    assert {DeployerState} < STORED
    assert {cls.__name__ for cls in STORED} >= {"Requested", "DatabaseSpec", "Output", "Exit", "FixedCount"}
    assert stored_classes(tuple[int, ...] | None) == frozenset()
