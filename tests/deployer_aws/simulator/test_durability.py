"""The account in a file: it outlives the process that it was killed with, and several processes share it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deployer_aws.simulator import ClientError, Simulator
from deployer_aws.simulator.store import SqliteStore

TEMPLATE = """
Parameters: {Count: {Type: Number, Default: 1}}
Resources:
  Task: {Type: AWS::ECS::TaskDefinition, Properties: {Family: f, ContainerDefinitions: [{Name: app}]}}
  Service: {Type: AWS::ECS::Service, Properties: {ServiceName: web, TaskDefinition: !Ref Task, DesiredCount: !Ref Count}}
"""
SCRIPT: dict[str, Any] = {
    "stacks": [{"name": "orders", "template": TEMPLATE}],
    "task_definitions": [{"family": "migrate"}],
    "rules": [
        {"on": "run_task", "nth": 2, "exit_code": 3},
        {"on": "describe_stacks", "nth": 3, "throttle": True},
    ],
    "events": [{"at": 500, "stack": "orders", "desired_count": {"service": "Service", "count": 7}}],
}
CHILD = """
import sys
from deployer_aws.simulator import Simulator

sim = Simulator.open(sys.argv[1])
ecs = sim.client("ecs")
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    for token in (f"{number}-token", f"{number}-token"):
        ecs.run_task(taskDefinition="migrate", clientToken=token)
    sim.clock.sleep(1)
    number += 1
    print(number, flush=True)
"""


def child(path: Path, start: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, str(path), str(start)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def play(sim: Simulator) -> tuple[Any, ...]:
    """Do a longer piece of work; return all that can be seen of it."""
    cloudformation, ecs = sim.client("cloudformation"), sim.client("ecs")
    first = ecs.run_task(taskDefinition="migrate", clientToken="a")["tasks"][0]["taskArn"]
    cloudformation.update_stack(
        StackName="orders",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Count", "ParameterValue": "3"}],
    )
    second = ecs.run_task(taskDefinition="migrate", clientToken="b")["tasks"][0]["taskArn"]
    seen: list[Any] = []
    for _ in range(30):
        try:
            seen.append(cloudformation.describe_stacks(StackName="orders")["Stacks"])
        except ClientError as error:
            seen.append(error.response["Error"])
        sim.clock.sleep(20)
    seen.append(ecs.describe_tasks(tasks=[first, second])["tasks"])
    seen.append(ecs.describe_services(services=["web"])["services"])
    cloudformation.delete_stack(StackName="orders")
    sim.clock.sleep(4000)
    seen.append(ecs.describe_tasks(tasks=[first, second]))
    seen.append(ecs.describe_services(services=["web"])["services"])
    return seen, sim.emitted, sim.changes, sim.calls, sim.clock.now()


def test_a_file_and_memory_are_the_same_account(tmp_path: Path) -> None:
    """Every answer, event and change is the same over both stores, and in every run."""
    with Simulator.open(tmp_path / "account.db", SCRIPT) as sim:
        in_file = play(sim)
    assert in_file == play(Simulator(SCRIPT))


def test_every_call_may_be_by_another_process(tmp_path: Path) -> None:
    """Closing and opening the account anew between any two steps changes nothing: all of it is in the file."""
    path = tmp_path / "account.db"

    class Reopened:
        """A simulator that is opened for each use."""

        def __getattr__(self, name: str) -> Any:
            return getattr(Simulator.open(path), name)

    Simulator.open(path, SCRIPT).close()
    reopened: Any = Reopened()
    assert play(reopened) == play(Simulator(SCRIPT))


def test_a_killed_process_leaves_the_account_whole(tmp_path: Path) -> None:
    """However a process is killed, no call is half done, no task ran twice, and the next process goes on."""
    path = tmp_path / "account.db"
    Simulator.open(path, SCRIPT).close()
    reached = 0
    for round_ in range(3):
        process = child(path, reached)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{reached + 1}\n"
        time.sleep(0.037 * round_)  # somewhere in the middle of things
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        lines = [line for line in out.splitlines(keepends=True) if line.endswith("\n")]
        reached = int(lines[-1]) if lines else reached + 1
        with Simulator.open(path) as sim:
            runs = [change for change in sim.changes if change.action == "run_task"]
            tokens = [change.token for change in runs]
            assert len(tokens) == len(set(tokens)) >= reached
            calls = [call for call in sim.calls if call.operation == "run_task"]
            assert {call.request["clientToken"] for call in calls} == set(tokens)
            assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert reached >= 3


def test_processes_share_a_account(tmp_path: Path) -> None:
    """Two processes with the same tokens run each task once between them."""
    path = tmp_path / "account.db"
    Simulator.open(path, {**SCRIPT, "rules": []}).close()
    processes = [child(path, 0), child(path, 0)]
    for process in processes:  # each has got through three rounds
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
    for process in processes:
        process.kill()
        process.communicate()
    with Simulator.open(path) as sim:
        tokens = [change.token for change in sim.changes]
        assert 0 < len(tokens) == len(set(tokens))
        assert len(sim.calls) > 2 * len(tokens)


def test_waiting_for_the_others_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that somebody else holds for too long is an error, not a wait for ever."""
    path = tmp_path / "account.db"
    sim = Simulator.open(path, SCRIPT)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("deployer_aws.simulator.store._PATIENCE", 0.01)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sim.clock.now()
    holder.execute("ROLLBACK")
    assert sim.clock.now() > 0


def test_another_script_replaces_what_is_to_come(tmp_path: Path) -> None:
    """Opened with another script, the account stays, its rules and coming events are the new ones."""
    path = tmp_path / "account.db"
    with Simulator.open(path, SCRIPT) as sim:
        sim.client("ecs").run_task(taskDefinition="migrate")
        now = sim.clock.now()
    new = {
        "start": "2030-01-01T00:00:00Z",
        "stacks": [{"name": "orders", "status": "DELETE_FAILED"}, {"name": "bills"}],
        "task_definitions": [{"family": "migrate"}],
        "rules": [{"on": "list_tasks", "nth": 1, "denied": True}],
        "events": [{"at": 50, "stack": "bills", "protect": True}],
    }
    with Simulator.open(path, new) as sim:
        assert sim.clock.now() == now
        with pytest.raises(ClientError, match="not authorized"):
            sim.client("ecs").list_tasks()
        sim.clock.sleep(600)
        stacks = {s["StackName"]: s for s in sim.client("cloudformation").describe_stacks()["Stacks"]}
        assert stacks["orders"]["StackStatus"] == "CREATE_COMPLETE"
        assert stacks["bills"]["EnableTerminationProtection"]
        assert sim.client("ecs").describe_services(services=["web"])["services"][0]["desiredCount"] == 1
    with Simulator.open(path, new) as sim:
        sim.client("ecs").list_tasks()


def test_an_unexpected_error_undoes_its_call(tmp_path: Path) -> None:
    """A call that breaks off half-way in the simulator itself leaves no trace in the file."""
    store = SqliteStore(tmp_path / "account.db")
    sim = Simulator(SCRIPT, store=store)
    with pytest.raises(ZeroDivisionError), store.transaction():
        sim.client("ecs").run_task(taskDefinition="migrate")
        _ = 1 / 0
    assert (sim.changes, sim.calls) == ([], [])
    sim.client("ecs").run_task(taskDefinition="migrate")
    assert len(sim.changes) == 1
