"""The section `rehearse` of a spec file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer_aws import specfile
from deployer_aws.specfile import Processes, SpecFileError
from tests.deployer_aws.rehearsal.fixtures import Project
from tests.support.command import invoke


def change(project: Project, how: Callable[[dict[str, Any]], object]) -> Path:
    """Return the spec with something else in its section."""
    path = project.spec("1")
    data = json.loads(path.read_text())
    how(data)
    path.write_text(json.dumps(data, indent=1))
    return path


def test_what_it_says(project: Project) -> None:
    """Paths are relative to the spec's folder, which is where the processes run by default."""
    found = specfile.load(project.spec("1")).rehearsal
    assert found is not None
    assert (found.folder, found.script, found.environment) == (project.folder, None, (("OWN", "yes"),))
    assert found.databases["billing"] == Processes(("python", "program.py", "migrate", "billing", "1"))
    given = {"folder": "sub", "script": "script.yaml"}
    found = specfile.load(change(project, lambda data: data["rehearse"].update(given))).rehearsal
    assert found is not None
    assert (found.folder, found.script) == (project.folder / "sub", project.folder / "script.yaml")


def test_it_is_no_part_of_the_spec(project: Project) -> None:
    """The same spec comes of a file with and without it."""
    with_it = specfile.load(project.spec("1"))
    without = specfile.load(change(project, lambda data: data.pop("rehearse")))
    assert with_it.spec == without.spec
    assert without.rehearsal is None


@pytest.mark.parametrize(
    ("change_", "words"),
    [
        (
            {"databases": {"stock": {"migrate": ["x"]}}},
            "rehearse.databases.stock: no database of this spec; it has",
        ),
        (
            {"databases": {"billing": {"evaluate": ["x"]}}},
            "rehearse.databases.billing.evaluate: the database has no evaluate, so nothing would run it",
        ),
        (
            {"databases": {"orders": {"migrate": []}}},
            "rehearse.databases.orders.migrate: a program and its arguments",
        ),
        (
            {"databases": {"orders": {"migrate": ["a\0"]}}},
            "rehearse.databases.orders.migrate[0]: no NUL in it",
        ),
        (
            {"databases": {"orders": {"migrate": "alembic"}}},
            "rehearse.databases.orders.migrate: a list of texts",
        ),
        ({"environment": {"A=B": "c"}}, "a variable's name has no '=' in it"),
        ({"folder": ""}, "rehearse.folder: a path"),
        ({"befor": ["x"]}, "rehearse.befor: no key of this map"),
    ],
)
def test_what_is_refused(project: Project, change_: dict[str, Any], words: str) -> None:
    """With the line and the key's path, by whatever reads the file."""
    path = change(project, lambda data: data["rehearse"].update(change_))
    with pytest.raises(SpecFileError) as error:
        specfile.load(path)
    assert words in str(error.value)
    assert error.value.problems[0].line > 1


def test_a_process_that_is_missing(project: Project) -> None:
    """Only a rehearsal needs it: there it is refused before anything begins, elsewhere the spec is good."""
    path = change(project, lambda data: data["rehearse"]["databases"].pop("orders"))
    said = project.rehearse(path)
    assert said.code == 2
    assert "rehearse.databases.orders.migrate, rehearse.databases.orders.evaluate is missing" in said.err
    assert project.left == []
    assert invoke("plan", path).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing argument 'SPEC'"),
        (["--end", "--keep"], "--end stands alone"),
        (["nothing.yaml"], "there is no spec file nothing.yaml"),
        (["v1.yaml", "--simulate", "nothing.yaml"], "there is no script"),
    ],
)
def test_bad_usage(project: Project, words: list[str], said: str) -> None:
    """It is refused before anything begins."""
    project.spec("1")
    refused = project.rehearse(*words)
    assert (refused.code, said in refused.err) == (2, True)


def test_a_folder_that_is_missing(project: Project) -> None:
    """It is refused before anything begins."""
    path = change(project, lambda data: data["rehearse"].update(folder="nowhere"))
    assert "rehearse.folder: there is no folder" in project.rehearse(path).err
