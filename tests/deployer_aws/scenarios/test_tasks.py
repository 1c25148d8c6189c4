"""Running the tasks that migrate databases."""

from deployer_core.engine.messages import StopTask
from deployer_core.machines.ecs_task import RunTask
from tests.deployer_aws.scenarios.environment import Environment

RAN = ["create_stack", "run_task", "update_stack"]


def test_migration(env: Environment) -> None:
    """A database's task is run once, between the infrastructure and the scaling up, with our token and tag."""
    env.needs("tasks that end")
    env.task_definition("orders-migrate")
    done = env.deploy("d1", databases=(env.database(),))
    assert done.outcome == "DONE"
    assert env.actions == RAN
    (sent,) = env.sent("run_task")
    assert sent["clientToken"] == sent["startedBy"]
    assert sent["tags"] == [{"key": "deployer:run", "value": "d1/orders/migrate"}]


def test_evaluation_without_changes(env: Environment) -> None:
    """A database whose evaluation exits with 0 has no changes, and is not migrated."""
    env.needs("tasks that end")
    env.task_definition("orders-evaluate")
    env.task_definition("orders-migrate")
    env.deploy("d1", databases=(env.database(evaluated=True),))
    assert [r["tags"][0]["value"] for r in env.sent("run_task")] == ["d1/orders/evaluate"]


def test_evaluation_with_changes(env: Environment) -> None:
    """A database whose evaluation exits with 2 has changes, and is migrated."""
    env.task_definition("orders-evaluate")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", definition="orders-evaluate", exit_code=2)
    assert env.deploy("d1", databases=(env.database(evaluated=True),)).outcome == "DONE"
    assert [r["tags"][0]["value"] for r in env.sent("run_task")] == [
        "d1/orders/evaluate",
        "d1/orders/migrate",
    ]


def test_missing_task_definition(env: Environment) -> None:
    """A task definition that is not there is AWS's word, with the command and what to do; nothing was run."""
    failed = env.deploy("d1", databases=(env.database(),))
    assert failed.outcome == "FAILED"
    assert "orders: migrate:" in failed.reason
    assert "RunTask" in failed.reason
    assert "task definition" in failed.reason.lower()
    assert "correct the task's task_definition" in failed.reason
    assert "run_task" not in env.actions


def test_failed_migration_with_its_last_words(env: Environment) -> None:
    """A task that exits with an unaccepted code fails with the code and the last lines of its log."""
    env.task_definition("orders-migrate", containers=["migrate", "proxy"])
    env.rule(on="run_task", exit_code=1, log=["connecting", 'relation "orders" already exists'])
    failed = env.deploy("d1", databases=(env.database(),))
    assert failed.outcome == "FAILED"
    assert "container migrate exited with 1" in failed.reason
    assert 'relation "orders" already exists' in failed.reason
    assert "/ecs/orders-migrate" in failed.reason


def test_last_words_are_bounded(env: Environment) -> None:
    """Of a long log the end is kept, in bounded length."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", exit_code=1, log=[f"line {n} {'x' * 300}" for n in range(100)])
    failed = env.deploy("d1", databases=(env.database(),))
    assert "line 99" in failed.reason
    assert "line 10 " not in failed.reason
    assert len(failed.reason) < 3_000


def test_log_that_cannot_be_read(env: Environment) -> None:
    """A log that we may not read is left out: the failure is told without it."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", exit_code=1, log=["secret"])
    env.rule(on="get_log_events", denied=True)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "container migrate exited with 1" in failed.reason
    assert "secret" not in failed.reason


def test_failed_to_start(env: Environment) -> None:
    """A task that never comes up is begun three times, then fails with ECS's stop code and reason, image and all."""
    env.task_definition("orders-migrate")
    reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s): orders:404 not found"
    env.rule(on="run_task", stop_code="TaskFailedToStart", reason=reason)
    failed = env.deploy("d1", databases=(env.database(),))
    assert f"TaskFailedToStart: {reason}" in failed.reason
    assert "container migrate has no exit code" in failed.reason
    assert "(run 3 of 3)" in failed.reason
    assert len({r["clientToken"] for r in env.sent("run_task")}) == env.actions.count("run_task") == 3
    assert env.pending(StopTask) is None


