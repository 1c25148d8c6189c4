"""`deployer rollback`: what it goes back to, what it says before, and where it is refused."""

import pytest

from tests.deployer_aws.cli.test_ends import ROLLS_BACK, ended, run, spec, stack, status
from tests.support.command import FAILS, KEY, Deployer, on_terminal


def quick(deployer: Deployer, tag: str, name: str, *words: str, script: str = "rules: []") -> int:
    """Deploy an image in quick mode."""
    path = spec(deployer, "hotfix", lambda data: data["stack"]["parameters"].update(ImageTag=tag))
    return run(deployer, path, "--id", name, *words, script=script).code


@pytest.mark.quick
def test_the_last_version_on_a_sound_stack(deployer: Deployer) -> None:
    """It goes back to the version before the one that is there, and says so first; again, it goes further back."""
    deployer.run("v1", "--id", "one")
    quick(deployer, "1.0.1", "two")
    quick(deployer, "1.0.2", "three")
    said = deployer("rollback", KEY, "--reason", "orders are lost")
    assert said.code == 0, said
    told = said.out.splitlines()
    assert told[0].startswith("It goes back to two, version 3.1, which was DONE at 2026-01-01")
    assert "  DONE last, and replaced by it: three, version 3.1." in told
    assert "  No database was changed since." in told
    assert any(line.startswith("DONE  staging/orders version 3.1") for line in told)
    assert (stack(deployer)["ImageTag"], stack(deployer)["DesiredCount"]) == ("1.0.1", "2")
    again = deployer("rollback", KEY, "--json").data
    assert (again["rollback"], again["outcome"], stack(deployer)["ImageTag"]) == ("one", "DONE", "1.0.0")
    assert "rollback" in deployer("history", KEY).out
    none = deployer("rollback", KEY)
    assert (none.code, "no version of staging/orders was DONE before the one that is there" in none.err) == (
        2,
        True,
    )


def test_a_broken_stack_with_two_waiting(deployer: Deployer) -> None:
    """It repairs the stack and ends those that wait, in one: the last DONE version runs again."""
    deployer.run("v1", "--id", "one")
    assert run(deployer, spec(deployer, "v2"), "--id", "bad", script=ROLLS_BACK).code == 1
    for name in ("two", "three"):
        deployer.run("v2", "--id", name, "--no-wait")
    said = deployer("rollback", KEY, "--id", "back")
    assert said.code == 0, said
    assert "It goes back to one, version 1" in said.out
    assert "  The stack is BROKEN, and counts as repaired by it." in said.out
    assert "  It ends two, version 2, by joe, which waits." in said.out
    assert ended(deployer) | {"back": "DONE"} == {
        "one": "DONE",
        "bad": "FAILURE",
        "two": "SUPERSEDED",
        "three": "SUPERSEDED",
        "back": "DONE",
    }
    assert (status(deployer)["state"], stack(deployer)["ImageTag"], stack(deployer)["DesiredCount"]) == (
        "AVAILABLE",
        "1.0.0",
        "2",
    )


def test_a_queue_that_is_kept_on_a_broken_stack_is_refused(deployer: Deployer) -> None:
    """The first that waits would begin instead: exit code 2, and the stack is as it was."""
    deployer.run("v1", "--id", "one")
    run(deployer, spec(deployer, "v2"), script=ROLLS_BACK)
    deployer.run("v2", "--id", "two", "--no-wait")
    said = deployer("rollback", KEY, "--keep-queue")
    assert (said.code, "do not keep the queue" in said.err) == (2, True)
    assert status(deployer)["state"] == "BROKEN"


def test_behind_one_that_runs(deployer: Deployer) -> None:
    """It waits for that one's end, and goes back to the last that was DONE before it."""
    deployer.run("v1", "--id", "one")
    quick(deployer, "1.0.1", "two", "--no-wait")
    quick(deployer, "1.0.2", "three", "--no-wait")
    said = deployer("rollback", KEY)
    assert "It goes back to one, version 1" in said.out
    assert "  It begins when two, version 3.1, by joe has ended." in said.out
    assert said.code == 0, said
    assert list(ended(deployer).values()) == ["DONE", "DONE", "SUPERSEDED", "DONE"]
    assert stack(deployer)["ImageTag"] == "1.0.0"


def test_databases_that_were_migrated_since(deployer: Deployer) -> None:
    """It cannot undo that, names them, and requests nothing, exit code 2; forced, it goes back all the same."""
    deployer.run("v1", "--id", "one")
    deployer.run("v2", "--id", "two")
    said = deployer("rollback", KEY)
    assert said.code == 2
    assert "  It cannot undo: database billing was changed by two, version 2 (DONE)." in said.out
    assert "deploy a version forward, or force it. Nothing was requested" in said.err
    assert len(ended(deployer)) == 2
    forced = deployer("rollback", KEY, "--force")
    assert forced.code == 0, forced
    assert "the code of then will run on the databases of now" in forced.out
    assert stack(deployer)["ImageTag"] == "1.0.0"


def test_a_failed_migration_is_no_way_back(deployer: Deployer) -> None:
    """Past the barrier, a rollback is refused as the databases may have moved."""
    deployer.run("v1", "--id", "one")
    deployer.run("v2", "--id", "bad", script=deployer.script(FAILS))
    said = deployer("rollback", KEY, "--no-wait")
    assert said.code == 2
    assert "database orders was changed by bad, version 2 (FAILED)" in said.out
    assert status(deployer)["state"] == "BROKEN"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--to", "nobody"], "deployment 'nobody' of staging/orders was never requested"),
        (["--to", "nobody", "--force"], "deployment 'nobody' of staging/orders was never requested"),
        (["--to", "bad"], "deployment 'bad' of staging/orders is not one of the last 1 that were DONE"),
    ],
    ids=" ".join,
)
def test_what_is_none_to_go_back_to(deployer: Deployer, words: list[str], why: str) -> None:
    """Exit code 2, and what to do instead; nothing is requested."""
    deployer.run("v1", "--id", "one")
    run(deployer, spec(deployer, "v2"), "--id", "bad", script=ROLLS_BACK)
    said = deployer("rollback", KEY, *words)
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert "Nothing was requested" in said.err


def test_a_stack_where_nothing_was_done(deployer: Deployer) -> None:
    """There is nothing to go back to."""
    deployer.run("v1", "--no-wait")
    assert "no deployment of staging/orders was DONE yet" in deployer("rollback", KEY).err


def test_a_person_at_a_terminal_is_asked(deployer: Deployer) -> None:
    """It shows what it will do; what is not yes is no, and nothing is requested."""
    deployer.run("v1", "--id", "one")
    quick(deployer, "1.0.1", "two")
    code, seen = on_terminal("rollback", KEY, "--journal", deployer.journal, typed="n\n")
    assert code == 2
    assert "It goes back to one, version 1" in seen
    assert "Go on?" in seen
    assert "nothing was requested" in seen
    assert len(ended(deployer)) == 2
    assert on_terminal("rollback", KEY, "--journal", deployer.journal, "--yes")[0] == 0
