"""What a stack remembers: each rule that follows from it, as a law over memories of every kind."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from deployer_core.engine import memory as m
from deployer_core.engine.memory import EMPTY, LastDone, Memory, WasDone
from deployer_core.engine.messages import Answer, Attempt, Failure, Infrastructure, Pending
from deployer_core.machines import deployment as d
from deployer_core.machines.deployment import DeploymentInfo, NoWayBack, ScalableTarget, Terms, WayBack
from deployer_core.machines.postgres_migration import Database, Errored, UpsertDatabase, UpsertDone
from deployer_core.machines.stack_status import Lifecycle
from deployer_core.spec import (
    Counts,
    DeploymentSpec,
    FixedCount,
    OnFailure,
    Previous,
    PreviousCount,
    StackSpec,
    digest,
    resolve,
)
from tests.support.engine_words import PLAIN, QUICK, complete, full, seen

NAMES = ("Count", "Web", "Workers")
ZERO = (("Count", 0),)
DOWN = ScalableTarget("service/main/web")


def counts(least: int = 0, names: tuple[str, ...] = NAMES) -> st.SearchStrategy[Counts]:
    """Give counts of some of the parameters."""
    return st.dictionaries(st.sampled_from(names), st.integers(least, 9)).map(
        lambda found: tuple(found.items())
    )


KEPT = st.none() | counts()
MOMENTS = st.builds(
    Memory,
    baseline=KEPT,
    joined=st.sampled_from([(), ("Workers",)]),
    half_way=st.sampled_from([(), ("db0",)]),
    infrastructure=st.sampled_from(["", "d1", "d2", None]),
    moved=st.integers(0, 2),
    removed=st.sampled_from([(), ("Bucket",)]),
    overwritten=st.sampled_from([(), ("Password",)]),
    created=st.booleans(),
    last=st.none() | st.just(LastDone("d1", QUICK, ())),
    done=st.sampled_from([(), (WasDone("d1", "d1", digest(QUICK), 0),)]),
)
"""Memories of every kind."""
SPECS = st.sampled_from([PLAIN, QUICK, full(), full("unevaluated"), full(scaling=())]).flatmap(
    lambda spec: st.sampled_from([spec, evolve(spec, on_failure=OnFailure.RESTORE)])
)
TERMS = st.builds(
    Terms,
    adopt=st.sampled_from(["", 32 * "7"]),
    force=st.booleans(),
    rollback=st.sampled_from(["", "d1", "d0"]),
)
INFOS = st.builds(DeploymentInfo, st.just("d9"), SPECS, TERMS)


def info(spec: DeploymentSpec = PLAIN, **terms: Any) -> DeploymentInfo:
    """Return what is known of a deployment."""
    return DeploymentInfo("d9", spec, Terms(**terms))


# Counts


@given(MOMENTS, counts())
def test_as_before_is_what_was_observed_unless_that_is_zero(memory: Memory, observed: Counts) -> None:
    """Each count above zero stands as it is; one at zero is the baseline's, and zero where none is kept."""
    before = m.as_before(memory, observed)
    assert [name for name, _ in before] == [name for name, _ in observed]
    kept = dict(memory.baseline or ())
    assert all(now == was for (_, now), (_, was) in zip(before, observed, strict=True) if was > 0)
    assert all(
        now == kept.get(name, 0) for (name, now), (_, was) in zip(before, observed, strict=True) if not was
    )
    assert m.as_before(memory, before) == before, "what is as before stays so"


@given(MOMENTS, counts(), st.lists(st.sampled_from(NAMES), unique=True))
def test_wanted_is_a_count_for_each_parameter_that_the_spec_names(
    memory: Memory, observed: Counts, names: list[str]
) -> None:
    """A fixed count is what the spec says, a previous one is as before where the stack has it, else the initial one."""
    before = dict(m.as_before(memory, observed))
    previous = full(scaling=tuple(PreviousCount(name, 4) for name in names))
    assert m.wanted(memory, previous, observed) == tuple(
        (name, before.get(name, 4)) for name in sorted(names)
    )
    fixed = full(scaling=tuple(FixedCount(name, 5) for name in names))
    assert m.wanted(memory, fixed, observed) == tuple((name, 5) for name in sorted(names))


@given(MOMENTS, SPECS, counts())
def test_what_goes_to_zero_is_what_is_kept(memory: Memory, spec: DeploymentSpec, observed: Counts) -> None:
    """Whatever the stack has is taken to zero, and remembered as it was before; nothing where nothing is scaled."""
    zero, kept = m.to_zero(spec, observed), m.kept(memory, spec, observed)
    assert [name for name, _ in zero] == [name for name, _ in kept]
    assert not any(count for _, count in zero)
    assert kept == (m.as_before(memory, observed) if spec.stack.scaling else ())


