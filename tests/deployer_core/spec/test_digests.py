"""Digests of specs: the same in every process and version, and made of nothing that may be renamed."""

from collections.abc import Iterator

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.kernel import tags
from deployer_core.spec import (
    DeploymentSpec,
    FixedCount,
    PreviousCount,
    SpecError,
    StackSpec,
    TemplateUrl,
    digest,
    digests,
)
from deployer_core.testing import values

STACK = StackSpec("orders", TemplateUrl("https://bucket/orders.yaml"), scaling=(PreviousCount("Count", 2),))
SPEC = DeploymentSpec("staging", "orders", "1", STACK)
specs = values(DeploymentSpec)
DIGEST = "spec/1:834bb4e0c8c7a89c"


@pytest.fixture(autouse=True)
def _computed_anew() -> Iterator[None]:
    """No digest is remembered from before a test, nor after it."""
    digests._digest.cache_clear()
    yield
    digests._digest.cache_clear()


def test_a_digest_is_the_same_in_every_version() -> None:
    """A digest that was stored once is found again; it bears the name of its rule."""
    assert digest(SPEC) == DIGEST


def test_a_field_at_its_default_leaves_no_trace() -> None:
    """A field that is added later changes no stored digest, though its class gets a new tag by it."""
    assert digest(evolve(SPEC, quick=False)) == DIGEST


def test_the_version_of_a_tag_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that gets a new field, and so a new tag, has the digests that it had."""
    monkeypatch.setitem(tags._NAMES, StackSpec, "spec.Stack/2")
    assert digest(SPEC) == DIGEST


@pytest.fixture
def renamed() -> Iterator[None]:
    """Classes of the spec bear another name."""
    names = {cls: cls.__name__ for cls in (DeploymentSpec, StackSpec, TemplateUrl, PreviousCount)}
    for cls in names:
        cls.__name__ = "Renamed"
    yield
    for cls, name in names.items():
        cls.__name__ = name


@pytest.mark.usefixtures("renamed")
def test_the_name_of_a_class_leaves_no_trace() -> None:
    """Renaming a class changes no digest: the tag stands for it."""
    assert digest(SPEC) == DIGEST


@pytest.mark.parametrize(
    "other",
    [
        evolve(SPEC, quick=True),
        evolve(SPEC, version="2"),
        evolve(SPEC, stack=evolve(STACK, scaling=(FixedCount("Count", 2),))),
        evolve(SPEC, stack=evolve(STACK, scaling=())),
        evolve(SPEC, stack=evolve(STACK, role="arn:aws:iam::123456789012:role/deployer")),
    ],
)
def test_another_spec_has_another_digest(other: DeploymentSpec) -> None:
    """Whatever is different in a spec, its kind of count too, makes another digest."""
    assert digest(other) != DIGEST


@given(specs, specs)
def test_specs_that_differ_have_different_digests(one: DeploymentSpec, other: DeploymentSpec) -> None:
    """Two specs have one digest exactly where they are equal."""
    assert (digest(one) == digest(other)) == (one == other)


@given(specs, st.sampled_from([field.name for field in fields(DeploymentSpec)]), st.data())
def test_every_field_of_a_spec_is_in_its_digest(one: DeploymentSpec, name: str, data: st.DataObject) -> None:
    """A spec that differs in one field alone has another digest, whichever field it is."""
    other = data.draw(specs)
    try:
        changed = evolve(one, **{name: getattr(other, name)})
    except SpecError:
        return
    assert (digest(one) == digest(changed)) == (one == changed)
