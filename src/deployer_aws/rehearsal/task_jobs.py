"""The process that runs in the place of a container, and the environment that it is given.

The deployer's own environment comes first, without what it tells libpq; then the application's way into the database as
libpq's variables have it; then what ECS would give the container; then `rehearse.environment`.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from deployer_aws.executors.postgres.session import Server
from deployer_aws.rehearsal.mask import Mask
from deployer_aws.rehearsal.task_processes import Job
from deployer_aws.simulator import Container, NotStarted
from deployer_aws.specfile import Processes, Rehearsal
from deployer_core.machines.ecs_task import Run
from deployer_core.spec import DatabaseSpec

RUN = "deployer:run"
"""The tag that bears the id of a task's run."""


class Jobs:
    """Finds the process for a container. `find` returns a run by its id, with the resolved database that it is for."""

    def __init__(
        self,
        rehearsal: Rehearsal,
        server: Server,
        mask: Mask,
        find: Callable[[str], tuple[Run, DatabaseSpec[str]] | None],
    ) -> None:
        self._rehearsal, self._server, self._mask, self._find = rehearsal, server, mask, find

    def __call__(self, container: Container) -> Job:
        """Return the process for a task. Raises NotStarted."""
        found = self._find(container.tags.get(RUN, ""))
        if found is None:
            raise NotStarted("CannotStartContainerError: the deployment knows of no such task to rehearse")
        run, spec = found
        label = f"{run.database} {run.purpose}"
        command = self._rehearsal.databases.get(run.database, Processes()).of(run.purpose)
        if not command:
            raise NotStarted(f"CannotStartContainerError: the spec names no process for {label} to rehearse")
        environment = (
            self._base() | self._libpq(spec, container.reveal) | self._given([container], strict=True)
        )
        return self._job(command, environment, label)

    def after(self, services: Iterable[Container], databases: Iterable[DatabaseSpec[str]]) -> Job:
        """Return the process for when the deployment is DONE, with the environment of the application's containers."""
        containers, known = list(services), list(databases)
        environment = self._base()
        if len(known) == 1 and containers:
            environment |= self._libpq(known[0], containers[0].reveal)
        environment |= {"PGHOST": self._server.host, "PGPORT": str(self._server.port)}
        return self._job(self._rehearsal.after, environment | self._given(containers, strict=False), "after")

    def _job(self, command: tuple[str, ...], environment: Mapping[str, str], label: str) -> Job:
        return Job(
            command, self._rehearsal.folder, {**environment, **dict(self._rehearsal.environment)}, label
        )

    def _base(self) -> dict[str, str]:
        """Return the deployer's own environment; `python` is the deployer's, unless a virtual environment is active."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        if not own.get("VIRTUAL_ENV"):
            own["PATH"] = os.pathsep.join(filter(None, (str(Path(sys.executable).parent), own.get("PATH"))))
        return {"PYTHONUNBUFFERED": "1", **own}

    def _libpq(self, spec: DatabaseSpec[str], reveal: Callable[[str], str]) -> dict[str, str]:
        """Return libpq's variables for the application: of its secret, or of the login that needs no password here."""
        found = {"PGHOST": self._server.host, "PGPORT": str(self._server.port), "PGDATABASE": spec.name}
        if spec.app_secret is not None:
            text = reveal(spec.app_secret)
            self._mask.add(text)
            held: Any = json.loads(text)
            return found | {"PGUSER": str(held["username"]), "PGPASSWORD": str(held["password"])}
        return found | ({"PGUSER": spec.login_role} if spec.iam_login else {})

    def _given(self, containers: Iterable[Container], *, strict: bool) -> dict[str, str]:
        """Return what the task definition and the overrides give, without what `rehearse.environment` overrides."""
        given: dict[str, str] = {}
        ours = dict(self._rehearsal.environment)
        for container in containers:
            given |= container.environment
            for name, source in container.secrets.items():
                if name in ours:
                    continue
                try:
                    given[name] = container.reveal(source)
                except NotStarted as missing:
                    if strict:
                        raise NotStarted(
                            f"{missing}. There are only the secrets that the rehearsal makes: give {name} in "
                            "rehearse.environment"
                        ) from None
                    continue
                self._mask.add(given[name])
        return given
