"""Carries on what a journal has pending, with boto3 over HTTP, in a process that is killed at a given moment.

    python -m tests.crash.over_http JOURNAL ENDPOINT CLUSTER MOMENT

A moment is as in `tests.crash.driver`; one below zero kills nothing. A task that runs in the cluster is stopped by
somebody else: the emulator's tasks never end by themselves. Tells how many moments there were.
"""

import sys
from pathlib import Path
from typing import Any

from deployer_aws.clients import Options, connect
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.pace import Pace
from deployer_aws.runner import Runner
from deployer_aws.surroundings import SystemClock
from tests.aws.scenarios.bed import InstantPostgres
from tests.aws.scenarios.servers import REGION
from tests.crash.driver import Moments, Watched

TERM = 2.0
"""Seconds for which the lease of a killed process is respected."""


def carry_on(journal: Path, endpoint: str, cluster: str, moment: int) -> int:
    """To the end, or to the moment; the moments that there were."""
    moments = Moments(moment if moment >= 0 else None)
    clients, opened = connect(Options(region=REGION, endpoint_url=endpoint)), SqliteJournal(journal)
    stacks, tasks = (Watched(client, moments) for client in (clients.cloudformation, clients.ecs))
    watched: Any = Watched(opened, moments, ("append", "claim", "delivered"))
    runner = Runner(
        watched,
        [CloudFormation(as_client(stacks), as_client(tasks)), Ecs(as_client(tasks)), InstantPostgres()],
        SystemClock(),
        term=TERM,
        client_timeout=TERM / 4,
        pace=Pace(0.05, 0.2),
        jitter=lambda: 1.0,
    )

    def somebody_stops_tasks() -> bool:
        for arn in clients.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
            clients.ecs.stop_task(cluster=cluster, task=arn, reason="somebody stops it")
        return False

    runner.run(until=somebody_stops_tasks)
    opened.close()
    return moments.passed


def as_client(watched: Watched) -> Any:
    """It has whatever methods the client has."""
    return watched


if __name__ == "__main__":
    where, address, tasks_in, fatal = sys.argv[1:]
    sys.stdout.write(f"{carry_on(Path(where), address, tasks_in, int(fatal))}\n")
