"""How deployments end that do not go well, through the command line and on a simulated AWS: causes, codes, ways back."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer_aws.environment import account_file
from deployer_aws.simulator import Simulator
from tests.support.command import EXAMPLE, FAILS, KEY, SCRIPT, Deployer, Said

NO_CHANGES = "rules: []"
ROLLS_BACK = "rules: [{on: update_stack, nth: 2, fail: {reason: no capacity}}]"
"""The second update of the script is that of the infrastructure."""
CRASHES = "rules: [{on: update_stack, nth: 3, fail: {reason: tasks failed to start}}]"
"""The third update is the scaling up."""
REFUSES = "rules: [{on: run_task, nth: 1, exit_code: 1, reason: cannot tell}]"


def spec(deployer: Deployer, version: str, change: Callable[[Any], object] = lambda _: None) -> Path:
    """Write a version of the example with something else in it, beside the journal."""
    data: dict[str, Any] = yaml.safe_load((EXAMPLE / f"{version}.yaml").read_text())
    data.pop("rehearse", None)
    change(data)
    shutil.copy(EXAMPLE / "template.yaml", deployer.folder)
    path = deployer.folder / f"{version}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def run(deployer: Deployer, path: Path, *words: str, script: str = NO_CHANGES) -> Said:
    """Deploy a spec file by a script."""
    return deployer("run", path, "--simulate", deployer.script(script), *words)


def restoring(deployer: Deployer, version: str, **more: Any) -> Path:
    """Write a version of the example that is put back where it can be."""
    return spec(deployer, version, lambda data: data.update(on_failure="restore", **more))


def stack(deployer: Deployer) -> Mapping[str, str]:
    """Return the parameters that the simulated stack has now."""
    with Simulator.open(account_file(deployer.journal)) as simulator:
        (found,) = simulator.client("cloudformation").describe_stacks(StackName="staging-orders")["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


def later(deployer: Deployer, seconds: float) -> None:
    """Let simulated time pass."""
    with Simulator.open(account_file(deployer.journal)) as simulator:
        simulator.clock.sleep(seconds)


def status(deployer: Deployer) -> Any:
    """Return how the stack stands."""
    return deployer("status", KEY, "--json").data["stacks"][0]


def ended(deployer: Deployer) -> dict[str, str | None]:
    """Return the cause of each deployment, by its id; DONE where it is."""
    found = deployer("history", KEY, "--json").data["deployments"]
    return {one["id"]: one["cause"] or one["outcome"] for one in found}


# While WAITING


def test_terminated_while_it_waits_for_cloudformation(deployer: Deployer) -> None:
    """Nothing was changed: exit code 5, and the next of two in the queue starts at once."""
    for number, version in enumerate(("v1", "v1", "v1"), 1):
        assert deployer.run(version, "--id", f"d{number}", "--no-wait").code == 0
    assert deployer("terminate", KEY, "d1", "--reason", "too early").code == 0
    assert (status(deployer)["state"], status(deployer)["current"]["id"]) == ("MIGRATING", "d2")
    assert deployer("resume").code == 0
    assert ended(deployer) == {"d1": "TERMINATED", "d2": "DONE", "d3": "DONE"}
    assert "terminated by joe: too early" in deployer("history", KEY).out
    assert deployer.run("v1", "--id", "d1").code == 5


def test_access_denied_at_the_first_look(deployer: Deployer) -> None:
    """REFUSED, exit code 6: the stack is not broken, and the next deployment begins."""
    path = spec(deployer, "v1")
    said = run(deployer, path, "--json", script="rules: [{on: describe_stacks, denied: true}]")
    assert (said.code, said.data["cause"], said.data["stack_state"]) == (6, "REFUSED", "AVAILABLE")
    assert run(deployer, path).code == 0


def test_anothers_update_that_takes_longer_than_the_timeout(deployer: Deployer) -> None:
    """EXPIRED, exit code 8: nothing was changed, and the stack is not broken."""
    deployer.run("v1")
    slow = "events: [{at: 0, stack: staging-orders, update: {parameters: {DesiredCount: 3}, takes: 90000}}]"
    said = run(deployer, spec(deployer, "v2", lambda data: data.update(wait_timeout="2m")), script=slow)
    assert said.code == 8, said
    assert "FAILED (EXPIRED)" in said.out
    assert status(deployer)["state"] == "AVAILABLE"


# Ways back


@pytest.mark.quick
def test_an_infrastructure_change_that_rolls_back_is_put_back(deployer: Deployer) -> None:
    """With `restore` the services are up with the counts from before and the old version; FAILED, and BROKEN."""
    deployer.run("v1")
    said = run(deployer, restoring(deployer, "v2"), script=ROLLS_BACK)
    assert said.code == 1
    assert "the services are back as before" in said.out
    assert "They stay there" not in said.out
    (back,) = [
        line for line in said.out.splitlines() if "ScaleStack DesiredCount=2  " in line and " after " in line
    ]
    assert "failed" not in back  # the way back was good, though the deployment is FAILED by its end
    now = status(deployer)
    assert (now["state"], now["services"], now["last"]["put_back"]) == ("BROKEN", "", True)
    assert (stack(deployer)["ImageTag"], stack(deployer)["DesiredCount"]) == ("1.0.0", "2")
    assert "It was put back" in deployer("status").out


def test_an_infrastructure_change_that_rolls_back_is_left(deployer: Deployer) -> None:
    """With `leave`, which is the default, the services stay at zero, and their counts are known."""
    deployer.run("v1")
    assert run(deployer, spec(deployer, "v2"), script=ROLLS_BACK).code == 1
    now = status(deployer)
    assert (now["state"], now["baseline"], now["last"]["put_back"]) == ("BROKEN", {"DesiredCount": 2}, None)
    assert stack(deployer)["DesiredCount"] == "0"


def test_an_image_that_crashes_with_nothing_migrated_is_put_back(deployer: Deployer) -> None:
    """Where every database is NOP, the previous version comes back with its counts."""
    deployer.run("v1")
    said = run(deployer, restoring(deployer, "v3"), "--json", script=CRASHES)
    assert (said.code, said.data["step"], said.data["put_back"]) == (1, "SCALING_UP", True)
    assert [one["state"] for one in said.data["databases"]] == ["NOP", "NOP"]
    assert (stack(deployer)["ImageTag"], stack(deployer)["DesiredCount"]) == ("1.0.0", "2")


def test_a_refused_evaluation_is_put_back_with_the_values_of_then(deployer: Deployer) -> None:
    """The previous version is back, and a value that it kept from before it is the one that was sent for it then."""
    deployer.run("v1")
    before = stack(deployer)["VpcId"]
    assert run(deployer, spec(deployer, "v2")).code == 0
    other = restoring(deployer, "v3")
    other.write_text(other.read_text().replace("VpcId:\n      previous: true", "VpcId: vpc-other"))
    assert "vpc-other" in other.read_text()
    said = run(deployer, other, "--json", script=REFUSES)
    assert (said.data["step"], said.data["put_back"]) == ("DB_MIGRATING", True), said.data["reason"]
    now = stack(deployer)
    assert (now["ImageTag"], now["DesiredCount"], now["VpcId"]) == ("1.1.0", "2", before)


def test_a_failure_past_the_barrier_is_left(deployer: Deployer) -> None:
    """With `restore` too: it says why, the databases are half-way, and the services at zero."""
    deployer.run("v1")
    said = run(deployer, restoring(deployer, "v2"), "--json", script=FAILS)
    assert (said.code, said.data["put_back"]) == (1, False)
    assert "not put back: a database was migrated" in said.data["reason"]
    assert said.data["half_way"] == ["billing", "orders"]
    assert stack(deployer)["DesiredCount"] == "0"


def test_a_second_failure_after_a_half_way_one(deployer: Deployer) -> None:
    """The databases are still half-way after it: a quick deployment is REFUSED, and a forced one goes out."""
    deployer.run("v1")
    run(deployer, spec(deployer, "v2"), script=FAILS)
    deployer("repair", KEY)
    fails_again = "rules: [{on: update_stack, nth: 1, fail: {reason: no capacity}}]"
    assert run(deployer, restoring(deployer, "v3"), script=fails_again).code == 1
    assert status(deployer)["half_way"] == ["billing", "orders"]
    deployer("repair", KEY)
    refused = deployer.run("hotfix")
    assert refused.code == 6
    assert "billing, orders is half-way through a migration" in refused.out
    assert status(deployer)["state"] == "BROKEN"
    deployer("repair", KEY)
    assert deployer.run("hotfix", "--force").code == 0
    assert status(deployer)["half_way"] == ["billing", "orders"]
    assert deployer.run("v2").code == 0
    assert status(deployer)["half_way"] == []


def test_an_update_that_removed_what_may_hold_data_is_left(deployer: Deployer) -> None:
    """A bucket that is gone does not come back by the template of before: it says so, and the stack stays at zero."""
    bucket = "Resources:\n  Kept:\n    Type: AWS::S3::Bucket\n"

    def first(data: Any) -> None:
        data["stack"]["template"] = "with.yaml"

    path = spec(deployer, "v1", first)
    template = (EXAMPLE / "template.yaml").read_text()
    (deployer.folder / "with.yaml").write_text(template.replace("Resources:\n", bucket, 1))
    assert run(deployer, path).code == 0
    said = run(deployer, restoring(deployer, "v3"), "--json", script=REFUSES)
    assert (said.code, said.data["put_back"]) == (1, False)
    assert "not put back: the update removed or replaced Kept" in said.data["reason"]
    assert stack(deployer)["DesiredCount"] == "0"


# Another journal


def beside(deployer: Deployer) -> Deployer:
    """Return a deployer with a journal of its own, and with the same simulated AWS as it is now."""
    other = Deployer(deployer.folder / "other")
    other.folder.mkdir()
    shutil.copy(account_file(deployer.journal), account_file(other.journal))
    return other


def test_another_journals_stack(deployer: Deployer) -> None:
    """REFUSED with who changed it last, exit code 6; the request that names that stream adopts it."""
    deployer.run("v1")
    stream, other = status(deployer)["stream"], beside(deployer)
    refused = run(other, spec(other, "v2"))
    assert refused.code == 6, refused
    assert stream in refused.out
    assert status(other)["state"] == "AVAILABLE"
    assert run(other, spec(other, "v2"), "--adopt", "0" * 32).code == 6
    adopted = run(other, spec(other, "v2"), "--adopt", stream)
    assert adopted.code == 0, adopted
    assert (stack(other)["ImageTag"], stack(other)["DesiredCount"]) == ("1.1.0", "2")


def test_another_journals_stack_with_its_window_open(deployer: Deployer) -> None:
    """Left at zero by the other's newest change, it is not adopted, but by force and with a count to scale up to."""
    deployer.run("v1")
    run(deployer, spec(deployer, "v2"), script=ROLLS_BACK)
    stream, other = status(deployer)["stream"], beside(deployer)
    counted = spec(other, "v2", lambda data: data["stack"].update(counts={"DesiredCount": 3}))
    refused = run(other, counted, "--adopt", stream)
    assert refused.code == 6, refused
    assert status(other)["state"] == "AVAILABLE"
    assert run(other, counted, "--adopt", stream, "--force").code == 0
    assert stack(other)["DesiredCount"] == "3"


