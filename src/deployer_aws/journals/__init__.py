"""Journals keep the streams: SQLite's is the embedded default. Here is also how a stream is replayed and verified.

`ports.Journal` says what each must do, and `deployer_aws.testing.JournalContract` proves it.
"""

from deployer_aws.journals.replay import replay, verify
from deployer_aws.journals.sqlite import SqliteJournal

__all__ = ["SqliteJournal", "replay", "verify"]
