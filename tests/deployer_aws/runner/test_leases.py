"""Leases: of many runners on one journal, only one acts on a stream at a time."""

from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import LeaseRow
from deployer_aws.runner.leases import Leases
from tests.deployer_aws.runner.scripted import Clock

TERM = 60.0


def two() -> tuple[Leases, Leases, Clock, SqliteJournal]:
    """Two runners' leases on one journal."""
    clock, journal = Clock(), SqliteJournal(":memory:")
    return Leases(journal, clock, "first", TERM), Leases(journal, clock, "second", TERM), clock, journal


def test_free_lease_is_taken() -> None:
    """A lease that nobody has is taken at once, and then nobody else gets it."""
    first, second, _, journal = two()
    assert first.acquire("s")
    assert not second.acquire("s")
    assert second.holder("s") == "first"
    assert journal.lease("s") == LeaseRow("first", 1)


def test_lease_is_renewed_in_its_second_half() -> None:
    """While more than half of its term is left a lease is held without a word to the journal; then it is renewed."""
    first, _, clock, journal = two()
    first.acquire("s")
    clock.time += TERM / 2 - 1
    assert first.acquire("s")
    assert journal.lease("s") == LeaseRow("first", 1)
    clock.time += 2
    assert first.acquire("s")
    assert journal.lease("s") == LeaseRow("first", 2)


def test_leases_are_renewed_together() -> None:
    """What is ours and in the second half of its term is renewed at once; what was taken from us is ours no more."""
    first, second, clock, journal = two()
    for key in ("a", "b", "c"):
        first.acquire(key)
    clock.time += TERM / 2 - 1
    first.acquire("young")
    first.renew(["a", "b", "c", "young", "never held"])
    assert journal.lease("a") == LeaseRow("first", 1)
    clock.time += 2
    journal.compare_and_set_lease("c", "second", journal.lease("c"))
    first.renew(["a", "b", "c", "young", "never held"])
    assert [journal.lease(key) for key in ("a", "b", "young")] == [
        LeaseRow("first", 2),
        LeaseRow("first", 2),
        LeaseRow("first", 1),
    ]
    assert journal.lease("never held") is None
    clock.time += TERM / 2 - 1
    assert [first.acquire(key) for key in ("a", "b", "c")] == [True, True, False]
    assert journal.lease("a") == LeaseRow("first", 2), "a renewal is good for another half of the term"
    assert not second.acquire("a")


def test_lease_is_renewed_where_more_time_is_asked_for() -> None:
    """Before a send the lease is renewed where less is left than the send may take."""
    first, _, clock, journal = two()
    first.acquire("s")
    clock.time += 20
    assert first.acquire("s", at_least=45)
    assert journal.lease("s") == LeaseRow("first", 2)


def test_lease_that_stood_still_is_taken_over() -> None:
    """A lease may be taken when its generation has stood still for a whole term on the taker's own clock."""
    first, second, clock, _ = two()
    first.acquire("s")
    assert not second.acquire("s")
    clock.time += TERM - 1
    assert not second.acquire("s")
    clock.time += 1
    assert second.acquire("s")
    assert second.holder("s") == ""
    assert not first.acquire("s"), "the first one finds out when it renews"
    assert not first.acquire("s")
    assert first.holder("s") == "second"


def test_lease_that_is_renewed_is_waited_for_anew() -> None:
    """Each renewal starts the taker's waiting anew."""
    first, second, clock, _ = two()
    first.acquire("s")
    assert not second.acquire("s")
    clock.time += TERM - 1
    assert first.acquire("s")
    assert not second.acquire("s")
    clock.time += TERM - 1
    assert not second.acquire("s")


def test_lease_is_given_back() -> None:
    """A lease that is given back can be had at once; giving back what one does not have is nothing."""
    first, second, _, _ = two()
    first.acquire("s")
    first.acquire("t")
    assert not second.acquire("s")
    first.release("s")
    assert second.acquire("s")
    first.release()
    first.release("s", "t", "u")
    assert second.acquire("t")


def test_two_takers() -> None:
    """Of two who take a lease at the same moment one gets it."""
    first, second, _, journal = two()
    seen = journal.lease("s")
    assert journal.compare_and_set_lease("s", "third", seen) is not None
    assert journal.compare_and_set_lease("s", "fourth", seen) is None
    assert not first.acquire("s")
    assert not second.acquire("s")