@given(counts(1), st.integers(1, 5))
def test_failures_at_zero_lose_no_count(observed: Counts, failures: int) -> None:
    """However often a deployment fails at zero, the next one wants what ran before the first."""
    spec = full(scaling=tuple(PreviousCount(name, 1) for name, _ in observed))
    first = d.ScalingDown(info(spec), ())
    memory = m.about_to(EMPTY, d.ScaleStack("d9", spec.stack, ()), first, observed)
    for _ in range(failures):
        memory = m.about_to(memory, d.ScaleStack("d9", spec.stack, ()), first, m.to_zero(spec, observed))
    assert m.wanted(memory, spec, m.to_zero(spec, observed)) == tuple(sorted(observed))
    assert memory.unfinished


# Whether it may be begun


@given(MOMENTS, INFOS, st.booleans(), counts())
def test_refusals_are_those_of_the_page(
    memory: Memory, info: DeploymentInfo, exists: bool, observed: Counts
) -> None:
    """A deployment is refused for one of five reasons, each seen here from the other side, and for no other."""
    spec, there, kept = info.spec, dict(observed), dict(memory.baseline or ())
    named = {scale.parameter for scale in spec.stack.scaling}
    gone = bool(info.terms.rollback) and not exists
    half_way = spec.quick and memory.half_way != () and not info.terms.force
    moved = info.terms.rollback not in ("", *(w.id for w in memory.done if w.moved == memory.moved))
    lost = (there.keys() & kept.keys()) - named - {*memory.joined}
    nobodys = memory.last is None or info.terms.adopt != ""
    at_zero = exists and there.keys() & named and sum(there.values()) == 0 and not kept and nobodys
    wrong = gone or half_way or (moved and not info.terms.force) or lost or at_zero
    assert bool(m.refusal(memory, info, exists, observed)) == bool(wrong)


def test_a_number_that_is_wanted_needs_no_memory() -> None:
    """A stack found at zero is scaled to the count that the spec gives."""
    fixed = full(scaling=(FixedCount("Count", 5),))
    assert m.refusal(EMPTY, info(fixed), True, ZERO) == ""
    assert "nobody knows what it ran before" in m.refusal(EMPTY, info(), True, ZERO)
    assert "nobody knows" in m.refusal(Memory(baseline=()), info(), True, ZERO), "nothing was scaled then"


# The way back


@given(MOMENTS, INFOS)
def test_there_is_a_way_back_only_where_nothing_is_lost_by_it(memory: Memory, info: DeploymentInfo) -> None:
    """Asked for, in full mode, with no database moved, nothing removed, and no stack created since the last DONE one."""
    back = m.way_back(memory, info)
    asked = not info.spec.quick and info.spec.on_failure is OnFailure.RESTORE
    assert (back is not None) == asked
    if isinstance(back, WayBack):
        assert (memory.moved_since, memory.removed, memory.created) == (False, (), False)
        assert back.change is not None or (memory.last is None and memory.infrastructure != "")


@given(MOMENTS, INFOS)
def test_the_way_back_leads_to_the_last_one_that_was_done(memory: Memory, info: DeploymentInfo) -> None:
    """It only scales where the infrastructure is certainly that one's, and sends that one's spec where it may not be."""
    back = m.way_back(memory, info)
    if not isinstance(back, WayBack) or back.change is None:
        return
    change = back.change
    expected = tuple(pair for pair in memory.baseline or () if pair[0] not in memory.joined)
    assert (change.deployment, change.counts, change.adopt) == ("d9", expected, info.terms.adopt)
    assert isinstance(change, d.ScaleStack) == memory.sure
    if isinstance(change, d.UpdateStack):
        assert memory.last is not None
        assert (change.stack, change.sent) == (memory.last.spec.stack, memory.last.sent)


@pytest.mark.parametrize(
    ("sent", "overwritten", "back"),
    [((), (), True), ((), ("Password",), False), ((("Password", "old"),), ("Password",), True)],
)
def test_a_secret_that_nobody_can_read_is_in_the_way(sent: Any, overwritten: Any, back: bool) -> None:
    """A value that was kept and could not be read is gone once another was sent for it."""
    kept = evolve(QUICK, stack=evolve(QUICK.stack, parameters=(("Password", Previous()),)))
    last = LastDone("d1", kept, sent)
    memory = Memory(infrastructure="d2", last=last, overwritten=overwritten)
    found = m.way_back(memory, info(evolve(PLAIN, on_failure=OnFailure.RESTORE)))
    assert isinstance(found, WayBack) == back
    assert isinstance(found, NoWayBack) != back