# The queue


def test_ten_requests_of_which_each_takes_the_place_of_those_that_wait(deployer: Deployer) -> None:
    """Two deployments are carried out, the first and the last; the others ended SUPERSEDED."""
    for number in range(1, 11):
        assert deployer.run("v1", "--id", f"d{number}", "--supersede", "--no-wait").code == 0
    assert [one["id"] for one in status(deployer)["queue"]] == ["d10"]
    assert deployer("resume").code == 0
    assert ended(deployer) == {"d1": "DONE", **{f"d{n}": "SUPERSEDED" for n in range(2, 10)}, "d10": "DONE"}
    assert deployer.run("v1", "--id", "d2").code == 7


def test_a_request_that_waited_over_the_weekend(deployer: Deployer) -> None:
    """Behind one that runs it is EXPIRED when its turn would come, exit code 8, and the stack is not broken by it."""
    deployer.run("v1", "--id", "one", "--no-wait")
    deployer.run("v1", "--id", "two", "--no-wait", "--start-by", "30s")
    assert deployer("resume").code == 8
    assert ended(deployer) == {"one": "DONE", "two": "EXPIRED"}
    assert status(deployer)["state"] == "AVAILABLE"


def test_a_request_that_waited_over_the_weekend_on_a_broken_stack(deployer: Deployer) -> None:
    """A repair starts nothing that is too late, and says so."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    deployer.run("v2", "--id", "friday", "--no-wait")
    later(deployer, 2.5 * 24 * 3600)
    said = deployer("repair", KEY)
    assert "It was too late for friday, version 2, by joe: EXPIRED." in said.out
    assert "Nothing waited, so nothing was started by it." in said.out
    assert (ended(deployer)["friday"], status(deployer)["state"]) == ("EXPIRED", "AVAILABLE")


def test_a_repair_says_what_it_starts(deployer: Deployer) -> None:
    """With who asked for it and why; what was too late when that was asked for has ended by then."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    deployer.run("v2", "--id", "friday", "--no-wait")
    later(deployer, 2.5 * 24 * 3600)
    deployer.run("v2", "--id", "monday", "--no-wait", "--reason", "still wanted")
    assert ended(deployer)["friday"] == "EXPIRED"
    assert "Started by it: monday, version 2, by joe: still wanted." in deployer("repair", KEY).out
    assert deployer("resume").code == 0
    assert ended(deployer)["monday"] == "DONE"


