"""A stack belongs to the account and region where it was first deployed."""

import pytest
from attrs import fields_dict

from deployer_aws import specfile
from deployer_aws.aws import accounts
from deployer_aws.aws.accounts import (
    WrongAccount,
    belongs,
    ensure_belongs,
    ensure_sole_deployer,
    is_bound,
)
from deployer_aws.aws.clients import Clients, Options
from deployer_aws.environment import SystemClock
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Account, Binding, Properties
from deployer_aws.runner import Requests
from tests.support.command import EXAMPLE, KEY, Deployer, commands

NAME = "staging-orders"
HERE, THERE = Account("111111111111", "eu-west-1"), Account("222222222222", "eu-west-1")


def there(clients: Clients) -> Account:
    """Whoever asks is somewhere else."""
    return THERE


@pytest.fixture
def bound(deployer: Deployer) -> Deployer:
    """Return a journal with one stack, which belongs to HERE."""
    journal = SqliteJournal(deployer.journal)
    loaded = specfile.load(EXAMPLE / "hotfix.yaml")
    Requests(journal, SystemClock()).request(
        "one", loaded.spec, loaded.templates, properties=Properties(binding=Binding(HERE, NAME))
    )
    journal.close()
    return deployer


def test_a_stack_is_held_to_its_target(bound: Deployer) -> None:
    """Account, region and endpoint all count; of a stack that is not in the journal nothing is known."""
    journal = SqliteJournal(bound.journal)
    assert is_bound(journal, KEY)
    assert belongs(journal, KEY, HERE)
    ensure_belongs(journal, KEY, HERE)
    for other in (
        THERE,
        Account("111111111111", "eu-west-2"),
        Account("111111111111", "eu-west-1", "http://x"),
    ):
        assert not belongs(journal, KEY, other)
        with pytest.raises(WrongAccount, match=f"{KEY} belongs to another account or region"):
            ensure_belongs(journal, KEY, other)
    assert not is_bound(journal, "staging/other")
    assert belongs(journal, "staging/other", THERE)
    journal.close()


def test_a_stack_of_cloudformation_belongs_to_one_stream(bound: Deployer) -> None:
    """Its own stream deploys it again; another one is refused it by name, in the same account and region alone."""
    journal = SqliteJournal(bound.journal)
    ensure_sole_deployer(journal, KEY, Binding(HERE, NAME))
    ensure_sole_deployer(journal, "staging/orders2", Binding(HERE, "staging-orders2"))
    ensure_sole_deployer(journal, "staging/orders2", Binding(THERE, NAME))
    with pytest.raises(WrongAccount, match=f"{KEY} deploys the CloudFormation stack {NAME} .* already"):
        ensure_sole_deployer(journal, "staging/orders2", Binding(HERE, NAME))
    journal.close()


def test_resume_in_another_account_changes_nothing(bound: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that is named is refused; one that is not is left alone, with a warning."""
    monkeypatch.setattr(accounts, "find", there)
    refused = bound("resume", KEY, "--region", "eu-west-1")
    assert refused.code == 2
    assert "Give the --profile, --region" in refused.err
    left = bound("resume", "--region", "eu-west-1")
    assert left.code == 0
    assert "left alone" in left.err
    assert "Nothing is under way." in left.out


def test_run_in_another_account_is_refused(bound: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is requested."""
    monkeypatch.setattr(accounts, "find", there)
    said = bound("run", EXAMPLE / "hotfix.yaml", "--region", "eu-west-1", "--no-checks")
    assert said.code == 2
    assert "belongs to another account" in said.err
    journal = SqliteJournal(bound.journal)
    assert len(list(journal.events(KEY))) == 1
    journal.close()


def test_a_role_that_is_none_is_refused(deployer: Deployer) -> None:
    """As bad usage, before anything is made."""
    said = deployer("run", EXAMPLE / "hotfix.yaml", "--role-arn", "deployer")
    assert said.code == 2
    assert "arn:aws:iam::123456789012:role/deployer" in said.err
    assert not list(deployer.folder.iterdir())


def test_the_commands_that_act_on_aws_have_the_same_options() -> None:
    """So that what is said to be typed next can be typed."""
    wanted = set(fields_dict(Options))
    have = {name for name, c in commands().items() if wanted <= {p.name for p in c.params}}
    assert have == {"run", "rollback", "redeploy", "resume", "repair", "preflight"}


def test_a_stack_that_is_bound_is_not_resumed_before_it_is_known_who_asks(bound: Deployer) -> None:
    """Without credentials nothing fails: exit code 3, as in mid-wait."""
    said = bound("resume", KEY, "--region", "eu-west-1")
    assert said.code == 3
    assert "log in again" in said.err
