"""The deployer: what a person asks, what the world answers, and what comes of it, rule by rule."""

from typing import Any, cast

import pytest
from attrs import evolve

from deployer_core import deployer, deployment, ecs_task, postgres_migration, routing, stack
from deployer_core.deployer import (
    INITIAL,
    Accepted,
    Attempted,
    DeadlinePassed,
    Replied,
    Requested,
    Sent,
    StopTask,
    Terminated,
    reduce,
    token,
)
from deployer_core.deployment import CreateStack, ScaleStack, StabiliseStack, UpdateStack, UpsertStack
from deployer_core.ecs_task import Errored, RunTask, Started, Status
from deployer_core.machine import IllegalEvent
from deployer_core.postgres_migration import CleanupDatabase, CleanupDone, UpsertDatabase, UpsertDone
from deployer_core.spec import AsBefore, Counts, SpecError, Wanted
from deployer_core.stack_status import Lifecycle
from tests.support.deploying import (
    EVALUATED,
    PLAIN,
    QUICK,
    TWO,
    UNEVALUATED,
    Story,
    complete,
    exited,
    full,
    seen,
)

# The long path, the short one, and a new stack


def test_the_long_path() -> None:
    """A full deployment waits, scales to zero, updates, migrates its databases and scales up again."""
    story = Story().to_tasks("d1", EVALUATED)
    assert story.waits_for == ["RunTask db0"]
    story.run_task("db0", exited(2))
    assert story.migrations == {"db0": "RUNNING"}
    story.migrate("db0")
    assert story.waits_for == ["ScaleStack"]
    story.scaled_up()
    assert (story.stack, story.deployments, story.waits_for) == ("AVAILABLE", {}, [])
    assert story.outcomes == [("d1", "DONE")]


def test_quick_mode() -> None:
    """A quick deployment upserts its stack, and is done."""
    story = Story().request("d1", QUICK).reply(StabiliseStack, complete())
    assert story.counts(UpsertStack) == (("Count", 3),)
    story.reply(UpsertStack, complete())
    assert story.outcomes == [("d1", "DONE")]


def test_a_new_stack_is_created_at_zero() -> None:
    """A stack that is missing is created without a running task, and then scaled to its initial count."""
    story = Story().created("d1")
    assert story.counts(CreateStack) == (("Count", 0),)
    story.reply(CreateStack, complete(0))
    assert story.counts(ScaleStack) == (("Count", 1),)


def test_a_database_without_changes_is_not_migrated() -> None:
    """Where the evaluation says 'no changes', no migration is run."""
    story = Story().to_tasks("d1", EVALUATED).run_task("db0", exited(0))
    assert story.waits_for == ["ScaleStack"]


def test_a_database_without_a_migration_is_only_upserted() -> None:
    """Where a spec has no migration, no task is run."""
    story = Story().to_tasks("d1", full("unmigrated"))
    assert story.waits_for == ["ScaleStack"]


def test_missing_outputs_fail_the_databases_before_they_are_touched() -> None:
    """A database that names an output that the stack lacks fails, and none is touched."""
    story = Story().request("d1", TWO).reply(StabiliseStack, complete()).reply(ScaleStack, complete(0))
    story.reply(UpdateStack, seen(Lifecycle.COMPLETE, outputs=()))
    assert story.stack == "BROKEN"
    assert "no output Cluster" in story.notices[0].reason


# Requests


def test_a_request_is_idempotent_for_ever() -> None:
    """The same request again changes nothing, while the deployment runs and after it has ended."""
    story = Story().request("d1")
    running = story.state
    assert story.request("d1").state is running
    story.terminate("d1")
    ended = story.state
    assert story.request("d1").state is ended
    assert story.given == ()


def test_an_id_stands_for_one_spec() -> None:
    """The same id with another spec is refused, even when the first has ended."""
    story = Story().request("d1").terminate("d1")
    with pytest.raises(IllegalEvent, match="another spec; give this an id of its own"):
        story.request("d1", TWO)


