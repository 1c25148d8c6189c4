"""Running the tasks that migrate databases."""

from deployer_core.engine.messages import StopTask
from deployer_core.machines.ecs_task import RunTask
from tests.deployer_aws.scenarios.bed import Bed

RAN = ["create_stack", "run_task", "update_stack"]


def test_migration(bed: Bed) -> None:
    """A database's task is run once, between the infrastructure and the scaling up, with our token and tag."""
    bed.needs("tasks that end")
    bed.task_definition("orders-migrate")
    done = bed.deploy("d1", databases=(bed.database(),))
    assert done.outcome == "DONE"
    assert bed.actions == RAN
    (sent,) = bed.sent("run_task")
    assert sent["clientToken"] == sent["startedBy"]
    assert sent["tags"] == [{"key": "deployer:run", "value": "d1/orders/migrate"}]


def test_evaluation_without_changes(bed: Bed) -> None:
    """A database whose evaluation exits with 0 has no changes, and is not migrated."""
    bed.needs("tasks that end")
    bed.task_definition("orders-evaluate")
    bed.task_definition("orders-migrate")
    bed.deploy("d1", databases=(bed.database(evaluated=True),))
    assert [r["tags"][0]["value"] for r in bed.sent("run_task")] == ["d1/orders/evaluate"]


def test_evaluation_with_changes(bed: Bed) -> None:
    """A database whose evaluation exits with 2 has changes, and is migrated."""
    bed.task_definition("orders-evaluate")
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", definition="orders-evaluate", exit_code=2)
    assert bed.deploy("d1", databases=(bed.database(evaluated=True),)).outcome == "DONE"
    assert [r["tags"][0]["value"] for r in bed.sent("run_task")] == [
        "d1/orders/evaluate",
        "d1/orders/migrate",
    ]


def test_missing_task_definition(bed: Bed) -> None:
    """A task definition that is not there is AWS's word, with the command and what to do; nothing was run."""
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert failed.outcome == "FAILED"
    assert "orders: migrate:" in failed.reason
    assert "RunTask" in failed.reason
    assert "task definition" in failed.reason.lower()
    assert "correct the task's task_definition" in failed.reason
    assert "run_task" not in bed.actions


def test_failed_migration_with_its_last_words(bed: Bed) -> None:
    """A task that exits with an unaccepted code fails with the code and the last lines of its log."""
    bed.task_definition("orders-migrate", containers=["migrate", "proxy"])
    bed.rule(on="run_task", exit_code=1, log=["connecting", 'relation "orders" already exists'])
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert failed.outcome == "FAILED"
    assert "container migrate exited with 1" in failed.reason
    assert 'relation "orders" already exists' in failed.reason
    assert "/ecs/orders-migrate" in failed.reason


def test_last_words_are_bounded(bed: Bed) -> None:
    """Of a long log the end is kept, in bounded length."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", exit_code=1, log=[f"line {n} {'x' * 300}" for n in range(100)])
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "line 99" in failed.reason
    assert "line 10 " not in failed.reason
    assert len(failed.reason) < 3_000


def test_log_that_cannot_be_read(bed: Bed) -> None:
    """A log that we may not read is left out: the failure is told without it."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", exit_code=1, log=["secret"])
    bed.rule(on="get_log_events", denied=True)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "container migrate exited with 1" in failed.reason
    assert "secret" not in failed.reason


def test_failed_to_start(bed: Bed) -> None:
    """A task that never came up fails with ECS's stop code and reason, image and all."""
    bed.task_definition("orders-migrate")
    reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s): orders:404 not found"
    bed.rule(on="run_task", stop_code="TaskFailedToStart", reason=reason)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert f"TaskFailedToStart: {reason}" in failed.reason
    assert "container migrate has no exit code" in failed.reason


def test_out_of_memory(bed: Bed) -> None:
    """A container that was killed for its memory fails with ECS's own words for it."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", oom=True)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "OutOfMemoryError: Container killed due to memory usage" in failed.reason
    assert "exited with 137" in failed.reason


def test_stopped_by_a_user(bed: Bed) -> None:
    """A task that somebody stops fails, whatever its exit code is."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=900)
    bed.request("d1", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.seen == "RUNNING"))
    (arn,) = bed.tasks()
    bed.client("ecs").stop_task(cluster=bed.cluster, task=arn, reason="ann wanted it")
    failed = bed.finish("d1")
    assert failed.outcome == "FAILED"
    assert "UserInitiated" in failed.reason
    assert "ann wanted it" in failed.reason


def test_spot_interruption(bed: Bed) -> None:
    """A task that AWS takes its machine away from fails with the stop code."""
    bed.task_definition("orders-migrate")
    bed.rule(
        on="run_task",
        takes=900,
        meanwhile=[
            {"after": 60, "stop_tasks": {"definition": "orders-migrate", "stop_code": "SpotInterruption"}}
        ],
    )
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "SpotInterruption: Your Spot Task was interrupted." in failed.reason


