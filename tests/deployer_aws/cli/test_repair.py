"""`deployer repair`: an operator says that a stack is sound again."""

from tests.support.command import FAILS, KEY, Deployer


def test_nonsense_of_an_operator_is_refused_in_words(deployer: Deployer) -> None:
    """An unknown deployment, one that has ended, a stack that is not broken, a run that nobody stops."""
    deployer.run("v1", "--id", "one")
    assert "'two' was never requested" in deployer("terminate", KEY, "two").err
    assert "'one' has ended" in deployer("terminate", KEY, "one").err
    assert "is AVAILABLE, and only a BROKEN stack is repaired" in deployer("repair", KEY).err
    deployer.run("v2", script=deployer.script(FAILS))
    said = deployer("repair", KEY, "--force", "one/orders/migrate")
    assert (said.code, said.out) == (2, "")
    assert "no task is being stopped for one/orders/migrate" in said.err


def test_a_task_that_has_stopped_meanwhile_is_seen_by_repair(deployer: Deployer) -> None:
    """What was given up as unresolved is looked at once more, so no force is needed once it has stopped."""
    stuck = "rules: [{on: run_task, nth: 2, takes: 1000000, linger: 3000}]"
    deployer.run("v1", "--id", "one", script=deployer.script(stuck))
    status = deployer("status", "--json").data["stacks"][0]
    assert len(status["unresolved"]) == 1
    from deployer_aws.environment import account_file
    from deployer_aws.simulator import Simulator

    with Simulator.open(account_file(deployer.journal)) as simulator:
        simulator.clock.sleep(3000)
    assert deployer("repair", KEY).code == 0