def test_the_first_request_names_the_stream() -> None:
    """A stream gets its random id once, from its first request, and is nothing without."""
    with pytest.raises(IllegalEvent, match="gives it its random id"):
        reduce(INITIAL, Requested("d1", PLAIN, 0))
    story = Story().request("d1")
    story.take(Requested("d2", PLAIN, 0, stream="other"))
    assert story.state.stream == "stream"


def test_deployments_wait_for_their_turn() -> None:
    """One deployment runs, the others wait in the order of their requests."""
    story = Story().request("d1").request("d2").request("d3")
    assert story.deployments == {"d1": "WAITING", "d2": "QUEUED", "d3": "QUEUED"}
    story.reply(StabiliseStack, complete()).reply(ScaleStack, complete()).reply(
        UpdateStack, complete()
    ).scaled_up()
    assert story.deployments == {"d2": "WAITING", "d3": "QUEUED"}
    assert story.waits_for == ["StabiliseStack"]


def test_the_queue_has_a_limit() -> None:
    """One too many is refused, and nothing is lost by it."""
    story = Story().request("d1").request("d2", queue_limit=1)
    before = story.state
    with pytest.raises(IllegalEvent, match="1 deployments are waiting, and 1 may"):
        story.request("d3", queue_limit=1)
    assert story.state == before


def test_a_hundred_may_wait_by_default() -> None:
    """The queue takes a hundred, unless the request says otherwise."""
    story = Story()
    for number in range(101):
        story.request(f"d{number}")
    with pytest.raises(IllegalEvent, match="100 deployments are waiting"):
        story.request("d101")


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 129, "a/b", "a\n"])
def test_an_id_has_to_fit_tokens_and_runs(name: str) -> None:
    """A deployment's id that AWS could not carry is refused where it is made."""
    with pytest.raises(SpecError, match="letters, digits, hyphens and dots"):
        Requested(name, PLAIN, 0)


# Attempts and answers


def test_pending_has_all_that_a_recovery_needs() -> None:
    """A command keeps its times, its latest attempt, what the world calls it, and its progress."""
    story = Story().request("d1")
    asked = story.pending(StabiliseStack)
    assert (asked.issued, asked.deadline) == (1000, 1000 + PLAIN.stack.timeout)
    story.take(Attempted(1, 1, 1001, (("Previous", "x"),)))
    story.accept(StabiliseStack, "stack-id").reply(StabiliseStack, seen(Lifecycle.PROGRESS))
    found = story.pending(StabiliseStack)
    assert found.sent == Sent(1, 1001, (("Previous", "x"),))
    assert (found.ref, found.seen) == ("stack-id", "PROGRESS")


def test_attempts_are_counted_in_order() -> None:
    """An attempt out of order is stale, the next one replaces the one before."""
    story = Story().request("d1")
    before = story.state
    assert story.attempt(StabiliseStack, n=2).state is before
    story.attempt(StabiliseStack, n=1).attempt(StabiliseStack, n=2)
    assert story.pending(StabiliseStack).sent == Sent(2, 1000)


def test_what_was_sent_and_accepted_is_not_sent_again() -> None:
    """Once the world has taken a command, another attempt and another name for it are stale."""
    story = Story().request("d1").attempt(StabiliseStack).accept(StabiliseStack, "one")
    before = story.state
    assert story.attempt(StabiliseStack, n=2).state is before
    assert story.accept(StabiliseStack, "two").state is before


def test_an_empty_ref_is_no_news() -> None:
    """A command that was accepted under no name is not accepted yet."""
    story = Story().request("d1")
    before = story.state
    assert story.accept(StabiliseStack, "").state is before