def test_run_that_never_began_is_begun_again(env: Environment) -> None:
    """A migration whose task stopped before a container had started has run nothing: it is run, once."""
    env.needs("tokens")
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, stop_code="TaskFailedToStart")
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    first, second = env.sent("run_task")
    assert first["clientToken"] != second["clientToken"]
    assert {**first, "clientToken": "", "startedBy": ""} == {**second, "clientToken": "", "startedBy": ""}


def test_interrupted_evaluation_is_run_again(env: Environment) -> None:
    """An evaluation changes nothing: one whose machine was taken away, and one that vanished, is run again."""
    env.task_definition("orders-evaluate")
    env.task_definition("orders-migrate")
    away = {"definition": "orders-evaluate", "stop_code": "SpotInterruption"}
    env.rule(on="run_task", nth=1, takes=900, meanwhile=[{"after": 60, "stop_tasks": away}])
    env.rule(on="run_task", nth=2, takes=9_000, vanishes=60)
    assert env.deploy("d1", databases=(env.database(evaluated=True),)).outcome == "DONE"
    assert [r["tags"][0]["value"] for r in env.sent("run_task")] == ["d1/orders/evaluate"] * 3


def test_another_essential_container_that_fails(env: Environment) -> None:
    """Another essential container that fails makes the run fail, since it may have stopped it half-way; unless excused."""
    log_router = {"name": "log-router", "essential": False}
    env.task_definition("orders-migrate", containers=[{"name": "migrate"}, {"name": "proxy"}, log_router])
    env.rule(on="run_task", exit_codes={"migrate": 0, "proxy": 3}, log=["the proxy's last words"])
    failed = env.deploy("d1", databases=(env.database(container="migrate"),))
    assert failed.outcome == "FAILED"
    assert "container proxy exited with 3" in failed.reason
    assert "the proxy's last words" in failed.reason
    env.runner.repair(env.key, "ann")
    excused = env.database(container="migrate", excused=("proxy",))
    assert env.deploy("d2", version="2", databases=(excused,)).outcome == "DONE"


def test_out_of_memory(env: Environment) -> None:
    """A container that was killed for its memory fails with ECS's own words for it."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", oom=True)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "OutOfMemoryError: Container killed due to memory usage" in failed.reason
    assert "exited with 137" in failed.reason


def test_stopped_by_a_user(env: Environment) -> None:
    """A task that somebody stops fails, whatever its exit code is."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=900)
    env.request("d1", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.seen == "RUNNING"))
    (arn,) = env.tasks()
    env.client("ecs").stop_task(cluster=env.cluster, task=arn, reason="ann wanted it")
    failed = env.finish("d1")
    assert failed.outcome == "FAILED"
    assert "UserInitiated" in failed.reason
    assert "ann wanted it" in failed.reason


def test_spot_interruption(env: Environment) -> None:
    """A migration that AWS takes the machine away from may be half-way: it fails with the stop code, and is not run again."""
    env.task_definition("orders-migrate")
    env.rule(
        on="run_task",
        takes=900,
        meanwhile=[
            {"after": 60, "stop_tasks": {"definition": "orders-migrate", "stop_code": "SpotInterruption"}}
        ],
    )
    failed = env.deploy("d1", databases=(env.database(),))
    assert "SpotInterruption: Your Spot Task was interrupted." in failed.reason
    assert env.actions.count("run_task") == 1


def test_no_exit_code(env: Environment) -> None:
    """A task that stops without an exit code is a failure, and so is one without containers."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, no_exit_code=True)
    env.rule(on="run_task", nth=2, no_containers=True)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "container migrate has no exit code" in failed.reason
    env.runner.repair(env.key, "ann")
    assert env.deploy("d2", version="2", databases=(env.database(),)).outcome == "FAILED"


def test_vanished_task(env: Environment) -> None:
    """A task that ECS no longer knows is not news for five minutes, and then a failure that says what is unknown."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000, vanishes=60)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "has vanished: ECS no longer knows it, so how it ended is unknown" in failed.reason
    assert env.actions.count("run_task") == 1
    assert env.pending(StopTask) is None


def test_task_that_is_seen_late(env: Environment) -> None:
    """A task that reads do not show yet is no failure, and is not run again."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", hidden=100)
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert env.actions.count("run_task") == 1


def test_capacity_refused_and_then_granted(env: Environment) -> None:
    """A refusal for want of capacity is tried again with a new token, until there is room; one task was run."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", nth=1, capacity="unavailable")
    env.rule(on="run_task", nth=2, capacity="RESOURCE:MEMORY")
    assert env.deploy("d1", databases=(env.database(),)).outcome == "DONE"
    assert env.actions.count("run_task") == 1
    assert len({r["clientToken"] for r in env.sent("run_task")}) == 3
    assert any("attempt 2 was refused for want of capacity: RESOURCE:MEMORY" in seen for seen in env.seen)


