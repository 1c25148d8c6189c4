"""boto3's clients, made from the environment: its usual variables, profiles and roles say which account is meant."""

import os
from collections import Counter
from typing import Any

from attrs import field, frozen

from deployer_aws.ports import CloudFormationClient, EcsClient

CONNECT, READ = 5, 10
"""Seconds that a call may take to connect and to answer; together the runner's `client_timeout`."""


class ClientsError(Exception):
    """No client can be made; says what is missing, and what to do."""


@frozen
class Clients:
    """The clients that the executors need, and how often each operation was called, the SDK's own retries included."""

    cloudformation: CloudFormationClient
    ecs: EcsClient
    calls: Counter[str] = field(factory=Counter[str])


def from_environment() -> Clients:
    """Clients for the account and region that the environment names.

    The SDK retries nothing by itself: what is tried again, and when, is the runner's decision. Raises ClientsError.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
    except ImportError:
        raise ClientsError(
            "AWS needs the extra 'aws': pip install 'deployer-core[aws]' (or --simulate a script, which needs no AWS)"
        ) from None
    calls: Counter[str] = Counter()
    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT,
        read_timeout=READ,
        user_agent_extra="deployer-core",
    )

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    try:
        # boto3 itself reads AWS_DEFAULT_REGION alone; AWS's other tools read AWS_REGION first.
        session: Any = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        made: list[Any] = []
        for service in ("cloudformation", "ecs"):
            client: Any = session.client(service, config=config)
            client.meta.events.register("before-call.*", count)
            made.append(client)
    except NoRegionError:
        raise ClientsError(
            "which AWS region is not known: set AWS_REGION, or a region in the profile"
        ) from None
    except BotoCoreError as error:
        raise ClientsError(f"AWS cannot be reached from here: {error}") from None
    return Clients(made[0], made[1], calls)
