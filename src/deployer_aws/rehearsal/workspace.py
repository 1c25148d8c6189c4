"""The workspace of rehearsals: a folder with a journal, a simulated account and a PostgreSQL server's data.

A temporary workspace is gone at the end, whatever happened. A kept one stays in its folder, with its server running,
until `end_kept`; the next rehearsal there carries on.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import evolve

from deployer_aws.environment import REHEARSAL_FILE, Environment, account_file
from deployer_aws.environment.simulated import open_simulator, simulated_environment
from deployer_aws.executors.postgres import Postgres
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import Journal
from deployer_aws.rehearsal.children import temporary
from deployer_aws.rehearsal.clock import RehearsalClock
from deployer_aws.rehearsal.database_server import (
    GivenServer,
    LocalAccess,
    OwnServer,
    given_server,
    kept_server,
    new_server,
    url,
)
from deployer_aws.rehearsal.errors import RehearsalError
from deployer_aws.rehearsal.mask import Mask
from deployer_aws.rehearsal.task_jobs import Jobs
from deployer_aws.rehearsal.task_processes import TaskProcesses
from deployer_aws.simulator import NotStarted, Script, Simulator
from deployer_aws.specfile import LoadedSpec, Rehearsal
from deployer_core.machines.ecs_task import Run
from deployer_core.spec import DatabaseSpec

KEPT = Path(".deployer/rehearsal")
"""The folder of a kept workspace."""
Show = Callable[[str, str], None]


class Session:
    """One spec's rehearsal in a workspace: its environment, and the processes of its tasks."""

    def __init__(
        self, loaded: LoadedSpec, simulator: Simulator, journal: Journal, workspace: "Workspace", show: Show
    ) -> None:
        self._spec, self._simulator, self._journal, self._show = loaded.spec, simulator, journal, show
        self._rehearsal = loaded.rehearsal or Rehearsal(Path())
        secrets = simulator.client("secretsmanager")
        self._access = LocalAccess(secrets, workspace.server.admin)
        self._jobs = Jobs(self._rehearsal, workspace.server.admin, workspace.mask, self._find_run)
        self._processes, self._mask = TaskProcesses(self._jobs, show, workspace.mask), workspace.mask
        simulator.attach(self._processes)
        self._clock = RehearsalClock(simulator, self._processes)
        made = simulated_environment(simulator, journal, Postgres(secrets, access=self._access), self._clock)
        self.environment: Environment = evolve(made, close=self.close)
        self._close = made.close

    def _find_run(self, run_id: str) -> tuple[Run, DatabaseSpec[str]] | None:
        """Return the run of an id, with its database, while it is the deployment's."""
        state = self._journal.head(self._spec.key).state
        runs = [task.state.run for task in state.tasks]
        run = next((run for run in runs if run.id == run_id), None)
        known = [m.database.spec for m in state.migrations]
        return next(((run, spec) for spec in known if run is not None and spec.name == run.database), None)

    def after(self) -> int | None:
        """Run `rehearse.after`; return its exit code, or None where there is none. Raises RehearsalError."""
        if not self._rehearsal.after:
            return None
        containers = self._simulator.application(self._spec.stack.name)
        job = self._jobs.after(containers, self._access.seen.values())
        try:
            self._processes.launch("after", "after", job)
        except NotStarted as refusal:
            raise RehearsalError(f"rehearse.after: {refusal}") from None
        while True:
            if ended := self._processes.wait(0.1):
                return ended[0].code

    def close(self) -> None:
        """End the processes, and close the files."""
        self._processes.close()
        self._close()


