"""Carries on what a journal has pending, with boto3 over HTTP, in a process that is killed at a given moment.

    python -m tests.deployer_aws.crash.over_http JOURNAL ENDPOINT CLUSTER [MOMENT]

A moment is a number, as in `tests.deployer_aws.crash.driver`, or `run_task:1`: just after the first call of that name, of which
nothing is written down yet. A task that runs in the cluster is stopped by somebody else: the emulator's tasks never end
by themselves. Tells how many moments there were.
"""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from deployer_aws.aws.clients import Options, connect
from deployer_aws.environment import SystemClock
from deployer_aws.executors.cloudformation import CloudFormation
from deployer_aws.executors.ecs import Ecs
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import PollingPolicy, Runner
from tests.deployer_aws.crash.driver import Moments, Watched
from tests.deployer_aws.scenarios.environment import InstantPostgres
from tests.support.servers import REGION

TERM = 2.0
"""Seconds for which the lease of a killed process is respected."""


class Fatal:
    """A client whose n-th call of a name ends the process, once AWS has answered."""

    def __init__(self, inner: Any, moment: str) -> None:
        self._inner, self._moment, self._calls = inner, moment, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            answer = getattr(self._inner, name)(**request)
            self._calls[name] += 1
            if self._moment == f"{name}:{self._calls[name]}":
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call


def carry_on(journal: Path, endpoint: str, cluster: str, moment: str = "") -> int:
    """To the end, or to the moment; the moments that there were."""
    moments = Moments(int(moment) if moment.isdigit() else None)
    clients, opened = connect(Options(region=REGION, endpoint_url=endpoint)), SqliteJournal(journal)
    stacks, tasks = (
        Watched(Fatal(client, moment), moments) for client in (clients.cloudformation, clients.ecs)
    )
    watched: Any = Watched(opened, moments, ("append", "compare_and_set_lease", "delivered"))
    runner = Runner(
        watched,
        [CloudFormation(as_client(stacks), as_client(tasks)), Ecs(as_client(tasks)), InstantPostgres()],
        SystemClock(),
        term=TERM,
        client_timeout=TERM / 4,
        polling=PollingPolicy(0.05, 0.2),
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
    """Return the client's method of that name, counted."""
    return watched


if __name__ == "__main__":
    where, *words = sys.argv[1:]
    sys.stdout.write(f"{carry_on(Path(where), *words)}\n")
