"""A runner with a person in front of it: shown while it goes on, and ended by a signal."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from attrs import asdict

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.clients import Options
from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.cli._display import display_for
from deployer_aws.cli._exit import BadInput
from deployer_aws.cli._interrupts import Interrupted, InterruptibleSqs, Interrupts, PacedClock
from deployer_aws.cli._report import DeploymentReport
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import Environment
from deployer_aws.events import EventQueue
from deployer_aws.notifications import Notices, channel_to
from deployer_aws.ports import Appended
from deployer_aws.runner import Requests
from deployer_aws.specfile import LoadedSpec
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import DeploymentHistory, HistoryOutcome
from deployer_aws.views.status import stopping, summarise_stack

YIELD = 0.05
"""Real seconds that a simulated runner leaves to another one, for whose lease it waits."""


class InteractiveRun:
    """Runs some streams of an environment, and shows them; use it as a context manager.

    `speed` is how many times as fast as real time a simulated AWS goes on a terminal; else time passes at once.
    `stopped` says why it ended early; empty where it did not.
    """

    def __init__(
        self,
        screen: Screen,
        environment: Environment,
        keys: Collection[str],
        options: Options,
        speed: float | None,
        as_json: bool,
    ) -> None:
        self._screen, self._environment, self._options = screen, environment, options
        self._display = display_for(screen, environment, several=len(keys) > 1, as_json=as_json)
        self.interrupts, self.stopped = Interrupts(), ""
        self._clock = PacedClock(environment, self.interrupts, (speed or 0) if screen.alive else 0)
        self._clock.tick = self._tick
        self._notices = self._notices_for(options)
        self._events: EventQueue | None = None
        if options.queue and environment.clients is not None:
            sqs = InterruptibleSqs(environment.clients.sqs, self.interrupts)
            self._events = EventQueue(sqs, options.queue, environment.journal, self._clock, keys)
        self._runner = environment.runner(
            self._clock,
            events=self._events,
            notify=self._notices.notify if self._notices else None,
            watch=self._see,
        )
        self._followers = {
            key: Follower(environment.journal, key, self._display.changed) for key in sorted(keys)
        }
        for key, follower in self._followers.items():
            self._display.begin(key, follower)

    def _notices_for(self, options: Options) -> Notices | None:
        if not options.notify:
            return None
        channel = channel_to(Address.parse(options.notify), self._environment.clients)
        return Notices(channel, self._clock, changes=options.changes)

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._open.enter_context(self.interrupts.installed())
        self._open.enter_context(self._display)
        return self

    def __exit__(self, *failure: Any) -> None:
        self._open.__exit__(*failure)

    # What goes on

    def deploy(self, deployment: str, loaded: LoadedSpec, **terms: Any) -> None:
        """Ask for a deployment, on the terms of `Requests.request`, and run until it is over."""
        properties = self._environment.properties
        self.carry_out(
            loaded.spec.key,
            deployment,
            lambda runner: runner.request(
                deployment, loaded.spec, loaded.templates, properties=properties, **terms
            ),
        )

    def carry_out(
        self, key: str, deployment: str, ask: Callable[[Requests], object], *, wait: bool = True
    ) -> None:
        """Ask for a deployment of this id, and run until it is over, or, without `wait`, not at all."""
        ask(self._runner)
        if wait:
            self.run(until=lambda: self._is_over(key, deployment))
        else:
            self._followers[key].catch_up()

    def _is_over(self, key: str, deployment: str) -> bool:
        """Tell whether a deployment has ended, and none of its tasks is still being stopped."""
        found, state = self._find(key, deployment), self._followers[key].history.state
        if found is None or found.outcome is HistoryOutcome.OPEN:
            return False
        pending = [p for p in state.pending if p.deployment == deployment and not p.unresolved]
        return not (stopping(state) and pending)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Run until nothing is left to do, or `until` says so, or the user or AWS stops it."""

        def look() -> bool:
            for follower in self._followers.values():
                follower.catch_up()
            self._tick()
            return until() or self.interrupts.asked

        try:
            if look():
                self._runner.step(())  # nothing is left to do here, but there may be notices to deliver
            else:
                self._runner.run(tuple(self._followers), until=look)
                look()
        except Interrupted:
            pass
        except LoginNeeded as login:
            self.stopped = str(login)
        if self.interrupts.asked and not until():
            self.stopped = "interrupted"
        if self._notices:
            self._notices.flush()

    def _see(self, step: Appended) -> None:
        self._followers[step.key].see(step)
        if self._notices:
            self._notices.watch(step)

    def _tick(self) -> None:
        waiting = {key: owner for key in self._followers if (owner := self._runner.waiting_for(key))}
        if waiting and self._environment.simulated:
            time.sleep(YIELD)
        self._display.tick(self._clock.now(), waiting)

    # What has come of it

    def _find(self, key: str, deployment: str) -> DeploymentHistory | None:
        """Return the history of a deployment, or None where it was never requested."""
        return self._followers[key].history.find(deployment)

    def open_deployments(self) -> list[tuple[str, str]]:
        """Return the stream and the id of each deployment that has not ended."""
        return [
            (key, deployment.id)
            for key, follower in self._followers.items()
            for deployment in follower.history.deployments
            if deployment.outcome is HistoryOutcome.OPEN
        ]

    def report(self, key: str, deployment: str, journal: Path) -> DeploymentReport:
        """Return how a deployment stands now. Raises BadInput where there is none of that id."""
        found = self._find(key, deployment)
        if found is None:
            raise BadInput(f"there is no deployment {deployment} of {key}")
        return DeploymentReport(
            found,
            summarise_stack(key, self._followers[key].history),
            self.stopped,
            self._runner.stale,
            self._environment.calls(),
            journal,
            self._environment.simulated,
            self._options,
            self._messages(),
            len(self.undelivered),
        )

    def _messages(self) -> Mapping[str, int]:
        """Return what became of the queue's messages, by name; nothing where there is no queue."""
        if self._events is None:
            return {}
        counts = Counter(asdict(self._events.tally))
        counts.update(asdict(self._runner.messages))
        return counts

    @property
    def undelivered(self) -> frozenset[int]:
        """The notices that could not be delivered yet, where there is somebody to tell."""
        return frozenset(number for number, *_ in self._environment.journal.notices() if self._notices)

    def warn_of_undelivered(self) -> None:
        """Warn that notices could not be delivered; they hold nothing up."""
        if self.undelivered:
            self._screen.warn(
                f"notices that could not be delivered: {len(self.undelivered)}. They are kept, and the next run or "
                "resume with --notify delivers them"
            )
