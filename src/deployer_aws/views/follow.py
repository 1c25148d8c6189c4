"""Follow a stream while this process's runner, or another's, carries it on."""

from collections.abc import Callable

from deployer_aws.ports import Appended, Journal
from deployer_aws.views.history import StreamChange, StreamHistory


class Follower:
    """Keeps a stream's history up to date. `listen` is given the stream's name and each change, once, in order."""

    def __init__(
        self, journal: Journal, key: str, listen: Callable[[str, StreamChange], None] | None = None
    ) -> None:
        self._journal, self._key, self._listen = journal, key, listen
        self.history: StreamHistory = StreamHistory()
        self.history.read(journal.events(key))

    def see(self, step: Appended) -> None:
        """Take an event that this process's runner has just appended, after what others appended before it."""
        if step.before == self.history.state:
            self._tell(self.history.take(step.event))
        else:
            self.catch_up()

    def catch_up(self) -> None:
        """Read what others have appended."""
        if self._journal.head(self._key).version == self.history.version:
            return
        for change in self.history.read(self._journal.events(self._key, after=self.history.version)):
            self._tell(change)

    def _tell(self, change: StreamChange) -> None:
        if self._listen is not None:
            self._listen(self._key, change)
