"""`deployer run` and `deployer resume` on a simulated AWS: outcomes, exit codes, and what is said of them."""

import re
from pathlib import Path

import pytest

from deployer_aws.environment import account_file
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_core.kernel.machine import name_of
from tests.support.command import EXAMPLE, FAILS, KEY, SCRIPT, STUCK, Deployer


@pytest.mark.quick
def test_the_versions_of_the_example_are_deployed_one_after_the_other(deployer: Deployer) -> None:
    """Version 1 creates the stack, 2 and 3 take the full path and migrate `orders`, the hotfix is quick."""
    reports = [deployer.run(version, "--json").data for version in ("v1", "v2", "v3", "hotfix")]
    assert [report["outcome"] for report in reports] == ["DONE"] * 4
    states = [[spell["state"] for spell in report["states"]] for report in reports]
    assert states == [
        ["WAITING", "CREATING", "DB_MIGRATING", "SCALING_UP", "DONE"],
        ["WAITING", "SCALING_DOWN", "INFRA_MIGRATE", "DB_MIGRATING", "SCALING_UP", "DONE"],
        ["WAITING", "SCALING_DOWN", "INFRA_MIGRATE", "DB_MIGRATING", "SCALING_UP", "DONE"],
        ["WAITING", "UPSERTING", "DONE"],
    ]
    fates = [{database["name"]: database["state"] for database in report["databases"]} for report in reports]
    assert fates == [
        {"billing": "DONE", "orders": "NOP"},
        {"billing": "DONE", "orders": "DONE"},
        {"billing": "NOP", "orders": "DONE"},
        {},
    ]
    calls = [report["calls"]["by_operation"] for report in reports]
    assert [each.get("CreateStack", 0) for each in calls] == [1, 0, 0, 0]
    assert [report["calls"]["total"] for report in reports] == [sum(each.values()) for each in calls]
    assert all(report["duration"] > 30 and report["exit_code"] == 0 for report in reports)


def test_a_pipe_gets_one_plain_line_for_each_change(deployer: Deployer) -> None:
    """States of all four machines and commands with their times, and no escape code, whatever FORCE_COLOR says."""
    said = deployer(
        "run",
        EXAMPLE / "v1.yaml",
        "--simulate",
        SCRIPT,
        "--id",
        "first",
        "--speed",
        "0.1",
        env={"FORCE_COLOR": "1"},
    )
    assert said.code == 0
    assert said.err == ""
    assert "\x1b" not in said.out
    lines = [line.split(maxsplit=1)[1] for line in said.out.splitlines()[:-1]]
    assert "operator    joe  requests first, version 1" in lines
    assert "stack       CREATING" in lines
    assert "deployment  first  DB_MIGRATING" in lines
    assert "database    orders  NOP" in lines
    assert "task        billing/migrate  DONE: exit code 0" in lines
    assert any(line.startswith("command     CreateStack DesiredCount=0  done after ") for line in lines)
    assert said.out.splitlines()[-1].startswith("DONE  staging/orders version 1 after 3m")


@pytest.mark.quick
def test_a_failed_full_deployment_stays_at_zero_and_says_so(deployer: Deployer) -> None:
    """Exit code 1, AWS's own reason, the counts from before, and the command that repairs."""
    deployer.run("v1")
    said = deployer.run("v2", script=deployer.script(FAILS))
    assert said.code == 1
    end = said.out[said.out.index("FAILED  staging/orders") :]
    assert "in DB_MIGRATING" in end
    assert "locked" in end
    assert "The services are at zero; before: DesiredCount=2." in end
    assert f"deployer repair staging/orders --journal {deployer.journal}" in end


@pytest.mark.parametrize(
    "operation", ["describe_stacks", "describe_stack_events", "describe_tasks", "run_task"]
)
def test_credentials_that_expire_in_mid_wait_fail_nothing(deployer: Deployer, operation: str) -> None:
    """Exit code 3, with AWS's words, what could not be done and how to go on; resume carries it to its end."""
    script = deployer.script(f"rules: [{{on: {operation}, nth: 2, expired: true}}]")
    said = deployer.run("v1", script=script)
    assert said.code == 3
    assert "token included in the request is expired" in said.out
    assert re.search(
        r"waits for credentials, for \w+ of stack \S+|for RunTask \S+ of staging/orders", said.out
    )
    assert f"deployer resume staging/orders --journal {deployer.journal}" in said.out
    resumed = deployer("resume", KEY)
    assert resumed.code == 0
    assert "DONE  staging/orders version 1" in resumed.out


