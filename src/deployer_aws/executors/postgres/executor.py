"""Carry out UpsertDatabase and CleanupDatabase, one look at a command after the other."""

import logging
import os
import time
from collections.abc import Callable, Generator, Mapping

import psycopg
from attrs import evolve

from deployer_aws.aws.errors import ErrorClass, classify
from deployer_aws.aws.protocols import RdsClient, SecretsClient
from deployer_aws.executors.postgres.access import Access
from deployer_aws.executors.postgres.cleanup import cleanup
from deployer_aws.executors.postgres.credentials import SecretStore, credentials
from deployer_aws.executors.postgres.database import database, extensions, grants
from deployer_aws.executors.postgres.job import DatabaseJob, Steps, Taking, administrator
from deployer_aws.executors.postgres.problems import DatabaseUnavailable, PostgresError
from deployer_aws.executors.postgres.roles import disable, drop, iam_login, owner
from deployer_aws.executors.postgres.session import Connection, Timeouts, session
from deployer_aws.ports import Act, Work
from deployer_core.engine.messages import Attempted, Progress, Replied
from deployer_core.machines.postgres_migration import (
    CleanupDatabase,
    CleanupDone,
    Errored,
    UpsertDatabase,
    UpsertDone,
)

TOOK = "took"
"""What is resolved for a command that has taken something from who was there: the change that was the first to."""
SHARE = 5.0
"""Seconds of one look after which no further change is begun: other commands wait meanwhile."""
log: logging.Logger = logging.getLogger("deployer")


class Postgres:
    """Carries out the databases' commands, with psycopg.

    `secrets` and `rds` are boto3's clients `secretsmanager` and `rds`, needed where a spec speaks of a secret or of an
    IAM token. `connect` is the class of the connections, `access` another way in than the spec's.
    """

    commands: tuple[type, ...] = (UpsertDatabase, CleanupDatabase)

    def __init__(
        self,
        secrets: SecretsClient | None = None,
        rds: RdsClient | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        connect: type[Connection] = psycopg.Connection,
        share: float = SHARE,
        access: Access | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access or Access(secrets, rds, environ)
        self._connect, self._share, self._monotonic = connect, share, monotonic

    def act(self, work: Work) -> Act:
        """See `ports.Executor.act`. A transient error is journaled once, and left to the runner to try again."""
        try:
            yield from self._act(work)
        except PostgresError as trouble:
            if not trouble.transient:
                yield work.reply(Errored(str(trouble), trouble.took or _took(work)))
                return
            yield work.reply(Progress(f"{trouble}; trying again"))
            if work.now < work.pending.deadline:
                raise DatabaseUnavailable(str(trouble)) from None

    def _act(self, work: Work) -> Act:
        command = work.pending.command
        if not isinstance(command, UpsertDatabase | CleanupDatabase):
            return
        spec = command.database.spec
        server = self._access.server(spec)
        timeouts = Timeouts(spec.statement_timeout, spec.lock_timeout)
        number = work.pending.attempt.number if work.pending.attempt else 1
        with session(self._connect, server, server.maintenance, timeouts) as maintenance:
            if not maintenance.try_lock(spec.name):
                yield work.reply(Progress(f"somebody else works on the database {spec.name}; waiting"))
                return
            token, who = work.token(number), administrator(maintenance)
            job = DatabaseJob(spec, server, maintenance, who, token, self._connect, took=_took(work))
            steps = self._upsert(job) if isinstance(command, UpsertDatabase) else _cleanup(job)
            try:
                ended = yield from self._take(work, job, steps, number)
            except PostgresError as trouble:
                raise trouble.after(job.report(), job.took) from None
            except Exception as error:
                problem = classify(error)
                if problem is None or problem.error_class is not ErrorClass.PERMANENT or not job.took:
                    raise
                raise PostgresError(str(problem)).after(job.report(), job.took) from None
        if ended:
            yield work.reply(UpsertDone(job.took) if isinstance(command, UpsertDatabase) else CleanupDone())

    def _take(
        self, work: Work, job: DatabaseJob, steps: Steps, number: int
    ) -> Generator[Attempted | Replied, None, bool]:
        """Take steps until they or the share have ended, and report them; return whether the steps have ended.

        That something is about to be taken is journaled before it is: by an attempt of its own, of the same token.
        """
        started = self._monotonic()
        resolved = work.pending.attempt.resolved if work.pending.attempt else ()
        attempted = work.pending.attempt is not None
        for change in steps:
            if self._monotonic() - started > self._share:
                yield work.reply(Progress("; next: ".join(filter(None, (job.report(), change)))))
                return False
            if isinstance(change, Taking) and not job.took:
                number, resolved, job.took = number + attempted, ((TOOK, change),), True
            yield evolve(work.attempt(number, resolved), token=job.token)
            attempted = True
            log.info("%s: %s: %s", work.key, job.spec.name, change)
        if report := job.report():
            yield work.reply(Progress(report))
        return True

    def _upsert(self, job: DatabaseJob) -> Steps:
        spec = job.spec
        yield from owner(job)
        yield from database(job)
        with job.open() as inside:
            yield from extensions(job, inside)
            yield from grants(job, inside)
            yield from cleanup(job, inside)
        if spec.app_secret is not None:
            yield from credentials(job, SecretStore(self._access.secrets(), spec.app_secret))
        elif spec.iam_login:
            yield from iam_login(job)
            yield from disable(job, spec.login_role)
        yield from drop(job)


def _took(work: Work) -> bool:
    """Tell whether an earlier look has taken something from who was there, or was about to."""
    attempt = work.pending.attempt
    return attempt is not None and TOOK in dict(attempt.resolved)


def _cleanup(job: DatabaseJob) -> Steps:
    with job.open() as inside:
        yield from cleanup(job, inside)
    yield from drop(job)
