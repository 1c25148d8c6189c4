"""The adapter: carries out what `deployer_core` decides, on AWS and PostgreSQL, and feeds back what came of it.

The `deployer` command is made of this, and so is a program that embeds it. A `Runner` is the only loop: it takes
requests, looks at what is pending in a journal, lets an executor take one step with it, and appends what was seen.

    loaded = deployer_aws.load_spec("orders.yaml")
    with deployer_aws.open_environment(Path("deployer.db"), spec=loaded.spec) as environment:
        runner = environment.runner()
        runner.request("orders-1.4", loaded.spec, loaded.templates, properties=environment.properties)
        runner.run()

- What it works with: `SqliteJournal`; the executors `CloudFormation`, `Ecs` and `Postgres`, with the clients that
  `connect` makes; `SystemClock`. `open_environment` puts them together. `Simulator` and `SimulatedPostgres` stand for
  AWS in tests.
- What may be put in their places: anything with the methods of `Journal`, `Executor`, `Observer`, `Clock` or
  `EventSource`; `deployer_aws.testing` has the contracts of journals and executors, for your tests.
- What it is told: `EventQueue` receives AWS's events from a queue. Whom it tells: `Notices`, through `EventBridge`,
  `Sns` or `LogLine`.

Names are imported when they are first used: what needs boto3 and psycopg comes with the extra `aws`, what reads YAML
with the extra `cli`. Everything that is not named here is private.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from deployer_aws.aws.clients import Clients, ClientsError, Options, connect
    from deployer_aws.aws.errors import LoginNeeded
    from deployer_aws.environment import Environment, SystemClock, WrongEnvironment, open_environment
    from deployer_aws.events import EventQueue
    from deployer_aws.executors.cloudformation import CloudFormation
    from deployer_aws.executors.ecs import Ecs
    from deployer_aws.executors.postgres import Postgres
    from deployer_aws.journals import SqliteJournal, replay, verify
    from deployer_aws.notifications import Channel, EventBridge, LogLine, NotDelivered, Notices, Sns
    from deployer_aws.ports import (
        Account,
        Act,
        Appended,
        Binding,
        Clock,
        Conflict,
        Entry,
        EventSource,
        Executor,
        Head,
        Journal,
        JournalError,
        Observer,
        Properties,
        Received,
        Recorded,
        Taken,
        Work,
    )
    from deployer_aws.runner import NoSuchDeployment, PollingPolicy, Requests, Runner
    from deployer_aws.simulator import SimulatedPostgres, Simulator
    from deployer_aws.specfile import LoadedSpec, SpecFileError
    from deployer_aws.specfile import load as load_spec
    from deployer_core._version import __version__

__all__ = [
    "Account",
    "Act",
    "Appended",
    "Binding",
    "Channel",
    "Clients",
    "ClientsError",
    "Clock",
    "CloudFormation",
    "Conflict",
    "Ecs",
    "Entry",
    "Environment",
    "EventBridge",
    "EventQueue",
    "EventSource",
    "Executor",
    "Head",
    "Journal",
    "JournalError",
    "LoadedSpec",
    "LogLine",
    "LoginNeeded",
    "NoSuchDeployment",
    "NotDelivered",
    "Notices",
    "Observer",
    "Options",
    "PollingPolicy",
    "Postgres",
    "Properties",
    "Received",
    "Recorded",
    "Requests",
    "Runner",
    "SimulatedPostgres",
    "Simulator",
    "Sns",
    "SpecFileError",
    "SqliteJournal",
    "SystemClock",
    "Taken",
    "Work",
    "WrongEnvironment",
    "__version__",
    "connect",
    "load_spec",
    "open_environment",
    "replay",
    "verify",
]

_HOMES: Final = {
    "deployer_aws.aws.clients": "Clients ClientsError Options connect",
    "deployer_aws.aws.errors": "LoginNeeded",
    "deployer_aws.environment": "Environment SystemClock WrongEnvironment open_environment",
    "deployer_aws.events": "EventQueue",
    "deployer_aws.executors.cloudformation": "CloudFormation",
    "deployer_aws.executors.ecs": "Ecs",
    "deployer_aws.executors.postgres": "Postgres",
    "deployer_aws.journals": "SqliteJournal replay verify",
    "deployer_aws.notifications": "Channel EventBridge LogLine NotDelivered Notices Sns",
    "deployer_aws.ports": """Account Act Appended Binding Clock Conflict Entry EventSource Executor Head Journal
        JournalError Observer Properties Received Recorded Taken Work""",
    "deployer_aws.runner": "NoSuchDeployment PollingPolicy Requests Runner",
    "deployer_aws.simulator": "SimulatedPostgres Simulator",
    "deployer_core._version": "__version__",
    "deployer_aws.specfile": "LoadedSpec SpecFileError load_spec",
}
"""The names that each module gives."""
_MODULES: Final = {name: module for module, names in _HOMES.items() for name in names.split()}
_NAMED_THERE: Final = {"load_spec": "load"}
_EXTRAS: Final = {"boto3": "aws", "botocore": "aws", "psycopg": "aws", "yaml": "cli"}
"""Which extra brings a package."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if extra is None:
            raise
        advice = f"pip install 'deployer-core[{extra}]'"
        raise ImportError(
            f"{__name__}.{name} needs {error.name}, of the extra {extra!r}: {advice}"
        ) from error
    value = globals()[name] = getattr(module, _NAMED_THERE.get(name, name))
    return value


def __dir__() -> list[str]:
    return __all__
