"""What is an event, an answer, an id; what comes of events is told in transcripts/."""

from typing import Any, cast

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.engine.messages import (
    Accepted,
    Attempted,
    DeadlinePassed,
    Failure,
    Replied,
    Requested,
    Rollback,
)
from deployer_core.engine.reducer import reduce
from deployer_core.engine.state import INITIAL
from deployer_core.kernel.machine import IllegalEvent
from deployer_core.machines import deployment, postgres_migration
from deployer_core.machines.ecs_task import Started
from deployer_core.machines.postgres_migration import UpsertDone
from deployer_core.spec import SpecError
from tests.support.engine_player import played
from tests.support.engine_words import PLAIN, QUICK, complete, exited

# Requests


def test_the_first_request_names_the_stream() -> None:
    """A stream gets its random id once, from its first request, and is nothing without."""
    with pytest.raises(IllegalEvent, match="gives it its random id"):
        reduce(INITIAL, Requested("d1", PLAIN, 0))
    first, second = 32 * "1", 32 * "2"
    engine = played(f"request d1 stream={first}", f"request d2 stream={second}")
    assert engine.state.stream == first


@pytest.mark.parametrize("name", ["stream", "adopt"])
@pytest.mark.parametrize("given", ["s", 31 * "a", 33 * "a", 32 * "A", 32 * "g", 32 * "a" + "\n"])
def test_a_streams_id_has_to_fit_tokens(name: str, given: str) -> None:
    """A stream's id is 32 hexadecimal digits, and refused where it is made if it is not."""
    words: Any = {name: given}
    with pytest.raises(SpecError, match=f"{name}: 32 hexadecimal digits, not"):
        Requested("d1", PLAIN, 0, **words)


def test_what_a_request_cannot_mean_is_refused_where_it_is_made() -> None:
    """Nothing begins before it was asked for, and a rollback leaves the databases as they are."""
    with pytest.raises(SpecError, match="start_by: seconds from now, not -1"):
        Requested("d1", PLAIN, 0, start_by=-1)
    with pytest.raises(SpecError, match="rollback: in quick mode alone"):
        Requested("d2", PLAIN, 0, rollback=Rollback("d1"))
    with pytest.raises(SpecError, match="supersede: not together with a rollback that keeps the queue"):
        Requested("d2", QUICK, 0, supersede=True, rollback=Rollback("d1", keep_queue=True))


def test_a_hundred_may_wait_by_default() -> None:
    """The queue takes a hundred, unless the request says otherwise."""
    engine = played(*[f"request d{number}" for number in range(101)])
    with pytest.raises(IllegalEvent, match="100 deployments are waiting"):
        engine.reduce(Requested("d101", PLAIN, 0))


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 129, "a/b", "a\n"])
def test_an_id_has_to_fit_tokens_and_runs(name: str) -> None:
    """A deployment's id that AWS could not carry is refused where it is made."""
    with pytest.raises(SpecError, match="letters, digits, hyphens and dots"):
        Requested(name, PLAIN, 0)


SPECS = st.sampled_from([PLAIN, QUICK, evolve(PLAIN, version="2", quick=True)])
REQUESTS = st.builds(
    Requested,
    deployment=st.sampled_from(["d1", "d2"]),
    spec=SPECS,
    at=st.sampled_from([0.0, 60.0]),
    stream=st.sampled_from(["", 32 * "5"]),
    by=st.sampled_from(["", "ann"]),
    reason=st.sampled_from(["", "a hotfix"]),
    start_by=st.sampled_from([60, 86_400]),
    exclusive=st.booleans(),
    force=st.booleans(),
    adopt=st.sampled_from(["", 32 * "7", 32 * "8"]),
)


