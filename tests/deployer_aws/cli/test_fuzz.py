"""Whatever a spec file holds, the command line says one thing about it, and leaves nothing behind."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.command import EXAMPLE, SCRIPT, Deployer, invoke

VALID = (EXAMPLE / "v2.yaml").read_bytes()


def _check(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        deployer = Deployer(Path(folder))
        spec = deployer.folder / "spec.yaml"
        spec.write_bytes(content)
        (deployer.folder / "template.yaml").write_bytes((EXAMPLE / "template.yaml").read_bytes())
        planned = invoke("plan", spec, "--json")
        assert planned.code in (0, 2)
        if planned.code == 0:
            assert planned.data["plans"]
            return
        assert planned.err.startswith("deployer: ")
        ran = deployer("run", spec, "--simulate", SCRIPT)
        assert (ran.code, ran.out, ran.err) == (2, "", planned.err)
        assert sorted(path.name for path in deployer.folder.iterdir()) == ["spec.yaml", "template.yaml"]
        assert all(sign.isprintable() or sign == "\n" for sign in ran.err)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused_in_words(content: bytes) -> None:
    """Exit code 0 or 2, one printable message on stderr, no journal and no account."""
    _check(content)


@settings(max_examples=30)
@given(st.integers(0, len(VALID)), st.integers(0, 40), st.binary(max_size=10))
def test_a_spec_with_something_else_in_it_is_taken_or_refused_in_words(
    at: int, length: int, other: bytes
) -> None:
    """As any bytes, but near to what is right."""
    _check(VALID[:at] + other + VALID[at + length :])