@pytest.mark.parametrize(
    "event",
    [
        Attempted(1, 1, 0),
        Accepted(1, "ref", 0),
        *(
            Replied(1, answer, 0)
            for answer in (
                complete(),
                exited(),
                UpsertDone(),
                DeadlinePassed(),
                deployment.Failure("x"),
                Started("arn"),
            )
        ),
    ],
)
def test_what_is_not_pending_is_stale(event: Any) -> None:
    """Whatever is said of a command that has had its last answer changes nothing."""
    story = Story().request("d1").reply(StabiliseStack, complete())
    before = story.state
    assert story.take(event).state is before
    assert story.given == ()


def test_progress_is_kept_once() -> None:
    """Progress is news the first time, and stale when it is said again."""
    story = Story().request("d1").reply(StabiliseStack, seen(Lifecycle.PROGRESS))
    before = story.state
    assert story.pending(StabiliseStack).seen == "PROGRESS"
    assert story.reply(StabiliseStack, seen(Lifecycle.PROGRESS)).state is before


def test_progress_is_told_with_its_reason() -> None:
    """A status that says why is kept with its reason."""
    moving = evolve(seen(Lifecycle.ROLLING_BACK), reason="no capacity")
    story = Story().request("d1").reply(StabiliseStack, moving)
    assert story.pending(StabiliseStack).seen == "ROLLING_BACK: no capacity"


def test_a_wrong_answer_that_is_not_final_is_stale() -> None:
    """An answer that the machine can't take, and that ends nothing, changes nothing."""
    story = Story().request("d1")
    before = story.state
    assert story.reply(StabiliseStack, Status("PENDING")).state is before


@pytest.mark.parametrize(
    ("way", "command", "answer"),
    [
        (Story().request("d1"), StabiliseStack, UpsertDone()),
        (Story().to_databases("d1", UNEVALUATED), UpsertDatabase, complete()),
        (Story().to_databases("d1", UNEVALUATED), UpsertDatabase, CleanupDone()),
        (Story().to_tasks("d1", UNEVALUATED), RunTask, postgres_migration.Errored("x")),
    ],
)
def test_a_wrong_answer_that_is_final_is_an_adapter_fault(way: Story, command: type, answer: Any) -> None:
    """Nothing waits for ever: the last answer fails the step, whatever it was, and names what did not fit."""
    story = Story()
    story.state = way.state
    story.reply(command, answer)
    assert story.stack == "BROKEN"
    assert "adapter fault: " in story.notices[0].reason
    assert " refuses " in story.notices[0].reason


@pytest.mark.parametrize("answer", [None, "ok", deployment.Terminated("ann"), postgres_migration.Unblocked()])
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    """Only the world's own words are answers: nothing reaches a machine in disguise."""
    story = Story().to_databases("d1", UNEVALUATED)
    with pytest.raises(IllegalEvent, match="is no answer of the world"):
        story.reply(UpsertDatabase, answer)


def test_what_is_no_event_is_refused() -> None:
    """A deployer takes the six kinds of event, and says so."""
    with pytest.raises(IllegalEvent, match="the world speaks of Accepted, Attempted, Repaired, Replied"):
        reduce(INITIAL, cast(Any, "deploy!"))


# Deadlines


def test_a_deadline_ends_a_command() -> None:
    """Past its deadline a command fails, with the time that it had and what was last seen."""
    story = Story().request("d1").reply(StabiliseStack, seen(Lifecycle.PROGRESS)).late(StabiliseStack)
    assert story.stack == "BROKEN"
    assert story.notices[0].reason == "no end within 3600 s; last seen: PROGRESS"


def test_a_deadline_that_is_to_come_ends_nothing() -> None:
    """Nobody may call a command late before it is."""
    story = Story().request("d1")
    with pytest.raises(IllegalEvent, match="command 1 has until"):
        story.reply(StabiliseStack, DeadlinePassed())


def test_a_success_after_the_deadline_is_a_success() -> None:
    """A runner that was down overnight does not call a success late."""
    story = Story().request("d1")
    story.now += 100_000
    story.reply(StabiliseStack, complete())
    assert story.deployments == {"d1": "SCALING_DOWN"}


