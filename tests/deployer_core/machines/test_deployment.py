"""Deployment: the three ways to go, the barrier, the counts, and what can go wrong."""

from typing import Any

import pytest
from attrs import evolve

from deployer_core.machines import deployment as d
from deployer_core.machines.deployment import Cause, DatabaseProgress, DatabaseReported, DeploymentInfo
from deployer_core.machines.postgres_migration import Database, Phase
from deployer_core.spec import DeploymentSpec, resolve
from deployer_core.testing import Scene, given
from tests.deployer_core.plausible import BARE, FULL, QUICK

OUTPUTS = (("Secret", "rds/shop"),)
A, B = (Database("d-1", resolve(spec, dict(OUTPUTS))) for spec in FULL.databases)
PREPARING = (d.PrepareMigration(A), d.PrepareMigration(B))


def waiting(spec: DeploymentSpec) -> Scene:
    """Return a deployment whose turn it is."""
    return given(d.MACHINE, d.Requested(DeploymentInfo("d-1", spec)), d.Started())


def broken(reason: str, cause: Cause = Cause.FAILURE) -> d.BreakStack:
    """Return what tells the stack of a failure."""
    return d.BreakStack("d-1", cause, reason)


def migrating(spec: DeploymentSpec = FULL, outputs: Any = OUTPUTS) -> Scene:
    """Return a deployment whose stack has just been created."""
    return waiting(spec).when(d.Stable(exists=False), d.Stable(outputs=outputs))


def says(database: str, phase: Phase, reason: str = "") -> DatabaseReported:
    """Return a database's report."""
    return DatabaseReported(DatabaseProgress(database, phase, reason))


def phases(scene: Scene) -> dict[str, Phase]:
    """How far each database is known to be."""
    return {p.database: p.phase for p in scene.state.progress}


def test_the_long_path() -> None:
    """Down to zero, the infrastructure at zero, the databases, up again: each step by one command, in this order."""
    scene = given(d.MACHINE, d.Requested(DeploymentInfo("d-1", FULL)))
    scene.then(d.Queued, d.QueueOnStack("d-1"))
    scene = scene.when(d.Started())
    look = d.StabiliseStack("d-1", FULL.stack, 3600, cancel_updates=True, discard=True, check=True)
    scene.then(d.Waiting, evolve(look, clusters=("main",)))
    scene = scene.when(d.Progress(), d.Stable(counts=(("Count", 4),), zero=(("Count", 0),)))
    scene.then(d.ScalingDown, d.ScaleStack("d-1", FULL.stack, (("Count", 0),)))
    scene = scene.when(d.Progress(), d.Stable())
    scene.then(d.InfraMigrate, d.UpdateStack("d-1", FULL.stack, (("Count", 0),)))
    scene = scene.when(d.Progress(), d.Stable(outputs=OUTPUTS))
    scene.then(d.DbMigrating, *PREPARING)
    scene = scene.when(says("a", Phase.NOP), says("b", Phase.NOP))
    scene.then(d.ScalingUp, d.ScaleStack("d-1", FULL.stack, (("Count", 4),)))
    scene.when(d.Progress(), d.Stable()).then(d.Done, d.CompleteOnStack("d-1"))


def test_a_new_stack_is_created_at_zero() -> None:
    """Its databases are yet to be made, so its services start after them."""
    scene = waiting(FULL).when(d.Stable(exists=False, counts=(("Count", 1),)))
    scene.then(d.Creating, d.CreateStack("d-1", FULL.stack, (("Count", 0),)))
    scene.when(d.Progress(), d.Stable(outputs=OUTPUTS)).then(d.DbMigrating, *PREPARING)


@pytest.mark.parametrize("exists", [True, False])
def test_quick_mode_is_one_step(exists: bool) -> None:
    """No scaling to zero and no databases, whether the stack exists or not."""
    scene = waiting(evolve(QUICK, databases=FULL.databases)).when(d.Stable(exists, counts=(("Count", 3),)))
    scene.then(d.Upserting, d.UpsertStack("d-1", QUICK.stack, (("Count", 3),)))
    scene.when(d.Progress(), d.Stable()).then(d.Done, d.CompleteOnStack("d-1"))


def test_without_databases_the_barrier_is_passed_at_once() -> None:
    """All of none are complete."""
    migrating(BARE).then(d.ScalingUp, d.ScaleStack("d-1", BARE.stack, ()))


