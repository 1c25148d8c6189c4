"""A journal belongs to one world: the real AWS or a simulated one. They are never mixed."""

import re
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from deployer_aws import specfile
from deployer_aws.aws.clients import Clients, ClientsError, Options, connect
from deployer_aws.environment import SystemClock, account_file, current_time, open_environment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import JournalError, Properties
from deployer_aws.runner import Runner
from deployer_core.analysis.explore import explore
from deployer_core.engine.messages import WorldCommand
from deployer_core.machines.deployment import StabiliseStack
from tests.support.command import EXAMPLE, KEY, SCRIPT, Bed, invoke, process

HOTFIX = EXAMPLE / "hotfix.yaml"


@pytest.fixture
def real(bed: Bed) -> Bed:
    """A journal that is about the real AWS: version 3 was requested there, and nothing more."""
    loaded = specfile.load(HOTFIX)
    journal = SqliteJournal(bed.journal)
    Runner(journal, (), SystemClock()).request("real", loaded.spec, loaded.templates)
    journal.close()
    return bed


def test_a_simulated_journal_is_refused_for_the_real_aws(bed: Bed) -> None:
    """Without --simulate the real AWS is meant."""
    bed.half_way(events=3)
    said = bed("run", HOTFIX)
    assert said.code == 2
    assert "is about a simulated AWS" in said.err
    assert "--simulate SCRIPT" in said.err


def test_a_real_journal_is_refused_for_a_simulation(real: Bed) -> None:
    """By run and by resume, and no simulated world is made."""
    for words in (("run", HOTFIX), ("resume",)):
        said = real(*words, "--simulate", SCRIPT)
        assert said.code == 2
        assert "is about the real AWS" in said.err
        assert not account_file(real.journal).exists()


def test_a_simulated_journal_without_its_world_is_refused(bed: Bed) -> None:
    """It would otherwise be carried on in the real AWS, or in a world where nothing has happened."""
    bed.half_way(events=3)
    account_file(bed.journal).unlink()
    for words in (("resume",), ("run", HOTFIX), ("run", HOTFIX, "--simulate", SCRIPT), ("repair", KEY)):
        said = bed(*words)
        assert said.code == 2
        assert "is gone" in said.err


def test_a_world_without_its_journal_is_no_place_for_the_real_aws(bed: Bed) -> None:
    """Such as is left by a process that was killed between making the two."""
    bed.half_way(events=3)
    bed.journal.unlink()
    assert "is about a simulated AWS" in bed("run", HOTFIX).err
    assert not bed.journal.exists()
    assert bed.run("v1").code == 0


def test_every_command_has_its_executor_on_the_real_aws(bed: Bed) -> None:
    """The databases' too; no call is made until there is something to do."""
    spec = specfile.load(EXAMPLE / "v1.yaml").spec
    world = open_environment(bed.journal, spec=spec, options=Options(region="eu-central-1"))
    try:
        carried_out = {command for executor in world.executors for command in executor.commands}
        assert carried_out == set(get_args(WorldCommand))
        assert not world.calls()
    finally:
        world.close()


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:4566"])
def test_only_emulators_have_events_without_tokens(bed: Bed, endpoint: str) -> None:
    """On AWS itself an event without a token is never taken for one of ours."""
    spec = specfile.load(EXAMPLE / "v1.yaml").spec
    options = Options(region="eu-central-1", endpoint_url=endpoint)
    world = open_environment(bed.journal, spec=spec, options=options)
    try:
        stacks: Any = next(e for e in world.executors if StabiliseStack in e.commands)
        assert stacks._settings.bare_events is bool(endpoint)
    finally:
        world.close()


def test_the_region_has_to_be_known(bed: Bed) -> None:
    """Said before anything is made."""
    said = bed("run", HOTFIX)
    assert said.code == 2
    assert "region" in said.err
    assert not list(bed.folder.iterdir())


def test_without_credentials_nothing_fails(real: Bed) -> None:
    """Exit code 3: log in, and resume."""
    said = real("resume", KEY, "--region", "eu-west-1")
    assert said.code == 3
    assert "log in again, then run 'deployer resume'" in said.out
    assert f"deployer resume staging/orders --region eu-west-1 --journal {real.journal}" in said.out
    assert real("status", "--json").data["stacks"][0]["current"]["step"] == "WAITING"


