"""`deployer redeploy`: the same spec again, from the journal."""

from tests.deployer_aws.cli.test_ends import ROLLS_BACK, ended, run, spec, stack
from tests.deployer_aws.cli.test_rollback import quick
from tests.support.command import KEY, Deployer


def test_what_failed_is_tried_again(deployer: Deployer) -> None:
    """By default the newest request, whatever became of it, though its spec file and template are gone."""
    deployer.run("v1", "--id", "one")
    path = spec(deployer, "v2")
    run(deployer, path, "--id", "two", script=ROLLS_BACK)
    path.unlink()
    (deployer.folder / "template.yaml").unlink()
    deployer("repair", KEY)
    deployer.run("v1", "--id", "one")  # known: it requests nothing
    said = deployer("redeploy", KEY, "--reason", "capacity is back")
    assert said.code == 0, said
    assert said.out.splitlines()[0] == "It repeats two, version 2, by joe, which was FAILED, in full mode."
    assert stack(deployer)["ImageTag"] == "1.1.0"
    assert "capacity is back" in deployer("history", KEY).out


def test_a_named_one_and_a_rollback_take_the_way_of_their_own_spec(deployer: Deployer) -> None:
    """A rollback is quick; repeated, the version that it went back to takes its full way, and a hotfix stays quick."""
    deployer.run("v1", "--id", "one")
    quick(deployer, "1.0.1", "two")
    deployer("rollback", KEY)
    assert "in full mode" in deployer("redeploy", KEY).out
    assert stack(deployer)["ImageTag"] == "1.0.0"
    assert (
        "It repeats two, version 3.1, by joe, which was DONE, in quick mode."
        in deployer("redeploy", KEY, "two").out
    )
    assert stack(deployer)["ImageTag"] == "1.0.1"


def test_what_there_is_none_of(deployer: Deployer) -> None:
    """An unknown id, and a newest one that is not over: exit code 2, and nothing is requested."""
    deployer.run("v1", "--id", "one", "--no-wait")
    assert "deployment one of staging/orders is not over" in deployer("redeploy", KEY).err
    said = deployer("redeploy", KEY, "two")
    assert (said.code, "deployment 'two' of staging/orders was never requested" in said.err) == (2, True)
    assert len(ended(deployer)) == 1
