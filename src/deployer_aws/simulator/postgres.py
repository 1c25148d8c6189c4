"""Simulated PostgreSQL: every upsert and cleanup succeeds after a few virtual seconds.

The steps are idempotent by their nature, so nothing has to be remembered of them.
"""

from deployer_aws.ports import Act, Work
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    UpsertDatabase,
    UpsertDone,
)

TAKES = 3.0
"""Virtual seconds that a step takes."""


class SimulatedPostgres:
    """An executor that stands in for PostgreSQL's."""

    commands: tuple[type, ...] = (UpsertDatabase, CleanupDatabase)

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`."""
        if work.pending.attempt is None:
            yield work.attempt(1)
        elif work.now - work.pending.attempt.at >= TAKES:
            upsert = isinstance(work.pending.command, UpsertDatabase)
            yield work.reply(UpsertDone() if upsert else CleanupDone())