@pytest.mark.parametrize("first", [Phase.BLOCKED, Phase.NOP])
def test_the_barrier_opens_for_all_together(first: Phase) -> None:
    """Nobody is unblocked before every plan is known good, and then all that are blocked are."""
    scene = migrating().when(says("a", first))
    scene.then(d.DbMigrating)
    scene = scene.when(says("b", Phase.BLOCKED))
    unblocked = ["a", "b"] if first is Phase.BLOCKED else ["b"]
    scene.then(d.DbMigrating, *(d.UnblockMigration("d-1", name) for name in unblocked))
    assert [name for name, phase in phases(scene).items() if phase is Phase.MIGRATING] == unblocked
    assert scene.state.passed


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids=["blocked first", "failed first"])
def test_a_failure_before_the_barrier_abandons_who_is_blocked(order: tuple[str, str]) -> None:
    """No database is changed where one plan is bad: 'a', which is blocked, is given up, and then all have settled."""
    reports = {"a": says("a", Phase.BLOCKED), "b": says("b", Phase.FAILED, "no such role")}
    scene = migrating().when(*(reports[name] for name in order))
    why = "abandoned unchanged, since b failed"
    scene.then(d.DbMigrating, d.AbandonMigration("d-1", "a", why))
    reason = f"a: {why}; b: no such role"
    scene.when(says("a", Phase.FAILED, why)).then(d.Failed, broken(reason))


def test_who_is_abandoned_is_told_once() -> None:
    """The barrier is passed once: that one sibling was given up is no reason to give up the other again."""
    third = evolve(FULL.databases[0], name="c")
    scene = migrating(evolve(FULL, databases=(*FULL.databases, third)))
    scene = scene.when(
        says("a", Phase.BLOCKED), says("b", Phase.FAILED, "no such role"), says("c", Phase.BLOCKED)
    )
    why = "abandoned unchanged, since b failed"
    scene.then(d.DbMigrating, d.AbandonMigration("d-1", "a", why), d.AbandonMigration("d-1", "c", why))
    scene.when(says("a", Phase.FAILED, why)).then(d.DbMigrating)


def test_a_failure_after_the_barrier_does_not_stop_the_siblings() -> None:
    """The deployment waits until all have settled, and then fails for the one that did."""
    scene = migrating().when(
        says("a", Phase.BLOCKED), says("b", Phase.BLOCKED), says("a", Phase.FAILED, "bad SQL")
    )
    scene.then(d.DbMigrating)
    scene.when(says("b", Phase.DONE)).then(d.Failed, broken("a: bad SQL"))


@pytest.mark.parametrize(
    ("known", "news"),
    [
        ([], Phase.DONE),
        ([], Phase.MIGRATING),
        ([], Phase.PREPARING),
        ([Phase.BLOCKED], Phase.DONE),
        ([Phase.BLOCKED], Phase.BLOCKED),
        ([Phase.FAILED], Phase.DONE),
        ([Phase.NOP], Phase.FAILED),
    ],
)
def test_a_report_must_follow_what_is_known(known: list[Phase], news: Phase) -> None:
    """A database cannot be DONE before it was unblocked, nor move once it has settled."""
    scene = migrating().when(*(says("a", phase) for phase in known))
    before = known[-1] if known else Phase.PREPARING
    assert (
        scene.refuses(says("a", news)) == f"database 'a' is {before.value}, which {news.value} cannot follow"
    )


def test_a_database_of_somebody_else_is_refused() -> None:
    """A report names a database of this deployment."""
    assert migrating().refuses(says("c", Phase.NOP)) == "database 'c' is not of this deployment"


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ((), "the stack has no output Secret; it has: none"),
        ((("Host", "db"),), "the stack has no output Secret; it has: Host"),
        (
            (("Secret", "no secret's name"),),
            "secret: a secret's name or ARN, 2048 characters at most, not \"no secret's name\"",
        ),
    ],
)
def test_outputs_that_do_not_serve_fail_the_databases_unbegun(outputs: Any, why: str) -> None:
    """Where an output is missing, or is no value for its place, no migration is begun, and the reason says which."""
    reason = f"a: not begun, since a sibling failed; b: {why}"
    migrating(outputs=outputs).then(d.Failed, broken(reason))


STEPS = {
    "WAITING": (FULL, []),
    "UPSERTING": (QUICK, [d.Stable()]),
    "CREATING": (FULL, [d.Stable(exists=False)]),
    "SCALING_DOWN": (FULL, [d.Stable()]),
    "INFRA_MIGRATE": (FULL, [d.Stable(), d.Stable()]),
    "SCALING_UP": (BARE, [d.Stable(), d.Stable(), d.Stable()]),
}


@pytest.mark.parametrize("status", STEPS)
def test_a_failed_step_breaks_the_stack_once(status: str) -> None:
    """Every step on the stack can fail, with AWS's own words, and after FAILED nothing more is taken."""
    spec, path = STEPS[status]
    failed = waiting(spec).when(*path, d.Failure("no capacity"))
    assert failed.then(d.Failed, broken("no capacity")).reason == "no capacity"
    assert d.MACHINE.takes(d.Failed) == ()


@pytest.mark.parametrize("status", STEPS)
def test_an_open_deployment_can_be_terminated(status: str) -> None:
    """The waiting stops. The stack is broken by it, since what CloudFormation does goes on; not while WAITING."""
    spec, path = STEPS[status]
    terminated = waiting(spec).when(*path, d.Terminated("ada", "wrong version"))
    tell = d.ReleaseStack if status == "WAITING" else d.BreakStack
    terminated.then(d.Failed, tell("d-1", Cause.TERMINATED, "terminated by ada: wrong version"))


