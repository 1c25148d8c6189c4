"""A journal that was deleted: what it asked AWS for is not mistaken for what the next one asks."""

from deployer_aws.environment.simulated import simulated_environment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.simulator import SimulatedPostgres, Simulator
from deployer_core.machines import stack
from tests.support.orders import KEY, TEMPLATES, orders


def deploy(aws: Simulator, version: str, adopt: str = "") -> tuple[str, list[str]]:
    """Deploy once, with a journal that nobody has seen before; its stream's id, and the tokens of what AWS did for it."""
    journal = SqliteJournal(":memory:")
    runner = simulated_environment(aws, journal, SimulatedPostgres()).runner()
    before = len(aws.changes)
    runner.request("the-same-id", orders(version), TEMPLATES, adopt=adopt)
    runner.run()
    state = journal.head(KEY).state
    assert isinstance(state.stack, stack.Available)
    journal.close()
    return state.stream, [change.token or "" for change in aws.changes[before:]]


def test_the_same_deployment_with_a_new_journal_really_changes_aws_again() -> None:
    """Two journals never share a token, so AWS does not answer the second with what it did for the first.

    The second one has to adopt the stack; else it is refused, and changes nothing.
    """
    aws = Simulator()
    stream, first = deploy(aws, "1.0")
    assert deploy(aws, "1.0")[1] == []
    _, second = deploy(aws, "1.0", adopt=stream)
    assert [change.action for change in aws.changes].count("create_stack") == 1
    # Down to zero, the tasks of both databases, and up again; the update in between has nothing to change.
    assert [change.action for change in aws.changes[len(first) :]] == [
        "update_stack",
        "run_task",
        "run_task",
        "update_stack",
    ]
    assert all(first + second)
    assert not set(first) & set(second)
