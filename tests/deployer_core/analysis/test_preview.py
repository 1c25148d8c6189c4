"""The preview says what the deployer would do, since the deployer itself is asked."""

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.analysis.preview import cautions, preview
from deployer_core.analysis.preview_values import Branch, Preview, PreviewStep, as_data, render
from deployer_core.engine.memory import EMPTY, completed
from deployer_core.machines.deployment import DeploymentInfo
from deployer_core.spec import (
    AdminSecret,
    DatabaseSpec,
    DeploymentSpec,
    Evaluation,
    FixedCount,
    Migration,
    OnFailure,
    Output,
    Previous,
    PreviousCount,
    StackSpec,
    TaskSpec,
    TemplateUrl,
    Text,
)
from tests.support.derived import GOLDEN, PREVIEWS, derived

TASK: TaskSpec[Text] = TaskSpec(Output("Cluster"), "migrations:7", "migrate", command=("up",))
LOOK: TaskSpec[Text] = TaskSpec(Output("Cluster"), "migrations:7", "migrate", command=("look",))
MIGRATED: DatabaseSpec[Text] = DatabaseSpec("a", AdminSecret(Output("Secret")), migrate=Migration(TASK))
EVALUATED: DatabaseSpec[Text] = DatabaseSpec(
    "b", AdminSecret("secret"), migrate=Migration(TASK), evaluate=Evaluation(LOOK)
)
BARE: DatabaseSpec[Text] = DatabaseSpec("c", AdminSecret("secret"))


def spec(*databases: DatabaseSpec[Text], **changes: Any) -> DeploymentSpec:
    """Return a version with these databases, whose count is as before."""
    stack = StackSpec("shop", TemplateUrl("https://s3/shop.yaml"), scaling=(PreviousCount("Count", 3),))
    return evolve(DeploymentSpec("test", "shop", "7", stack, databases), **changes)


def unscaled(*databases: DatabaseSpec[Text], **changes: Any) -> DeploymentSpec:
    """Return such a version with `scaling: none`."""
    return spec(*databases, stack=StackSpec("shop", TemplateUrl("https://s3/shop.yaml")), **changes)


def commands(value: Preview) -> list[str]:
    """Return the good path in short."""
    return [f"{step.command.name} {step.command.database}".strip() for step in value.steps]


def step(value: Preview, name: str, database: str = "", nth: int = 0) -> PreviewStep:
    """One step of the good path."""
    return [s for s in value.steps if (s.command.name, s.command.database) == (name, database)][nth]


def branch(found: PreviewStep, when: str) -> Branch:
    """One of its branches."""
    return next(b for b in found.branches if b.when.startswith(when))


@pytest.mark.parametrize("name", PREVIEWS)
def test_the_examples_previews_are_up_to_date(name: str) -> None:
    """Each golden preview is what the code gives; if that was meant, `make golden`."""
    path = GOLDEN / f"{name}.txt"
    assert path.read_text(encoding="utf-8") == derived()[path]


def test_no_golden_preview_is_left_over() -> None:
    """Every golden file stands for a preview that is made."""
    assert {path.stem for path in GOLDEN.glob("*")} == set(PREVIEWS)


def test_the_full_path_of_a_stack_that_exists() -> None:
    """To zero, infrastructure, databases in the order of their names, and up again."""
    assert commands(preview(spec(MIGRATED, BARE), exists=True)) == [
        "StabiliseStack",
        "ScaleStack",
        "UpdateStack",
        "UpsertDatabase a",
        "UpsertDatabase c",
        "RunTask a",
        "CleanupDatabase a",
        "ScaleStack",
        "Notice",
    ]


def test_the_full_path_of_a_stack_that_does_not_exist() -> None:
    """It is created at zero and starts with the initial count."""
    found = preview(spec(), exists=False)
    assert commands(found) == ["StabiliseStack", "CreateStack", "ScaleStack", "Notice"]
    assert [s.command.counts for s in found.steps] == [(), (("Count", 0),), (("Count", 3),), ()]
    assert found.outcome.services == ("with Count=3",)


def test_quick_mode_skips_the_databases() -> None:
    """One upsert with the wanted count, and a warning that names what is skipped."""
    found = preview(spec(MIGRATED, quick=True), exists=True)
    assert commands(found) == ["StabiliseStack", "UpsertStack", "Notice"]
    assert found.outcome.databases == (("a", "skipped"),)
    assert [c.field for c in found.cautions] == ["quick"]
    assert "take turns" not in render(found)