@given(REQUESTS, REQUESTS)
def test_a_request_stands_for_its_spec_and_how_it_is_carried_out(one: Requested, other: Requested) -> None:
    """The digest covers the spec, force, adopt and a rollback's target; not who, why, or what is asked of the queue."""
    for left, right in (
        (one, other),
        (_rolling_back(one), other),
        (_rolling_back(one), _rolling_back(other)),
    ):
        same = _stands_for(left) == _stands_for(right)
        assert (left.digest == right.digest) == same
    superseding = evolve(one, supersede=True, deployment="d9", queue_limit=7)
    assert superseding.digest == one.digest
    back = _rolling_back(one)
    assert (
        evolve(back, rollback=Rollback("d0", (("Image", "shop:1"),), keep_queue=True)).digest == back.digest
    )
    assert evolve(back, rollback=Rollback("d3")).digest != back.digest


def _rolling_back(request: Requested) -> Requested:
    return evolve(request, spec=evolve(request.spec, quick=True), rollback=Rollback("d0"))


def _stands_for(request: Requested) -> Any:
    return request.spec, request.force, request.adopt, request.rollback and request.rollback.target


@given(REQUESTS)
def test_the_terms_are_those_of_the_request(request: Requested) -> None:
    """A deployment knows who asked for it, until when it may begin, and what it repeats."""
    terms = request.terms
    assert (terms.by, terms.reason, terms.adopt, terms.force) == (
        request.by,
        request.reason,
        request.adopt,
        request.force,
    )
    assert terms.start_by == request.at + request.start_by
    assert (terms.rollback, terms.sent) == ("", ())
    sent = (("Image", "shop:1"),)
    back = evolve(_rolling_back(request), rollback=Rollback("d0", sent)).terms
    assert (back.rollback, back.sent) == ("d0", sent)


# Attempts and answers


def test_pending_has_all_that_a_recovery_needs() -> None:
    """A command keeps its times, its latest attempt, what the world calls it, and its progress."""
    engine = played("request d1", "wait 1", "attempt 1 Previous=x", "accept stack-id", "reply progress")
    found = engine.pending()
    assert (found.issued, found.deadline) == (1000, 1000 + PLAIN.stack.timeout)
    assert found.attempt is not None
    assert (found.attempt.number, found.attempt.at, found.attempt.resolved) == (1, 1001, (("Previous", "x"),))
    assert (found.ref, found.seen) == ("stack-id", "PROGRESS")


def test_an_empty_ref_is_no_news() -> None:
    """A command that was accepted under no name is not accepted yet."""
    engine = played("request d1")
    after, _ = reduce(engine.state, Accepted(1, "", 0))
    assert after is engine.state


@pytest.mark.parametrize(
    "event",
    [
        Attempted(1, 1, 0),
        Accepted(1, "ref", 0),
        *(
            Replied(1, answer, 0)
            for answer in (
                complete(),
                exited(),
                UpsertDone(),
                DeadlinePassed(),
                Failure("x"),
                Started("arn"),
            )
        ),
    ],
)
def test_what_is_not_pending_is_stale(event: Any) -> None:
    """Whatever is said of a command that has had its last answer changes nothing."""
    engine = played("request d1", "reply complete")
    assert reduce(engine.state, event) == (engine.state, ())


@pytest.mark.parametrize("answer", [None, "ok", deployment.Terminated("ann"), postgres_migration.Unblocked()])
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    """Only the world's own words are answers: nothing reaches a machine in disguise."""
    engine = played(
        "request d1 unevaluated", "reply complete", "reply complete Count=0", "reply complete Count=0"
    )
    with pytest.raises(IllegalEvent, match="is no answer of the world"):
        engine.reduce(Replied(engine.pending("UpsertDatabase").id, answer, 0))


def test_what_is_no_event_is_refused() -> None:
    """A deployer takes the six kinds of event, and says so."""
    with pytest.raises(IllegalEvent, match="the world speaks of Accepted, Attempted, Repaired, Replied"):
        reduce(INITIAL, cast(Any, "deploy!"))


# Deadlines


def test_a_deadline_that_is_to_come_ends_nothing() -> None:
    """Nobody may call a command late before it is."""
    engine = played("request d1")
    with pytest.raises(IllegalEvent, match="command 1 has until"):
        engine.reduce(Replied(1, DeadlinePassed(), engine.now))