class Workspace:
    """A folder for rehearsals: `folder`, where it is kept, or else a temporary one. See `open` and `close`."""

    def __init__(self, folder: Path | None, database_url: str | None) -> None:
        self._kept, self._url = folder is not None, database_url
        self.folder: Path = folder or Path()
        self.mask: Mask = Mask()
        self._server: OwnServer | GivenServer | None = None
        self._databases: dict[str, str] = {}
        self._lock: int | None = None
        self._ready = self._old = False

    @property
    def server(self) -> OwnServer | GivenServer:
        """The server, once the workspace is open."""
        assert self._server is not None
        return self._server

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.sqlite"

    @property
    def passfile(self) -> Path:
        """The file with the administrator's password, as libpq reads it."""
        return self.folder / "pgpass"

    def open(self) -> None:
        """Make the workspace, or open the one that was kept. Raises RehearsalError. Call `close` in any case."""
        if self._kept:
            self._lock = _lock(self.folder)
        else:
            self.folder = temporary("deployer-rehearsal-")
            self.folder.mkdir(mode=0o700)
        if (kept := self._find()) is not None:
            self._return(kept)
        elif self._url is not None:
            self._server = given_server(self._url)
        else:
            self._server = own = new_server(self.folder, lasting=self._kept)
            self._save()  # the next process has to find the server, even if this one is killed while it is made
            own.make()
        for password in self.server.passwords:
            self.mask.add(password)
        self._ready = True
        self._save()

    def _find(self) -> dict[str, Any] | None:
        """Read what was kept; end a server that a killed rehearsal had not finished making, and return None."""
        state = self.folder / REHEARSAL_FILE
        if not state.exists():
            return None
        self._old = True  # a damaged one is not ours to remove
        kept = _state(self.folder)
        self._old = bool(kept["ready"])
        if kept["ready"]:
            return kept
        kept_server(kept["server"]).end({})
        return None

    def _return(self, kept: dict[str, Any]) -> None:
        self._databases = dict(kept["owners"])
        server = kept["server"]
        if "url" in server:
            if self._url is None:
                raise RehearsalError(
                    f"the kept rehearsal is on a server of yours: give --database-url {server['url']} again, or "
                    "'deployer rehearse --end' first"
                )
            self._server = given_server(self._url, server)
            return
        if self._url is not None:
            raise RehearsalError(
                "the kept rehearsal has a server of its own: leave --database-url out, or first "
                "'deployer rehearse --end'"
            )
        self._server = own = kept_server(server)
        own.resume()

    def _save(self) -> None:
        kept = {"ready": self._ready, "owners": self._databases, "server": self.server.kept()}
        _write(self.folder / REHEARSAL_FILE, json.dumps(kept, indent=2))
        if self._kept and isinstance(self.server, OwnServer):
            admin = self.server.admin
            _write(self.passfile, f"{admin.host}:{admin.port}:*:{admin.user}:{admin.password}\n")

    def session(self, loaded: LoadedSpec, script: Script, show: Show) -> Session:
        """Open the session of one spec; the caller closes it."""
        self._databases |= {database.name: database.owner_role for database in loaded.spec.databases}
        self._save()
        with ExitStack() as opened:
            simulator = open_simulator(account_file(self.journal), script)
            opened.callback(simulator.close)
            journal = SqliteJournal(self.journal)
            opened.callback(journal.close)
            session = Session(loaded, simulator, journal, self, show)
            opened.pop_all()  # the session closes them from now on
        return session

    def urls(self) -> list[str]:
        """Return the administrator's URL for each database, without the password."""
        return [url(self.server.admin, name) for name in self._databases]

    def close(self) -> None:
        """Leave a kept workspace as it is; remove any other, and one that was not made to the end."""
        if self._kept and self._lock is None:
            return  # it is somebody else's
        try:
            if self._kept and (self._ready or self._old):
                if self._server is not None:
                    self._server.leave()
                return
            try:
                if self._server is not None:
                    self._server.end(self._databases)
            finally:
                if self.folder != Path():
                    shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            if self._lock is not None:
                os.close(self._lock)


def end_kept(folder: Path, database_url: str | None) -> str:
    """End a kept workspace; return what could not be removed, in words, or an empty text. Raises RehearsalError."""
    state = folder / REHEARSAL_FILE
    if not state.exists():
        raise RehearsalError(f"no rehearsal is kept in {folder}")
    lock, left = _lock(folder), ""
    try:
        kept = _state(folder)
        server = kept["server"]
        if "url" not in server:
            kept_server(server).end({})
        elif database_url is None:
            names = ", ".join(name for name in kept["owners"] if name not in server["databases"]) or "none"
            left = f"left at {server['url']}: the databases {names}, and their roles"
        else:
            given_server(database_url, server).end(kept["owners"])
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
    return left


def _state(folder: Path) -> dict[str, Any]:
    """Read what was kept. Raises RehearsalError where the file is not as we have written it."""
    path = folder / REHEARSAL_FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        server, _ = kept["server"], (kept["ready"], dict(kept["owners"]))
        if "url" in server:
            _ = frozenset(server["databases"]), frozenset(server["roles"])
        else:
            kept_server(server)
    except (ValueError, LookupError, TypeError) as error:
        raise RehearsalError(
            f"{path} is damaged ({error!r}), so the kept rehearsal can be neither carried on nor ended: stop its "
            "server, if that still runs (a process 'postgres -D' with this folder, or with a "
            f"'deployer-rehearsal-postgres-*'), and remove {folder}"
        ) from None
    return dict(kept)


def _lock(folder: Path) -> int:
    """Lock a folder until the returned handle is closed. Raises RehearsalError where another process has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise RehearsalError(f"another rehearsal is under way in {folder}: wait for its end") from None
    return handle


def _write(path: Path, text: str) -> None:
    """Write a private file, atomically."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
