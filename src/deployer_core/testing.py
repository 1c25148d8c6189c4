"""For tests, yours too: given / when / then for a machine, and Hypothesis strategies for all that a deployer stores.

    from deployer_core import testing, stack

    def test_a_scene():
        scene = testing.given(stack.MACHINE, stack.Triggered("a")).when(stack.Triggered("b"))
        assert scene.then(stack.Creating).queue == ("b",)

    @given(testing.values(stack.State), testing.values(stack.Event))
    def test_a_fact(state, event): ...

Strategies follow from the type hints; what a spec's fields may hold beyond their types is said here by hand.
"""

import string
from collections.abc import Callable
from enum import Enum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, get_args, get_origin, overload

from attrs import frozen
from hypothesis import strategies as st

from deployer_core import spec
from deployer_core.engine.messages import Requested
from deployer_core.kernel.machine import IllegalEvent, Machine, name_of
from deployer_core.kernel.tags import discover
from deployer_core.spec.database import SERVER_DATABASES
from deployer_core.wire.hints import class_of, fields_of, members_of

__all__ = ["Scene", "from_tag", "given", "values"]

T = TypeVar("T")
S = TypeVar("S")
Strategy = st.SearchStrategy[Any]


@frozen
class Scene:
    """A machine in a state, and the commands of the last reduction."""

    machine: Machine[Any, Any, Any]
    state: Any
    commands: tuple[Any, ...] = ()

    def when(self, *events: Any) -> "Scene":
        """Send the events, one after the other."""
        scene = self
        for event in events:
            scene = Scene(self.machine, *self.machine.reduce(scene.state, event))
        return scene

    def then(self, state: type[S], *commands: Any) -> S:
        """Assert the state, and that the last event gave out exactly these commands; return the state."""
        assert type(self.state) is state, f"it is in {name_of(type(self.state))}"
        assert self.commands == commands
        return self.state

    def refuses(self, event: Any) -> str:
        """Assert that the event is refused; return the guard's reason."""
        try:
            self.machine.reduce(self.state, event)
        except IllegalEvent as refusal:
            return refusal.why
        raise AssertionError(f"{name_of(type(self.state))} took {event}")


def given(machine: Machine[Any, Any, Any], *events: Any) -> Scene:
    """Return a scene of the machine after these events."""
    return Scene(machine, machine.initial).when(*events)


@overload
def values(hint: type[T]) -> st.SearchStrategy[T]: ...
@overload
def values(hint: object) -> Strategy: ...
def values(hint: object) -> Strategy:
    """Draw every value of a type: an attrs class, a union, a tuple, an Enum, or a plain type."""
    return _values(hint, _TEXT)


def from_tag(tag: str) -> Strategy:
    """Draw every value of the class with this wire tag; raises KeyError where there is none."""
    return _values(discover()[tag], _TEXT)


@cache
def _values(hint: Any, texts: Strategy) -> Strategy:
    """Draw the values of a type, with these as the texts in it."""
    if hint is str:
        return texts
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is tuple:
        return _tuples(get_args(hint), texts)
    if len(members := members_of(hint)) > 1:
        return st.one_of([_values(member, texts) for member in members])
    if class_of(hint):
        return _objects(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    raise TypeError(f"{hint} is none of the types that have a strategy")


def _tuples(items: tuple[Any, ...], texts: Strategy) -> Strategy:
    """Draw tuples with no item twice: most of what a spec lists may stand there once."""
    if items[1:] == (...,):
        return st.lists(_values(items[0], texts), max_size=3, unique=True).map(tuple)
    return st.tuples(*[_values(item, texts) for item in items])


def _objects(hint: Any) -> Strategy:
    cls = class_of(hint)
    drawn = st.fixed_dictionaries({name: _field(cls, name, of) for name, of in fields_of(hint).items()})
    fitting = drawn.map(_FITS[cls]) if cls in _FITS else drawn
    return fitting.map(lambda fields: cls(**fields))


def _field(cls: type, name: str, hint: Any) -> Strategy:
    if (cls, name) in _FIELDS:
        return _FIELDS[cls, name]
    return _values(hint, _TEXTS.get((cls, name), _NAMED.get(name, _TEXT)))


# Texts and numbers

_TEXT = st.text(max_size=12)
_PLAIN: dict[Any, Strategy] = {
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}
_LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)
_WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
_DASHED = st.lists(_WORD, min_size=1, max_size=3).map("-".join)
_IDENTIFIER = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)
_DATABASE = _IDENTIFIER.filter(
    lambda name: not name.startswith(("pg_", "public", "none", "o", "l")) and name not in SERVER_DATABASES
)
"""Names that are none of the roles' below, and that a role may have."""
_NO_NUL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_VARIABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=12)
_ARN = "arn:aws:{}:123456789012:{}".format
_STREAM = st.text("0123456789abcdef", min_size=32, max_size=32)
_NAMED: dict[str, Strategy] = {"deployment": _DASHED, "stream": _STREAM, "adopt": st.just("") | _STREAM}
"""Texts by the names of their fields, in whatever class."""

