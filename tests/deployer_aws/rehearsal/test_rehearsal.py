"""Whole rehearsals: real databases, real processes, a simulated AWS."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deployer_aws.rehearsal.fixtures import KEY, Project, runs


@pytest.mark.quick
def test_versions_on_a_server_of_its_own(project: Project) -> None:
    """A new version is migrated, the same again ends in NOP, the next is migrated; nothing is left afterwards."""
    said = project.rehearse(project.spec("1"), project.folder / "v1.yaml", project.spec("2"))
    assert said.code == 0, said
    assert sorted(project.words) == ["billing migrate"] * 3 + ["orders evaluate"] * 3 + ["orders migrate"] * 2
    assert "orders   NOP  nothing to migrate" in said.out
    assert said.out.count("orders   DONE  migrated") == 2
    assert said.out.count(f"DONE  {KEY} version") == 3
    assert "orders evaluate | evaluate orders as orders_app_" in said.out
    assert project.left == []
    assert not (project.folder / ".deployer").exists()
    assert project.postmasters() == []
    assert not any(runs(one["pid"]) for one in project.seen)


def test_passwords_are_shown_nowhere(project: Project, given: str) -> None:
    """A process that writes its password, and the URL that holds it, is shown with neither."""
    said = project.rehearse(project.spec("1"), "--database-url", given)
    assert said.code == 0, said
    assert len(project.passwords) == 2
    assert not any(password in said.out + said.err for password in project.passwords)
    assert "with **** ****" in said.out


def test_the_environment_of_a_task(project: Project, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The definition's variables, under the spec's, under the rehearsal's; secrets as ECS resolves them; libpq's own."""
    monkeypatch.setenv("HERE", "too")
    project.rehearse(project.spec("1"), "--database-url", given)
    found = next(one["env"] for one in project.seen if one["word"] == "migrate" and one["name"] == "orders")
    wanted = {"FROM": "template", "COLOUR": "blue", "OWN": "yes", "HERE": "too", "PGDATABASE": "orders"}
    assert wanted.items() <= found.items()
    assert found["URL"].startswith(f"postgresql://{found['PGUSER']}:")
    assert found["PGPASSWORD"] in found["URL"]
    evaluated = next(one["env"] for one in project.seen if one["word"] == "evaluate")
    assert evaluated["PGDATABASE"] == "orders"


def test_what_runs_after_it(project: Project, given: str) -> None:
    """It is given what the services' containers are; its output is shown, and its failure fails the rehearsal."""
    after = ["sh", "-c", 'echo "$KIND: $ORDERS" | cut -c1-20; exit 4']
    said = project.rehearse(project.spec("1", after=after), project.spec("2"), "--database-url", given)
    assert said.code == 1
    assert 'after | service: {"host": "' in said.out
    assert "what runs after the deployment exits with 4" in said.err
    assert "version 2" not in said.out
    gone = project.rehearse(project.spec("1", after=["no-such-program"]), "--database-url", given)
    assert (gone.code, "rehearse.after: CannotStartContainerError: no-such-program" in gone.err) == (2, True)


def test_a_failed_evaluation_holds_its_siblings_at_the_barrier(project: Project, given: str) -> None:
    """Any other exit code fails the deployment, before anything was migrated; the reason has the last lines."""
    said = project.rehearse(
        project.spec("1", orders_evaluate=["fail", "orders", "3"]), "--database-url", given
    )
    assert said.code == 1
    assert project.words == ["orders fail"]
    assert "container migrate exited with 3 (its last lines in shop: " in said.out
    assert "the last line" in said.out.split("FAILED  test/shop")[1]


def test_a_failed_migration_lets_its_sibling_end(project: Project, given: str) -> None:
    """After the barrier each migration runs to its end, then the deployment fails with the last lines as its reason."""
    said = project.rehearse(
        project.spec("1", billing_migrate=["fail", "billing", "9"]), "--database-url", given, "--json"
    )
    assert said.code == 1
    (deployment,) = said.data["deployments"]
    assert {one["name"]: one["state"] for one in deployment["databases"]} == {
        "orders": "DONE",
        "billing": "FAILED",
    }
    assert "exited with 9 (its last lines in /ecs/billing: " in deployment["reason"]
    assert not any(password in said.out for password in project.passwords)


