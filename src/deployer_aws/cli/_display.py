"""What shows deployments while they go on, chosen by where stdout goes."""

import time
from typing import Protocol, Self

from deployer_aws.cli._plain_display import NoDisplay, PlainDisplay
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import Environment
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import StreamChange


class Display(Protocol):
    """Shows deployments while they go on."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *failure: object) -> None: ...
    def begin(self, key: str, follower: Follower) -> None:
        """Begin to show a stream."""
        ...

    def changed(self, key: str, change: StreamChange) -> None:
        """Show a change in it."""
        ...

    def tick(self, now: float, waiting: dict[str, str]) -> None:
        """Show that time has passed; `waiting` names who holds the leases that are waited for, by stream."""
        ...


def display_for(screen: Screen, environment: Environment, *, several: bool, as_json: bool) -> Display:
    """Return no display for JSON, a live one for a terminal, and plain lines for anything else."""
    now = environment.clock.now()
    if as_json:
        return NoDisplay()
    if not screen.alive:
        return PlainDisplay(screen, now, several=several)
    from deployer_aws.cli._live_display import (
        LiveDisplay,  # a terminal is rarer than a pipe, and needs more of rich
    )

    return LiveDisplay(screen, environment.simulated, now, None if environment.simulated else time.time)