# Rollback


@st.composite
def pasts(draw: st.DrawFn) -> Memory:
    """Give a memory of deployments that were DONE, some of them rollbacks of earlier ones."""
    memory = EMPTY
    for number in range(draw(st.integers(0, 8))):
        earlier = [was.id for was in memory.done]
        repeats = draw(st.sampled_from(["", *earlier]))
        done = DeploymentInfo(f"d{number}", evolve(QUICK, version=f"v{number}"), Terms(rollback=repeats))
        memory = m.completed(memory, done)
    return memory


@given(pasts())
def test_a_rollback_on_a_sound_stack_goes_to_an_earlier_version(memory: Memory) -> None:
    """The newest one that was first DONE before the one that is there; a rollback counts as what it repeats."""
    found = m.rollback_target(memory)
    firsts = {was.version: at for at, was in reversed([*enumerate(memory.done)])}
    order = sorted(firsts, key=lambda version: firsts[version])
    assert all(was.version == was.id or was.version in firsts for was in memory.done)
    if found is None:
        assert not memory.done or order[0] == memory.done[-1].version
        return
    assert order[order.index(found.version) + 1] == memory.done[-1].version
    assert found == [was for was in memory.done if was.version == found.version][-1]


@given(pasts())
def test_a_rollback_of_what_is_not_out_goes_to_the_last_one(memory: Memory) -> None:
    """On a BROKEN stack, and behind one that runs, the last DONE one is what is to be there again."""
    assert m.rollback_target(memory, sound=False) == (memory.done[-1] if memory.done else None)


@given(pasts(), st.integers(0, 9))
def test_a_rollback_goes_where_it_is_told_to(memory: Memory, number: int) -> None:
    """A target that is named is that one, or none where it is not remembered."""
    found = m.rollback_target(memory, f"d{number}")
    assert found == next((was for was in memory.done if was.id == f"d{number}"), None)


def test_rollbacks_that_follow_one_another_go_further_back() -> None:
    """Twice back is two versions back, and not there and back again."""
    memory = EMPTY
    for name in ("d1", "d2", "d3"):
        memory = m.completed(memory, DeploymentInfo(name, QUICK))
    for name, target in (("d4", "d2"), ("d5", "d1")):
        found = m.rollback_target(memory)
        assert found is not None
        assert found.id == target
        memory = m.completed(memory, DeploymentInfo(name, QUICK, Terms(rollback=found.id)))
    assert m.rollback_target(memory) is None


def test_a_hundred_are_remembered() -> None:
    """What a stack remembers does not grow with its age."""
    memory = EMPTY
    for number in range(m.REMEMBERED + 5):
        memory = m.completed(memory, DeploymentInfo(f"d{number}", QUICK))
    assert [was.id for was in memory.done] == [f"d{number}" for number in range(5, m.REMEMBERED + 5)]
    assert m.moved_past(memory, "d0")
    assert not m.moved_past(memory, "d5")


# What happens to it


@given(MOMENTS, INFOS)
def test_what_is_done_is_the_new_before(memory: Memory, info: DeploymentInfo) -> None:
    """Nothing of what was unfinished outlives it, but a database that it has not; and the way back leads to it."""
    after = m.completed(memory, info)
    assert (after.baseline, after.joined, after.removed, after.overwritten) == (None, (), (), ())
    assert (after.unfinished, after.created, after.moved_since, after.sure) == (False, False, False, True)
    assert (after.suspended, after.moved) == (memory.suspended, memory.moved)
    migrated = {each.name for each in info.spec.databases} if not info.spec.quick else set()
    assert set(after.half_way) == set(memory.half_way) - migrated
    assert after.last == LastDone(info.id, info.spec, memory.sent)
    assert not m.moved_past(after, info.id)


STACK = StackSpec("shop", PLAIN.stack.template, parameters=(("Image", "shop:2"), ("Password", Previous())))
CHANGES: list[d.StackChange] = [
    d.CreateStack("d9", STACK, ZERO),
    d.UpdateStack("d9", STACK, ZERO),
    d.UpsertStack("d9", STACK, ZERO),
]


