"""Journals: where streams are kept, and how they are replayed. `ports.Journal` says what each must do."""

from deployer_aws.journals.replay import replay, verify
from deployer_aws.journals.sqlite import SqliteJournal

__all__ = ["SqliteJournal", "replay", "verify"]
