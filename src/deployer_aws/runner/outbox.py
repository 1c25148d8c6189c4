"""The outbox: the notices that stand in the journal until they were delivered."""

import logging
import math
from collections.abc import Callable
from typing import TypeAlias

from deployer_aws.ports import Appended, Clock, Journal
from deployer_core.engine.messages import Notice

log: logging.Logger = logging.getLogger("deployer")

Notify: TypeAlias = Callable[[str, Notice], None]
"""Tells that a deployment of a stream ended. What it raises is logged, and the notice is tried again."""


class Outbox:
    """Delivers notices, each once at least. One that cannot be delivered is tried again after `pause` seconds.

    Without `notify` the notices of what was appended here are logged, and others' are left to a runner that has
    somebody to tell.
    """

    def __init__(self, journal: Journal, clock: Clock, notify: Notify | None, pause: float) -> None:
        self._journal, self._clock, self._notify, self._pause = journal, clock, notify, pause
        self._ours: set[tuple[str, Notice]] = set()
        self._postponed: dict[int, float] = {}

    def see(self, appended: Appended) -> None:
        """Remember the notices of an event that was appended here."""
        self._ours |= {(appended.key, c) for c in appended.commands if isinstance(c, Notice)}

    def deliver(self) -> None:
        """Deliver every notice that is due; one that cannot be delivered holds no other up."""
        for number, key, notice in self._journal.notices():
            not_ours = self._notify is None and (key, notice) not in self._ours
            if not_ours or self._postponed.get(number, -math.inf) > self._clock.monotonic():
                continue
            try:
                (self._notify or _log_notice)(key, notice)
            except Exception as error:
                log.warning("a notice of %s could not be delivered, and will be tried again: %s", key, error)
                self._postponed[number] = self._clock.monotonic() + self._pause
            else:
                self._postponed.pop(number, None)
                self._journal.delivered(number)
                self._ours.discard((key, notice))


def _log_notice(key: str, n: Notice) -> None:
    log.info("%s: deployment %s of version %s is %s %s", key, n.deployment, n.version, n.outcome, n.reason)
