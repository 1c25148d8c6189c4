"""What an environment consists of, for the real AWS and for a simulated one."""

from pathlib import Path
from typing import Any, get_args

import pytest
from attrs import evolve

from deployer_aws import specfile
from deployer_aws.aws import accounts
from deployer_aws.aws.clients import Clients, ClientsError, Options
from deployer_aws.environment import SystemClock, current_time, open_environment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Account, Binding, JournalError
from deployer_core.engine.messages import WorldCommand
from deployer_core.machines.deployment import StabiliseStack
from tests.support.command import EXAMPLE, KEY, SCRIPT, Deployer

HOTFIX = EXAMPLE / "hotfix.yaml"
HERE, THERE = Account("111111111111", "eu-west-1"), Account("222222222222", "eu-west-1")


def here(_: Clients) -> Account:
    """Answer that the caller is in this account."""
    return HERE


def there(_: Clients) -> Account:
    """Answer that the caller is in another account."""
    return THERE


@pytest.fixture
def in_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS says which account this is."""
    monkeypatch.setattr(accounts, "find", here)


@pytest.mark.usefixtures("in_account")
def test_every_command_has_its_executor_on_the_real_aws(deployer: Deployer) -> None:
    """The databases' too; no call is made until there is something to do."""
    spec = specfile.load(EXAMPLE / "v1.yaml").spec
    environment = open_environment(deployer.journal, spec=spec, options=Options(region="eu-central-1"))
    try:
        carried_out = {command for executor in environment.executors for command in executor.commands}
        assert carried_out == set(get_args(WorldCommand))
        assert not environment.calls()
    finally:
        environment.close()


def test_without_a_login_nothing_is_requested_and_the_command_is_to_be_run_again(deployer: Deployer) -> None:
    """There is nothing to resume before the first request."""
    spec = specfile.load(HOTFIX).spec
    with pytest.raises(
        ClientsError, match="nothing was requested yet: .*; log in again, then run the same again$"
    ):
        open_environment(deployer.journal, spec=spec, options=Options(region="eu-west-1"))
    assert not deployer.journal.exists()


@pytest.mark.usefixtures("in_account")
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:4566"])
def test_only_emulators_have_events_without_tokens(deployer: Deployer, endpoint: str) -> None:
    """On AWS itself an event without a token is never taken for one of ours."""
    spec = specfile.load(EXAMPLE / "v1.yaml").spec
    options = Options(region="eu-central-1", endpoint_url=endpoint)
    environment = open_environment(deployer.journal, spec=spec, options=options)
    try:
        stacks: Any = next(e for e in environment.executors if StabiliseStack in e.commands)
        assert stacks._settings.bare_events is bool(endpoint)
    finally:
        environment.close()


@pytest.mark.usefixtures("in_account")
def test_what_is_checked_before_a_run_is_not_counted_as_the_runs_own(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of a deployment are those after its checks."""
    for name, value in {"REGION": "eu-west-1", "ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("time.sleep", abs)

    def check(clients: Clients) -> None:
        with pytest.raises(Exception, match="127.0.0.1"):
            clients.cloudformation.describe_stacks()

    nowhere = Options(endpoint_url="http://127.0.0.1:9")
    environment = open_environment(
        deployer.journal, spec=specfile.load(HOTFIX).spec, options=nowhere, check=check
    )
    assert environment.calls() == {}
    assert environment.clients is not None
    with pytest.raises(Exception, match="127.0.0.1"):
        environment.clients.cloudformation.delete_stack(StackName="orders")
    assert environment.calls() == {"DeleteStack": 1}
    environment.close()


def test_time_is_that_of_the_environment(deployer: Deployer, real: Deployer) -> None:
    """Ages are told in simulated time where that is what passed."""
    simulated = Deployer(deployer.folder / "other")
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


def test_a_journal_that_cannot_be_opened_leaves_nothing_open(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator lets go of its file."""

    def refuse(_: Path) -> SqliteJournal:
        raise JournalError("no")

    monkeypatch.setattr("deployer_aws.environment.simulated.SqliteJournal", refuse)
    with pytest.raises(JournalError):
        open_environment(deployer.journal, SCRIPT, simulate=True, spec=specfile.load(HOTFIX).spec)


def test_an_environment_is_all_that_a_program_needs(deployer: Deployer) -> None:
    """One call opens it, its runner deploys, and it closes what it has opened."""
    loaded = specfile.load(EXAMPLE / "v1.yaml")
    with open_environment(str(deployer.journal), SCRIPT, simulate=True, spec=loaded.spec) as environment:
        runner = environment.runner()
        assert runner.request("one", loaded.spec, loaded.templates, properties=environment.properties)
        runner.run()
        assert environment.simulated
        assert environment.calls()["CreateStack"] == 1
    with pytest.raises(JournalError):
        environment.journal.streams()
    assert deployer("status", "--json").data["stacks"][0]["last"]["outcome"] == "DONE"


def test_what_only_writes_to_a_journal_has_no_executors(real: Deployer) -> None:
    """No client is made, so neither a region nor credentials are needed."""
    with open_environment(real.journal, act=False) as environment:
        assert (environment.executors, environment.clients, environment.calls()) == ((), None, {})


@pytest.mark.usefixtures("in_account")
def test_a_stack_is_bound_to_the_account_where_it_is_first_deployed(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment opened to deploy it from another account is refused, and the journal is closed again."""
    loaded, options = specfile.load(HOTFIX), Options(region="eu-west-1")
    with open_environment(deployer.journal, spec=loaded.spec, options=options) as environment:
        assert environment.properties.binding == Binding(HERE, loaded.spec.stack.name)
        environment.runner().request("one", loaded.spec, loaded.templates, properties=environment.properties)
        assert environment.foreign([KEY, "staging/other"]) == []
        environment.ensure_account(KEY)
        monkeypatch.setattr(accounts, "find", there)
        assert environment.foreign([KEY, "staging/other"]) == [KEY]
        with pytest.raises(accounts.WrongAccount):
            environment.ensure_account(KEY)
    with pytest.raises(accounts.WrongAccount, match=f"{KEY} belongs to another account"):
        open_environment(deployer.journal, spec=loaded.spec, options=options)


@pytest.mark.usefixtures("in_account")
def test_a_stack_that_another_stream_deploys_is_refused(deployer: Deployer) -> None:
    """Unless that is wanted."""
    loaded, options = specfile.load(HOTFIX), Options(region="eu-west-1")
    with open_environment(deployer.journal, spec=loaded.spec, options=options) as environment:
        environment.runner().request("one", loaded.spec, loaded.templates, properties=environment.properties)
    other = evolve(loaded.spec, application="orders2")
    with pytest.raises(accounts.WrongAccount, match="two deployers must not change one stack"):
        open_environment(deployer.journal, spec=other, options=options)
    open_environment(deployer.journal, spec=other, options=options, sole=False).close()