# Stopping tasks


@pytest.mark.parametrize("ended", ["terminated", "late", "faulty", "lost"])
@pytest.mark.parametrize("seen_running", [False, True])
def test_a_task_that_is_dropped_is_stopped(ended: str, seen_running: bool) -> None:
    """A task that was sent and is waited for no more is stopped in the same reduction, by its ARN if known."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask)
    if seen_running:
        story.reply(RunTask, Started("arn:1"))
    asked = story.pending(RunTask)
    match ended:
        case "terminated":
            story.terminate("d1")
        case "late":
            story.late(RunTask)
        case "faulty":
            story.reply(RunTask, UpsertDone())
        case _:
            story.reply(RunTask, Errored("lost", may_still_run=True))
    stopping = story.pending(StopTask)
    assert isinstance(asked.command, RunTask)
    assert stopping.command == StopTask(
        asked.command.run, asked.id, Sent(1, 1000), "arn:1" if seen_running else ""
    )
    assert stopping in story.given
    assert story.stack == "BROKEN"


def test_a_task_that_was_found_unsent_is_stopped() -> None:
    """A task that runs is stopped, even if nobody wrote down that it was sent."""
    story = Story().to_tasks("d1", UNEVALUATED).reply(RunTask, Started("arn:1")).terminate("d1")
    command = story.pending(StopTask).command
    assert isinstance(command, StopTask)
    assert (command.arn, command.sent) == ("arn:1", Sent(0, 1000))


@pytest.mark.parametrize("ended", ["terminated", "late", "lost"])
def test_a_task_that_was_never_sent_needs_no_stopping(ended: str) -> None:
    """What was never attempted cannot run."""
    story = Story().to_tasks("d1", UNEVALUATED)
    if ended == "terminated":
        story.terminate("d1")
    elif ended == "late":
        story.late(RunTask)
    else:
        story.reply(RunTask, Errored("lost", may_still_run=True))
    assert story.waits_for == []
    assert story.repair().stack == "AVAILABLE"


def stopping() -> Story:
    """A deployment that was terminated while its task ran, and another one that waits."""
    story = Story().to_tasks("d1", UNEVALUATED).attempt(RunTask).accept(RunTask, "arn:1").request("d2")
    return story.terminate("d1")


@pytest.mark.parametrize(
    "answer", [Status("DEPROVISIONING"), Errored("throttled"), Started("arn:1"), UpsertDone(), complete()]
)
def test_only_stopped_ends_stopping(answer: Any) -> None:
    """Whatever is said of a task that is being stopped: it may still run until it was seen STOPPED."""
    story = stopping().reply(StopTask, answer)
    assert story.waits_for == ["StopTask db0"]
    with pytest.raises(IllegalEvent, match="the task of d1/db0/migrate may still run"):
        story.repair()


def test_a_task_that_was_seen_to_stop_is_out_of_the_way() -> None:
    """Once the task was seen STOPPED, the stack can be repaired."""
    story = stopping().reply(StopTask, exited(137, "UserInitiated")).repair()
    assert story.deployments == {"d2": "WAITING"}


def test_a_task_that_does_not_stop_is_unresolved() -> None:
    """Past its deadline a stopping task stays, with what was last seen of it, and once more is no news."""
    story = stopping().reply(StopTask, Status("DEPROVISIONING")).late(StopTask)
    found = story.pending(StopTask)
    assert (found.unresolved, found.seen) == (True, "DEPROVISIONING")
    before = story.state
    assert story.late(StopTask).state is before
    assert story.reply(StopTask, exited()).waits_for == []


def test_an_operator_may_name_a_task_that_does_not_stop() -> None:
    """A repair by the run's name takes the task for stopped, and the next deployment starts."""
    story = stopping().repair("d1/db0/migrate")
    assert story.deployments == {"d2": "WAITING"}
    assert story.waits_for == ["StabiliseStack"]


