"""Writing: the one place where an event is reduced and appended."""

from collections.abc import Callable, Mapping

from deployer_aws.ports import NO_PROPERTIES, Appended, Conflict, Entry, Head, Journal, Properties
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Notice


class Writer:
    """Reduces events and appends them to a journal. `watchers` are given each event after it was appended, in order."""

    def __init__(self, journal: Journal, *watchers: Callable[[Appended], None]) -> None:
        self._journal, self._watchers = journal, watchers
        self.stale: int = 0
        """Events that changed nothing, so far: duplicates, late answers, progress that was no news."""

    def commit(
        self,
        key: str,
        event: Event,
        blobs: Mapping[str, str] | None = None,
        properties: Properties = NO_PROPERTIES,
    ) -> Head | None:
        """Reduce an event and append it; return the new head, or None where the event was stale.

        Where another process appends first, the event is reduced again from the newest head. Raises IllegalEvent for
        an event that makes no sense in the stream's state.
        """
        while True:
            head = self._journal.head(key)
            after, commands = reducer.reduce(head.state, event)
            if after is head.state:
                self.stale += 1
                return None
            notices = tuple(c for c in commands if isinstance(c, Notice))
            try:
                self._journal.append([Entry(key, head, event, after, notices, blobs or {}, properties)])
            except Conflict:
                continue
            for watch in self._watchers:
                watch(Appended(key, head.state, event, after, commands))
            return Head(after, head.version + 1)
