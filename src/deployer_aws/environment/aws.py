"""The environment of the real AWS, or of an emulator."""

from collections import Counter
from pathlib import Path

from deployer_aws.aws.clients import Clients, Options
from deployer_aws.environment._environment import Environment, SystemClock
from deployer_aws.executors.cloudformation import CloudFormation, Settings
from deployer_aws.executors.ecs import Ecs
from deployer_aws.executors.postgres import Postgres
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Executor, Properties


def aws_environment(path: Path, clients: Clients, options: Options, properties: Properties) -> Environment:
    """Return the environment of a journal and these clients. Raises JournalError."""
    before = Counter(clients.calls)
    return Environment(
        journal := SqliteJournal(path),
        SystemClock(),
        _executors(clients, options),
        False,
        properties,
        lambda: clients.calls - before,
        journal.close,
        clients,
    )


def _executors(clients: Clients, options: Options) -> tuple[Executor, ...]:
    settings = Settings(bucket=options.template_bucket, bare_events=bool(clients.endpoint_url))
    return (
        CloudFormation(
            clients.cloudformation, clients.ecs, s3=clients.s3, elbv2=clients.elbv2, settings=settings
        ),
        Ecs(clients.ecs, logs=clients.logs),
        Postgres(clients.secretsmanager, clients.rds),
    )