def test_without_credentials_nothing_is_requested(bed: Bed) -> None:
    """Said before anything is made."""
    said = bed("run", HOTFIX, "--region", "eu-west-1")
    assert said.code == 2
    assert "log in" in said.err
    assert "resume" not in said.err
    assert not list(bed.folder.iterdir())


def test_without_the_extra_aws_that_is_said(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, before anything is made."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    said = bed("run", HOTFIX)
    assert said.code == 2
    assert "pip install 'deployer-core[aws]'" in said.err
    assert not list(bed.folder.iterdir())


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


def test_only_looking_is_retried_by_the_sdk_and_every_try_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a change is sent again is the runner's decision; each call has its time."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    clients: Clients = connect()
    client: Any = clients.cloudformation
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 15
    monkeypatch.setattr("time.sleep", abs)
    for call in (clients.cloudformation.describe_stacks, clients.cloudformation.create_stack):
        with pytest.raises(Exception, match="127.0.0.1"):
            call(StackName="orders")
    assert clients.calls == {"DescribeStacks": 3, "CreateStack": 1}


def test_what_is_checked_before_a_run_is_not_counted_as_the_runs_own(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of a deployment are those after its checks."""
    for name, value in {"REGION": "eu-west-1", "ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("time.sleep", abs)

    def check(clients: Clients) -> Properties:
        with pytest.raises(Exception, match="127.0.0.1"):
            clients.cloudformation.describe_stacks()
        return Properties()

    nowhere = Options(endpoint_url="http://127.0.0.1:9")
    world = open_environment(bed.journal, spec=specfile.load(HOTFIX).spec, options=nowhere, prepare=check)
    assert world.calls() == {}
    assert world.clients is not None
    with pytest.raises(Exception, match="127.0.0.1"):
        world.clients.cloudformation.delete_stack(StackName="orders")
    assert world.calls() == {"DeleteStack": 1}
    world.close()


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everything that keeps clients from being made."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ClientsError, match="nobody"):
        connect()


def test_time_is_that_of_the_world(bed: Bed, real: Bed) -> None:
    """Ages are told in simulated time where that is what passed."""
    simulated = Bed(bed.folder / "other")
    simulated.folder.mkdir()
    simulated.half_way(events=3)
    for one, least, most in ((real, 1.79e9, 1e11), (simulated, 1.767e9, 1.768e9)):
        journal = SqliteJournal(one.journal, create=False)
        assert least < current_time(journal, one.journal) < most
        assert journal.is_simulated() is (one is simulated)
        journal.close()


def test_the_system_clock_is_the_machines_own() -> None:
    """It sleeps and goes on."""
    clock = SystemClock()
    before, began = clock.now(), clock.monotonic()
    clock.sleep(0.01)
    assert clock.now() >= before
    assert clock.monotonic() - began >= 0.01


def test_a_journal_that_cannot_be_opened_leaves_no_world_open(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator lets go of its file."""

    def refuse(_: Path) -> SqliteJournal:
        raise JournalError("no")

    monkeypatch.setattr("deployer_aws.environment.simulated.SqliteJournal", refuse)
    with pytest.raises(JournalError):
        open_environment(bed.journal, SCRIPT, simulate=True, spec=specfile.load(HOTFIX).spec)


# What needs no world


def test_a_plan_shows_both_ways_or_one() -> None:
    """As text and as JSON; nothing is touched."""
    both = invoke("plan", EXAMPLE / "v2.yaml")
    assert both.code == 0
    assert "which exists" in both.out
    assert "which does not exist yet" in both.out
    one = invoke("plan", EXAMPLE / "v2.yaml", "--stack", "exists", "--json").data["plans"]
    assert [plan["exists"] for plan in one] == [True]
    assert [step["command"]["name"] for step in one[0]["steps"]][:2] == ["StabiliseStack", "ScaleStack"]


def test_a_plan_says_what_a_person_should_know(bed: Bed) -> None:
    """Warnings go to stderr."""
    spec = bed.folder / "spec.yaml"
    text = (EXAMPLE / "v1.yaml").read_text().replace("template.yaml", str(EXAMPLE / "template.yaml"))
    spec.write_text(f"{text}\nquick: true\n")
    assert "warning: " in invoke("plan", spec).err
    assert "warning: " in bed("run", spec, "--simulate", SCRIPT).err


@pytest.mark.parametrize("machine", ["stack", "deployment", "ecs-task", "postgres-migration"])
def test_a_diagram_is_what_the_repository_has(machine: str) -> None:
    """To the last byte."""
    assert invoke("diagram", machine).out == (EXAMPLE.parents[1] / f"diagrams/{machine}.mmd").read_text()


def test_all_diagrams_are_one_markdown_text() -> None:
    """Each stands in a fence of its own under its machine's name; extensions may be left out."""
    said = invoke("diagram", "all", "--specified").out
    blocks = re.findall(r"^## ([\w ]+)\n\n```mermaid\nstateDiagram-v2\n(?:    .*\n)+```$", said, re.MULTILINE)
    assert sorted(blocks) == ["Deployment", "EcsTask", "PostgresMigration", "Stack"]
    assert "(ext)" not in said


def test_diagrams_are_written_to_a_folder(tmp_path: Path) -> None:
    """One file a machine, the same as printed; a folder that cannot be made is bad input."""
    assert invoke("diagram", "all", "--output", tmp_path / "new").out == ""
    written = {path.stem: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert written == {name: invoke("diagram", name).out for name in written}
    assert len(written) == 4
    (tmp_path / "file").touch()
    refused = invoke("diagram", "stack", "--output", tmp_path / "file" / "below")
    assert (refused.code, "cannot write to" in refused.err) == (2, True)


def test_exploring_checks_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 where everything holds, 1 with a trace where something does not."""
    assert invoke("explore", "--deployments", "1", "--databases", "0").out.startswith(
        "1 deployments and 0 databases: "
    )
    data = invoke("explore", "--deployments", "1", "--databases", "0", "--json").data
    assert (data["complete"], data["violations"]) == (True, [])

    def broken(deployments: int, databases: int, limit: int | None) -> object:
        return explore(deployments, databases, limit, reducer=lambda state, _: (state, ()))

    monkeypatch.setattr("deployer_aws.cli.explore.explore_all", broken)
    said = invoke("explore", "--deployments", "1", "--databases", "0")
    assert said.code == 0 or "VIOLATED" in said.out


def test_the_default_journal_is_made_in_its_folder(tmp_path: Path) -> None:
    """`.deployer/journal.sqlite` in the current directory; other folders are not made."""
    said = process("run", EXAMPLE / "hotfix.yaml", "--simulate", SCRIPT, "--json", cwd=tmp_path)
    assert said.data["journal"] == ".deployer/journal.sqlite"
    assert (tmp_path / ".deployer/journal.sqlite").exists()


def test_a_journal_without_a_request_beside_a_world_is_simulated(bed: Bed) -> None:
    """A simulated run that was killed before its first request is no reason to ask the real AWS."""
    bed.half_way(events=3)
    bed.journal.unlink()
    SqliteJournal(bed.journal).close()
    said = bed("resume")
    assert said.code == 0, said.err
    assert is_simulated_here(bed)


def is_simulated_here(bed: Bed) -> bool:
    """Whether the bed's journal is opened in a simulated world."""
    world = open_environment(bed.journal, act=False)
    world.close()
    return world.simulated


def test_a_damaged_world_is_said_by_status_too(bed: Bed) -> None:
    """In one message, with exit code 2."""
    bed.half_way(events=3)
    account_file(bed.journal).write_text("no database", encoding="utf-8")
    said = bed("status")
    assert said.code == 2
    assert "cannot be opened" in said.err


def test_an_empty_path_is_no_journal() -> None:
    """It would be the folder that one is in."""
    said = invoke("status", "--journal", "")
    assert said.code == 2
    assert "a file's path is needed" in said.err