@pytest.mark.parametrize("command", CHANGES)
def test_the_infrastructure_is_unsure_from_the_sending_on(command: d.StackChange) -> None:
    """Whose it is, is known again by how the change ends: the new one's, as it was before, or nobody knows."""
    asker = d.InfraMigrate(info(), ())
    sent = m.about_to(Memory(infrastructure="d1"), command, asker, ())
    assert (sent.infrastructure, sent.infrastructure_before, sent.changed) == (None, "d1", True)
    assert sent.overwritten == ("Image",)
    answers: list[tuple[Answer, bool, str | None]] = [
        (complete(), True, "d9"),
        (seen(Lifecycle.ROLLED_BACK), False, "d1"),
        (seen(Lifecycle.TERMINAL), False, None),
        (Failure("no", Infrastructure.NEW), False, "d9"),
        (Failure("no", Infrastructure.AS_BEFORE), False, "d1"),
        (Failure("no"), False, None),
    ]
    for answer, good, whose in answers:
        after = m.ended(sent, pending(command), asker, answer, good=good)
        assert after.infrastructure == whose
    assert m.given_up(sent, pending(command)).infrastructure == "d1", "it was never sent"
    assert m.given_up(sent, pending(command, Attempt(1, 0))).infrastructure is None


def pending(command: Any, attempt: Attempt | None = None) -> Pending:
    """Return a command that waits for its answer."""
    return Pending(1, "d9", "", command, 0, 60, attempt)


def test_scaling_leaves_the_infrastructure_and_its_parameters() -> None:
    """The same template with other counts is still the same version."""
    scale = d.ScaleStack("d9", STACK, ZERO)
    before = Memory(infrastructure="d1", baseline=ZERO)
    after = m.about_to(before, scale, d.ScalingUp(info()), ())
    assert after == evolve(before, changed=True)
    assert m.ended(after, pending(scale), d.ScalingUp(info()), complete(), good=True) == after


def test_a_good_way_back_leaves_nothing_to_put_back() -> None:
    """The counts, what was removed and what was sent since are forgotten; what is half-way is not."""
    back = d.UpdateStack("d9", STACK, ZERO, resume=(DOWN,))
    asker = d.Restoring(info(), d.Cause.FAILURE, "no", back, sent=True)
    last = LastDone("d1", QUICK, ())
    memory = Memory(
        baseline=ZERO,
        joined=("Count",),
        unfinished=True,
        suspended=(DOWN,),
        half_way=("db0",),
        infrastructure=None,
        removed=("Bucket",),
        overwritten=("Image",),
        last=last,
    )
    after = m.ended(memory, pending(back), asker, complete(), good=True)
    assert after == Memory(half_way=("db0",), infrastructure="d1", last=last)
    failed = m.ended(memory, pending(back), asker, Failure("no"), good=False)
    assert failed == memory


def test_what_was_removed_by_any_change_is_remembered_once() -> None:
    """A failed change may have removed something too."""
    update, asker = d.UpdateStack("d9", STACK, ZERO), d.InfraMigrate(info(), ())
    failure = Failure("no", Infrastructure.NEW, removed=("Bucket", "Table"))
    memory = m.ended(Memory(removed=("Bucket",)), pending(update), asker, failure, good=False)
    assert memory.removed == ("Bucket", "Table")


@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_a_target_is_remembered_as_it_was_first_seen(flags: list[bool]) -> None:
    """A later look sees it suspended: that is not how it was."""
    memory = EMPTY
    for flag in flags:
        memory = m.suspending(memory, (ScalableTarget("a", scale_in=flag), ScalableTarget("b")))
    assert memory.suspended == (ScalableTarget("a", scale_in=flags[0]), ScalableTarget("b"))
    assert m.suspending(memory, memory.suspended) is memory


DATABASE = Database("d9", resolve(full("unmigrated").databases[0], {"Cluster": "main"}))


@pytest.mark.parametrize(
    ("answer", "attempt", "moved"),
    [
        (UpsertDone(), 1, 0),
        (UpsertDone(took=True), 1, 1),
        (Errored("no"), 1, 0),
        (Errored("no", took=True), 1, 1),
        (complete(), 1, 1),
        (complete(), 0, 0),
    ],
)
def test_a_database_has_moved_where_something_may_be_taken(answer: Any, attempt: int, moved: int) -> None:
    """Its last answer says so; where that is none of its own, what was attempted counts as having taken."""
    asked = pending(UpsertDatabase(DATABASE), Attempt(1, 0) if attempt else None)
    assert m.upserted(EMPTY, asked, answer).moved == moved


def test_a_database_is_half_way_once() -> None:
    """Each unblocking counts, and the name stands there once."""
    twice = m.unblocked(m.unblocked(EMPTY, "db0"), "db0")
    assert (twice.half_way, twice.moved) == (("db0",), 2)
