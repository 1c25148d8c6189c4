"""The examples in docs/simulator.md are true."""

import re
from pathlib import Path

import attrs
import pytest

from deployer_aws.simulator import ScriptError, Simulator, load_script
from deployer_aws.simulator.script import MeanwhileAction, Rule, ScheduledAction, Script

TEXT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
PROSE = TEXT.replace("\n", " ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_examples_run() -> None:
    """What the page shows in Python runs as it stands."""
    for block in blocks("python"):
        exec(compile(block, "docs/simulator.md", "exec"), {})


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_scripts_load(block: str) -> None:
    """Every script on the page makes an account, but for the wrong one, whose error is the one that is quoted."""
    if "update: {tags:" in block:
        with pytest.raises(ScriptError) as caught:
            load_script(block)
        assert f"`{caught.value}`" in PROSE
    else:
        Simulator(block).clock.sleep(1000)


@pytest.mark.parametrize("kind", [Script, Rule, ScheduledAction, MeanwhileAction])
def test_every_key_has_an_example(kind: type) -> None:
    """No key of a script is without an example on the page."""
    shown = " ".join(blocks("yaml"))
    for field in attrs.fields(kind):
        if field.name not in ("source",):
            assert re.search(rf"\b{field.name}:", shown), field.name