def test_counts_that_are_as_before_are_named_so() -> None:
    """The count of a running service is unknown beforehand, and no number is made up for it."""
    scaling = (PreviousCount("Count", 3), FixedCount("Workers", 5))
    both = spec(stack=evolve(spec().stack, scaling=scaling))
    found = preview(both, exists=True)
    assert step(found, "ScaleStack", nth=1).command.counts == (("Count", "as before"), ("Workers", 5))
    assert found.outcome.services == ("with Count=as before, Workers=5",)


def test_states_in_which_commands_are_given() -> None:
    """A command stands beside the states of the deployment and of its database."""
    found = preview(spec(EVALUATED), exists=True)
    assert [(s.command.state, s.command.database_state) for s in found.steps] == [
        ("WAITING", ""),
        ("SCALING_DOWN", ""),
        ("INFRA_MIGRATE", ""),
        ("DB_MIGRATING", "UPSERTING"),
        ("DB_MIGRATING", "EVALUATING"),
        ("DB_MIGRATING", "RUNNING"),
        ("DB_MIGRATING", "CLEANING_UP"),
        ("SCALING_UP", ""),
        ("DONE", ""),
    ]


def test_a_task_is_shown_with_outputs_that_are_not_known_yet() -> None:
    """An output of the stack has a placeholder; what the spec says itself stands as it is."""
    task = step(preview(spec(MIGRATED), exists=True), "RunTask", "a").command.task
    assert task is not None
    assert (task.purpose, task.cluster, task.task_definition) == (
        "migrate",
        "<Output:Cluster>",
        "migrations:7",
    )
    assert (task.container, task.command) == ("migrate", ("up",))


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("quick", [True, False])
def test_every_step_may_fail_run_late_or_be_terminated(exists: bool, quick: bool) -> None:
    """Each of these leaves the deployment FAILED and the stack BROKEN, but before anything is changed."""
    found = preview(spec(MIGRATED, EVALUATED, BARE, quick=quick), exists)
    causes = {"fails": "FAILURE", "deadline": "FAILURE", "terminated": "TERMINATED"}
    for one in found.steps[1:-1]:
        for when, cause in causes.items():
            there = branch(one, when)
            ended = there.outcome.deployment, there.outcome.cause, there.outcome.stack
            assert ended == ("FAILED", cause, "BROKEN")
            assert there.then[-1].name == "Notice"
            assert there.outcome.reason
    assert found.steps[-1].branches == ()


