"""An executor at work without a runner: commands, moments at which it is killed, and a stand-in for Secrets Manager."""

import itertools
import json
import os
import re
import signal
import time
from collections.abc import Mapping
from typing import Any, cast

import psycopg
from attrs import define, evolve, field, frozen
from psycopg import sql

from deployer_aws.executors.postgres import Postgres
from deployer_aws.executors.postgres.problems import DatabaseUnavailable
from deployer_aws.ports import Work
from deployer_core.engine.messages import Accepted, Attempt, Attempted, Pending, Progress, Replied
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    Database,
    Errored,
    UpsertDatabase,
    UpsertDone,
)
from deployer_core.spec import AdminUrl, DatabaseSpec
from tests.deployer_aws.executors.postgres.server import ADMIN, ADMINPASSWORD, Server

ENVIRON = {"ADMIN_PASSWORD": ADMINPASSWORD, "WRONG_PASSWORD": "not at all"}
IAM_GRANT = re.compile(r'(GRANT|REVOKE) "rds_iam"')
_numbers = itertools.count(1)


def unique(word: str = "db") -> str:
    """Return a name that no other test of this process uses."""
    return f"{word}_{next(_numbers)}"


def admin(server: Server, user: str = ADMIN, variable: str = "ADMIN_PASSWORD") -> AdminUrl:
    """Return the way in for the administrator, who is no superuser."""
    return AdminUrl(f"postgresql://{user}@127.0.0.1:{server.port}/postgres", variable)


def database(server: Server, name: str | None = None, **more: Any) -> DatabaseSpec[str]:
    """Make a database of a test's own."""
    return DatabaseSpec(name or unique(), admin(server), **more)


class AwsError(Exception):
    """An error of the shape that botocore raises."""

    def __init__(self, code: str, message: str) -> None:
        self.response = {"Error": {"Code": code, "Message": message}}
        super().__init__(message)


@define
class Secrets:
    """Secrets Manager in memory, as far as it is used; shapes and errors as boto3 has them."""

    kept: dict[str, dict[str, dict[str, Any]]] = field(factory=dict[str, dict[str, dict[str, Any]]])
    calls: list[str] = field(factory=list[str])
    """What was changed, in order."""

    def put(self, secret: str, text: str) -> None:
        """Make a secret, as somebody else does."""
        self.kept[secret] = {"first": {"text": text, "stages": ["AWSCURRENT"]}}

    def current(self, secret: str) -> dict[str, Any]:
        """Return what an application is given."""
        return dict(json.loads(self.get_secret_value(SecretId=secret)["SecretString"]))

    def texts(self) -> list[str]:
        """Every password that was ever kept."""
        held = [json.loads(v["text"]) for versions in self.kept.values() for v in versions.values()]
        return [one["password"] for one in held if "password" in one]

    def _versions(self, secret: str) -> dict[str, dict[str, Any]]:
        if secret not in self.kept:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return self.kept[secret]

    def get_secret_value(self, **parameters: Any) -> Any:
        versions = self._versions(parameters["SecretId"])
        session = parameters.get("VersionStage", "AWSCURRENT")
        for token, version in versions.items():
            if (
                token == parameters["VersionId"]
                if "VersionId" in parameters
                else session in version["stages"]
            ):
                return {
                    "VersionId": token,
                    "VersionStages": list(version["stages"]),
                    "SecretString": version["text"],
                }
        raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret value.")

    def describe_secret(self, **parameters: Any) -> Any:
        versions = self._versions(parameters["SecretId"])
        return {
            "Name": parameters["SecretId"],
            "VersionIdsToStages": {k: v["stages"] for k, v in versions.items()},
        }

    def create_secret(self, **parameters: Any) -> Any:
        self.calls.append("create")
        token = parameters["ClientRequestToken"]
        assert 32 <= len(token) <= 64
        if parameters["Name"] in self.kept:
            raise AwsError("ResourceExistsException", "The operation failed because it already exists.")
        self.kept[parameters["Name"]] = {
            token: {"text": parameters["SecretString"], "stages": ["AWSCURRENT"]}
        }
        return {"Name": parameters["Name"], "VersionId": token}

    def put_secret_value(self, **parameters: Any) -> Any:
        self.calls.append("put")
        versions, token = self._versions(parameters["SecretId"]), parameters["ClientRequestToken"]
        assert 32 <= len(token) <= 64
        if token in versions:
            raise AwsError("ResourceExistsException", "A resource with the ID you requested already exists.")
        stages = list(parameters.get("VersionStages", ["AWSCURRENT"]))
        if not versions:
            stages.append("AWSCURRENT")
        versions[token] = {"text": parameters["SecretString"], "stages": stages}
        return {"VersionId": token, "VersionStages": stages}

    def update_secret_version_stage(self, **parameters: Any) -> Any:
        self.calls.append("session")
        versions, session = self._versions(parameters["SecretId"]), parameters["VersionStage"]
        if (old := parameters.get("RemoveFromVersionId")) is not None:
            if session not in versions[old]["stages"]:
                raise AwsError("InvalidParameterException", f"Version {old} is not attached to {session}.")
            versions[old]["stages"].remove(session)
        if (new := parameters.get("MoveToVersionId")) is not None:
            assert not any(session in version["stages"] for version in versions.values())
            versions[new]["stages"].append(session)
        return {}


