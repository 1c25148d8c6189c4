"""Stack: the lock and the queue."""

from deployer_core.machines import stack as s
from deployer_core.testing import given


def test_the_queue_is_first_in_first_out() -> None:
    """Deployments get their turn in the order in which they asked for it, the first of all at once."""
    scene = given(s.MACHINE, s.Triggered("d-1"))
    scene.then(s.Creating, s.TriggerDeployment("d-1"))
    scene = scene.when(s.Triggered("d-2"), s.Triggered("d-3"))
    assert scene.then(s.Creating).queue == ("d-2", "d-3")
    scene = scene.when(s.DeploymentCompleted("d-1"))
    scene.then(s.Migrating, s.TriggerDeployment("d-2"))
    scene = scene.when(s.Triggered("d-4"), s.DeploymentCompleted("d-2"))
    assert scene.then(s.Migrating, s.TriggerDeployment("d-3")).queue == ("d-4",)
    scene.when(s.DeploymentCompleted("d-3"), s.DeploymentCompleted("d-4")).then(s.Available)


def test_an_idle_stack_gives_a_turn_at_once() -> None:
    """Where nothing runs, nobody waits."""
    scene = given(s.MACHINE, s.Triggered("d-1"), s.DeploymentCompleted("d-1"))
    scene.when(s.Triggered("d-2")).then(s.Migrating, s.TriggerDeployment("d-2"))


def test_the_queue_is_bounded() -> None:
    """One deployment more than may wait is refused with the numbers, and the queue stays; a broken stack counts too."""
    scene = given(
        s.MACHINE, s.Triggered("d-0"), *(s.Triggered(f"d-{n}") for n in range(1, s.QUEUE_LIMIT + 1))
    )
    why = "100 deployments are waiting, and 100 may; try again when one has ended"
    assert scene.refuses(s.Triggered("d-101")) == why
    assert scene.when(s.DeploymentFailed("d-0")).refuses(s.Triggered("d-101")) == why
    assert len(scene.when(s.Triggered("d-101", queue_limit=101)).state.queue) == 101


def test_a_deployment_waits_once() -> None:
    """A deployment that runs or waits is not queued again; one that failed may come again."""
    scene = given(s.MACHINE, s.Triggered("d-1"), s.Triggered("d-2"))
    for known in ("d-1", "d-2"):
        assert scene.refuses(s.Triggered(known)) == f"deployment {known!r} is already running or waiting"
    broken = scene.when(s.DeploymentFailed("d-1"))
    assert broken.refuses(s.Triggered("d-2"))
    assert broken.when(s.Triggered("d-1")).then(s.Broken).queue == ("d-2", "d-1")
