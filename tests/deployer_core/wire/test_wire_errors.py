"""What cannot be read: every error is a WireError, and says what is wrong, where, and what to do."""

import json
from typing import Any

import pytest
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st

from deployer_core import wire
from deployer_core.engine import messages
from deployer_core.machines import deployment, stack
from deployer_core.wire import Wire, WireError
from tests.deployer_core.samples import stored

LINES = [line for lines in stored().values() for line in lines]
SPEC = stored()["spec.Deployment/1"][-1]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "$: this is no JSON: Input data was truncated. It was cut short, or damaged, or is not ours"),
        (b"\xff", "$: this is no JSON"),
        (b"[" * 100_000, "$: this is no JSON: maximum recursion depth exceeded"),
        (b"NaN", "$: this is no JSON"),
        (b"1" * 5000, "$: this is no JSON"),
        (b"1e999", "$: this is no JSON"),
        (b'"\\ud800"', "$: this is no JSON"),
        (b"7", "$: [tag, payload] is needed, not 7"),
        (b'["Stack.BROKEN/1"]', "$: [tag, payload] is needed, not a list of 1"),
        (b"[1,{}]", "$: [tag, payload] is needed, not a list of 2"),
        (b'["Stack.BROKEN/1",[]]', "$[1]: an object is needed, not a list of 0"),
        (b'["Stack.BROKEN/1",null]', "$[1]: an object is needed, not None"),
        (
            b'["Stack.BROKEN/1",{}]',
            "$[1]: Stack.BROKEN/1 lacks queue: a new shape needs a new tag and an upcaster",
        ),
        (
            b'["Stack.BROKEN/1",{"queues":[]}]',
            "$[1]: Stack.BROKEN/1 lacks queue; Stack.BROKEN/1 has no field queues: a new shape needs",
        ),
        (b'["Stack.BROKEN/1",{"queue":"a"}]', "$[1].queue: a list is needed, not 'a'"),
        (b'["Stack.BROKEN/1",{"queue":["a",1]}]', "$[1].queue[1]: a string is needed, not 1"),
        (
            b'["Stack.BROKEN/9",{}]',
            "$[0]: unknown tag 'Stack.BROKEN/9' (known of that name: Stack.BROKEN/1); written by a newer version?",
        ),
        (
            b'["Nobody/1",{}]',
            "$[0]: unknown tag 'Nobody/1' (nothing of that name is known); written by a newer version? Then",
        ),
        (
            b'["Deployment.DatabaseProgress/1",{"database":"d","phase":"GONE","reason":""}]',
            "$[1].phase: one of PREPARING, BLOCKED, MIGRATING, NOP, DONE, FAILED is needed, not 'GONE'",
        ),
        (
            b'["Deployment.DatabaseProgress/1",{"database":"d","phase":[],"reason":""}]',
            "$[1].phase: one of PREPARING, BLOCKED, MIGRATING, NOP, DONE, FAILED is needed, not a list of 0",
        ),
        (
            b'["Deployer.Declined/1",{"number":true,"reason":""}]',
            "$[1].number: a whole number is needed, not True",
        ),
        (
            b'["Deployer.Declined/1",{"number":1.0,"reason":""}]',
            "$[1].number: a whole number is needed, not 1.0",
        ),
        (
            b'["Stack.Seen/1",{"lifecycle":"MISSING","status":"","reason":"","outputs":[],"counts":[["a",1,2]],"removed":[]}]',
            "$[1].counts[0]: a list of 2 is needed, not a list of 3",
        ),
        (
            b'["EcsTask.Exit/1",{"container":"c","code":"0","judged":false,"reason":"","essential":false}]',
            "$[1].code: a whole number or null is needed, not '0'",
        ),
    ],
)
def test_errors_say_what_is_wrong_and_where(data: bytes, error: str) -> None:
    """Each kind of damage has its path and its words."""
    with pytest.raises(WireError) as caught:
        wire.decode(data)
    assert str(caught.value).startswith(error)