@pytest.mark.parametrize(
    ("when", "cause", "stack"),
    [
        ("refused", "REFUSED", "AVAILABLE"),
        ("fails", "FAILURE", "BROKEN"),
        ("deadline", "EXPIRED", "AVAILABLE"),
        ("terminated", "TERMINATED", "AVAILABLE"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_what_ends_at_the_first_look_has_broken_nothing(
    when: str, cause: str, stack: str, exists: bool
) -> None:
    """The stack is free for the next, unless it was in trouble of its own; the services are as they were."""
    outcome = branch(preview(spec(MIGRATED), exists).steps[0], when).outcome
    assert (outcome.deployment, outcome.cause, outcome.stack) == ("FAILED", cause, stack)
    assert outcome.services == ("as before" if exists else "not there",)


RESTORED = spec(MIGRATED, EVALUATED, on_failure=OnFailure.RESTORE)
DEPLOYED = completed(EMPTY, DeploymentInfo("earlier", spec(quick=True)))
"""What a stack remembers that had one deployment before."""


def test_a_failure_before_any_database_is_migrated_is_put_back() -> None:
    """It looks first, then scales or updates back, and the services are as before; nothing runs on."""
    found = preview(RESTORED, True, DEPLOYED)
    ways = {
        (step(found, "ScaleStack"), "fails"): ["StabiliseStack", "ScaleStack"],
        (step(found, "UpdateStack"), "fails"): ["StabiliseStack", "ScaleStack"],
        (step(found, "UpdateStack"), "deadline"): ["StabiliseStack", "UpdateStack"],
        (step(found, "UpdateStack"), "done without the output"): ["StabiliseStack", "UpdateStack"],
        (step(found, "UpsertDatabase", "b"), "fails"): ["StabiliseStack", "UpdateStack"],
        (step(found, "RunTask", "b"), "fails"): ["StabiliseStack", "UpdateStack"],
        (step(found, "RunTask", "b"), "terminated"): ["StopTask", "StabiliseStack", "UpdateStack"],
    }
    for (one, when), way in ways.items():
        there = branch(one, when)
        assert [command.name for command in there.then] == [*way, "Notice"]
        assert (there.outcome.back, there.outcome.services) == ("put back", ("as before",))
        assert (there.outcome.stack, there.outcome.runs_on) == ("BROKEN", ())


def test_a_failure_that_is_not_put_back_says_why() -> None:
    """Past the barrier a schema may be half-way; an upsert that nobody waited for may have taken something."""
    found = preview(RESTORED, True, DEPLOYED)
    why = "not put back: a database was migrated, or given to another owner"
    for one, when in [
        (step(found, "UpsertDatabase", "a"), "terminated"),
        (step(found, "RunTask", "a"), "fails"),
        (step(found, "RunTask", "a"), "terminated"),
        (step(found, "CleanupDatabase", "b"), "fails"),
        (step(found, "ScaleStack", nth=1), "fails"),
    ]:
        there = branch(one, when).outcome
        assert (there.back, there.services) == (why, ("at zero",))
    assert f"; {why}" in render(found)


def test_where_nothing_is_done_there_is_little_to_put_back_to() -> None:
    """The counts are, while the infrastructure is certainly the one that was found; after that nothing is."""
    found = preview(RESTORED, True)
    assert branch(step(found, "UpdateStack"), "fails").outcome.back == "put back"
    late = branch(step(found, "UpdateStack"), "deadline").outcome
    assert (late.back, late.runs_on) == ("not put back: no deployment is DONE", ("UpdateStack",))
    created = preview(RESTORED, False)
    assert "the stack was created" in branch(step(created, "CreateStack"), "fails").outcome.back
    assert "the stack was created" in branch(step(created, "UpsertDatabase", "b"), "fails").outcome.back


def test_by_default_nothing_is_put_back() -> None:
    """With `leave` no branch says anything of a way back."""
    found = preview(spec(MIGRATED, EVALUATED), True, DEPLOYED)
    assert {there.outcome.back for one in found.steps for there in one.branches} == {""}


def test_what_the_stack_remembers_may_refuse_a_deployment() -> None:
    """The good path is short then, and says why: a database is half-way, or a count is not named any more."""
    half_way = preview(spec(quick=True), True, evolve(DEPLOYED, half_way=("a",)))
    assert (commands(half_way), half_way.outcome.cause) == (["StabiliseStack", "Notice"], "REFUSED")
    assert "\n     a is half-way through a migration" in render(half_way)
    lost = preview(spec(), True, evolve(DEPLOYED, baseline=(("Old", 2),)))
    assert lost.outcome.reason.startswith("scaling has to name Old")


def test_a_database_that_fails_before_the_barrier_leaves_all_unchanged() -> None:
    """No migration runs while one database is not known to be ready; its siblings still get there."""
    found = preview(spec(MIGRATED, EVALUATED), exists=True)
    for one in (step(found, "UpsertDatabase", "a"), step(found, "RunTask", "b")):
        failed = branch(one, "fails")
        assert failed.outcome.databases == (("a", "not migrated"), ("b", "not migrated"))
        assert failed.outcome.services == ("at zero",)
        assert {c.name for c in failed.then if c.task and c.task.purpose == "migrate"} == set()
    assert [c.name for c in branch(step(found, "UpsertDatabase", "a"), "fails").then] == ["RunTask", "Notice"]


def test_a_database_that_fails_after_the_barrier_does_not_stop_the_others() -> None:
    """The others are migrated to their end; then the deployment fails, at zero."""
    found = preview(spec(MIGRATED, EVALUATED), exists=True)
    failed = branch(step(found, "RunTask", "a"), "fails").outcome
    assert failed.databases == (("a", "perhaps half-way"), ("b", "migrated"))
    assert failed.services == ("at zero",)
    unclean = branch(step(found, "CleanupDatabase", "b"), "fails").outcome
    assert unclean.databases == (("a", "migrated"), ("b", "migrated, not cleaned up"))


def test_an_evaluation_may_find_nothing_to_do() -> None:
    """Then the database is left alone, and the deployment goes on to its good end."""
    none = branch(step(preview(spec(EVALUATED), exists=True), "RunTask", "b"), "no changes")
    assert [c.name for c in none.then] == ["ScaleStack", "Notice"]
    assert (none.outcome.deployment, none.outcome.databases) == ("DONE", (("b", "not migrated"),))


def test_a_missing_output_is_a_branch() -> None:
    """The infrastructure is there, yet what a database names is not: no database is touched."""
    lacking = branch(step(preview(spec(MIGRATED), exists=True), "UpdateStack"), "done without the output")
    assert lacking.when == "done without the output Cluster"
    assert (lacking.outcome.services, lacking.outcome.databases) == (("at zero",), (("a", "not migrated"),))


def test_tasks_that_nobody_waits_for_are_stopped() -> None:
    """Termination stops every running task, a deadline the one that ran late."""
    found = preview(spec(MIGRATED, EVALUATED), exists=True)
    running = step(found, "RunTask", "a")
    assert branch(running, "terminated").outcome.stopped == ("a/migrate", "b/migrate")
    assert branch(running, "deadline").outcome.stopped == ("a/migrate",)
    assert branch(running, "fails").outcome.stopped == ()


def test_changes_that_nobody_waits_for_run_on() -> None:
    """Neither termination nor a deadline stops CloudFormation, so either may come out."""
    found = step(preview(spec(), exists=True), "ScaleStack")
    for when in ("terminated", "deadline"):
        assert branch(found, when).outcome.runs_on == ("ScaleStack",)
        assert branch(found, when).outcome.services == ("as before", "at zero")
    assert branch(found, "fails").outcome.runs_on == ()


def test_without_counts_the_services_stay_as_they_are() -> None:
    """With `scaling: none` no step scales, and the application runs during its migrations: a warning says so."""
    there = preview(unscaled(MIGRATED), exists=True)
    assert [c.field for c in there.cautions] == ["stack.scaling"]
    assert branch(step(there, "ScaleStack"), "terminated").outcome.runs_on == ()
    assert branch(step(there, "ScaleStack"), "terminated").outcome.services == ("as before",)
    assert preview(unscaled(), exists=False).outcome.services == ("as the template has them",)
    assert cautions(unscaled()) == ()


def test_previous_values_need_a_stack() -> None:
    """A stack that does not exist has no previous values: creating it would be refused."""
    kept = spec(stack=evolve(spec().stack, parameters=(("Image", Previous()),)))
    assert [c.field for c in cautions(kept, exists=False)] == ["stack.parameters"]
    assert "warning: the stack does not exist" in render(preview(kept, exists=False))
    assert cautions(kept, exists=True) == cautions(kept) == ()


def test_every_exit_code_may_be_a_success() -> None:
    """Where all 256 codes are accepted, a task that fails is still a branch."""
    all_codes = evolve(MIGRATED, migrate=Migration(TASK, tuple(range(256))))
    failed = branch(step(preview(spec(all_codes), exists=True), "RunTask", "a"), "fails")
    assert failed.outcome.deployment == "FAILED"


def test_the_preview_is_json() -> None:
    """Programs get the same as people: everything survives JSON, counts and databases by their names."""
    found = as_data(preview(spec(MIGRATED, EVALUATED), exists=True))
    again = json.loads(json.dumps(found))
    assert again["steps"][1]["command"]["counts"] == {"Count": 0}
    assert again["outcome"]["databases"] == {"a": "migrated", "b": "migrated"}
    assert again["steps"][5]["command"]["task"]["cluster"] == "<Output:Cluster>"


@given(
    st.lists(st.sampled_from([MIGRATED, EVALUATED, BARE]), unique=True).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_the_good_path_ends_well(
    databases: tuple[DatabaseSpec[Text], ...], quick: bool, exists: bool, scaled: bool
) -> None:
    """Whatever the spec: DONE and AVAILABLE, nothing left running, and numbers without a gap."""
    made = (spec if scaled else unscaled)(*databases, quick=quick)
    found = preview(made, exists)
    assert (found.outcome.deployment, found.outcome.stack) == ("DONE", "AVAILABLE")
    assert (found.outcome.stopped, found.outcome.runs_on) == ((), ())
    assert [s.number for s in found.steps] == list(range(1, len(found.steps) + 1))
    assert render(found).count("\n") > len(found.steps)
