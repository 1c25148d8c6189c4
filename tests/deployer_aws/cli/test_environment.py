"""A journal is about the real AWS or about a simulated one, and the commands never mix the two."""

import sys
from pathlib import Path

import pytest

from deployer_aws import specfile
from deployer_aws.environment import account_file, open_environment
from deployer_aws.journals.sqlite import SqliteJournal
from tests.support.command import EXAMPLE, KEY, SCRIPT, Deployer, invoke, process

HOTFIX = EXAMPLE / "hotfix.yaml"


def test_a_simulated_journal_is_refused_for_the_real_aws(deployer: Deployer) -> None:
    """Without --simulate the real AWS is meant."""
    deployer.half_way(events=3)
    said = deployer("run", HOTFIX)
    assert said.code == 2
    assert "is about a simulated AWS" in said.err
    assert "--simulate SCRIPT" in said.err


def test_a_real_journal_is_refused_for_a_simulation(real: Deployer) -> None:
    """By run and by resume, and no simulated AWS is made."""
    for words in (("run", HOTFIX), ("resume",)):
        said = real(*words, "--simulate", SCRIPT)
        assert said.code == 2
        assert "is about the real AWS" in said.err
        assert not account_file(real.journal).exists()


def test_a_simulated_journal_without_its_world_is_refused(deployer: Deployer) -> None:
    """It would otherwise be carried on in the real AWS, or in one where nothing has happened."""
    deployer.half_way(events=3)
    account_file(deployer.journal).unlink()
    for words in (("resume",), ("run", HOTFIX), ("run", HOTFIX, "--simulate", SCRIPT), ("repair", KEY)):
        said = deployer(*words)
        assert said.code == 2
        assert "is gone" in said.err


def test_a_world_without_its_journal_is_no_place_for_the_real_aws(deployer: Deployer) -> None:
    """Such as is left by a process that was killed between making the two."""
    spec = specfile.load(EXAMPLE / "v1.yaml").spec
    with open_environment(deployer.journal, SCRIPT, simulate=True, spec=spec):
        pass
    deployer.journal.unlink()
    assert "is about a simulated AWS" in deployer("run", HOTFIX).err
    assert not deployer.journal.exists()
    assert deployer.run("v1").code == 0


def test_the_region_has_to_be_known(deployer: Deployer) -> None:
    """Said before anything is made."""
    said = deployer("run", HOTFIX)
    assert said.code == 2
    assert "region" in said.err
    assert not list(deployer.folder.iterdir())


def test_without_credentials_nothing_fails(real: Deployer) -> None:
    """Exit code 3: log in, and resume."""
    said = real("resume", KEY, "--region", "eu-west-1")
    assert said.code == 3
    assert "log in again, then run 'deployer resume'" in said.out
    assert f"deployer resume staging/orders --region eu-west-1 --journal {real.journal}" in said.out
    assert real("status", "--json").data["stacks"][0]["current"]["step"] == "WAITING"


@pytest.mark.parametrize("command", ["resume", "status", "verify"])
def test_an_empty_name_does_not_stand_for_all_stacks(deployer: Deployer, command: str) -> None:
    """It is a variable that was never set, and the stacks of others are not carried on for it."""
    deployer.half_way(events=3)
    said = deployer(command, "")
    assert said.code == 2
    assert "has no stack ''" in said.err


def test_without_credentials_nothing_is_requested(deployer: Deployer) -> None:
    """Said before anything is made."""
    said = deployer("run", HOTFIX, "--region", "eu-west-1")
    assert said.code == 2
    assert "log in" in said.err
    assert "resume" not in said.err
    assert not list(deployer.folder.iterdir())


def test_without_the_extra_aws_that_is_said(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, before anything is made."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    said = deployer("run", HOTFIX)
    assert said.code == 2
    assert "pip install 'deployer-core[aws]'" in said.err
    assert not list(deployer.folder.iterdir())


@pytest.mark.parametrize("words", [[str(EXAMPLE / "v1.yaml")], ["--end"]])
def test_without_the_extra_rehearse_that_is_said(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, and it is no internal error."""
    for name in [name for name in sys.modules if name.startswith("deployer_aws.rehearsal.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = invoke("rehearse", *words)
    assert said.code == 2
    assert "pip install 'deployer-core[rehearse]'" in said.err


def test_without_the_extra_cli_that_is_said() -> None:
    """In one line, by the command itself."""
    code = "import sys; sys.modules['rich'] = None; from deployer_aws.cli import main; main(['status'])"
    import subprocess

    from tests.support.command import environment

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "deployer: the command line needs the extra 'cli': pip install 'deployer-core[cli]'"
    ]


def test_the_default_journal_is_made_in_its_folder(tmp_path: Path) -> None:
    """`.deployer/journal.sqlite` in the current directory; other folders are not made."""
    said = process("run", EXAMPLE / "hotfix.yaml", "--simulate", SCRIPT, "--json", cwd=tmp_path)
    assert said.data["journal"] == ".deployer/journal.sqlite"
    assert (tmp_path / ".deployer/journal.sqlite").exists()


def test_a_journal_without_a_request_beside_a_world_is_simulated(deployer: Deployer) -> None:
    """A simulated run that was killed before its first request is no reason to ask the real AWS."""
    deployer.half_way(events=3)
    deployer.journal.unlink()
    SqliteJournal(deployer.journal).close()
    said = deployer("resume")
    assert said.code == 0, said.err
    assert is_simulated_here(deployer)


def is_simulated_here(deployer: Deployer) -> bool:
    """Whether the deployer's journal is opened in a simulated world."""
    world = open_environment(deployer.journal, act=False)
    world.close()
    return world.simulated


def test_a_damaged_world_is_said_by_status_too(deployer: Deployer) -> None:
    """In one message, with exit code 2."""
    deployer.half_way(events=3)
    account_file(deployer.journal).write_text("no database", encoding="utf-8")
    said = deployer("status")
    assert said.code == 2
    assert "cannot be opened" in said.err


def test_an_empty_path_is_no_journal() -> None:
    """It would be the folder that one is in."""
    said = invoke("status", "--journal", "")
    assert said.code == 2
    assert "a file's path is needed" in said.err
