"""The overview of a stack: where its services stand, and what it remembers."""

import pytest
from attrs import evolve

from deployer_aws.views.history import StreamHistory
from deployer_aws.views.status import services, summarise_stack
from deployer_core.engine.memory import Memory
from deployer_core.engine.messages import Repaired, Replied, Requested, Terminated
from deployer_core.machines.deployment import ScalableTarget
from deployer_core.machines.stack_status import Lifecycle, StackStatus
from tests.support.orders import KEY, orders

RESOURCE = "service/main/orders"


def failed_at_zero() -> StreamHistory:
    """Return the history of a stack whose first deployment was ended while it scaled down from 3."""
    known = StreamHistory()
    known.take(Requested("d1", orders("1"), 0, 32 * "a", by="ann", reason="try it"))
    seen = StackStatus(Lifecycle.COMPLETE, "UPDATE_COMPLETE", counts=(("DesiredCount", 3),))
    known.take(Replied(1, seen, 1))
    known.take(Terminated("d1", "ann", 2, "the wrong one"))
    return known


def test_what_a_stack_remembers() -> None:
    """Its stream's id, the counts from before, what is half-way and what does not scale by itself."""
    known = failed_at_zero()
    memory = evolve(known.state.memory, half_way=("billing",), suspended=(ScalableTarget(RESOURCE),))
    known.state = evolve(known.state, memory=memory)
    found = summarise_stack(KEY, known)
    assert (found.stream, found.baseline) == (32 * "a", (("DesiredCount", 3),))
    assert (found.half_way, found.suspended, found.running) == (("billing",), (RESOURCE,), None)
    assert found.last is not None
    assert (found.last.cause, found.last.by, found.last.asked) == ("TERMINATED", "ann", "try it")
    assert found.last.reason == "terminated by ann: the wrong one"


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (Memory(), ""),
        (
            Memory(baseline=(("DesiredCount", 3),), unfinished=True),
            "the services may be at zero, or on the way there; before: DesiredCount=3",
        ),
        (
            Memory(baseline=(("DesiredCount", 3),)),
            "the services may have other counts now; before: DesiredCount=3",
        ),
        (Memory(baseline=(), unfinished=True), "the services may be at zero, or on the way there"),
    ],
    ids=["as before", "unfinished", "quick", "nothing counted"],
)
def test_where_the_services_stand(memory: Memory, words: str) -> None:
    """What took them to zero says how far; an update of a quick deployment took nothing there."""
    known = failed_at_zero()
    assert services(evolve(known.state, memory=memory), known) == words


def test_a_later_deployment_that_changed_nothing_does_not_hide_what_did() -> None:
    """The services are where the last one left them that changed something."""
    known = failed_at_zero()
    known.take(Repaired("ann", 3))
    known.take(Requested("d2", orders("2"), 4))
    known.take(Terminated("d2", "ann", 5))
    assert summarise_stack(KEY, known).services.startswith("the services may be at zero, or on the way there")