def test_a_tag_that_is_known_may_be_out_of_place() -> None:
    """Another class than the expected one is refused, outermost and inside."""
    with pytest.raises(WireError, match=r"^\$\[0\]: a Stack\.BROKEN/1 does not belong here$"):
        wire.decode(b'["Stack.BROKEN/1",{"queue":[]}]', deployment.Resting)
    wrong = SPEC.replace(b'"spec.TemplateUrl/1"', b'"Stack.BROKEN/1"')
    with pytest.raises(WireError, match=r"^\$\[1\]\.stack\.template\[0\]: a Stack\.BROKEN/1 does not"):
        wire.decode(wrong)


def test_a_payload_has_paths_of_its_own() -> None:
    """Where the tag is kept apart, paths begin at the payload."""
    with pytest.raises(WireError, match=r"^\$\.queue: a list is needed"):
        wire.decode_payload("Stack.BROKEN/1", b'{"queue":1}', stack.Resting)
    with pytest.raises(WireError, match=r"^\$: unknown tag 'Stack.BROKEN/2'"):
        wire.decode_payload("Stack.BROKEN/2", b"{}")


def test_an_invalid_spec_is_refused_with_its_path() -> None:
    """The specs' own rules hold for what was stored, too."""
    wrong = SPEC.replace(b'{"name":"shop"', b'{"name":"-shop"')
    with pytest.raises(
        WireError, match=r"^\$\[1\]\.stack\.name: letters, digits and hyphens, a letter first"
    ):
        wire.decode(wrong)


@frozen
class Picky:
    x: int

    def __attrs_post_init__(self) -> None:
        raise LookupError("never")


def test_whatever_a_validator_raises_is_the_datas_fault() -> None:
    """Errors of other kinds become WireErrors with their cause."""
    with pytest.raises(WireError, match=r"^\$\[1\]: no Picky can be made of it: never$") as caught:
        Wire({"Picky/1": Picky}).decode(b'["Picky/1",{"x":1}]')
    assert isinstance(caught.value.__cause__, LookupError)


# Whatever the bytes


def _read(data: bytes) -> None:
    value, error = None, ""
    try:
        value = wire.decode(data)
    except WireError as refusal:
        error = str(refusal)
    assert error.startswith("$") if error else wire.decode(wire.encode(value)) == value
    assert len(error) < 1000


@given(st.binary())
def test_random_bytes(data: bytes) -> None:
    """Bytes at random are read or refused."""
    _read(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(stored())), _JSON)
def test_random_payloads(tag: str, payload: Any) -> None:
    """Any JSON under a known tag is read or refused; NaN, huge numbers and lone surrogates too."""
    _read(json.dumps([tag, payload]).encode())


@given(st.sampled_from(LINES), st.data())
def test_damaged_samples(line: bytes, data: st.DataObject) -> None:
    """A sample with bytes cut out or put in is read or refused."""
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, min(len(line), start + 4)))
    _read(line[:start] + data.draw(st.binary(max_size=4)) + line[end:])


@define
class _Spot:
    """The n-th part of a JSON value is replaced."""

    left: int
    new: Any

    def put(self, plain: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            self.left = 10**9
            return self.new
        if plain.__class__ is dict:
            return {name: self.put(value) for name, value in plain.items()}
        if plain.__class__ is not list:
            return plain
        return [self.put(value) for value in plain]


@given(st.sampled_from(LINES), st.integers(0, 60), _JSON | st.integers(2**62, 2**70))
def test_samples_with_a_part_replaced(line: bytes, at: int, new: Any) -> None:
    """A sample with any one part replaced by any JSON is read or refused."""
    _read(json.dumps(_Spot(at, new).put(json.loads(line))).encode())


@pytest.mark.parametrize("depth", [50, 150, 300, 500, 700, 900, 990])
def test_deep_nesting(depth: int) -> None:
    """Nesting that JSON's reader still takes is refused without a word too many."""
    deep = b"[" * depth + b"]" * depth
    _read(b'["Stack.BROKEN/1",{"queue":' + deep + b"}]")
    _read(b'["EcsTask.Status/1",' + deep + b"]")
    _read(b'["EcsTask.Exit/1",{"container":"","reason":"","judged":true,"code":' + deep + b"}]")


def test_an_error_knows_its_parts() -> None:
    """Path and problem can be had apart, for whoever reports them."""
    with pytest.raises(WireError) as caught:
        wire.decode(b'["EcsTask.Started/1",{"arn":1}]', messages.Answer)
    assert (caught.value.path, caught.value.problem) == ("[1].arn", "a string is needed, not 1")
