"""`deployer repair`: an operator says that a stack is sound again."""

from tests.support.command import FAILS, KEY, Bed


def test_nonsense_of_an_operator_is_refused_in_words(bed: Bed) -> None:
    """An unknown deployment, one that has ended, a stack that is not broken, a run that nobody stops."""
    bed.run("v1", "--id", "one")
    assert "'two' was never requested" in bed("terminate", KEY, "two").err
    assert "'one' has ended" in bed("terminate", KEY, "one").err
    assert "is AVAILABLE, and only a BROKEN stack is repaired" in bed("repair", KEY).err
    bed.run("v2", script=bed.script(FAILS))
    said = bed("repair", KEY, "--force", "one/orders/migrate")
    assert (said.code, said.out) == (2, "")
    assert "no task is being stopped for one/orders/migrate" in said.err


def test_a_task_that_has_stopped_meanwhile_is_seen_by_repair(bed: Bed) -> None:
    """What was given up as unresolved is looked at once more, so no force is needed once it has stopped."""
    stuck = "rules: [{on: run_task, nth: 2, takes: 1000000, linger: 3000}]"
    bed.run("v1", "--id", "one", script=bed.script(stuck))
    status = bed("status", "--json").data["stacks"][0]
    assert len(status["unresolved"]) == 1
    from deployer_aws.environment import account_file
    from deployer_aws.simulator import Simulator

    with Simulator.open(account_file(bed.journal)) as simulator:
        simulator.clock.sleep(3000)
    assert bed("repair", KEY).code == 0
