"""Leases: of many runners on one journal, only one acts on a stream at a time.

No clocks are compared: a lease may be taken when its generation has stood still for a whole term on the taker's own
monotonic clock. What remains, a process that is paused inside a send, is covered by the tokens that AWS is sent.
"""

from collections.abc import Iterable

from attrs import frozen

from deployer_aws.ports import Clock, Journal, LeaseRow


@frozen
class _Held:
    row: LeaseRow
    renewed: float


class Leases:
    """Keeps the leases of one runner. `owner` must be its own, and no other process's ever."""

    def __init__(self, journal: Journal, clock: Clock, owner: str, term: float) -> None:
        self._journal, self._clock, self._owner, self._term = journal, clock, owner, term
        self._held: dict[str, _Held] = {}
        self._watched: dict[str, _Held] = {}

    def acquire(self, key: str, at_least: float = 0.0) -> bool:
        """Acquire or renew the lease, where it can be; tell whether it is ours, for so many seconds at least."""
        now = self._clock.monotonic()
        held = self._held.get(key)
        if held is not None:
            if self._left(held, now) > max(at_least, self._term / 2):
                return True
            return self._compare_and_set(key, held.row, now)
        row = self._journal.lease(key)
        if row is None or not row.owner:
            return self._compare_and_set(key, row, now)
        watched = self._watched.get(key)
        if watched is None or watched.row != row:
            self._watched[key] = _Held(row, now)
            return False
        return now - watched.renewed >= self._term and self._compare_and_set(key, row, now)

    def renew(self, keys: Iterable[str]) -> None:
        """Renew together what is ours of these leases and has stood for half of its term."""
        now = self._clock.monotonic()
        old = {
            key: held
            for key in keys
            if (held := self._held.get(key)) and self._left(held, now) <= self._term / 2
        }
        if len(old) < 2:
            return  # `acquire` does it
        rows = self._journal.renew(self._owner, {key: held.row for key, held in old.items()})
        for key in old:
            del self._held[key]
        self._held |= {key: _Held(row, now) for key, row in rows.items()}

    def _left(self, held: _Held, now: float) -> float:
        return held.renewed + self._term - now

    def holder(self, key: str) -> str:
        """Return who holds the lease of a stream that we wait for, or nothing."""
        watched = self._watched.get(key)
        return watched.row.owner if watched else ""

    def release(self, *keys: str) -> None:
        """Release leases, by default all, so that the next runner need not wait."""
        for key in keys or tuple(self._held):
            if held := self._held.pop(key, None):
                self._journal.compare_and_set_lease(key, "", held.row)

    def _compare_and_set(self, key: str, expected: LeaseRow | None, now: float) -> bool:
        row = self._journal.compare_and_set_lease(key, self._owner, expected)
        self._watched.pop(key, None)
        if row is None:
            self._held.pop(key, None)
            return False
        self._held[key] = _Held(row, now)
        return True