def test_a_repaired_stack_gets_its_counts_back(deployer: Deployer) -> None:
    """A deployment that failed at zero, repaired: the next one scales to the count from before."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    assert deployer("repair", KEY).code == 0
    report = deployer.run("v2", "--json").data
    assert report["outcome"] == "DONE"
    events = deployer("history", KEY, "--events").out
    assert events.count("ScaleStack DesiredCount=2: UPDATE_COMPLETE") >= 1


def test_a_deployment_behind_a_broken_stack_waits_for_its_repair(deployer: Deployer) -> None:
    """Exit code 3 and 'deployer repair'; after that, resume carries it to its end."""
    deployer.run("v1")
    deployer.run("v2", script=deployer.script(FAILS))
    said = deployer.run("v2", "--id", "third")
    assert said.code == 3
    assert f"deployer repair staging/orders --journal {deployer.journal}" in said.out
    assert deployer("repair", KEY).out.startswith("staging/orders  MIGRATING")
    resumed = deployer("resume", KEY)
    assert resumed.code == 0
    assert "DONE  staging/orders version 2" in resumed.out


def test_the_same_id_and_spec_again_deploy_nothing(deployer: Deployer) -> None:
    """The outcome is reported again; the same id with another spec is refused."""
    first = deployer.run("v1", "--id", "one", "--json").data
    again = deployer.run("v1", "--id", "one", "--json").data
    assert (again["outcome"], again["events"], again["calls"]) == (
        "DONE",
        first["events"],
        {"total": 0, "by_operation": {}},
    )
    other = deployer.run("v2", "--id", "one")
    assert other.code == 2
    assert "was requested before, for something else" in other.err


def test_an_id_that_is_none_is_refused_before_anything_is_made(deployer: Deployer) -> None:
    """Exit code 2, and no journal."""
    said = deployer.run("v1", "--id", "not an id")
    assert said.code == 2
    assert "letters, digits, hyphens and dots" in said.err
    assert not list(deployer.folder.iterdir())


def test_a_deployment_is_given_an_id_by_its_time(deployer: Deployer) -> None:
    """In the time of its world, with random signs behind it."""
    assert deployer.run("v1", "--json").data["deployment"].startswith("20260101-000000-")


def test_resume_finishes_what_was_left_half_way(deployer: Deployer) -> None:
    """It finds the simulated AWS by itself, and says what was under way."""
    deployer.half_way(events=15)
    said = deployer("resume")
    assert said.code == 0
    assert "half  DB_MIGRATING, version 1" in said.out
    assert "DONE  staging/orders version 1" in said.out
    assert deployer("resume").out == "Nothing is under way.\n"


def test_resume_tells_of_a_failure(deployer: Deployer) -> None:
    """Exit code 1, in JSON too."""
    deployer.half_way(events=5, script=deployer.script(FAILS))
    said = deployer("resume", "--json")
    assert said.code == 1
    assert [d["outcome"] for d in said.data["deployments"]] == ["FAILED"]


def test_resume_with_another_script_goes_on_by_that(deployer: Deployer) -> None:
    """The account stays, its rules are others."""
    deployer.half_way(events=5)
    assert deployer("resume", "--simulate", deployer.script(FAILS)).code == 1


def test_a_run_carries_on_what_is_in_front_of_it(deployer: Deployer) -> None:
    """A deployment left half-way ends first, then ours; the exit code is that of ours."""
    deployer.half_way(events=5, script=deployer.script(FAILS.replace("first: 3", "nth: 9")))
    said = deployer.run("v2", "--id", "mine", script=deployer.folder / "script.yaml")
    assert said.code == 0
    assert said.out.index("half  DONE") < said.out.index("mine  WAITING") < said.out.index("mine  DONE")


def test_a_run_follows_another_deployer_and_takes_over_when_that_is_gone(deployer: Deployer) -> None:
    """A lease that nobody renews is taken after its term; until then it is said who has it."""
    deployer.half_way(events=8)
    journal = SqliteJournal(deployer.journal)
    journal.compare_and_set_lease(KEY, "somebody", journal.lease(KEY))
    journal.close()
    said = deployer("resume")
    assert said.code == 0
    assert said.out.count("another deployer (somebody) carries staging/orders on, and this one follows") == 1


def test_what_waits_behind_ours_is_named_at_the_end(deployer: Deployer) -> None:
    """Ours is over, so the process ends; the other one is still to come."""
    deployer.half_way(events=5)
    deployer.half_way("v2", events=1, name="second")
    said = deployer.run("v1", "--id", "half")
    assert said.code == 0
    assert "Still to come: second." in said.out
    assert f"deployer resume staging/orders --journal {deployer.journal}" in said.out
    status = deployer("status", "--json").data["stacks"][0]
    assert status["current"]["id"] == "second"


def test_a_task_that_may_still_run_is_named_with_its_repair(deployer: Deployer) -> None:
    """A migration past its time is told to stop; what does not stop is unresolved, and the repair is forced by its name."""
    said = deployer.run("v1", "--id", "one", script=deployer.script(STUCK))
    assert said.code == 1
    forced = f"deployer repair staging/orders --force one/billing/migrate --journal {deployer.journal}"
    assert forced in said.out
    assert "may still run" in said.out
    assert forced in deployer("status").out
    assert deployer("status", "--json").data["stacks"][0]["unresolved"][0]["force"] == "one/billing/migrate"
    refused = deployer("repair", KEY)
    assert refused.code == 2
    assert "may still run" in refused.err
    assert deployer("repair", KEY, "--force", "one/billing/migrate").code == 0


# Bad input: one message, exit code 2, and nothing is made


def _refused(deployer: Deployer, spec: Path) -> str:
    said = deployer("run", spec, "--simulate", SCRIPT)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("deployer: ")
    assert "Traceback" not in said.err
    assert not deployer.journal.exists()
    assert not account_file(deployer.journal).exists()
    return said.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a list", b"[1, 2]", "map"),
        ("an unknown key", b"environment: e\nnonsense: 1\n", "nonsense"),
        ("a cycle", b"environment: &a [*a]\n", "contains itself"),
        ("10 MB", b"a" * 10_000_000, "larger than"),
        ("not UTF-8", b"environment: \xff\xfe", "UTF-8"),
        ("no YAML", b"a: [", "YAML"),
        ("empty", b"", "empty"),
        ("escape codes", b'"\\e[31mred": 1\n', "red"),
    ],
)
def test_a_bad_spec_file_gets_one_message(deployer: Deployer, name: str, content: bytes, words: str) -> None:
    """Whatever is wrong with it, no journal is made, and no escape code gets through."""
    spec = deployer.folder / "spec.yaml"
    spec.write_bytes(content)
    err = _refused(deployer, spec)
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_spec_file_that_cannot_be_read_gets_one_message(deployer: Deployer, name: str) -> None:
    """A missing file, or a folder."""
    _refused(deployer, deployer.folder / name)


@pytest.mark.parametrize("script", ["rules: [{on: nonsense, throttle: true}]", "a: [", "[]", "\udcff"])
def test_a_bad_script_gets_one_message(deployer: Deployer, script: str) -> None:
    """It is read before anything is opened."""
    path = deployer.folder / "script.yaml"
    path.write_bytes(script.encode(errors="surrogateescape"))
    said = deployer.run(script=path)
    assert said.code == 2
    assert said.err.startswith(f"deployer: {path}:")
    assert said.err.count(str(path)) == 1
    assert not deployer.journal.exists()


def test_a_journal_that_is_none_gets_one_message(deployer: Deployer) -> None:
    """A file of somebody else's is left as it is; a folder that is missing is named."""
    deployer.journal.write_text("mine")
    said = deployer.run()
    assert said.code == 2
    assert "not a journal" in said.err
    assert deployer.journal.read_text() == "mine"
    assert not account_file(deployer.journal).exists()
    nested = Deployer(deployer.folder / "none")
    assert nested.run().code == 2
    account_file(deployer.journal).write_text("mine")
    deployer.journal.unlink()
    assert "simulated AWS" in deployer.run().err


def test_a_stack_that_the_journal_does_not_know_is_refused_with_those_that_it_does(
    deployer: Deployer,
) -> None:
    """For every command that takes one."""
    deployer.half_way(events=3)
    for words in (("status",), ("history",), ("resume",), ("verify",), ("repair",)):
        said = deployer(*words, "other/stack")
        assert (said.code, said.out) == (2, "")
        assert "it knows staging/orders" in said.err


def test_what_is_kept_of_a_stack_is_what_was_shown(deployer: Deployer) -> None:
    """The journal's head says the same as the report."""
    report = deployer.run("v1", "--json").data
    journal = SqliteJournal(deployer.journal, create=False)
    head = journal.head(KEY)
    journal.close()
    assert (head.version, name_of(type(head.state.stack))) == (report["events"], report["stack_state"])
