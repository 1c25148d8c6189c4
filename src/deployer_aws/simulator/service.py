"""The base of the simulated services: classes whose decorated methods are the operations of a boto3 client.

To add a service, add a file to `services/` with a subclass of `Service`; nothing else need know of it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

from deployer_aws.simulator.account import ACCOUNT_ID, Account
from deployer_aws.simulator.errors import ServiceError
from deployer_aws.simulator.rows import Json
from deployer_aws.simulator.store import Store

Operation = Callable[[Any, Json], Json]


def operation(method: Operation) -> Operation:
    """Mark a method as an operation of its service: it takes the request and gives the answer, both as dicts."""
    method.__dict__["is_operation"] = True
    return method


class Service:
    """One simulated AWS service over the shared account."""

    name: ClassVar[str]
    throttled: ClassVar[str] = "ThrottlingException"
    denied: ClassVar[str] = "AccessDeniedException"
    expired: ClassVar[str] = "ExpiredTokenException"
    sensitive: ClassVar[frozenset[str]] = frozenset()
    """Members of requests that are kept in no record of the calls."""

    def __init__(self, account: Account) -> None:
        self.account: Account = account
        self.store: Store = account.store

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """Return the operations by their method names."""
        return {name: method for name, method in vars(cls).items() if getattr(method, "is_operation", False)}

    def fault_error(self, rule: Any, operation_name: str) -> ServiceError:
        """Return the refusal that a fault of the script asks for, in this service's words."""
        if rule.throttle:
            return ServiceError(self.throttled, "Rate exceeded")
        if rule.denied:
            user = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/deployer/simulated"
            action = f"{self.name}:{operation_name}"
            return ServiceError(self.denied, f"User: {user} is not authorized to perform: {action}", http=403)
        if rule.expired:
            return ServiceError(
                self.expired, "The security token included in the request is expired", http=403
            )
        return ServiceError(rule.error.code, rule.error.message, http=rule.error.http)


@lru_cache(maxsize=1)
def services() -> dict[str, type[Service]]:
    """Return every service that has a file in `services/`, by name."""
    package = importlib.import_module(".services", __package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f".services.{module.name}", __package__)
    return {cls.name: cls for cls in Service.__subclasses__()}


@lru_cache(maxsize=1)
def operations() -> frozenset[str]:
    """Return the method names of every operation of every service."""
    return frozenset(name for cls in services().values() for name in cls.operations())


def camel(name: str) -> str:
    """Return the API's name of a method: DescribeStacks for describe_stacks."""
    return "".join(part.capitalize() for part in name.split("_"))


def page(entries: list[Any], token: str | None, size: int) -> tuple[list[Any], str | None]:
    """Return a page of entries and the token of the next page, which is an offset."""
    start = int(token.removeprefix("page-")) if token and token.removeprefix("page-").isdigit() else 0
    more = f"page-{start + size}" if start + size < len(entries) else None
    return entries[start : start + size], more