def test_a_migration_that_takes_too_long_is_stopped(project: Project, given: str) -> None:
    """Past its timeout the process and what it has started are ended, and the deployment fails.

    Fifteen of the twenty seconds are virtual, until ECS would have started the task; within the others the process has
    to begin, on a busy machine too.
    """
    said = project.rehearse(
        project.spec("1", orders_migrate=["hang", "orders", "1"], timeout=20), "--database-url", given
    )
    assert said.code == 1
    assert "no end within 20 s" in said.out
    assert not any(map(runs, project.hung()))


def test_a_program_that_is_not_there(project: Project, given: str) -> None:
    """It is a task that failed to start, which the deployment fails of."""
    path = project.spec("1")
    data = json.loads(path.read_text())
    data["rehearse"]["databases"]["billing"]["migrate"] = ["no-such-program"]
    path.write_text(json.dumps(data))
    said = project.rehearse(path, "--database-url", given)
    assert said.code == 1
    assert "TaskFailedToStart: CannotStartContainerError: no-such-program in" in said.out


def test_a_secret_that_only_the_real_account_has(project: Project, given: str) -> None:
    """It fails the task, with what to do; given in the section's environment it is not looked for."""
    template = project.folder / "template.yaml"
    template.write_text(template.read_text().replace("secret:shop/orders:url::", "secret:shop/mail"))
    said = project.rehearse(project.spec("1"), "--database-url", given)
    assert said.code == 1
    assert "give URL in rehearse.environment" in said.out
    path = project.spec("1")
    data = json.loads(path.read_text())
    data["rehearse"]["environment"]["URL"] = "smtp://here"
    path.write_text(json.dumps(data))
    assert project.rehearse(path, "--database-url", given).code == 0


def test_a_script_of_the_simulator(project: Project, given: str) -> None:
    """Faults are scripted as elsewhere: here a stack that fails, so that nothing is migrated."""
    script = project.folder / "script.yaml"
    script.write_text("rules: [{on: create_stack, fail: {resource: Service, reason: no capacity}}]")
    said = project.rehearse(project.spec("1"), "--database-url", given, "--simulate", script)
    assert said.code == 1
    assert "no capacity" in said.out
    assert project.words == []


def expecting(project: Project, version: str, expected: str, **commands: Any) -> Path:
    """Return a version that is to be put back where it can be, and to end as expected."""
    path = project.spec(version, **commands)
    data = json.loads(path.read_text())
    data["on_failure"] = "restore"
    data["rehearse"]["expected"] = expected
    path.write_text(json.dumps(data))
    return path


def test_a_failure_that_was_expected_does_not_end_it(project: Project, given: str) -> None:
    """It was put back, the stack is repaired, and the next version follows; the exit code is that of a good end."""
    fails = expecting(project, "2", "put-back", orders_evaluate=["fail", "orders", "3"])
    words = (project.spec("1"), fails, project.spec("3"), "--database-url", given)
    said = project.rehearse(*words)
    assert said.code == 0, said
    assert "It was put back: the services run as before." in said.out
    assert "That was expected: it was to be FAILED and put back. The rehearsal goes on." in said.out
    assert f"DONE  {KEY} version 3" in said.out
    parts = project.rehearse(*words, "--json").data["deployments"]
    assert [(one["outcome"], one["expected"], one["as_expected"]) for one in parts] == [
        ("DONE", "done", True),
        ("FAILED", "put-back", True),
        ("DONE", "done", True),
    ]
    assert [one["exit_code"] for one in parts] == [0, 0, 0]


@pytest.mark.parametrize(
    ("expected", "commands", "was"),
    [
        ("failed", {}, "was to be FAILED (rehearse.expected: failed), and DONE is what became of it"),
        (
            "put-back",
            {"billing_migrate": ["fail", "billing", "9"]},
            "was to be FAILED and put back (rehearse.expected: put-back), and FAILED is what became of it",
        ),
    ],
    ids=["done", "not put back"],
)
def test_what_was_expected_and_did_not_happen_fails_it(
    project: Project, given: str, expected: str, commands: dict[str, Any], was: str
) -> None:
    """Exit code 1, what was expected and what came of it; the next version is not rehearsed."""
    said = project.rehearse(
        project.spec("1"),
        expecting(project, "2", expected, **commands),
        project.spec("3"),
        "--database-url",
        given,
    )
    assert said.code == 1
    assert f"version 2 {was}" in said.err
    assert f"{KEY} version 3" not in said.out
