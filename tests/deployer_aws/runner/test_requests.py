"""Requests that repeat earlier deployments: what is read from the journal, and what was sent then."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import NoSuchDeployment, PollingPolicy, Runner
from deployer_aws.runner.earlier import again, requested
from deployer_aws.simulator import Simulator
from deployer_core.engine.messages import Requested
from deployer_core.engine.reducer import Busy
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.spec import Previous
from tests.deployer_aws.crash.driver import Bench
from tests.support.orders import KEY, TEMPLATES, orders


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Make a journal and a simulated account where two versions are DONE, the second with values of the first."""
    made = Bench(tmp_path, "rules: []")
    made.deploy("1.0")
    spec = orders("1.0.1", quick=True)
    kept = tuple((n, Previous() if n == "VpcId" else v) for n, v in spec.stack.parameters)
    made.runner.request("1.0.1", evolve(spec, stack=evolve(spec.stack, parameters=kept)), TEMPLATES)
    made.runner.run([KEY])
    return made


def last(bench: Bench) -> Requested:
    """Return the newest request."""
    return list(requested(bench.journal, KEY).values())[-1]


def test_a_rollback_sends_what_was_sent_then(bench: Bench) -> None:
    """A parameter that kept its value is sent with the one that it had, though another was sent since."""
    other = orders("1.0.2", quick=True)
    values = tuple((n, "vpc-other" if n == "VpcId" else v) for n, v in other.stack.parameters)
    bench.runner.request("1.0.2", evolve(other, stack=evolve(other.stack, parameters=values)), TEMPLATES)
    bench.runner.run([KEY])
    assert bench.runner.rollback(KEY, "back", by="ann", reason="slow") == "1.0.1"
    asked = last(bench)
    assert asked.rollback is not None
    assert (asked.spec.quick, asked.by, asked.reason, asked.rollback.target) == (True, "ann", "slow", "1.0.1")
    assert dict(asked.rollback.sent)["VpcId"] == "vpc-1"
    bench.runner.run([KEY])
    client = bench.account.client("cloudformation")
    (stack,) = client.describe_stacks(StackName="staging-orders")["Stacks"]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}["VpcId"] == "vpc-1"


def test_a_rollback_that_is_asked_for_twice_is_asked_for_once(bench: Bench) -> None:
    """By its id, whatever the stack is by then; the same id for another target is refused."""
    assert bench.runner.rollback(KEY, "back") == "1.0"
    bench.runner.run([KEY])
    assert bench.runner.rollback(KEY, "back") == bench.runner.rollback(KEY, "back", to="1.0") == "1.0"
    assert len(requested(bench.journal, KEY)) == 3
    with pytest.raises(IllegalEvent, match="requested before, for something else"):
        bench.runner.rollback(KEY, "back", to="1.0.1")


def test_what_there_is_none_of(bench: Bench) -> None:
    """An unknown stream, an unknown deployment, one that is not over: said before anything is journaled."""
    version = bench.journal.head(KEY).version
    asks: tuple[Callable[[], str], ...] = (
        lambda: bench.runner.rollback("a/b", "back"),
        lambda: bench.runner.rollback(KEY, "back", to="2.0"),
        lambda: bench.runner.rollback(KEY, "back", to="2.0", force=True),
        lambda: bench.runner.redeploy("a/b", "again"),
        lambda: bench.runner.redeploy(KEY, "again", of="2.0"),
    )
    for ask in asks:
        with pytest.raises(NoSuchDeployment):
            ask()
    assert bench.journal.head(KEY).version == version
    bench.request("1.1")
    with pytest.raises(NoSuchDeployment, match=r"1\.1 of staging/orders is not over"):
        bench.runner.redeploy(KEY, "again")


def test_redeploy_repeats_the_newest_in_its_own_mode(bench: Bench) -> None:
    """A quick one stays quick; of a rollback it is the mode of what it went back to."""
    assert again(bench.journal, KEY)[0] == "1.0.1"
    assert again(bench.journal, KEY)[1].quick
    bench.runner.rollback(KEY, "back")
    bench.runner.run([KEY])
    repeated, spec = again(bench.journal, KEY)
    assert (repeated, spec) == ("back", orders("1.0"))
    assert bench.runner.redeploy(KEY, "again", of="1.0", by="ann") == "1.0"
    assert (last(bench).spec, last(bench).by) == (orders("1.0"), "ann")
    assert bench.runner.redeploy(KEY, "again") == "again", "asked for before, and not over"
    assert len(requested(bench.journal, KEY)) == 4


def test_an_exclusive_request_that_would_have_to_wait_is_busy(bench: Bench) -> None:
    """Busy is an IllegalEvent of its own, so that a program can try later; nothing was journaled."""
    bench.request("1.1")
    version = bench.journal.head(KEY).version
    with pytest.raises(Busy):
        bench.runner.request("1.2", orders("1.2"), TEMPLATES, exclusive=True, supersede=True)
    assert bench.journal.head(KEY).version == version


def test_requests_need_no_executor(tmp_path: Path) -> None:
    """Who only asks needs a journal and a clock."""
    journal, account = SqliteJournal(tmp_path / "journal"), Simulator()
    runner = Runner(journal, [], account.clock, polling=PollingPolicy())
    runner.request("1.0", orders("1.0"), TEMPLATES, by="ann", start_by=60)
    event = requested(journal, KEY)["1.0"]
    assert (event.by, event.start_by, event.terms.start_by) == ("ann", 60, event.at + 60)