def test_a_task_that_is_not_being_stopped_can_not_be_named() -> None:
    """A mistyped name is an error, and the repair does not happen."""
    with pytest.raises(IllegalEvent, match="no task is being stopped for d1/db9/migrate"):
        stopping().repair("d1/db0/migrate", "d1/db9/migrate")


# Operators


def test_terminating_what_waits_breaks_nothing() -> None:
    """A deployment that is terminated while it waits leaves the queue, and the current one goes on."""
    story = Story().request("d1").request("d2").terminate("d2")
    assert (story.stack, story.deployments) == ("CREATING", {"d1": "WAITING"})
    assert story.outcomes == [("d2", "FAILED")]
    assert story.notices[0].reason == "terminated by ann while it waited for its turn"


def test_terminating_what_runs_breaks_the_stack() -> None:
    """A deployment that is terminated while it runs fails: nothing is waited for, and the stack is BROKEN."""
    story = Story().request("d1").request("d2").terminate("d1")
    assert (story.stack, story.waits_for, story.deployments) == ("BROKEN", [], {"d2": "QUEUED"})


@pytest.mark.parametrize(("name", "why"), [("d1", "has ended"), ("d9", "was never requested")])
def test_only_what_is_there_can_be_terminated(name: str, why: str) -> None:
    """Terminating what has ended, or never was, is an error that says which."""
    story = Story().request("d1").terminate("d1")
    with pytest.raises(IllegalEvent, match=f"{name}' {why}"):
        story.terminate(name)


def test_only_a_broken_stack_can_be_repaired() -> None:
    """A repair of a stack that is not broken is an error."""
    with pytest.raises(IllegalEvent, match="refuses Repaired"):
        Story().request("d1").repair()


def test_a_repaired_stack_takes_the_next() -> None:
    """After the repair the head of the queue has its turn."""
    story = Story().request("d1").request("d2").request("d3").terminate("d1").repair()
    assert story.deployments == {"d2": "WAITING", "d3": "QUEUED"}


def test_a_broken_stack_goes_on_taking_requests() -> None:
    """While the stack is broken, requests wait, and may be withdrawn."""
    story = Story().request("d1").terminate("d1").request("d2").request("d3").terminate("d2")
    assert (story.stack, story.deployments) == ("BROKEN", {"d3": "QUEUED"})


# The barrier


def test_no_database_is_changed_until_every_plan_is_known_good() -> None:
    """A database that is ready waits for its sibling; then both migrate."""
    story = Story().to_databases("d1", TWO).reply(UpsertDatabase, UpsertDone(), "db0")
    assert story.migrations == {"db0": "BLOCKED", "db1": "UPSERTING"}
    story.reply(UpsertDatabase, UpsertDone(), "db1")
    assert story.migrations == {"db0": "RUNNING", "db1": "RUNNING"}


@pytest.mark.parametrize("first", ["db0", "db1"])
def test_a_failure_before_the_barrier_spares_the_siblings(first: str) -> None:
    """If one fails before all are ready, none is migrated, and the deployment fails with the reason."""
    answers: dict[str, Any] = {"db0": UpsertDone(), "db1": postgres_migration.Errored("no disk")}
    story = Story().to_databases("d1", TWO)
    for name in sorted(answers, key=lambda name: name != first):
        story.reply(UpsertDatabase, answers[name], name)
    assert (story.stack, story.waits_for) == ("BROKEN", [])
    assert story.notices[0].reason == "db0: abandoned unchanged, since db1 failed; db1: no disk"


def test_a_failure_behind_the_barrier_waits_for_the_siblings() -> None:
    """A failed migration does not stop its sibling: the deployment fails when all have settled."""
    story = Story().to_tasks("d1", TWO).run_task("db0", exited(1))
    assert story.deployments == {"d1": "DB_MIGRATING"}
    story.run_task("db1").reply(CleanupDatabase, postgres_migration.Errored("gone"))
    assert story.stack == "BROKEN"
    assert "db0: migrate: " in story.notices[0].reason
    assert "; db1: gone" in story.notices[0].reason


