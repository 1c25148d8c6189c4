"""How what one machine says reaches another, or the world: ids, tokens, routes, microsteps."""

import re
from typing import Any

import pytest

from deployer_core.engine import reducer, routing
from deployer_core.engine.messages import Requested, Terminated, stream_of, token
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL, swap
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment, ecs_task, postgres_migration, stack
from deployer_core.machines.ecs_task import RunTask
from tests.support.engine_player import played
from tests.support.engine_words import PLAIN


def test_command_ids_count_up() -> None:
    """Ids are deterministic: the same events give the same commands."""
    lines = ["request d1 unevaluated unevaluated", "reply complete", *["reply complete Count=0"] * 2]
    lines += ["reply db0 upserted", "reply db1 upserted"]
    engine = played(*lines)
    assert [p.id for p in engine.state.pending] == [6, 7]
    assert engine.state == played(*lines).state


def test_a_token_is_of_one_send_alone() -> None:
    """Tokens differ by stream, deployment, command and attempt, and fit what AWS takes (ECS: 64 characters)."""
    s, t = 32 * "5", 32 * "7"
    tokens = [
        token(s, "d", 1, 1),
        token(t, "d", 1, 1),
        token(s, "e", 1, 1),
        token(s, "d", 2, 1),
        token(s, "d", 1, 2),
        token(s, "d", 11, 1),
    ]
    assert len(set(tokens)) == len({one[-22:] for one in tokens}) == len(tokens)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{63}", one) for one in tokens)
    assert [stream_of(one) for one in tokens] == [s, t, s, s, s, s]


@pytest.mark.parametrize(
    "other",
    ["", "a-console-change", 32 * "5", f"deployer-{32 * '5'}-short", f"x{token(32 * '5', 'd', 1, 1)}"],
)
def test_a_token_of_another_tool_is_of_no_stream(other: str) -> None:
    """What no deployer has made is nobody's."""
    assert stream_of(other) == ""


MACHINES = (stack, deployment, postgres_migration, ecs_task)


def test_every_command_of_every_machine_has_a_route() -> None:
    """Nothing that a machine says is lost: each command is routed, but RunTask, which is sent where it is made."""
    said = {command for machine in MACHINES for command in members(machine.Command)}
    assert said - set(routing._ROUTES) == {RunTask}
    assert set(routing._ROUTES) <= said


def members(union: Any) -> tuple[type, ...]:
    """Return the classes of a union, or the one class that it is."""
    return getattr(union, "__args__", (union,))


def test_what_is_not_there_is_looked_for_in_vain() -> None:
    """A part that should be there and is not is a bug, and shows as one."""
    transaction = routing.Transaction(INITIAL, 0)
    for look in (transaction.find, transaction.find_migration):
        with pytest.raises(LookupError, match="nobody"):
            look("nobody")
    with pytest.raises(LookupError):
        swap((1, 2), 3)


def test_microsteps_tell_the_same_story() -> None:
    """Each edge of each machine is shown in order, and a stale event takes none."""
    event = Requested("d1", PLAIN, 0, stream=32 * "5")
    taken = [(machine, step.edge.name) for machine, step in reducer.microsteps(INITIAL, event)]
    assert taken == [
        ("Deployment", "Requested"),
        ("Stack", "Triggered"),
        ("Deployment", "Started"),
        ("Deployment", "StackWait"),
    ]
    after, _ = reduce(INITIAL, event)
    assert reducer.microsteps(after, event) == ()


def test_a_refusal_changes_nothing() -> None:
    """What is refused leaves the state as it was, to the last value."""
    before = played("request d1").state
    with pytest.raises(IllegalEvent):
        reduce(before, Terminated("d9", "ann", 0))
    assert before == played("request d1").state


def test_another_ones_completion_never_frees_the_lock() -> None:
    """A late success of an earlier deployment leaves the lock with the current one."""
    lines = ["keep here", "reply complete", "from here", "request d2", "request d3", "terminate d1", "repair"]
    engine = played("request d1 quick", "reply complete", *lines)
    before = engine.state
    engine.take("again")
    assert engine.state is before
    assert isinstance(before.stack, stack.Migrating)
    assert before.stack.current == "d2"
    with pytest.raises(IllegalEvent, match="the current deployment is 'd2', not 'd1'"):
        stack.MACHINE.reduce(before.stack, stack.DeploymentCompleted("d1"))
