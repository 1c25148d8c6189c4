"""Timing that a noisy machine cannot fool much: contestants take turns, and medians are compared."""

import gc
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter_ns

ROUNDS = 301


def interleaved(
    contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, list[int]]:
    """Nanoseconds of each contestant's turns. All run once in each round, first come, next time last."""
    times: dict[str, list[int]] = {name: [] for name in contestants}
    order = list(contestants.items())
    for _, run in order:
        run()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            order.append(order.pop(0))
            for name, run in order:
                start = perf_counter_ns()
                run()
                times[name].append(perf_counter_ns() - start)
    finally:
        gc.enable()
    return times


def ratio(times: Mapping[str, list[int]], contestant: str, floor: str) -> float:
    """How many times as long the one took as the other, by their medians."""
    return median(times[contestant]) / median(times[floor])


def table(times: Mapping[str, list[int]], floor: str, events: int) -> str:
    """Medians and quartiles in microseconds an event, and ratios to the floor, as text."""
    rows = [f"{'':<28}{'median':>10}{'25 %':>10}{'75 %':>10}{'ratio':>8}   µs an event"]
    for name, turns in times.items():
        ranked = sorted(turns)
        quartiles = [ranked[len(ranked) * part // 4] / events / 1000 for part in (2, 1, 3)]
        rows.append(
            f"{name:<28}" + "".join(f"{q:>10.3f}" for q in quartiles) + f"{ratio(times, name, floor):>8.2f}"
        )
    return "\n".join(rows)
