"""What shows deployments while they go on, chosen by where stdout goes."""

import time

from deployer_aws.cli._plain_display import Display, PlainDisplay
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import Environment


def display_for(screen: Screen, environment: Environment, *, several: bool, as_json: bool) -> Display:
    """Return no display for JSON, a live one for a terminal, and plain lines for anything else."""
    now = environment.clock.now()
    if as_json:
        return Display()
    if not screen.alive:
        return PlainDisplay(screen, now, several=several)
    from deployer_aws.cli._live_display import (
        LiveDisplay,  # a terminal is rarer than a pipe, and needs more of rich
    )

    return LiveDisplay(screen, environment.simulated, now, None if environment.simulated else time.time)