_TEXTS: dict[tuple[type, str], Strategy] = {
    (spec.Output, "name"): _WORD,
    (spec.StackOutput, "stack"): _DASHED.map("s-{}".format),
    (spec.StackOutput, "name"): _WORD,
    (spec.ListenerPriority, "listener"): _LINE,
    (spec.TemplateBody, "sha256"): st.text("0123456789abcdef", min_size=64, max_size=64),
    (spec.TemplateBody, "source"): _LINE,
    (spec.TemplateUrl, "url"): _WORD.map("https://example.com/{}".format),
    (spec.FixedCount, "parameter"): _WORD,
    (spec.PreviousCount, "parameter"): _WORD,
    (spec.StackSpec, "name"): _DASHED.map("s-{}".format),
    (spec.StackSpec, "capabilities"): st.sampled_from(
        ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
    ),
    (spec.StackSpec, "role"): _WORD.map(lambda name: _ARN("iam:", f"role/{name}")),
    (spec.StackSpec, "notifications"): _WORD.map(lambda name: _ARN("sns:eu-west-1", name)),
    (spec.TaskSpec, "cluster"): _LINE,
    (spec.TaskSpec, "task_definition"): _LINE,
    (spec.TaskSpec, "container"): _DASHED,
    (spec.TaskSpec, "excused"): _DASHED,
    (spec.TaskSpec, "command"): _NO_NUL,
    (spec.TaskSpec, "subnets"): _LINE,
    (spec.TaskSpec, "security_groups"): _LINE,
    (spec.TaskSpec, "launch_type"): st.sampled_from(["", "EC2", "FARGATE", "EXTERNAL"]),
    (spec.TaskSpec, "capacity_provider"): st.just("") | _DASHED,
    (spec.TaskSpec, "platform_version"): st.just("") | _WORD,
    (spec.AdminSecret, "secret"): _DASHED,
    (spec.AdminSecret, "host"): _LINE,
    (spec.AdminIam, "host"): _LINE,
    (spec.AdminIam, "user"): _IDENTIFIER,
    (spec.AdminIam, "database"): _IDENTIFIER,
    (spec.AdminIam, "region"): st.sampled_from(["", "eu-west-1", "us-east-1"]),
    (spec.AdminUrl, "url"): _WORD.map("postgresql://admin@{}/postgres".format),
    (spec.AdminUrl, "password_variable"): st.just("") | _WORD,
    (spec.DatabaseSpec, "name"): _DATABASE,
    (spec.DatabaseSpec, "extensions"): _IDENTIFIER,
    (spec.DatabaseSpec, "app_secret"): _DASHED,
    (spec.DatabaseSpec, "owner"): _IDENTIFIER.map("o{:.15}".format),
    (spec.DatabaseSpec, "login"): _IDENTIFIER.map("l{:.15}".format),
    (spec.DatabaseSpec, "sslmode"): st.sampled_from(["", "require", "verify-full"]),
    (spec.DeploymentSpec, "environment"): _DASHED,
    (spec.DeploymentSpec, "application"): _DASHED,
    (spec.DeploymentSpec, "version"): _LINE,
}
"""The texts in a spec's fields; what else a field may hold follows from its type."""


# Fields whose types say too little


def _each(items: Strategy, key: Callable[[Any], Any], least: int = 0) -> Strategy:
    """Draw tuples in which no key stands twice."""
    return st.lists(items, min_size=least, max_size=3, unique_by=key).map(tuple)


def _pairs(names: Strategy, held: Strategy) -> Strategy:
    return _each(st.tuples(names, held), itemgetter(0))


