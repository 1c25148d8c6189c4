"""How often AWS is looked at: quick at first, slower later, and quick again near the usual end. Pure.

A policy gives the longest wait; the runner waits a random part of it (full jitter), so that no two runners fall in
step.
"""

from attrs import frozen

from deployer_aws.runner.commands import since
from deployer_core.engine.reducer import Pending

UNKNOWN = 10.0
"""Where no usual end is known, the longest wait grows by a tenth of the age: the end is seen that much late at most."""
KNOWN = 2.0
"""Where it is known, by half of how far the nearer of the beginning and the usual end is."""


@frozen
class PollingPolicy:
    """The longest waits between two looks, in seconds: `quick` at the least, `slow` at the most.

    After a transient error they double from `quick` to `slow`.
    """

    quick: float = 5.0
    slow: float = 30.0

    def look(self, age: float, usual: float | None = None) -> float:
        """The longest wait before the next look at a command of this age, one that is usually over at the age `usual`.

        Once it is overdue, what is usual says little: it is looked at as often at least as if nothing were known.
        """
        more = age / UNKNOWN
        if usual is not None:
            left = usual - age
            more = min(age, left) / KNOWN if left >= 0 else min(more, -left / KNOWN)
        return min(self.slow, self.quick + more)

    def wait(self, pending: Pending, now: float, usual: float | None = None) -> float:
        """The longest wait before the next look at this command."""
        return self.look(now - since(pending), usual)

    def retry(self, tries: int) -> float:
        """The longest wait before the n-th try."""
        return min(self.slow, self.quick * 2.0 ** min(tries, 10))
