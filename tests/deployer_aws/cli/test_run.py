"""`deployer run` and `deployer resume` on a simulated AWS: outcomes, exit codes, and what is said of them."""

import re
from pathlib import Path

import pytest

from deployer_aws.environment import account_file
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_core.kernel.machine import name_of
from tests.support.command import EXAMPLE, FAILS, KEY, SCRIPT, STUCK, Bed


@pytest.mark.quick
def test_the_versions_of_the_example_are_deployed_one_after_the_other(bed: Bed) -> None:
    """Version 1 creates the stack, 2 and 3 take the full path and migrate `orders`, the hotfix is quick."""
    reports = [bed.run(version, "--json").data for version in ("v1", "v2", "v3", "hotfix")]
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


def test_a_pipe_gets_one_plain_line_for_each_change(bed: Bed) -> None:
    """States of all four machines and commands with their times, and no escape code, whatever FORCE_COLOR says."""
    said = bed(
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
    assert "operator    requests first, version 1" in lines
    assert "stack       CREATING" in lines
    assert "deployment  first  DB_MIGRATING" in lines
    assert "database    orders  NOP" in lines
    assert "task        billing/migrate  DONE: exit code 0" in lines
    assert any(line.startswith("command     CreateStack DesiredCount=0  done after ") for line in lines)
    assert said.out.splitlines()[-1].startswith("DONE  staging/orders version 1 after 3m")


@pytest.mark.quick
def test_a_failed_full_deployment_stays_at_zero_and_says_so(bed: Bed) -> None:
    """Exit code 1, AWS's own reason, the counts from before, and the command that repairs."""
    bed.run("v1")
    said = bed.run("v2", script=bed.script(FAILS))
    assert said.code == 1
    end = said.out[said.out.index("FAILED  staging/orders") :]
    assert "in DB_MIGRATING" in end
    assert "locked" in end
    assert "The services are at zero; before: DesiredCount=2." in end
    assert f"deployer repair staging/orders --journal {bed.journal}" in end


@pytest.mark.parametrize(
    "operation", ["describe_stacks", "describe_stack_events", "describe_tasks", "run_task"]
)
def test_credentials_that_expire_in_mid_wait_fail_nothing(bed: Bed, operation: str) -> None:
    """Exit code 3, with AWS's words, what could not be done and how to go on; resume carries it to its end."""
    script = bed.script(f"rules: [{{on: {operation}, nth: 2, expired: true}}]")
    said = bed.run("v1", script=script)
    assert said.code == 3
    assert "token included in the request is expired" in said.out
    assert re.search(
        r"waits for credentials, for \w+ of stack \S+|for RunTask \S+ of staging/orders", said.out
    )
    assert f"deployer resume staging/orders --journal {bed.journal}" in said.out
    resumed = bed("resume", KEY)
    assert resumed.code == 0
    assert "DONE  staging/orders version 1" in resumed.out


def test_a_repaired_stack_gets_its_counts_back(bed: Bed) -> None:
    """A deployment that failed at zero, repaired: the next one scales to the count from before."""
    bed.run("v1")
    bed.run("v2", script=bed.script(FAILS))
    assert bed("repair", KEY).code == 0
    report = bed.run("v2", "--json").data
    assert report["outcome"] == "DONE"
    events = bed("history", KEY, "--events").out
    assert events.count("ScaleStack DesiredCount=2: UPDATE_COMPLETE") >= 1


def test_a_deployment_behind_a_broken_stack_waits_for_its_repair(bed: Bed) -> None:
    """Exit code 3 and 'deployer repair'; after that, resume carries it to its end."""
    bed.run("v1")
    bed.run("v2", script=bed.script(FAILS))
    said = bed.run("hotfix", "--id", "third")
    assert said.code == 3
    assert f"deployer repair staging/orders --journal {bed.journal}" in said.out
    assert bed("repair", KEY).out.startswith("staging/orders  MIGRATING")
    resumed = bed("resume", KEY)
    assert resumed.code == 0
    assert "DONE  staging/orders version 3.1" in resumed.out


def test_the_same_id_and_spec_again_deploy_nothing(bed: Bed) -> None:
    """The outcome is reported again; the same id with another spec is refused."""
    first = bed.run("v1", "--id", "one", "--json").data
    again = bed.run("v1", "--id", "one", "--json").data
    assert (again["outcome"], again["events"], again["calls"]) == (
        "DONE",
        first["events"],
        {"total": 0, "by_operation": {}},
    )
    other = bed.run("v2", "--id", "one")
    assert other.code == 2
    assert "was requested before with another spec" in other.err


def test_an_id_that_is_none_is_refused_before_anything_is_made(bed: Bed) -> None:
    """Exit code 2, and no journal."""
    said = bed.run("v1", "--id", "not an id")
    assert said.code == 2
    assert "letters, digits, hyphens and dots" in said.err
    assert not list(bed.folder.iterdir())


def test_a_deployment_is_given_an_id_by_its_time(bed: Bed) -> None:
    """In the time of its world, with random signs behind it."""
    assert bed.run("v1", "--json").data["deployment"].startswith("20260101-000000-")


def test_resume_finishes_what_was_left_half_way(bed: Bed) -> None:
    """It finds the simulated world by itself, and says what was under way."""
    bed.half_way(events=15)
    said = bed("resume")
    assert said.code == 0
    assert "half  DB_MIGRATING, version 1" in said.out
    assert "DONE  staging/orders version 1" in said.out
    assert bed("resume").out == "Nothing is under way.\n"


def test_resume_tells_of_a_failure(bed: Bed) -> None:
    """Exit code 1, in JSON too."""
    bed.half_way(events=5, script=bed.script(FAILS))
    said = bed("resume", "--json")
    assert said.code == 1
    assert [d["outcome"] for d in said.data["deployments"]] == ["FAILED"]


def test_resume_with_another_script_goes_on_by_that(bed: Bed) -> None:
    """The world stays, its rules are others."""
    bed.half_way(events=5)
    assert bed("resume", "--simulate", bed.script(FAILS)).code == 1


def test_a_run_carries_on_what_is_in_front_of_it(bed: Bed) -> None:
    """A deployment left half-way ends first, then ours; the exit code is that of ours."""
    bed.half_way(events=5, script=bed.script(FAILS.replace("first: 3", "nth: 9")))
    said = bed.run("v2", "--id", "mine", script=bed.folder / "script.yaml")
    assert said.code == 0
    assert said.out.index("half  DONE") < said.out.index("mine  WAITING") < said.out.index("mine  DONE")


def test_a_run_follows_another_deployer_and_takes_over_when_that_is_gone(bed: Bed) -> None:
    """A lease that nobody renews is taken after its term; until then it is said who has it."""
    bed.half_way(events=8)
    journal = SqliteJournal(bed.journal)
    journal.compare_and_set_lease(KEY, "somebody", journal.lease(KEY))
    journal.close()
    said = bed("resume")
    assert said.code == 0
    assert said.out.count("another deployer (somebody) carries staging/orders on, and this one follows") == 1


def test_what_waits_behind_ours_is_named_at_the_end(bed: Bed) -> None:
    """Ours is over, so the process ends; the other one is still to come."""
    bed.half_way(events=5)
    bed.half_way("v2", events=1, name="second")
    said = bed.run("v1", "--id", "half")
    assert said.code == 0
    assert "Still to come: second." in said.out
    assert f"deployer resume staging/orders --journal {bed.journal}" in said.out
    status = bed("status", "--json").data["stacks"][0]
    assert status["current"]["id"] == "second"


def test_a_task_that_may_still_run_is_named_with_its_repair(bed: Bed) -> None:
    """A migration past its time is told to stop; what does not stop is unresolved, and the repair is forced by its name."""
    said = bed.run("v1", "--id", "one", script=bed.script(STUCK))
    assert said.code == 1
    forced = f"deployer repair staging/orders --force one/billing/migrate --journal {bed.journal}"
    assert forced in said.out
    assert "may still run" in said.out
    assert forced in bed("status").out
    assert bed("status", "--json").data["stacks"][0]["unresolved"][0]["force"] == "one/billing/migrate"
    refused = bed("repair", KEY)
    assert refused.code == 2
    assert "may still run" in refused.err
    assert bed("repair", KEY, "--force", "one/billing/migrate").code == 0


# Bad input: one message, exit code 2, and nothing is made


def _refused(bed: Bed, spec: Path) -> str:
    said = bed("run", spec, "--simulate", SCRIPT)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("deployer: ")
    assert "Traceback" not in said.err
    assert not bed.journal.exists()
    assert not account_file(bed.journal).exists()
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
def test_a_bad_spec_file_gets_one_message(bed: Bed, name: str, content: bytes, words: str) -> None:
    """Whatever is wrong with it, no journal is made, and no escape code gets through."""
    spec = bed.folder / "spec.yaml"
    spec.write_bytes(content)
    err = _refused(bed, spec)
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_spec_file_that_cannot_be_read_gets_one_message(bed: Bed, name: str) -> None:
    """A missing file, or a folder."""
    _refused(bed, bed.folder / name)


@pytest.mark.parametrize("script", ["rules: [{on: nonsense, throttle: true}]", "a: [", "[]", "\udcff"])
def test_a_bad_script_gets_one_message(bed: Bed, script: str) -> None:
    """It is read before anything is opened."""
    path = bed.folder / "script.yaml"
    path.write_bytes(script.encode(errors="surrogateescape"))
    said = bed.run(script=path)
    assert said.code == 2
    assert said.err.startswith(f"deployer: {path}:")
    assert said.err.count(str(path)) == 1
    assert not bed.journal.exists()


def test_a_journal_that_is_none_gets_one_message(bed: Bed) -> None:
    """A file of somebody else's is left as it is; a folder that is missing is named."""
    bed.journal.write_text("mine")
    said = bed.run()
    assert said.code == 2
    assert "not a journal" in said.err
    assert bed.journal.read_text() == "mine"
    assert not account_file(bed.journal).exists()
    nested = Bed(bed.folder / "none")
    assert nested.run().code == 2
    account_file(bed.journal).write_text("mine")
    bed.journal.unlink()
    assert "simulated AWS" in bed.run().err


def test_a_stack_that_the_journal_does_not_know_is_refused_with_those_that_it_does(bed: Bed) -> None:
    """For every command that takes one."""
    bed.half_way(events=3)
    for words in (("status",), ("history",), ("resume",), ("verify",), ("repair",)):
        said = bed(*words, "other/stack")
        assert (said.code, said.out) == (2, "")
        assert "it knows staging/orders" in said.err


def test_what_is_kept_of_a_stack_is_what_was_shown(bed: Bed) -> None:
    """The journal's head says the same as the report."""
    report = bed.run("v1", "--json").data
    journal = SqliteJournal(bed.journal, create=False)
    head = journal.head(KEY)
    journal.close()
    assert (head.version, name_of(type(head.state.stack))) == (report["events"], report["stack_state"])