@pytest.mark.parametrize(
    ("event", "cause", "reason"),
    [
        (d.Terminated("ada"), Cause.TERMINATED, "terminated by ada, while it waited for its turn"),
        (d.Superseded("d-2"), Cause.SUPERSEDED, "superseded by d-2"),
        (d.Expired(), Cause.EXPIRED, d.TOO_LATE),
    ],
)
def test_a_queued_deployment_ends_without_harm(event: d.Event, cause: Cause, reason: str) -> None:
    """The stack is told to forget it, and is not broken by it."""
    scene = given(d.MACHINE, d.Requested(DeploymentInfo("d-1", FULL)), event)
    scene.then(d.Failed, d.WithdrawFromStack("d-1", cause, reason))


@pytest.mark.parametrize(("at", "status"), [(60.0, d.Waiting), (60.1, d.Failed), (None, d.Waiting)])
def test_a_turn_that_comes_too_late_is_not_taken(at: float | None, status: type) -> None:
    """After its start_by it is not begun, and the stack is as it was; without a time nothing is too late."""
    info = DeploymentInfo("d-1", FULL, d.Terms(start_by=60.0))
    scene = given(d.MACHINE, d.Requested(info), d.Started(at))
    late = (d.ReleaseStack("d-1", Cause.EXPIRED, d.TOO_LATE),)
    assert isinstance(scene.state, status)
    assert (scene.commands == late) == (status is d.Failed)


@pytest.mark.parametrize(
    ("event", "cause"), [(d.Refused("no"), Cause.REFUSED), (d.Late("no"), Cause.EXPIRED)]
)
def test_what_ends_while_waiting_releases_the_stack(event: d.Event, cause: Cause) -> None:
    """Nothing was changed, so nobody has to look at the stack."""
    waiting(FULL).when(event).then(d.Failed, d.ReleaseStack("d-1", cause, "no"))


SCALE = d.ScaleStack("d-1", FULL.stack, (("Count", 4),))
LOOK = d.StabiliseStack("d-1", FULL.stack, 3600)
BACK = d.WayBack(SCALE)
FAILS: dict[str, tuple[list[d.Event], Cause]] = {
    "SCALING_DOWN": ([d.Stable(), d.Failure("no", BACK)], Cause.FAILURE),
    "INFRA_MIGRATE": ([d.Stable(), d.Stable(), d.Failure("no", BACK)], Cause.FAILURE),
    "DB_MIGRATING": (
        [
            *(d.Stable(), d.Stable(), d.Stable(outputs=OUTPUTS), says("b", Phase.NOP)),
            DatabaseReported(DatabaseProgress("a", Phase.FAILED, "no"), BACK),
        ],
        Cause.FAILURE,
    ),
    "without outputs": ([d.Stable(), d.Stable(), d.Stable(back=BACK)], Cause.FAILURE),
    "terminated": ([d.Stable(), d.Stable(), d.Terminated("ada", back=BACK)], Cause.TERMINATED),
}


@pytest.mark.parametrize("step", FAILS)
def test_a_failed_step_is_put_back_where_there_is_a_way(step: str) -> None:
    """It looks first, gives up what it awaits, then sends the change back, and FAILED says how that went."""
    events, cause = FAILS[step]
    scene = waiting(FULL).when(*events)
    state = scene.then(d.Restoring, d.AbandonSteps("d-1"), LOOK)
    assert (state.cause, state.change, state.sent) == (cause, SCALE, False)
    scene = scene.when(d.Progress(), d.Stable())
    scene.then(d.Restoring, SCALE)
    failed = scene.when(d.Progress(), d.Stable())
    failed.then(d.Failed, broken(f"{state.reason}; the services are back as before", cause))


@pytest.mark.parametrize(
    ("change", "event", "how"),
    [
        (SCALE, d.Stable(exists=False), "not put back: the stack is missing"),
        (SCALE, d.Failure("UPDATE_FAILED"), "not put back: UPDATE_FAILED"),
        (SCALE, d.Terminated("bob"), "not put back: terminated by bob"),
        (
            None,
            d.Stable(),
            "nothing to put back to: no deployment is DONE, and the infrastructure may have changed",
        ),
    ],
)
def test_a_way_back_may_not_be_gone(change: d.Restoration | None, event: d.Event, how: str) -> None:
    """A stack that is gone, in trouble, or not at rest in time is left, and the first failure is still the reason."""
    scene = waiting(FULL).when(d.Stable(), d.Failure("no", d.WayBack(change)), event)
    scene.then(d.Failed, broken(f"no; {how}"))


def test_what_cannot_be_put_back_says_why() -> None:
    """It was asked for, so a person is told why it is not done."""
    scene = waiting(FULL).when(d.Stable(), d.Failure("no", d.NoWayBack("a database was migrated")))
    scene.then(d.Failed, broken("no; not put back: a database was migrated"))
