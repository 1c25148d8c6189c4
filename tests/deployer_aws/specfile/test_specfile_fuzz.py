"""Whatever stands in a file, nothing but a SpecFileError comes out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployer_aws import specfile
from deployer_aws.specfile import SpecFileError
from tests.deployer_aws.specs import FOLDER, FULL, MINIMAL


def only_spec_file_errors(text: str | bytes, folder: Path = FOLDER) -> None:
    """Read it; nothing but the one error may come out, and its text is fit to be printed."""
    try:
        specfile.loads(text, folder)
    except SpecFileError as error:
        str(error).encode()


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Bytes of no meaning."""
    only_spec_file_errors(data)


@given(st.text(alphabet="abn:[]{}&*!|>%@`'\"#?-,.~<=/\\ \n\t017\ufeff\x85\u2028U", max_size=60))
def test_any_yaml_like_text(text: str) -> None:
    """Text that is made of YAML's own characters."""
    only_spec_file_errors(text)
    only_spec_file_errors(MINIMAL + f"databases: {text}")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=8)
structures = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(scalars.filter(lambda s: s == s), inner, max_size=3)
    ),
    max_leaves=8,
)


def inside(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a structure: what holds it, and its key or position."""
    for key in tuple(value) if hasattr(value, "keys") else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from inside(value[key])


@given(st.data())
def test_any_value_anywhere(data: st.DataObject) -> None:
    """A good spec in which one value, at whatever place, is replaced by another of any shape."""
    spec: Any = yaml.safe_load(FULL)
    places = list(inside(spec))
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(structures)
    only_spec_file_errors(yaml.safe_dump(spec, allow_unicode=data.draw(st.booleans())))


@given(st.integers(0, len(FULL)), st.integers(0, 12), st.text(max_size=6))
def test_any_slip_of_the_keyboard(at: int, cut: int, typed: str) -> None:
    """A good spec from which a few characters are cut, and into which others are typed."""
    only_spec_file_errors(FULL[:at] + typed + FULL[at + cut :])


@given(
    st.binary(max_size=80)
    | structures.map(lambda s: yaml.safe_dump({"Resources": s, "Parameters": s}).encode())
)
def test_any_template(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever stands in a template."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "template.yaml").write_bytes(data)
    only_spec_file_errors(FULL, folder)
