"""Postgres migration: from the roles to the cleanup, with and without an evaluation."""

import pytest

from deployer_core.machines import postgres_migration as m
from deployer_core.machines.postgres_migration import Database
from deployer_core.spec import DatabaseSpec
from deployer_core.testing import Scene, given
from tests.deployer_core.plausible import EVALUATED, MIGRATED, PLAIN


def prepared(spec: DatabaseSpec[str], *, blocked: bool = True) -> tuple[Scene, Database]:
    """Return a migration whose database is there."""
    database = Database("d-1", spec)
    scene = given(m.MACHINE, m.Prepare(database, blocked))
    scene.then(m.Upserting, m.UpsertDatabase(database))
    return scene.when(m.UpsertDone()), database


def test_a_database_without_a_migration_has_nothing_to_change() -> None:
    """Where the spec has no migration, no task is run and the outcome follows at once."""
    scene, database = prepared(PLAIN)
    scene.then(m.Nop, m.Report(database, m.Phase.NOP))


def test_a_migration_without_an_evaluation_waits_for_its_siblings() -> None:
    """Nothing could say that there are no changes, so it has to run, once it is unblocked."""
    scene, database = prepared(MIGRATED)
    scene.then(m.Blocked, m.Report(database, m.Phase.BLOCKED))
    scene = scene.when(m.Unblocked())
    scene.then(m.Running, m.RunMigrate(database))
    scene = scene.when(m.MigrateDone())
    scene.then(m.CleaningUp, m.CleanupDatabase(database))
    scene.when(m.CleanupDone()).then(m.Done, m.Report(database, m.Phase.DONE))


@pytest.mark.parametrize("changes", [True, False])
def test_an_evaluation_decides(changes: bool) -> None:
    """Changes lead to the barrier, none to NOP."""
    scene, database = prepared(EVALUATED)
    scene.then(m.Evaluating, m.RunEvaluate(database))
    after = scene.when(m.EvaluateOutcome(changes))
    if changes:
        after.then(m.Blocked, m.Report(database, m.Phase.BLOCKED))
    else:
        after.then(m.Nop, m.Report(database, m.Phase.NOP))


def test_who_is_unblocked_early_does_not_stop() -> None:
    """The flag is remembered from UPSERTING and from EVALUATING on; one that starts unblocked never stops."""
    database = Database("d-1", MIGRATED)
    early = given(m.MACHINE, m.Prepare(database), m.Unblocked(), m.UpsertDone())
    early.then(m.Running, m.RunMigrate(database))
    evaluating, evaluated = prepared(EVALUATED)
    evaluating.when(m.Unblocked(), m.EvaluateOutcome(True)).then(m.Running, m.RunMigrate(evaluated))
    free, _ = prepared(MIGRATED, blocked=False)
    free.then(m.Running, m.RunMigrate(database))


@pytest.mark.parametrize("steps", range(5))
def test_a_failed_step_is_reported_once(steps: int) -> None:
    """UPSERTING, EVALUATING, BLOCKED, RUNNING and CLEANING_UP end in FAILED, and the deployment is told why."""
    database = Database("d-1", EVALUATED)
    path = (m.UpsertDone(), m.EvaluateOutcome(True), m.Unblocked(), m.MigrateDone())
    scene = given(m.MACHINE, m.Prepare(database), *path[:steps])
    failed = scene.when(m.Errored("it broke"))
    assert failed.then(m.Failed, m.Report(database, m.Phase.FAILED, "it broke")).reason == "it broke"
