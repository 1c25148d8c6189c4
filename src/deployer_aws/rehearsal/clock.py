"""The time of a rehearsal: virtual while nothing runs for real, and as fast as real time while something does."""

import time

from deployer_aws.rehearsal.task_processes import TaskProcesses
from deployer_aws.simulator import Simulator

STEP = 0.5
"""Virtual seconds that pass between two looks at whether a process has been started."""
SLICE = 0.1
"""The longest real sleep in seconds, so that a wait can be interrupted."""


class RehearsalClock:
    """The simulated account's clock. Its sleep is short while a process runs, and ends the tasks of ended processes."""

    def __init__(self, simulator: Simulator, processes: TaskProcesses) -> None:
        self._simulator, self._processes = simulator, processes
        self._seen = time.monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._simulator.clock.now()

    def monotonic(self) -> float:
        """Return the seconds since the simulated account's beginning."""
        return self._simulator.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or earlier."""
        while seconds > 0 and not self._processes.running:
            step = min(STEP, seconds)
            self._simulator.clock.sleep(step)
            seconds -= step
            self._seen = time.monotonic()
        if self._processes.running:
            self._watch(min(seconds, SLICE))

    def _watch(self, seconds: float) -> None:
        """Let as much virtual time pass as real time has since the last look."""
        ended = self._processes.wait(seconds)
        now = time.monotonic()
        self._simulator.clock.sleep(now - self._seen)
        self._seen = now
        for one in ended:
            self._simulator.end_task(one.task, {one.container: one.code}, one.lines)
