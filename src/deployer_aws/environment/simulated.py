"""The environment of a simulated AWS."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from deployer_aws.environment._environment import Environment
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Clock, Executor, Journal, JournalError, Properties
from deployer_aws.simulator import SimulatedPostgres, Simulator
from deployer_aws.simulator.service import camel


def open_simulator(account: Path, script: Any = None) -> Simulator:
    """Open the simulated account in a file. Raises JournalError."""
    try:
        return Simulator.open(account, script)
    except sqlite3.Error as error:
        raise JournalError(
            f"the simulated AWS {account} cannot be opened: {error}. Give another --journal"
        ) from None


def open_simulated(path: Path, account: Path, script: Any) -> Environment:
    """Open a journal and the simulated account in a file. Raises JournalError."""
    simulator = open_simulator(account, script)
    try:
        journal = SqliteJournal(path)
    except BaseException:
        simulator.close()
        raise
    return simulated_environment(simulator, journal, SimulatedPostgres())


def simulated_environment(
    simulator: Simulator, journal: Journal, databases: Executor, clock: Clock | None = None
) -> Environment:
    """Return the environment of a simulated account, with an executor for its databases; closing it closes both."""
    stacks = CloudFormation(
        simulator.client("cloudformation"),
        simulator.client("ecs"),
        s3=simulator.client("s3"),
        elbv2=simulator.client("elbv2"),
    )
    tasks = Ecs(simulator.client("ecs"), logs=simulator.client("logs"))
    before = simulator.call_counts

    def calls() -> Counter[str]:
        return Counter({camel(name): times for name, times in (simulator.call_counts - before).items()})

    def close() -> None:
        journal.close()
        simulator.close()

    return Environment(
        journal,
        clock or simulator.clock,
        (stacks, tasks, databases),
        True,
        Properties(simulated=True),
        calls,
        close,
    )