_COUNT, _PRIORITY, _TIMEOUT = st.integers(0, 10_000), st.integers(1, 50_000), st.integers(1, 7 * 24 * 3600)
_EXIT_CODES = _each(st.integers(0, 255), hash, least=1)
_FIELDS: dict[tuple[type, str], Strategy] = {
    (spec.ListenerPriority, "lowest"): _PRIORITY,
    (spec.ListenerPriority, "highest"): _PRIORITY,
    (spec.FixedCount, "count"): _COUNT,
    (spec.PreviousCount, "initial"): _COUNT,
    (spec.StackSpec, "parameters"): _pairs(_WORD, st.deferred(lambda: values(spec.ParameterValue))),
    (spec.StackSpec, "scaling"): _each(st.deferred(lambda: values(spec.Scale)), attrgetter("parameter")),
    (spec.StackSpec, "tags"): _pairs(_LINE.filter(lambda key: not key.lower().startswith("aws:")), _LINE),
    (spec.StackSpec, "timeout"): _TIMEOUT,
    (spec.TaskSpec, "environment"): _pairs(_VARIABLE, _NO_NUL),
    (spec.TaskSpec, "timeout"): _TIMEOUT,
    (spec.TaskSpec, "attempts"): st.integers(1, 10),
    (spec.Migration, "success"): _EXIT_CODES,
    (spec.Evaluation, "no_changes"): _EXIT_CODES,
    (spec.Evaluation, "changes"): _EXIT_CODES,
    (spec.AdminSecret, "port"): st.integers(1, 65_535),
    (spec.AdminIam, "port"): st.integers(1, 65_535),
    (spec.DatabaseSpec, "statement_timeout"): st.integers(1, 30),
    (spec.DatabaseSpec, "lock_timeout"): st.integers(1, 30),
    (spec.DatabaseSpec, "timeout"): _TIMEOUT,
    (spec.DeploymentSpec, "wait_timeout"): _TIMEOUT,
    (Requested, "start_by"): st.integers(0, 2**31),
    (spec.DeploymentSpec, "databases"): _each(
        st.deferred(lambda: values(spec.DatabaseSpec[spec.Text])), attrgetter("name")
    ).filter(lambda databases: not _share_a_secret(databases)),
}


# Rules between the fields of a spec


def _share_a_secret(databases: tuple[spec.DatabaseSpec[spec.Text], ...]) -> bool:
    kept = [one.app_secret for one in databases if one.app_secret is not None]
    admins = {one.admin.secret for one in databases if isinstance(one.admin, spec.AdminSecret)}
    return len(set(kept)) < len(kept) or bool(admins.intersection(kept))


def _priority(drawn: dict[str, Any]) -> dict[str, Any]:
    lowest, highest = sorted([drawn["lowest"], drawn["highest"]])
    return drawn | {"lowest": lowest, "highest": highest}


def _stack(drawn: dict[str, Any]) -> dict[str, Any]:
    counted = {scale.parameter for scale in drawn["scaling"]}
    return drawn | {"parameters": tuple(p for p in drawn["parameters"] if p[0] not in counted)}


def _task(drawn: dict[str, Any]) -> dict[str, Any]:
    nobodys = {"command": (), "environment": ()} if drawn["container"] is None else {}
    return drawn | nobodys | ({"capacity_provider": ""} if drawn["launch_type"] else {})


def _evaluation(drawn: dict[str, Any]) -> dict[str, Any]:
    free = [code for code in (*drawn["changes"], *range(256)) if code not in drawn["no_changes"]]
    return drawn | {"changes": (free[0],)}


def _database(drawn: dict[str, Any]) -> dict[str, Any]:
    """Make the roles' names differ by their first letters; the default ones need a name that a role may have."""
    drawn = drawn | ({"evaluate": None} if drawn["migrate"] is None else {})
    overwritten = (
        isinstance(drawn["admin"], spec.AdminSecret) and drawn["admin"].secret == drawn["app_secret"]
    )
    drawn = drawn | ({"app_secret": None} if overwritten else {})
    drawn = drawn | ({"rotate_credentials": False} if drawn["app_secret"] is None else {"iam_login": False})
    return drawn | ({"login": "l"} if drawn["iam_login"] and drawn["login"] is None else {})


def _requested(drawn: dict[str, Any]) -> dict[str, Any]:
    rollback = drawn["rollback"] if drawn["spec"].quick else None
    keeps = rollback is not None and rollback.keep_queue
    return drawn | {"rollback": rollback, "supersede": drawn["supersede"] and not keeps}


_FITS: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    spec.ListenerPriority: _priority,
    spec.StackSpec: _stack,
    spec.TaskSpec: _task,
    spec.Evaluation: _evaluation,
    spec.DatabaseSpec: _database,
    Requested: _requested,
}
