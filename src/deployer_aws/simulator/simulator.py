"""The simulator itself: a account, its clock, and clients for its services."""

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from deployer_aws.simulator import ecs_tasks, seed
from deployer_aws.simulator.account import Account
from deployer_aws.simulator.client import Client
from deployer_aws.simulator.containers import containers_of_services
from deployer_aws.simulator.hosting import Container, Host
from deployer_aws.simulator.rows import Json, Meta
from deployer_aws.simulator.script import Script
from deployer_aws.simulator.script_file import load_script
from deployer_aws.simulator.service import services
from deployer_aws.simulator.store import MemoryStore, SqliteStore, Store


@attrs.frozen
class Call:
    """One call of a client: when, what, and how it ended ('ok', an error code, 'lost reply', 'lost request')."""

    at: float
    service: str
    operation: str
    request: Json
    outcome: str


@attrs.frozen
class Change:
    """One real effect: when, what was done to what, and the client token that asked for it."""

    at: float
    action: str
    target: str
    token: str | None
    details: Json


class VirtualClock:
    """The account's own time, which passes when somebody sleeps or calls, and never otherwise."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def now(self) -> float:
        """Virtual epoch seconds."""
        with self._account.store.transaction():
            return self._account.now

    def monotonic(self) -> float:
        """Virtual seconds since the account began."""
        with self._account.store.transaction():
            meta = self._account.meta
            return meta.now - meta.started

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass at once; all that falls due happens, in order of time."""
        with self._account.store.transaction():
            self._account.advance(max(0.0, seconds))


class Simulator:
    """A simulated AWS account, in memory, or in a file with `Simulator.open`."""

    def __init__(
        self, script: str | Path | dict[str, Any] | Script | None = None, *, store: Store | None = None
    ) -> None:
        self._store = MemoryStore() if store is None else store
        with self._store.transaction():
            self.script = self._settle(script)
            self._account = Account(self._store, self.script)
            meta = self._account.meta
            if meta.script != self.script.source:
                seed.seed_account(self._account)
                meta.script = self.script.source
        self.clock = VirtualClock(self._account)
        self._clients: dict[str, Client] = {}

    @classmethod
    def open(cls, path: str | Path, script: str | Path | dict[str, Any] | Script | None = None) -> Self:
        """The account in a file, founded if the file is new.

        A process that is killed leaves the account as it was after its last call; several processes may share it.
        Without a script the one in the file goes on. Another script replaces the rules and the events still to
        come, adds what stacks and task definitions it has that are not there, and keeps the rest of the account.
        """
        return cls(script, store=SqliteStore(path))

    def _settle(self, script: str | Path | dict[str, Any] | Script | None) -> Script:
        """The script to go by, and a first row in a new account."""
        meta = self._store.get(Meta, "meta")
        if meta is not None and script is None:
            return load_script(json.loads(meta.script))
        loaded = load_script(script)
        if meta is None:
            self._store.add(Meta("meta", started=loaded.start, now=loaded.start))
        return loaded

    def client(self, service: str) -> Any:
        """A client with the methods of the boto3 client of that name; untyped, as boto3's own are."""
        if service not in services():
            raise ValueError(f"no simulated service {service!r}; there are: {', '.join(sorted(services()))}")
        if service not in self._clients:
            self._clients[service] = Client(self._account, services()[service])
        return self._clients[service]

    def attach(self, host: Host) -> None:
        """Have a host run the tasks for real. Those that an earlier host was left with have ended, nobody knows how."""
        with self._store.transaction():
            self._account.host = host
            for arn in self._store.members("hosted"):
                reason = "The process ended together with the one that had started it."
                ecs_tasks.end_hosted(self._account, arn, {}, [], "TerminationNotice", reason)

    def end_task(self, arn: str, exits: dict[str, int], lines: list[str]) -> None:
        """What a host ran of a task has ended: exit codes by container, and what it wrote to its log."""
        with self._store.transaction():
            ecs_tasks.end_hosted(self._account, arn, exits, lines)

    def application(self, stack: str) -> list[Container]:
        """The containers of the services of a stack, with what they are given: what the application would be."""
        with self._store.transaction():
            return containers_of_services(self._account, stack)

    def _log(self, name: str) -> list[Json]:
        with self._store.transaction():
            return self._store.read(name)

    @property
    def calls(self) -> list[Call]:
        """Every call so far, the refused and the lost included."""
        return [Call(**entry) for entry in self._log("calls")]

    @property
    def call_counts(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(entry["operation"] for entry in self._log("calls"))

    @property
    def changes(self) -> list[Change]:
        """Every real effect so far: of clients and of others, tasks of services left out."""
        fields = ("at", "action", "target", "token")
        return [
            Change(
                **{field: entry[field] for field in fields},
                details={name: value for name, value in entry.items() if name not in fields},
            )
            for entry in self._log("changes")
        ]

    @property
    def emitted(self) -> list[Json]:
        """Every EventBridge-shaped event so far, oldest first."""
        return self._log("emitted")

    def emitted_since(self, position: int) -> list[Json]:
        """The events from a position on: how a poller reads on."""
        with self._store.transaction():
            return self._store.read("emitted", offset=position)

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
