"""The inbox: what an event source has received is written down first, and acknowledged after that."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from deployer_aws.ports import Clock as AnyClock
from deployer_aws.ports import Received, Taken, Work
from deployer_aws.runner.inbox import NoEvents
from tests.deployer_aws.runner.scripted import (
    COMPLETE,
    CREATING,
    KEY,
    Clock,
    ScriptedRunner,
    moving,
    scripted,
)


@define
class Source:
    """A source that receives what it is told to, and notes what is acknowledged, and when."""

    clock: AnyClock
    coming: list[list[Received]] = field(factory=list[list[Received]])
    available: bool = True
    fails: bool = False
    waited: list[float] = field(factory=list[float])
    acknowledged: list[str] = field(factory=list[str])
    on_acknowledge: Callable[[], None] = lambda: None

    def receive(self, seconds: float) -> Sequence[Received]:
        self.waited.append(seconds)
        self.available = not self.fails
        if self.coming:
            return self.coming.pop(0)
        self.clock.sleep(seconds)
        return ()

    def acknowledge(self, messages: Sequence[Received]) -> None:
        self.on_acknowledge()
        self.acknowledged += [message.name for message in messages]


def under_way(**settings: Any) -> tuple[ScriptedRunner, Source, int]:
    """Return a runner with such a source, and the id of the command that it has under way."""
    clock = Clock()
    source = Source(clock)
    w = scripted(moving, moving, moving, clock=clock, events=source, **settings)
    w.request()
    w.runner.step()
    return w, source, w.state.pending[0].id


def says(answer: Any) -> Callable[[Work], Taken]:
    """Return a message that tells an answer."""
    return lambda work: Taken((work.reply(answer),))


def test_messages_are_acknowledged_after_they_were_appended() -> None:
    """When a source is asked to let go of messages, the journal has what all of them say."""
    w, source, command = under_way()
    versions: list[int] = []
    source.on_acknowledge = lambda: versions.append(w.journal.head(KEY).version)
    before = w.journal.head(KEY).version
    source.coming = [
        [Received("one", ((KEY, command),), says(COMPLETE)), Received("two", (), says(CREATING))]
    ]
    assert w.runner.wait(30)
    assert versions == [before + 1]
    assert source.acknowledged == ["one", "two"]
    assert w.runner.messages.appended == 1


def test_a_message_that_cannot_be_taken_in_is_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted; those that came with it are taken in all the same."""
    w, source, command = under_way()

    def broken(_: Work) -> Taken:
        raise ZeroDivisionError

    source.coming = [
        [
            Received(name, ((KEY, command),), take)
            for name, take in (("bad", broken), ("good", says(COMPLETE)))
        ]
    ]
    assert w.runner.wait(30)
    assert source.acknowledged == ["good"]
    assert w.runner.messages.poison == 1
    assert "message bad could not be taken in" in caplog.text


def test_what_is_no_longer_pending_takes_nothing() -> None:
    """A second final answer finds nothing to be an answer to."""
    w, source, command = under_way()
    source.coming = [[Received(name, ((KEY, command),), says(COMPLETE)) for name in ("one", "again")]]
    assert w.runner.wait(30)
    assert source.acknowledged == ["one", "again"]
    assert (w.runner.messages.appended, w.runner.stale) == (1, 0)


def test_messages_that_are_no_news_end_no_wait() -> None:
    """They are acknowledged, and the rest of the time is waited."""
    w, source, _ = under_way()
    source.coming = [[Received("foreign", (), says(COMPLETE))]]
    before = w.clock.monotonic()
    assert not w.runner.wait(30)
    assert w.clock.monotonic() == before + 30
    assert source.acknowledged == ["foreign"]


def test_a_source_that_fails_ends_the_long_waits_once() -> None:
    """What was left to events is looked at with the next step, and from then on as often as without a source."""
    w, source, _ = under_way(jitter=lambda: 1.0)
    w.runner.step()
    looks = len(w.script.seen)
    w.clock.sleep(1)
    w.runner.step()
    assert len(w.script.seen) == looks
    source.fails = True
    for _ in range(2):
        assert not w.runner.wait(0)
        w.runner.step()
    assert len(w.script.seen) == looks + 1


def test_without_a_source_a_runner_waits_on_its_clock() -> None:
    """It sleeps as long as it is told to, receives nothing, and polls by the usual policy."""
    clock = Clock()
    source = NoEvents(clock)
    assert (source.receive(7.0), source.available) == ((), False)
    assert clock.slept == [7.0]
    w = scripted(moving)
    assert not w.runner.wait(3.0)
    assert w.clock.slept == [3.0]
