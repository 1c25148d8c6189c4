"""The runner and errors: their classes, backoff, credentials; tasks that do not stop."""

from itertools import pairwise

import pytest
from attrs import define

from deployer_aws.aws.errors import RULES, ErrorClass, classify
from deployer_aws.ports import Act, Work
from deployer_aws.runner import PollingPolicy
from deployer_aws.runner.loop import LAST_TRIES
from deployer_core.engine.messages import StopTask
from deployer_core.machines.ecs_task import RunTask, Started, Status, StatusStopped
from deployer_core.machines.postgres_migration import UpsertDatabase
from tests.deployer_aws.aws.test_errors import TEXTS
from tests.deployer_aws.aws_answers import Refused
from tests.deployer_aws.runner.scripted import KEY, complete, moving, raising, scripted
from tests.deployer_aws.scenarios.environment import InstantPostgres
from tests.deployer_aws.scenarios.specs import database

# Errors


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (rule.code, "in AWS's words")
        for rule in RULES
        if rule.error_class is ErrorClass.PERMANENT and not rule.text
    ]
    + [(code, message) for code, message, kind in TEXTS if kind is ErrorClass.PERMANENT],
)
def test_words_of_every_permanent_error(code: str, message: str) -> None:
    """Whatever AWS refuses, a person reads the command, the stack, AWS's words and what to do next."""
    w = scripted(complete, raising(Refused(code, message)))
    w.request()
    w.runner.run([KEY])
    problem = classify(Refused(code, message))
    assert problem is not None
    assert problem.advice
    assert w.notices[0].reason == f"UpsertStack of stack shop: {problem}"
    assert message in w.notices[0].reason
    assert w.notices[0].reason.endswith(problem.advice)


def test_retries_back_off_with_full_jitter() -> None:
    """The longest wait doubles up to a limit, and the wait is a random part of it; a success starts anew."""
    parts = iter([1.0, 0.25, 1.0, 0.0, 1.0, *[0.5] * 9])
    trouble = raising(Refused("Throttling"))
    w = scripted(
        complete,
        *[trouble] * 5,
        moving,
        trouble,
        jitter=lambda: next(parts),
        polling=PollingPolicy(quick=1.0, slow=20.0),
    )
    w.request()
    w.runner.run([KEY])
    assert w.clock.slept[:5] == [2.0, 1.0, 8.0, 0.001, 20.0]
    assert w.clock.slept[6] == 1.0, "after a look that went well it is the first try again"
    assert PollingPolicy().retry(1_000) == PollingPolicy().slow


def test_looks_become_rarer() -> None:
    """A command is looked at often at first, and less and less often as it grows old, within limits."""
    w = scripted(complete, *[moving] * 90, jitter=lambda: 1.0, polling=PollingPolicy(quick=2.0, slow=20.0))
    w.request()
    w.runner.run([KEY])
    assert w.clock.slept[0] == 2.0
    assert all(a <= b for a, b in pairwise(w.clock.slept))
    assert w.clock.slept[-1] == 20.0


def test_mistakes_of_our_own_are_not_hidden() -> None:
    """An error that is no answer of AWS ends the run; nothing has failed."""
    w = scripted(raising(KeyError("oops")))
    w.request()
    with pytest.raises(KeyError):
        w.runner.run([KEY])
    assert w.notices == []


def test_throttled_past_the_deadline() -> None:
    """Where no look succeeds any more after the deadline, the command is given up, with AWS's words for it."""
    w = scripted(*[raising(Refused("Throttling"))] * 500)
    w.request(wait_timeout=10)
    w.runner.run([KEY])
    assert w.notices[0].reason == (
        "no end within 10 s; last seen: StabiliseStack of stack shop: in AWS's words (Throttling); "
        "when AWS answers again, repair the stack and deploy again"
    )
    assert len(w.script.seen) >= LAST_TRIES


# Tasks


@define
class Tasks:
    """An executor of tasks that runs one for ever, and stops it when it is allowed to."""

    commands: tuple[type, ...] = (RunTask, StopTask)
    stops: bool = False
    looks: int = 0

    def act(self, work: Work) -> Act:
        if isinstance(work.pending.command, StopTask):
            self.looks += 1
            yield work.reply(StatusStopped(()) if self.stops else Status("RUNNING"))
        elif work.pending.attempt is None:
            yield work.attempt(1)
        else:
            yield work.reply(Started("arn"))


def test_unresolved_task_is_looked_at_but_not_waited_for() -> None:
    """A task that did not stop in time ends the run; each later run looks again, until it was seen STOPPED."""
    tasks = Tasks()
    w = scripted(others=[tasks, InstantPostgres()])
    w.request(quick=False, databases=(database(timeout=60),))
    w.runner.run([KEY])
    assert w.state.pending[0].unresolved
    looks = tasks.looks
    w.clock.time += 3_600
    w.runner.run([KEY])
    assert tasks.looks == looks + 1
    tasks.stops = True
    w.clock.time += 3_600
    w.runner.run([KEY])
    assert w.state.pending == ()


def test_unresolved_task_under_anothers_lease_is_left_to_it() -> None:
    """A runner does not wait for the lease of a stream in which there is nothing to wait for."""
    tasks = Tasks()
    w = scripted(others=[tasks, InstantPostgres()])
    w.request(quick=False, databases=(database(timeout=60),))
    w.runner.run([KEY])
    row = w.journal.lease(KEY)
    w.journal.compare_and_set_lease(KEY, "other", row)
    assert w.runner.step([KEY]) is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (RunTask, "RunTask d1/orders/migrate of test/shop: in AWS's words (BlockedException)"),
        (UpsertDatabase, "UpsertDatabase orders of test/shop: in AWS's words (BlockedException)"),
    ],
)
def test_failures_name_what_failed(kind: type, words: str) -> None:
    """A failure of a task or a database names it, and the stream."""

    @define
    class Blocked:
        """An executor whose account is blocked."""

        commands: tuple[type, ...] = (kind,)

        def act(self, work: Work) -> Act:
            yield from ()
            raise Refused("BlockedException")

    others = [Blocked(), Tasks() if kind is not RunTask else InstantPostgres()]
    w = scripted(others=others)
    w.request(quick=False, databases=(database(),))
    w.runner.run([KEY])
    assert words in w.notices[0].reason
    assert "speak to AWS support" in w.notices[0].reason
    assert w.notices[0].outcome == "FAILED"