@define
class Moments:
    """Counts statements and changes of secrets, and ends the process at one of them: just after it was carried out."""

    fatal: int | None = None
    passed: int = 0
    said: list[str] = field(factory=list[str])
    """Every statement, as it was sent."""
    rds: Server | None = None
    """Where the administrator may grant rds_iam though it is no superuser, as RDS lets it by means of its own."""

    def next(self) -> None:
        """One more has been carried out."""
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def connections(self) -> Any:
        """Return the class of connections that count."""
        moments = self

        class Counting(psycopg.Connection[Any]):
            @classmethod
            def connect(cls, *args: Any, **kwargs: Any) -> Any:
                made = super().connect(*args, **kwargs)
                try:
                    moments.next()
                except BaseException:
                    made.close()
                    raise
                return made

            def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                text = query if isinstance(query, str) else query.as_string(self)
                moments.said.append(text)
                if moments.rds is not None and IAM_GRANT.match(text):
                    moments.rds.run(sql.SQL(cast(Any, text.replace("CURRENT_USER", ADMIN))))
                    query = "SELECT"
                execute: Any = super().execute
                cursor = execute(query, *args, **kwargs)
                moments.next()
                return cursor

        return Counting

    def watch(self, secrets: Secrets) -> Any:
        """Call the client, with a moment after each call."""
        moments = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                call = getattr(secrets, name)

                def watched(**parameters: Any) -> Any:
                    answer = call(**parameters)
                    moments.next()
                    return answer

                return watched

        return Watched()


@frozen
class Outcome:
    """How a command ended: its last answer, and the progress that was told on the way."""

    answer: Any
    progress: tuple[str, ...] = ()
    attempts: int = 0

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return isinstance(self.answer, UpsertDone | CleanupDone)

    @property
    def reason(self) -> str:
        """Why it failed."""
        assert isinstance(self.answer, Errored), self
        return self.answer.reason


@define
class Bench:
    """A server, secrets, and an executor between them; commands are numbered as a stack's are."""

    server: Server
    secrets: Secrets = field(factory=Secrets)
    environ: Mapping[str, str] = field(factory=lambda: dict(ENVIRON))
    number: int = 0

    def pending(self, spec: DatabaseSpec[str], kind: type = UpsertDatabase) -> Pending:
        """Make a new command."""
        self.number += 1
        return Pending(self.number, "d-1", spec.name, kind(Database("d-1", spec)), 0.0, 600.0)

    def upsert(self, spec: DatabaseSpec[str], **more: Any) -> Outcome:
        """Carry a new command out to its end."""
        return self.carry_out(self.pending(spec), **more)

    def cleanup(self, spec: DatabaseSpec[str], **more: Any) -> Outcome:
        """Carry a new command out to its end."""
        return self.carry_out(self.pending(spec, CleanupDatabase), **more)

    def carry_out(
        self, pending: Pending, moments: Moments | None = None, looks: int = 150, **executor: Any
    ) -> Outcome:
        """Look at a command until it has ended, as a runner does."""
        moments = moments or Moments()
        moments.rds = self.server
        postgres = Postgres(
            moments.watch(self.secrets), environ=self.environ, connect=moments.connections(), **executor
        )
        progress: list[str] = []
        attempts = 0
        for _ in range(looks):
            work = Work("prod/shop", "stream", pending, 1.0, str)
            try:
                for event in postgres.act(work):
                    assert not isinstance(event, Accepted)
                    if isinstance(event, Attempted):
                        attempts += 1
                        made = Attempt(event.number, event.at, event.resolved, token=event.token)
                        if pending.attempt is None or pending.attempt.number < event.number:
                            pending = evolve(pending, attempt=made)
                    elif isinstance(event.answer, Progress):
                        progress.append(event.answer.text)
                    else:
                        assert isinstance(event, Replied)
                        return Outcome(event.answer, tuple(progress), attempts)
            except DatabaseUnavailable:
                pass
            time.sleep(0.02)
        raise AssertionError(f"no end after {looks} looks: {progress}")
