"""Make boto3's clients for one account and region, two of each service: one to observe with, one to act with.

What changes things is sent once: whether it is sent again is the runner's decision, which knows what was journaled.
What only looks may be retried by the SDK, by its standard rules. Both are behind one object, `Pair`, so an executor
sees one client and cannot take the wrong one.
"""

import os
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

from attrs import NOTHING, asdict, evolve, field, fields, frozen

from deployer_aws.aws.protocols import (
    CloudFormationClient,
    EcsClient,
    Elbv2Client,
    EventBridgeClient,
    IamClient,
    LogsClient,
    RdsClient,
    S3Client,
    SecretsClient,
    SnsClient,
    SqsClient,
    StsClient,
)

CONNECT, READ = 5, 10
"""Seconds that a call may take to connect and to answer; together the runner's `client_timeout`."""
READS = {"sqs": 20 + READ, "events": 5, "sns": 5}
"""Others, by service: SQS waits for messages first, and a notice must not keep the next look at AWS waiting."""
TRIES = 3
"""How often a call that only looks is sent at the most."""
OBSERVES = ("describe_", "list_", "get_", "validate_", "simulate_")
"""How the names of methods that change nothing begin."""


class ClientsError(Exception):
    """No client can be made; says what is missing, and what to do."""


@frozen
class Options:
    """Which AWS is meant, and how it is listened to. What is empty is as boto3 has it: from AWS's variables and files.

    `role_arn` is a role that the deployer assumes and refreshes, not the spec's role for CloudFormation. `endpoint_url`
    takes the place of every service's address. `template_bucket` is where templates go that are too long to send.
    `queue` is the URL of the SQS queue that EventBridge's events come from; `notify` is where notices go, as
    `addresses.Address` has it, with `changes` those of changes of state too.
    """

    profile: str = ""
    region: str = ""
    role_arn: str = ""
    endpoint_url: str = ""
    template_bucket: str = ""
    queue: str = ""
    notify: str = ""
    changes: bool = False

    def words(self) -> tuple[str, ...]:
        """Return the options as words of a command line."""
        texts = {name: value for name, value in asdict(self).items() if value and name != "changes"}
        given = ((f"--{name.replace('_', '-')}", value) for name, value in texts.items())
        return (*chain.from_iterable(given), *(["--notify-changes"] if self.changes else []))


@frozen
class Clients:
    """The clients, each a `Pair`, and how often each operation was sent, the SDK's own retries included.

    `temporary` says whether the credentials end some day; like a first call it may raise botocore's own errors.
    """

    cloudformation: CloudFormationClient
    ecs: EcsClient
    s3: S3Client
    elbv2: Elbv2Client
    logs: LogsClient
    secretsmanager: SecretsClient
    rds: RdsClient
    sts: StsClient
    iam: IamClient
    sqs: SqsClient
    events: EventBridgeClient
    sns: SnsClient
    region: str = ""
    endpoint_url: str = ""
    temporary: Callable[[], bool] = lambda: False
    calls: Counter[str] = field(factory=Counter[str])


SERVICES = tuple(attribute.name for attribute in fields(Clients) if attribute.default is NOTHING)


class Pair:
    """Two clients of one service, as one: what only looks is the observing client's, the rest the acting one's."""

    def __init__(self, observing: Any, acting: Any) -> None:
        self._observing, self._acting = observing, acting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observing if name.startswith(OBSERVES) else self._acting, name)


def connect(options: Options | None = None) -> Clients:
    """Make clients for the account and region that the options and the environment name. Raises ClientsError.

    No call is made yet, so credentials are not looked at.
    """
    options = options or Options()
    options = evolve(options, endpoint_url=options.endpoint_url or os.environ.get("AWS_ENDPOINT_URL", ""))
    with _explained():
        return _connect(options)


