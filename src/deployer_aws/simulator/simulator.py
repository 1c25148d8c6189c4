"""The simulator: an account, its clock, and clients of its services."""

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
    """A call of a client; `outcome` is 'ok', an error code, 'lost reply' or 'lost request'."""

    at: float
    service: str
    operation: str
    request: Json
    outcome: str


@attrs.frozen
class Change:
    """A real effect, and the client token of the request."""

    at: float
    action: str
    target: str
    token: str | None
    details: Json


class VirtualClock:
    """The account's own time, which passes by sleeps and calls alone."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def now(self) -> float:
        """Return virtual epoch seconds."""
        with self._account.store.transaction():
            return self._account.now

    def monotonic(self) -> float:
        """Return the virtual seconds since the account's beginning."""
        with self._account.store.transaction():
            meta = self._account.meta
            return meta.now - meta.started

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass at once, and do all that falls due."""
        with self._account.store.transaction():
            self._account.advance(max(0.0, seconds))


class Simulator:
    """A simulated AWS account, in memory, or in a file with `Simulator.open`."""

    def __init__(
        self, script: str | Path | dict[str, Any] | Script | None = None, *, store: Store | None = None
    ) -> None:
        self._store = MemoryStore() if store is None else store
        with self._store.transaction():
            self.script: Script = self._settle(script)
            self._account = Account(self._store, self.script)
            meta = self._account.meta
            if meta.script != self.script.source:
                seed.seed_account(self._account)
                meta.script = self.script.source
        self.clock: VirtualClock = VirtualClock(self._account)
        self._clients: dict[str, Client] = {}

    @classmethod
    def open(cls, path: str | Path, script: str | Path | dict[str, Any] | Script | None = None) -> Self:
        """Open the account in a file; a new file is seeded from the script.

        A process that is killed leaves the account as it was after its last call; several processes may share it.
        Without a script the one in the file goes on. Another script replaces the rules and the events still to
        come, adds what stacks and task definitions it has that are not there, and keeps the rest of the account.
        """
        return cls(script, store=SqliteStore(path))

    def _settle(self, script: str | Path | dict[str, Any] | Script | None) -> Script:
        """Return the script to go by, and start the clock of a new account."""
        meta = self._store.get(Meta, "meta")
        if meta is not None and script is None:
            return load_script(json.loads(meta.script))
        loaded = load_script(script)
        if meta is None:
            self._store.add(Meta("meta", started=loaded.start, now=loaded.start))
        return loaded

    def client(self, service: str) -> Any:
        """Return a client with the methods of boto3's client of that name; untyped, as boto3's are."""
        if service not in services():
            raise ValueError(f"no simulated service {service!r}; there are: {', '.join(sorted(services()))}")
        if service not in self._clients:
            self._clients[service] = Client(self._account, services()[service])
        return self._clients[service]

    def attach(self, host: Host) -> None:
        """Have a host run the tasks for real. Those of an earlier host end, without an exit code."""
        with self._store.transaction():
            self._account.host = host
            for arn in self._store.members("hosted"):
                reason = "The process ended together with the one that had started it."
                ecs_tasks.end_hosted(self._account, arn, {}, [], "TerminationNotice", reason)

    def end_task(self, arn: str, exits: dict[str, int], lines: list[str]) -> None:
        """End a task that a host ran, with exit codes by container, and the lines of its log."""
        with self._store.transaction():
            ecs_tasks.end_hosted(self._account, arn, exits, lines)

    def application(self, stack: str) -> list[Container]:
        """Return the containers of the services of a stack, with what they are given."""
        with self._store.transaction():
            return containers_of_services(self._account, stack)

    def _log(self, name: str) -> list[Json]:
        with self._store.transaction():
            return self._store.read(name)

    @property
    def calls(self) -> list[Call]:
        """All calls so far, refused and lost ones included."""
        return [Call(**entry) for entry in self._log("calls")]

    @property
    def call_counts(self) -> Counter[str]:
        """How often each operation was called, by method names."""
        return Counter(entry["operation"] for entry in self._log("calls"))

    @property
    def changes(self) -> list[Change]:
        """All real effects so far, of clients and of others, but for tasks of services."""
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
        """All events so far in EventBridge's shape, the oldest first."""
        return self._log("emitted")

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