def test_terminated_while_there_is_no_capacity(env: Environment) -> None:
    """A task whose attempts were refused has never run: nothing has to be stopped, and a repair is not held up."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", capacity="RESOURCE:CPU")
    env.request("d1", databases=(env.database(),))
    env.runner.run([env.key], until=lambda: any("was refused" in seen for seen in env.seen))
    env.runner.terminate(env.key, "d1", "an operator")
    assert env.state.pending == ()
    env.runner.repair(env.key, "an operator")
    assert "run_task" not in env.actions


def test_capacity_that_never_comes(env: Environment) -> None:
    """Without capacity until the deadline, the task has certainly never run, and there is nothing to stop."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", capacity="RESOURCE:CPU")
    failed = env.deploy("d1", databases=(env.database(timeout=300),))
    assert "the task has done nothing: attempt" in failed.reason
    assert "RESOURCE:CPU" in failed.reason
    assert env.pending(StopTask) is None
    assert "run_task" not in env.actions


def test_refusal_for_another_reason(env: Environment) -> None:
    """A refusal that no waiting mends is a failure with ECS's reason."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", capacity="ATTRIBUTE")
    failed = env.deploy("d1", databases=(env.database(),))
    assert "ECS refused to run the task orders-migrate: ATTRIBUTE" in failed.reason


def test_several_essential_containers(env: Environment) -> None:
    """Where several containers are essential, the spec has to name the one that counts: else nothing is run."""
    containers = [{"name": "migrate"}, {"name": "proxy"}, {"name": "log-router", "essential": False}]
    env.task_definition("orders-migrate", containers=containers)
    failed = env.deploy("d1", databases=(env.database(),))
    assert "has several essential containers, and the spec names none of them" in failed.reason
    env.runner.repair(env.key, "ann")
    failed = env.deploy("d2", version="2", databases=(env.database(container="migrat"),))
    assert "has no container migrat; it has: migrate, proxy, log-router" in failed.reason
    assert "run_task" not in env.actions


def test_judged_container(env: Environment) -> None:
    """The container that the spec names is judged; the others end as they end."""
    containers = [{"name": "migrate"}, {"name": "proxy"}]
    env.task_definition("orders-migrate", containers=containers)
    env.rule(on="run_task", exit_codes={"migrate": 0, "proxy": 137})
    assert env.deploy("d1", databases=(env.database(container="migrate"),)).outcome == "DONE"


def test_no_such_cluster(env: Environment) -> None:
    """A cluster that is not there is AWS's word, with what to do."""
    env.needs("clusters have to exist")
    env.task_definition("orders-migrate")
    failed = env.deploy("d1", databases=(env.database(cluster="nowhere"),))
    assert "Cluster not found" in failed.reason
    assert "correct the task in the spec" in failed.reason


def test_deadline_of_a_task(env: Environment) -> None:
    """A task past its deadline fails its migration and is stopped; it is over when STOPPED was seen."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000)
    time = env.seconds(120)
    failed = env.deploy("d1", databases=(env.database(timeout=time),))
    assert f"no end within {time} s; last seen: RUNNING" in failed.reason
    assert env.actions.count("stop_task") == 1
    assert env.pending(StopTask) is None
    assert env.task_statuses() == ["STOPPED"]


def test_terminated_while_a_task_runs(env: Environment) -> None:
    """The task of a terminated deployment is stopped, and no repair is taken until STOPPED was seen."""
    env.task_definition("orders-migrate")
    env.rule(on="run_task", takes=9_000, linger=60)
    env.request("d1", databases=(env.database(),))
    env.until(lambda _: bool((p := env.pending(RunTask)) and p.seen == "RUNNING"))
    env.runner.terminate(env.key, "d1", "ann")
    assert env.pending(StopTask) is not None
    env.finish("d1")
    assert env.pending(StopTask) is None
    assert env.task_statuses() == ["STOPPED"]
    env.runner.repair(env.key, "ann")
    assert env.status == "AVAILABLE"