def test_a_sibling_that_has_nothing_to_do_holds_nothing_up() -> None:
    """A database without changes is past the barrier by itself, and scaling up waits for the other one."""
    story = Story().to_tasks("d1", full("evaluated", "unevaluated")).run_task("db0", exited(0))
    assert story.migrations == {"db0": "NOP", "db1": "RUNNING"}
    assert story.migrate("db1").waits_for == ["ScaleStack"]


# What a status means


@pytest.mark.parametrize(
    ("lifecycle", "status"),
    [
        (Lifecycle.PROGRESS, "WAITING"),
        (Lifecycle.ROLLING_BACK, "WAITING"),
        (Lifecycle.COMPLETE, "SCALING_DOWN"),
        (Lifecycle.ROLLED_BACK, "SCALING_DOWN"),
        (Lifecycle.MISSING, "CREATING"),
        (Lifecycle.EMPTY_SHELL, ""),
        (Lifecycle.TERMINAL, ""),
    ],
)
def test_what_a_lifecycle_means_while_waiting(lifecycle: Lifecycle, status: str) -> None:
    """A stack at rest lets the deployment go on, a broken one fails it."""
    story = Story().request("d1").reply(StabiliseStack, seen(lifecycle))
    assert story.deployments == ({"d1": status} if status else {})


@pytest.mark.parametrize(
    ("lifecycle", "goes_on"),
    [
        (Lifecycle.PROGRESS, True),
        (Lifecycle.ROLLING_BACK, True),
        (Lifecycle.COMPLETE, True),
        (Lifecycle.ROLLED_BACK, False),
        (Lifecycle.MISSING, False),
        (Lifecycle.EMPTY_SHELL, False),
        (Lifecycle.TERMINAL, False),
    ],
)
@pytest.mark.parametrize("step", [ScaleStack, UpdateStack])
def test_what_a_lifecycle_means_while_our_change_runs(
    step: type, lifecycle: Lifecycle, goes_on: bool
) -> None:
    """Only COMPLETE ends our change well; a rollback holds the lock until it has settled; a lost stack fails."""
    story = Story().request("d1").reply(StabiliseStack, complete())
    if step is UpdateStack:
        story.reply(ScaleStack, complete())
    story.reply(step, seen(lifecycle))
    assert (story.stack == "CREATING") is goes_on


def test_a_stack_that_is_yet_to_appear_is_waited_for() -> None:
    """A missing stack is no failure of CreateStack until it was accepted."""
    story = Story().created("d1").reply(CreateStack, seen(Lifecycle.MISSING))
    assert story.deployments == {"d1": "CREATING"}
    story.accept(CreateStack, "stack-id").reply(CreateStack, seen(Lifecycle.MISSING))
    assert story.stack == "BROKEN"


# The stack remembers its counts


def scale_up(story: Story) -> Counts:
    """The counts of the step up."""
    return story.counts(ScaleStack)


def test_as_before_is_what_was_observed() -> None:
    """A deployment scales up to what it found when it began."""
    story = Story().to_databases("d1", PLAIN, count=7)
    assert scale_up(story) == (("Count", 7),)


def test_a_wanted_count_is_the_spec_s() -> None:
    """A count that the version wants is not overruled by what was found."""
    story = Story().to_databases("d1", full(scaling=(Wanted("Count", 5),)), count=7)
    assert scale_up(story) == (("Count", 5),)


def test_counts_are_forgotten_when_a_deployment_is_done() -> None:
    """After DONE the next deployment goes by what it finds."""
    story = Story().done("d1")
    assert story.state.baseline is None
    assert scale_up(story.to_databases("d2", PLAIN, count=9)) == (("Count", 9),)


