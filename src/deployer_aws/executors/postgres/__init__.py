"""Carry out UpsertDatabase and CleanupDatabase.

Each step looks first and changes only what differs, so anybody may carry a command on after a crash at any statement.
One advisory lock in the maintenance database lets one session at a time work on a database; after it was taken, and
again before each change, the runner says whether the command is still pending and the lease still held. A look that
takes longer than its share gives way to other commands, and comes again: `docs/postgresql.md`.
"""

from deployer_aws.executors.postgres.executor import Postgres

__all__ = ["Postgres"]
