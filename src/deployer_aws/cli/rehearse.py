"""Try deployments here, with a real PostgreSQL."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen
from rich.text import Text

from deployer_aws import specfile
from deployer_aws.aws.clients import Options
from deployer_aws.cli._exit import BadInput, Exit
from deployer_aws.cli._files import read_script
from deployer_aws.cli._interactive import InteractiveRun
from deployer_aws.cli._interrupts import Interrupted, handle_signals
from deployer_aws.cli._options import json_option, simulate_option
from deployer_aws.cli._program import command
from deployer_aws.cli._report import Report, as_data, print_history, print_report, typed
from deployer_aws.cli._screen import Screen, clean, duration, joined, state
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner.requests import deployment_id
from deployer_aws.simulator import Script
from deployer_aws.specfile import LoadedSpec, Rehearsal
from deployer_aws.views.history import HistoryOutcome, read_history
from deployer_core.kernel.machine import name_of
from deployer_core.machines.postgres_migration import Done, Nop

if TYPE_CHECKING:
    from deployer_aws.rehearsal.workspace import Session, Workspace

INTERRUPTED = 130
"""The exit code after an interruption: 128 and the number of SIGINT, as shells have it."""


class Guard:
    """SIGINT, SIGTERM and SIGHUP raise Interrupted, once, and never while things are cleared away."""

    def __init__(self) -> None:
        self._clearing = False

    def _take(self, _: int, __: FrameType | None) -> None:
        if not self._clearing:
            self._clearing = True
            raise Interrupted

    def installed(self) -> AbstractContextManager[None]:
        """Handle the signals for a while."""
        return handle_signals(self._take)

    def clear(self) -> None:
        """Ignore signals from now on: things are cleared away."""
        self._clearing = True


@frozen
class Part:
    """What became of one spec: the report, and the exit code of what ran after it."""

    report: Report
    after: int | None

    @property
    def code(self) -> Exit:
        """The exit code that it comes to."""
        return Exit.FAILED if self.after else self.report.code


@command("deployer rehearse examples/orders/v1.yaml examples/orders/v2.yaml")
@click.argument("specs", metavar="[SPEC]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--keep", is_flag=True, help="Leave the databases and the journal for a look, and go on there next time."
)
@click.option("--end", is_flag=True, help="End what --keep has left: stop the server and remove everything.")
@click.option("--database-url", metavar="URL", help="Use this PostgreSQL server, as this administrator.")
@simulate_option
@json_option
@click.pass_context
def rehearse(
    context: click.Context,
    specs: tuple[Path, ...],
    keep: bool,
    end: bool,
    database_url: str | None,
    script: Path | None,
    as_json: bool,
) -> int:
    """Deploy what each spec file SPEC asks for, one after the other, to a simulated AWS with a real PostgreSQL.

    Each migration task runs as the local process that the spec's section 'rehearse' names (see docs/rehearsal.md). At
    the end nothing is left running or lying about, unless --keep is given.

    Exit codes: 0 done, 1 a deployment or what runs after it failed, 2 bad input or usage, 3 it waits for a repair, 130
    interrupted.
    """
    screen = Screen()
    try:
        from deployer_aws.rehearsal.errors import RehearsalError
    except ImportError as error:
        raise BadInput(f"{_EXTRA} ({error})") from None
    try:
        if end:
            if specs or keep:
                raise click.UsageError("--end stands alone: it begins nothing", context)
            return _end(screen, database_url)
        if not specs:
            raise click.UsageError("Missing argument 'SPEC'.", context)
        loaded = [_load(screen, path) for path in specs]
        simulation = _simulation(loaded, script)
        return _rehearse(screen, loaded, simulation, keep=keep, database_url=database_url, as_json=as_json)
    except (RehearsalError, OSError) as error:  # of a rehearsal nothing is resumed
        raise BadInput(str(error)) from None


_EXTRA = "rehearsals need POSIX and the extra 'rehearse': pip install 'deployer-core[rehearse]'"


def _end(screen: Screen, database_url: str | None) -> Exit:
    from deployer_aws.rehearsal.workspace import KEPT, end_kept

    left = end_kept(KEPT, database_url)
    screen.say("The kept rehearsal is ended, and nothing of it is left.")
    if left:
        screen.warn(left)
    return Exit.DONE


def _load(screen: Screen, path: Path) -> LoadedSpec:
    """Load a spec that can be rehearsed. Raises BadInput and SpecFileError."""
    loaded = specfile.load(path)
    rehearsal = loaded.rehearsal or Rehearsal(path.parent)
    databases = () if loaded.spec.quick else loaded.spec.databases
    if lacking := rehearsal.lacks(databases):
        raise BadInput(
            f"{path}: {joined(lacking)} is missing: the program, with its arguments, that runs as that task"
        )
    if not rehearsal.folder.is_dir():
        raise BadInput(f"{path}: rehearse.folder: there is no folder {rehearsal.folder}")
    for warning in loaded.warnings:
        screen.warn(f"{path}: {warning}")
    return loaded


def _simulation(loaded: Sequence[LoadedSpec], script: Path | None) -> list[Script]:
    """Return the script for each spec: its own, unless one is given for all."""
    from deployer_aws.rehearsal.script import script_for

    specs, found = [one.spec for one in loaded], list[Script]()
    for one in loaded:
        own = script or (one.rehearsal.script if one.rehearsal else None)
        found.append(script_for(specs, read_script(own)))
    return found


def _rehearse(
    screen: Screen,
    loaded: Sequence[LoadedSpec],
    scripts: Sequence[Script],
    *,
    keep: bool,
    database_url: str | None,
    as_json: bool,
) -> int:
    from deployer_aws.rehearsal.workspace import KEPT, Workspace

    guard, workspace, parts = Guard(), Workspace(KEPT if keep else None, database_url), list[Part]()
    code: int = Exit.DONE
    with guard.installed():
        try:
            workspace.open()
            for one, script in zip(loaded, scripts, strict=True):
                parts.append(_deploy(screen, workspace, one, script, guard, keep=keep, as_json=as_json))
                if (code := parts[-1].code) != Exit.DONE:
                    break
            _print_whole(screen, workspace, parts, keep=keep, as_json=as_json)
        except Interrupted:
            code = INTERRUPTED
        finally:
            guard.clear()
            workspace.close()
    if code == INTERRUPTED:
        left = f"; what it has made is kept in {KEPT}" if keep else ", and nothing of it is left"
        screen.complain(f"the rehearsal was interrupted{left}")
    return code


def _deploy(
    screen: Screen,
    workspace: "Workspace",
    loaded: LoadedSpec,
    script: Script,
    guard: Guard,
    *,
    keep: bool,
    as_json: bool,
) -> Part:
    """Deploy one spec, and run what is to run after it."""

    def show(label: str, line: str) -> None:
        if not as_json:
            screen.say(Text(f"         {label} | ", "dim"), line)

    session = workspace.session(loaded, script, show)
    try:
        report = _run(screen, workspace, session, loaded, as_json=as_json)
        if not as_json:
            _print_part(screen, report, keep=keep)
        after = session.after() if report.code is Exit.DONE else None
        if after and not as_json:
            screen.complain(f"what runs after the deployment exits with {after}")
        return Part(report, after)
    except Interrupted:
        guard.clear()
        raise
    finally:
        session.environment.close()


def _run(
    screen: Screen, workspace: "Workspace", session: "Session", loaded: LoadedSpec, *, as_json: bool
) -> Report:
    environment, key = session.environment, loaded.spec.key
    going = InteractiveRun(screen, environment, [key], Options(), None, as_json)
    deployment = deployment_id(environment.clock.now())

    def over() -> bool:
        found = going.find(key, deployment)
        return found is not None and found.outcome is not HistoryOutcome.OPEN and not going.state(key).pending

    with going:
        going.request(deployment, loaded)
        going.run(until=over)
    if going.interrupts.asked:
        raise Interrupted
    return going.report(key, deployment, workspace.journal)


def _print_part(screen: Screen, report: Report, *, keep: bool) -> None:
    """Print what became of a deployment, and of each of its databases."""
    shown = report.deployment
    if keep:
        print_report(screen, report)
    else:
        took = f" after {duration(shown.duration)}" if shown.duration is not None else ""
        where = f" in {shown.step}" if shown.outcome is HistoryOutcome.FAILED and shown.step else ""
        screen.say(state(shown.outcome), f"  {report.status.key} version {shown.version}{took}{where}")
        if report.stopped:
            screen.say(f"{report.stopped}, and nothing of it is left.", indent=8)
        if shown.reason:
            screen.say(shown.reason, indent=8)
            screen.say("With --keep the databases are left for a look.", indent=8)
    rows = [
        (Text(clean(one.name)), state(one.state).append(f"  {_FATES.get(one.state, '')}", "default"))
        for one in shown.databases
    ]
    screen.rows(rows, indent=8)


_FATES = {name_of(Nop): "nothing to migrate", name_of(Done): "migrated"}


def _print_whole(
    screen: Screen, workspace: "Workspace", parts: Sequence[Part], *, keep: bool, as_json: bool
) -> None:
    """Print the rehearsal as a whole, and how to go on."""
    if as_json:
        screen.data(
            {"deployments": [_data(part) for part in parts], "kept": _kept(workspace) if keep else None}
        )
        return
    with closing(SqliteJournal(workspace.journal, create=False)) as journal:
        for key in dict.fromkeys(part.report.status.key for part in parts):
            screen.say()
            print_history(screen, read_history(journal, key).deployments)
    if not keep:
        return
    screen.say()
    screen.say(f"Kept in {workspace.folder}. To look at the databases:")
    for url in workspace.urls():
        screen.say(_psql(workspace, url), indent=2)
    screen.say("To see what happened, to rehearse the next version, and to end it:")
    for line in (
        typed(workspace.journal, "history", parts[-1].report.status.key),
        "deployer rehearse SPEC --keep",
        "deployer rehearse --end",
    ):
        screen.say(line, indent=2)


def _psql(workspace: "Workspace", url: str) -> str:
    return f"PGPASSFILE={workspace.passfile} psql {url}" if workspace.passfile.exists() else f"psql {url}"


def _kept(workspace: "Workspace") -> dict[str, Any]:
    return {"folder": str(workspace.folder), "journal": str(workspace.journal), "databases": workspace.urls()}


def _data(part: Part) -> dict[str, Any]:
    return {**as_data(part.report), "after": part.after, "exit_code": int(part.code)}
