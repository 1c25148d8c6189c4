"""Several processes that explore together: each expands the states that it was the first to meet."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from attrs import define, field

from deployer_core.analysis.expand import START, Arrival, EdgeEnds, Expander, Found
from deployer_core.analysis.explore import deployed_before

TOGETHER = 32
"""How many states there are for each process when they part: until then each expands all of them."""
PARCEL = 16
"""How many states a process expands before it tells what it has found."""
AHEAD = 4
"""How many parcels a process is asked for ahead, so that it never waits."""


@define(eq=False)
class _Worker:
    """One process: `left` of a level it has not been asked for yet, `owed` parcels it has not told."""

    end: "Connection[Any, Any]"
    left: int = 0
    owed: int = 0
    found: deque[Found] = field(factory=deque[Found])

    def ask(self, *question: Any) -> Any:
        """Ask something, and wait for the answer."""
        while self.owed:
            self.receive()
        self.end.send(question)
        return self.end.recv()

    def begin(self, keys: Sequence[Hashable]) -> None:
        """Begin with a level."""
        self.ask("level", keys)
        self.left = len(keys)
        self.found.clear()

    def feed(self) -> None:
        """Ask for more, as far ahead as it goes."""
        while self.left and self.owed < AHEAD:
            self.end.send(("expand",))
            self.left -= min(self.left, PARCEL)
            self.owed += 1

    def receive(self) -> None:
        """Take a parcel."""
        self.found.extend(self.end.recv())
        self.owed -= 1


class Explorers(ExitStack):
    """Processes that expand states; see `deployer_core.analysis.explore.Crew`. Leaving it ends them."""

    def __init__(self, deployments: int, databases: int, workers: int) -> None:
        super().__init__()
        context = multiprocessing.get_context("spawn")
        self._apart = False
        self._workers: list[_Worker] = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, deployments, databases), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(_Worker(ours))
            self.callback(process.join)
            self.callback(process.terminate)
            self.callback(ours.close)

    def start(self) -> Arrival:
        """Let each meet the first state."""
        first: list[Arrival] = [worker.ask("start") for worker in self._workers]
        return first[0]

    def start_later(self) -> Arrival | None:
        """Let each meet the state of a stack that was deployed before."""
        there: list[Arrival | None] = [worker.ask("start_later") for worker in self._workers]
        return there[0]

    def edges(self) -> set[EdgeEnds]:
        """Return all that they have taken."""
        return set[EdgeEnds]().union(*(worker.ask("edges") for worker in self._workers))

    def expand(self, level: Sequence[tuple[Hashable, int]]) -> Iterator[tuple[int, Found]]:
        """Let each expand its own; few states are expanded by all of them, so that they can part with many."""
        many = len(self._workers)
        together = not self._apart and len(level) < TOGETHER * many
        owners = [who if self._apart else at % many for at, (_, who) in enumerate(level)]
        if self._apart:
            self._balance([key for key, _ in level], owners)
        self._apart = not together
        for number, worker in enumerate(self._workers):
            mine = [key for (key, _), who in zip(level, owners, strict=True) if together or who == number]
            worker.begin(mine)
        for owner in owners:
            yield 0 if together else owner, self._next(self._workers[0 if together else owner])
        while together and any(worker.left or worker.owed for worker in self._workers):
            self._wait()

    def _balance(self, keys: list[Hashable], owners: list[int]) -> None:
        """Let those who have more of a level than their share give the rest to those who have less."""
        share = -(-len(keys) // len(self._workers))
        needs = [number for number in range(len(self._workers)) for _ in range(share - owners.count(number))]
        moved: dict[tuple[int, int], list[Hashable]] = {}
        counts = dict.fromkeys(range(len(self._workers)), 0)
        for at, owner in enumerate(owners):
            counts[owner] += 1
            if counts[owner] > share and needs:
                owners[at] = needs.pop()
                moved.setdefault((owner, owners[at]), []).append(keys[at])
        for (giver, taker), given in moved.items():
            self._workers[taker].ask("take", self._workers[giver].ask("give", given))

    def _next(self, worker: _Worker) -> Found:
        while not worker.found:
            self._wait()
        return worker.found.popleft()

    def _wait(self) -> None:
        """Ask all for more, and wait until one has something to tell."""
        for worker in self._workers:
            worker.feed()
        ready = wait([worker.end for worker in self._workers if worker.owed])
        for worker in self._workers:
            if worker.end in ready:
                worker.receive()


def _work(end: "Connection[Any, Any]", deployments: int, databases: int) -> None:
    """Expand states for as long as anybody asks. Ctrl-C is for the one that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    expander = Expander(deployments, databases)
    keys: Iterator[Hashable] = iter(())
    with suppress(EOFError):
        while True:
            match end.recv():
                case ("start",):
                    end.send(expander.arrive(START))
                case ("start_later",):
                    scene = deployed_before(expander)
                    end.send(expander.arrive(scene) if scene else None)
                case ("level", level):
                    expander.retain(level)
                    keys = iter(level)
                    end.send(None)
                case ("give", keys_given):
                    end.send(expander.give(keys_given))
                case ("take", scenes):
                    expander.receive(scenes)
                    end.send(None)
                case ("expand",):
                    end.send([expander.expand(key) for key in islice(keys, PARCEL)])
                case _:
                    end.send(expander.edges)