def test_a_repair_may_end_all_that_wait(deployer: Deployer) -> None:
    """They end TERMINATED, and nothing is started."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    deployer.run("v2", "--id", "bad", "--no-wait")
    said = deployer("repair", KEY, "--withdraw-queue", "--reason", "never again")
    assert said.out.splitlines()[0] == "staging/orders  AVAILABLE"
    assert "Ended by it: bad, version 2, by joe." in said.out
    assert ended(deployer)["bad"] == "TERMINATED"


def test_an_exclusive_request_that_would_have_to_wait(deployer: Deployer) -> None:
    """Exit code 2 and nothing in the journal, not even what it was to supersede; on a free stack it begins."""
    assert deployer.run("v1", "--id", "one", "--exclusive", "--no-wait").code == 0
    deployer.run("v1", "--id", "two", "--no-wait")
    before = status(deployer)
    said = deployer.run("v1", "--id", "three", "--exclusive", "--supersede")
    assert said.code == 2
    assert "it was to begin at once, and would have to wait; try again later" in said.err
    assert status(deployer) == before


def test_a_stack_by_another_name(deployer: Deployer) -> None:
    """One stream is one stack: a renamed one is refused, exit code 2, and nothing is requested."""
    deployer.run("v1")
    path = spec(deployer, "v2", lambda data: data["stack"].update(name="orders-2"))
    said = run(deployer, path)
    assert said.code == 2
    assert "this stream is of staging/orders on stack staging-orders, not of staging/orders" in said.err
    assert len(ended(deployer)) == 1


def test_who_asks_and_why_is_kept(deployer: Deployer) -> None:
    """In status, history and the events; by default it is the user."""
    deployer.run("v1", "--id", "one", "--by", "ann", "--reason", "the first one")
    assert "one after" in (shown := deployer("status").out)
    assert "by ann: the first one" in shown
    assert "asked for with: the first one" in deployer("history", KEY).out
    assert "one, version 1 by ann: the first one" in deployer("history", KEY, "--events").out
    data = deployer("history", KEY, "--json").data["deployments"][0]
    assert (data["by"], data["asked"]) == ("ann", "the first one")


def test_terms_that_make_no_sense_are_refused(deployer: Deployer) -> None:
    """A duration and a stream's id that are none: exit code 2, before anything is made."""
    assert "'soon' is no duration: 90s, 30m, 2h or 1h30m" in deployer.run("v1", "--start-by", "soon").err
    assert "32 hexadecimal digits" in deployer.run("v1", "--adopt", "mine", script=SCRIPT).err
    assert not list(deployer.folder.iterdir())