def test_no_exit_code(bed: Bed) -> None:
    """A task that stops without an exit code is a failure, and so is one without containers."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, no_exit_code=True)
    bed.rule(on="run_task", nth=2, no_containers=True)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "container migrate has no exit code" in failed.reason
    bed.runner.repair(bed.key, "ann")
    assert bed.deploy("d2", version="2", databases=(bed.database(),)).outcome == "FAILED"


def test_vanished_task(bed: Bed) -> None:
    """A task that ECS no longer knows is not news for five minutes, and then a failure that says what is unknown."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000, vanishes=60)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "has vanished: ECS no longer knows it, so how it ended is unknown" in failed.reason
    assert bed.actions.count("run_task") == 1
    assert bed.pending(StopTask) is None


def test_task_that_is_seen_late(bed: Bed) -> None:
    """A task that reads do not show yet is no failure, and is not run again."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", hidden=100)
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert bed.actions.count("run_task") == 1


def test_capacity_refused_and_then_granted(bed: Bed) -> None:
    """A refusal for want of capacity is tried again with a new token, until there is room; one task was run."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", nth=1, capacity="unavailable")
    bed.rule(on="run_task", nth=2, capacity="RESOURCE:MEMORY")
    assert bed.deploy("d1", databases=(bed.database(),)).outcome == "DONE"
    assert bed.actions.count("run_task") == 1
    assert len({r["clientToken"] for r in bed.sent("run_task")}) == 3
    assert any("attempt 2 was refused for want of capacity: RESOURCE:MEMORY" in seen for seen in bed.seen)


def test_terminated_while_there_is_no_capacity(bed: Bed) -> None:
    """A task whose attempts were refused has never run: nothing has to be stopped, and a repair is not held up."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", capacity="RESOURCE:CPU")
    bed.request("d1", databases=(bed.database(),))
    bed.runner.run([bed.key], until=lambda: any("was refused" in seen for seen in bed.seen))
    bed.runner.terminate(bed.key, "d1", "an operator")
    assert bed.state.pending == ()
    bed.runner.repair(bed.key, "an operator")
    assert "run_task" not in bed.actions


def test_capacity_that_never_comes(bed: Bed) -> None:
    """Without capacity until the deadline, the task has certainly never run, and there is nothing to stop."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", capacity="RESOURCE:CPU")
    failed = bed.deploy("d1", databases=(bed.database(timeout=300),))
    assert "the task never ran: attempt" in failed.reason
    assert "RESOURCE:CPU" in failed.reason
    assert bed.pending(StopTask) is None
    assert "run_task" not in bed.actions


def test_refusal_for_another_reason(bed: Bed) -> None:
    """A refusal that no waiting mends is a failure with ECS's reason."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", capacity="ATTRIBUTE")
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "ECS refused to run the task orders-migrate: ATTRIBUTE" in failed.reason


def test_several_essential_containers(bed: Bed) -> None:
    """Where several containers are essential, the spec has to name the one that counts: else nothing is run."""
    containers = [{"name": "migrate"}, {"name": "proxy"}, {"name": "log-router", "essential": False}]
    bed.task_definition("orders-migrate", containers=containers)
    failed = bed.deploy("d1", databases=(bed.database(),))
    assert "has several essential containers, and the spec names none of them" in failed.reason
    bed.runner.repair(bed.key, "ann")
    failed = bed.deploy("d2", version="2", databases=(bed.database(container="migrat"),))
    assert "has no container migrat; it has: migrate, proxy, log-router" in failed.reason
    assert "run_task" not in bed.actions


def test_judged_container(bed: Bed) -> None:
    """The container that the spec names is judged; the others end as they end."""
    containers = [{"name": "migrate"}, {"name": "proxy"}]
    bed.task_definition("orders-migrate", containers=containers)
    bed.rule(on="run_task", exit_codes={"migrate": 0, "proxy": 137})
    assert bed.deploy("d1", databases=(bed.database(container="migrate"),)).outcome == "DONE"


def test_no_such_cluster(bed: Bed) -> None:
    """A cluster that is not there is AWS's word, with what to do."""
    bed.needs("clusters have to exist")
    bed.task_definition("orders-migrate")
    failed = bed.deploy("d1", databases=(bed.database(cluster="nowhere"),))
    assert "Cluster not found" in failed.reason
    assert "correct the task in the spec" in failed.reason


def test_deadline_of_a_task(bed: Bed) -> None:
    """A task past its deadline fails its migration and is stopped; it is over when STOPPED was seen."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000)
    time = bed.seconds(120)
    failed = bed.deploy("d1", databases=(bed.database(timeout=time),))
    assert f"no end within {time} s; last seen: RUNNING" in failed.reason
    assert bed.actions.count("stop_task") == 1
    assert bed.pending(StopTask) is None
    assert bed.task_statuses() == ["STOPPED"]


def test_terminated_while_a_task_runs(bed: Bed) -> None:
    """The task of a terminated deployment is stopped, and no repair is taken until STOPPED was seen."""
    bed.task_definition("orders-migrate")
    bed.rule(on="run_task", takes=9_000, linger=60)
    bed.request("d1", databases=(bed.database(),))
    bed.until(lambda _: bool((p := bed.pending(RunTask)) and p.seen == "RUNNING"))
    bed.runner.terminate(bed.key, "d1", "ann")
    assert bed.pending(StopTask) is not None
    bed.finish("d1")
    assert bed.pending(StopTask) is None
    assert bed.task_statuses() == ["STOPPED"]
    bed.runner.repair(bed.key, "ann")
    assert bed.status == "AVAILABLE"