def test_a_parameter_of_its_own_is_remembered_beside_others() -> None:
    """A version that scales one parameter more has that one's count kept too, when an earlier one failed at zero."""
    both = full(scaling=(AsBefore("Count", 1), AsBefore("Workers", 1)), version="2")
    story = Story().to_databases("d1", UNEVALUATED, count=3).terminate("d1").repair()
    status = evolve(complete(0), counts=(("Count", 0), ("Workers", 4)))
    story.request("d2", both).reply(StabiliseStack, status).terminate("d2").repair()
    assert story.state.baseline == (("Count", 3), ("Workers", 4))


def test_a_stack_without_scaling_leaves_room_for_counts() -> None:
    """A failed deployment that scaled nothing does not keep a later one from remembering."""
    nothing = evolve(complete(), counts=())
    story = Story().request("d1", full(scaling=())).reply(StabiliseStack, nothing).terminate("d1").repair()
    story.to_databases("d2", PLAIN, count=6).terminate("d2").repair()
    assert scale_up(story.to_databases("d3", PLAIN, count=0)) == (("Count", 6),)


def test_a_stack_created_at_zero_remembers_what_it_should_have_had() -> None:
    """A new stack whose deployment fails is later scaled to the counts that it was to have."""
    story = Story().created("d1").reply(CreateStack, complete(0)).terminate("d1").repair()
    assert scale_up(story.to_databases("d2", full(scaling=(AsBefore("Count", 9),)), count=0)) == (
        ("Count", 1),
    )


# Ids, tokens, routes


def test_command_ids_count_up() -> None:
    """Ids are deterministic: the same events give the same commands."""
    story, again = Story().to_tasks("d1", TWO), Story().to_tasks("d1", TWO)
    assert [p.id for p in story.state.pending] == [6, 7]
    assert story.state == again.state


def test_a_token_is_of_one_send_alone() -> None:
    """Tokens differ by stream, deployment, command and attempt, and fit what AWS takes."""
    tokens = [
        token("s", "d", 1, 1),
        token("t", "d", 1, 1),
        token("s", "e", 1, 1),
        token("s", "d", 2, 1),
        token("s", "d", 1, 2),
        token("s", "d", 11, 1),
    ]
    assert len(set(tokens)) == len(tokens)
    assert {len(t) for t in tokens} == {49}


MACHINES = (stack, deployment, postgres_migration, ecs_task)


def test_every_command_of_every_machine_has_a_route() -> None:
    """Nothing that a machine says is lost: each command is routed, but RunTask, which is sent where it is made."""
    said = {command for machine in MACHINES for command in members(machine.Command)}
    assert said - set(routing._ROUTES) == {RunTask}
    assert set(routing._ROUTES) <= said


def members(union: Any) -> tuple[type, ...]:
    """The classes of a union, or the one class that it is."""
    return getattr(union, "__args__", (union,))


def test_what_is_not_there_is_looked_for_in_vain() -> None:
    """A part that should be there and is not is a bug, and shows as one."""
    draft = routing.Draft(INITIAL, 0)
    for look in (draft.find, draft.find_migration):
        with pytest.raises(LookupError, match="nobody"):
            look("nobody")
    with pytest.raises(LookupError):
        routing.swap((1, 2), 3)


def test_microsteps_tell_the_same_story() -> None:
    """Each edge of each machine is shown in order, and a stale event takes none."""
    event = Requested("d1", PLAIN, 0, stream="s")
    taken = [(machine, step.edge.event) for machine, step in deployer.microsteps(INITIAL, event)]
    assert taken == [
        ("Deployment", "Requested"),
        ("Stack", "Triggered"),
        ("Deployment", "Started"),
        ("Deployment", "StackWait"),
    ]
    after, _ = reduce(INITIAL, event)
    assert deployer.microsteps(after, event) == ()


def test_a_refusal_changes_nothing() -> None:
    """What is refused leaves the state as it was, to the last value."""
    story = Story().request("d1")
    before = story.state
    with pytest.raises(IllegalEvent):
        reduce(before, Terminated("d9", "ann", 0))
    assert before == Story().request("d1").state
