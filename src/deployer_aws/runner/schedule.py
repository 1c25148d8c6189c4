"""When each pending command is looked at next, and which are looked at together. Pure: every moment is given.

A command that is due soon is batchable: it is looked at when others are. So commands that began at different times are
soon looked at together, with the same few calls.
"""

import math
from collections.abc import Iterable

from attrs import frozen

from deployer_aws.ports import CommandId

SHARE = 1 / 3
"""The part of its wait after which a command is batchable. With a half, two groups could stay apart for ever."""


@frozen
class _Turn:
    """The next look: when, how long it is waited for, and how many looks in a row have failed before it."""

    at: float
    wait: float
    tries: int = 0


class Schedule:
    """The next looks. A command that has none is new or expedited: it is due, and is looked at by itself."""

    def __init__(self) -> None:
        self._turns: dict[str, dict[int, _Turn]] = {}

    def _turn(self, command: CommandId) -> _Turn | None:
        key, number = command
        return self._turns.get(key, {}).get(number)

    def at(self, command: CommandId) -> float:
        """Return when it is due."""
        turn = self._turn(command)
        return -math.inf if turn is None else turn.at

    def is_due(self, command: CommandId, now: float) -> bool:
        """Tell whether it is time to look at it."""
        return self.at(command) <= now

    def is_batchable(self, command: CommandId, now: float) -> bool:
        """Tell whether it may be looked at together with others: once a part of its wait is over."""
        turn = self._turn(command)
        return turn is not None and turn.at - now <= turn.wait * (1 - SHARE)

    def tries(self, command: CommandId) -> int:
        """Return how many looks at it have failed in a row."""
        turn = self._turn(command)
        return 0 if turn is None else turn.tries

    def set(self, command: CommandId, now: float, wait: float, tries: int = 0) -> None:
        """Set the next look, after a wait; `tries` looks in a row have failed before it."""
        key, number = command
        self._turns.setdefault(key, {})[number] = _Turn(now + wait, wait, tries)

    def bring_forward(self, command: CommandId, now: float) -> None:
        """Make it due, since it was looked at with others."""
        turn = self._turn(command)
        if turn is not None and turn.at > now:
            self.set(command, now, 0.0, turn.tries)

    def expedite(self, command: CommandId) -> None:
        """Look at it with the next step, by itself; after a failure it still waits for its turn."""
        if not self.tries(command):
            key, number = command
            self._turns.get(key, {}).pop(number, None)

    def expedite_all(self) -> None:
        """Look at everything with the next step, as `expedite` does at one command."""
        for key, turns in list(self._turns.items()):
            for number in list(turns):
                self.expedite((key, number))

    def retain(self, key: str, pending: Iterable[int]) -> None:
        """Retain what is pending in a stream now, and forget the rest."""
        still = {number: turn for number in pending if (turn := self._turn((key, number)))}
        if still:
            self._turns[key] = still
        else:
            self._turns.pop(key, None)
