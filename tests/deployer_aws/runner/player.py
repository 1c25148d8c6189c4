"""What the lines of the runner's transcripts mean, and how what the runner does is written.

aws complete, moving, send, Throttling, AccessDenied WORDS   (what each look at AWS will find, one after the other:
all is complete; it moves; a change is attempted and sent; an error. Then complete.)
request d1 timeout=100 version=2  (in quick mode)
run | step                        (to the end; one step, and how long the runner would wait after it)
wait 60 | terminate d1 | repair
untold 2                          (so many deliveries of notices will fail)
another                           (the runner dies, and another one carries on with its journal)
one acquires s | one acquires s for 45 | one renews a b | one releases a b   (what two runners, one and two, do with leases)
two takes s                       (whoever has it, in the journal alone)
"""

from typing import Any

from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Act, Appended, LeaseRow, Work
from deployer_aws.runner import PollingPolicy, Runner
from deployer_aws.runner.leases import Leases
from deployer_core.engine.messages import Notice
from deployer_core.kernel.machine import IllegalEvent
from tests.deployer_aws.aws_answers import Refused
from tests.deployer_aws.runner.scripted import COMPLETE, CREATING, KEY, STACKS, Clock
from tests.deployer_aws.scenarios.specs import asked, template

__all__ = ["Running"]


class _Clock(Clock):
    """Time that passes in sleep alone, which is written down."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._said.append(f"waits {seconds:g} s")


class Running:
    """A runner on a journal in memory, with an AWS that answers as it is told."""

    commands: tuple[type, ...] = STACKS

    def __init__(self) -> None:
        self._said: list[str] = []
        self._clock = _Clock(self._said)
        self._journal = SqliteJournal(":memory:")
        self._looks: list[str] = []
        self._untold: list[str] = []
        self._runner = self._begun()
        self._leases = {owner: Leases(self._journal, self._clock, owner, 60.0) for owner in ("one", "two")}
        self._leased: list[str] = []

    def _begun(self) -> Runner:
        settings: dict[str, Any] = {"jitter": lambda: 1.0, "polling": PollingPolicy(quick=2.0, slow=20.0)}
        return Runner(
            self._journal,
            [self],
            self._clock,
            notify=self._notify,
            watch=self._watch,
            owner="one",
            **settings,
        )

    def take(self, line: str) -> None:
        """Carry out one line."""
        verb, _, rest = line.partition(" ")
        try:
            self._do(verb, rest)
        except IllegalEvent as refusal:
            self._said.append(f"refused: {refusal.why or refusal}")
        except LoginNeeded as needed:
            self._said.append(f"ends: {needed}")

    def _do(self, verb: str, rest: str) -> None:
        match verb:
            case "aws":
                self._looks += rest.split(", ")
            case "request":
                self._request(*rest.split())
            case "run":
                self._runner.run([KEY])
            case "step":
                waits = self._runner.step([KEY])
                self._said.append("would wait for nothing" if waits is None else f"would wait {waits:g} s")
            case "wait":
                self._clock.time += float(rest)
            case "terminate":
                self._runner.terminate(KEY, rest, "ann")
            case "repair":
                self._runner.repair(KEY, "ann")
            case "untold":
                self._untold += rest.split()
            case "another":
                self._runner = self._begun()
            case "one" | "two":
                self._lease(verb, *rest.split())
            case _:
                raise ValueError(f"unknown word {verb!r}")

    def _request(self, name: str, *words: str) -> None:
        given: dict[str, str] = dict([word.split("=", 1) for word in words])
        wanted = asked(
            "shop",
            template(),
            quick=True,
            version=given.get("version", "1"),
            timeout=int(given.get("timeout", "3600")),
        )
        if not self._runner.request(name, wanted.spec, wanted.templates):
            self._said.append("no event")

    def _lease(self, owner: str, verb: str, *keys: str) -> None:
        leases = self._leases[owner]
        keys, at_least = (keys[:1], float(keys[2])) if "for" in keys else (keys, 0.0)
        self._leased += [key for key in keys if key not in self._leased]
        match verb:
            case "acquires":
                for key in keys:
                    ours, holder = leases.acquire(key, at_least), leases.holder(key)
                    self._said.append(f"{owner} {'has' if ours else 'lacks'} {key}")
                    self._said += [f"{owner} waits for {holder}"] if holder else []
            case "renews":
                leases.renew(keys)
            case "releases":
                leases.release(*keys)
            case "takes":
                for key in keys:
                    self._journal.compare_and_set_lease(key, owner, self._journal.lease(key))
            case _:
                raise ValueError(f"unknown word {verb!r}")

    # What is written down

    def act(self, work: Work) -> Act:
        """Look at AWS, which answers as it was told to."""
        found, _, words = (self._looks.pop(0) if self._looks else "complete").partition(" ")
        self._said.append(f"looks: {type(work.pending.command).__name__} {found}")
        match found:
            case "complete":
                yield work.reply(COMPLETE)
            case "moving":
                yield work.reply(CREATING)
            case "send":
                yield work.attempt(1)
                self._said.append("sends")
            case _:
                raise Refused(found, words or "in AWS's words")

    def _watch(self, step: Appended) -> None:
        event = step.event
        what = type(getattr(event, "answer", event)).__name__
        self._said.append(
            f"journals {type(event).__name__}" + (f" {what}" if hasattr(event, "answer") else "")
        )

    def _notify(self, _: str, notice: Notice) -> None:
        if notice.deployment in self._untold:
            self._untold.remove(notice.deployment)
            self._said.append(f"cannot tell of {notice.deployment}")
            raise OSError("no route to host")
        self._said.append(
            f"tells of {notice.deployment} {notice.outcome}" + (f": {notice.reason}" if notice.reason else "")
        )

    def changed(self) -> list[str]:
        """Say what was done since this was last called, and who holds the leases now, in which generation."""
        lines, self._said[:] = list(self._said), []
        lease = self._journal.lease(KEY)
        held = ["holds the lease"] if lease is not None and lease.owner else []
        return [*lines, *held, *(f"{key}: {_row(self._journal.lease(key))}" for key in self._leased)]


def _row(lease: LeaseRow | None) -> str:
    return "never had" if lease is None else f"{lease.owner or 'nobody'} {lease.generation}"
