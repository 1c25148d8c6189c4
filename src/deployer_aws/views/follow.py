"""Following a stream while it moves, whoever moves it: this process's runner, or another's."""

from collections.abc import Callable

from deployer_aws.ports import Appended, Journal
from deployer_aws.views.history import Change, Chronicle


class Follower:
    """A stream's chronicle, kept up to date. `listen` is given the stream's name and each change, once, in order."""

    def __init__(
        self, journal: Journal, key: str, listen: Callable[[str, Change], None] | None = None
    ) -> None:
        self._journal, self._key, self._listen = journal, key, listen
        self.chronicle: Chronicle = Chronicle()
        self.chronicle.read(journal.events(key))

    def see(self, step: Appended) -> None:
        """An event that this process's runner has just appended; what others appended before it is read first."""
        if step.before == self.chronicle.state:
            self._tell(self.chronicle.take(step.event))
        else:
            self.catch_up()

    def catch_up(self) -> None:
        """Read what others have appended."""
        if self._journal.head(self._key).version == self.chronicle.version:
            return
        for change in self.chronicle.read(self._journal.events(self._key, after=self.chronicle.version)):
            self._tell(change)

    def _tell(self, change: Change) -> None:
        if self._listen is not None:
            self._listen(self._key, change)