def _connect(options: Options) -> Clients:
    from botocore.exceptions import NoRegionError
    from botocore.session import Session

    calls: Counter[str] = Counter()

    def count(event_name: str, **_: Any) -> None:
        calls[event_name.rpartition(".")[2]] += 1

    session: Any = Session(profile=options.profile or None)
    # botocore itself reads AWS_DEFAULT_REGION alone; AWS's other tools read AWS_REGION first.
    region = options.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise NoRegionError
    session.get_component("event_emitter").register_first("before-send.*", count)
    if options.role_arn:
        session = _assuming(session, options, region)
        session.get_component("event_emitter").register_first("before-send.*", count)
    made: dict[str, Any] = {service: _pair(session, options, region, service) for service in SERVICES}
    return Clients(
        **made,
        region=region,
        endpoint_url=options.endpoint_url,
        temporary=partial(_temporary, session),
        calls=calls,
    )


@contextmanager
def _explained() -> Generator[None]:
    """Raise botocore's errors as a ClientsError that says what to do."""
    try:
        from botocore.exceptions import BotoCoreError, InvalidRegionError, NoRegionError, ProfileNotFound
    except ImportError:
        raise ClientsError(
            "AWS needs the extra 'aws': pip install 'deployer-core[aws]' (or --simulate a script, which needs no AWS)"
        ) from None
    try:
        yield
    except NoRegionError:
        raise ClientsError(
            "which AWS region is not known: give --region, set AWS_REGION, or name a region in the profile"
        ) from None
    except InvalidRegionError as error:
        raise ClientsError(f"{error} Give another --region") from None
    except ProfileNotFound as error:
        raise ClientsError(
            f"{error}. Name one that 'aws configure list-profiles' shows, by --profile or AWS_PROFILE"
        ) from None
    except BotoCoreError as error:
        raise ClientsError(f"AWS cannot be reached from here: {error}") from None
    except ValueError as error:  # botocore's way with an endpoint that is no URL
        raise ClientsError(f"{error}. Give an --endpoint-url such as http://127.0.0.1:4566") from None


def _config(options: Options, tries: int, service: str) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": tries, "mode": "standard"},
        connect_timeout=CONNECT,
        read_timeout=READS.get(service, READ),
        user_agent_extra="deployer-core",
    )
    # Emulators have no address for each bucket.
    return config.merge(Config(s3={"addressing_style": "path"})) if options.endpoint_url else config


def _client(session: Any, options: Options, region: str, tries: int, service: str, **more: Any) -> Any:
    return session.create_client(
        service,
        region_name=region,
        endpoint_url=options.endpoint_url or None,
        config=_config(options, tries, service),
        **more,
    )


def _pair(session: Any, options: Options, region: str, service: str) -> Any:
    observing, acting = (_client(session, options, region, tries, service) for tries in (TRIES, 1))
    return Pair(observing, acting)


def _temporary(session: Any) -> bool:
    credentials = session.get_credentials()
    return credentials is not None and bool(credentials.get_frozen_credentials().token)


# The role that the deployer assumes


def _assuming(session: Any, options: Options, region: str) -> Any:
    """Return a session whose credentials botocore gets from the role when it needs them, and anew before they end.

    AssumeRole is sent once: it may be needed in the midst of a call that acts, whose time is limited by the lease.
    """
    from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
    from botocore.session import Session

    class Assumed(CredentialProvider):
        METHOD = "assume-role"

        def load(self) -> Any:
            return DeferredRefreshableCredentials(
                refresh_using=partial(_assume, session, options, region), method=self.METHOD
            )

    assuming: Any = Session(profile=options.profile or None)
    assuming.register_component("credential_provider", CredentialResolver([Assumed()]))
    return assuming


def _assume(session: Any, options: Options, region: str) -> Any:
    """Get new credentials of the role. A refusal is of the class CREDENTIALS (`aws.errors`)."""
    from botocore.credentials import AssumeRoleCredentialFetcher
    from botocore.exceptions import NoCredentialsError

    source = session.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher: Any = AssumeRoleCredentialFetcher(
        partial(_client, session, options, region, 1),
        source,
        options.role_arn,
        extra_args={"RoleSessionName": "deployer"},
    )
    return fetcher.fetch_credentials()
