"""How often AWS is looked at: quick at first, slower later, and quick again near the usual end. Pure.

A policy gives the longest wait; the runner waits a random part of it (full jitter), so that no two runners fall in
step.
"""

from attrs import frozen

from deployer_aws.runner.commands import since
from deployer_core.engine.messages import Pending
from deployer_core.machines.deployment import StabiliseStack

UNKNOWN = 10.0
"""Where no usual end is known, the longest wait grows by a tenth of the age: the end is seen that much late at most."""
KNOWN = 2.0
"""Where it is known, by half of how far the nearer of the beginning and the usual end is."""


@frozen
class PollingPolicy:
    """The longest waits between two looks, in seconds: `quick` at the least, `slow` at the most.

    After a transient error they double from `quick` to `slow`. Where events are received, what they will speak of is
    looked at unasked after `net` seconds at the most.
    """

    quick: float = 5.0
    slow: float = 30.0
    net: float = 180.0

    def look(self, age: float, usual: float | None = None) -> float:
        """Return the longest wait before the next look at a command of this age, which usually takes `usual` seconds.

        Once it is overdue, what is usual says little: it is looked at as often at least as if nothing were known.
        """
        more = age / UNKNOWN
        if usual is not None:
            left = usual - age
            more = min(age, left) / KNOWN if left >= 0 else min(more, -left / KNOWN)
        return min(self.slow, self.quick + more)

    def wait(self, pending: Pending, now: float, usual: float | None = None, *, heard: bool = False) -> float:
        """Return the longest wait before the next look at this command; `heard` says that events are received.

        Events speak of what AWS has accepted, and of a stack that has to come to rest. Those are looked at for safety,
        and at their deadline. All else, such as a task that was refused for want of capacity, is polled as ever.
        """
        told = (
            pending.ref or getattr(pending.command, "arn", "") or isinstance(pending.command, StabiliseStack)
        )
        if heard and told:
            return min(self.net, max(self.quick, pending.deadline - now))
        return self.look(now - since(pending), usual)

    def retry(self, tries: int) -> float:
        """Return the longest wait before the n-th try."""
        return min(self.slow, self.quick * 2.0 ** min(tries, 10))
