"""How long commands usually take, by stream and kind: learnt from the journal and from what the runner appends."""

from collections import defaultdict, deque
from statistics import median
from typing import TypeAlias

from deployer_aws.ports import Appended, Journal
from deployer_aws.runner.commands import find, since
from deployer_core.engine import reducer
from deployer_core.engine.messages import Event, Pending, Replied, StopTask
from deployer_core.engine.state import INITIAL, DeployerState
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines.ecs_task import RunTask, StatusStopped
from deployer_core.machines.stack_status import Lifecycle, StackStatus

READ = 500
"""Events that are read in a step at the most, but for the last stream that is begun: it is read to its end."""
KEPT = 5
"""Of how many latest durations the median is what is usual."""
_Kind: TypeAlias = tuple[type, str, str]


class Durations:
    """Usual durations in a journal's streams. A stream is read when it is first asked about, a few in each step."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, dict[_Kind, deque[float]]] = {}
        self._left = READ

    def step(self) -> None:
        """Begin another step, in which more streams may be read."""
        self._left = READ

    def usual(self, key: str, pending: Pending) -> float | None:
        """Return the seconds that such a command usually takes on this stack; None where that is not known yet."""
        if key not in self._known:
            if self._left <= 0:
                return None
            self._read(key)
        lately = self._known[key].get(_kind(pending))
        return median(lately) if lately else None

    def see(self, appended: Appended) -> None:
        """Learn from an event that was just appended."""
        self.take(appended.key, appended.before, appended.event)

    def take(self, key: str, before: DeployerState, event: Event) -> None:
        """Learn from an event of a stream: a command's good end tells how long it took."""
        if key not in self._known or not isinstance(event, Replied) or not _is_good(event):
            return
        if (pending := find(before, event.command)) is not None:
            self._known[key][_kind(pending)].append(event.at - since(pending))

    def _read(self, key: str) -> None:
        """Learn from what this logic version wrote. Older events are not replayed."""
        self._known[key] = defaultdict(lambda: deque(maxlen=KEPT))
        state = INITIAL
        try:
            for row in self._journal.events(key, from_checkpoint=True):
                self._left -= 1
                if row.checkpoint is not None:
                    state = row.checkpoint
                elif row.event is not None and row.logic == reducer.LOGIC:
                    self.take(key, state, row.event)
                    state, _ = reducer.reduce(state, row.event)
        except IllegalEvent:  # `verify` reports it; here one estimate less is made
            return


def _is_good(event: Replied) -> bool:
    answer = event.answer
    if isinstance(answer, StackStatus):
        return answer.lifecycle is Lifecycle.COMPLETE
    return isinstance(answer, StatusStopped)


def _kind(pending: Pending) -> _Kind:
    """Return what commands that take about as long have in common. Scaling down is not scaling up."""
    command = pending.command
    if isinstance(command, RunTask | StopTask):
        return type(command), pending.database, command.run.purpose
    up = any(count for _, count in getattr(command, "counts", ()))
    return type(command), pending.database, "up" if up else "to zero"
