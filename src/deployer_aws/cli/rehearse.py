"""Try deployments here, with a real PostgreSQL."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen
from rich.text import Text

from deployer_aws.aws.clients import Options
from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._files import load_spec, read_script
from deployer_aws.cli._interactive import InteractiveRun
from deployer_aws.cli._interrupts import Interrupted, handle_signals
from deployer_aws.cli._operator import operator
from deployer_aws.cli._options import json_option, simulate_option
from deployer_aws.cli._program import command
from deployer_aws.cli._report import (
    DeploymentReport,
    as_data,
    how_ended,
    outcome_text,
    print_history,
    print_report,
    put_back_text,
    typed,
)
from deployer_aws.cli._screen import Screen, joined, state
from deployer_aws.environment import Environment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.runner import Requests
from deployer_aws.runner.requests import deployment_id
from deployer_aws.simulator import Script
from deployer_aws.specfile import Expected, LoadedSpec, Rehearsal
from deployer_aws.views.history import HistoryOutcome, read_history
from deployer_core.kernel.machine import name_of
from deployer_core.machines.postgres_migration import Done, Nop

if TYPE_CHECKING:
    from deployer_aws.rehearsal.workspace import Workspace


class Guard:
    """SIGINT, SIGTERM and SIGHUP raise Interrupted, once, and never while things are cleared away."""

    def __init__(self) -> None:
        self._asked = self._clearing = False

    def _take(self, _: int, __: FrameType | None) -> None:
        if not (self._asked or self._clearing):
            self._asked = True
            raise Interrupted

    def check(self) -> None:
        """Raise Interrupted for a signal whose exception was lost: Python drops it at a fork and in finalizers."""
        if self._asked and not self._clearing:
            raise Interrupted

    def installed(self) -> AbstractContextManager[None]:
        """Handle the signals for a while."""
        return handle_signals(self._take)

    def clear(self) -> None:
        """Ignore signals from now on: things are cleared away."""
        self._clearing = True


@frozen
class Part:
    """What became of one spec: the report, how it was to end, and the exit code of what ran after it."""

    report: DeploymentReport
    expected: Expected
    after: int | None

    @property
    def as_expected(self) -> bool:
        """Whether the deployment ended as it was to."""
        shown = self.report.deployment
        if self.expected is Expected.DONE:
            return shown.outcome is HistoryOutcome.DONE
        put_back = self.expected is Expected.FAILED or shown.put_back is True
        return shown.outcome is HistoryOutcome.FAILED and put_back

    @property
    def code(self) -> ExitCode:
        """The exit code that it comes to: that a failure was expected is no failure of the rehearsal."""
        if self.after:
            return ExitCode.FAILED
        if self.expected is Expected.DONE or self.report.code is ExitCode.RUNNING:
            return self.report.code
        return ExitCode.DONE if self.as_expected else ExitCode.FAILED


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

    A spec may say that it is to fail ('rehearse.expected'): then it is repaired, and the next one follows.

    Exit codes: 0 all ended as expected, 1 a deployment or what runs after it failed, 2 bad input or usage, 3 it waits
    for a repair, 130 interrupted; else the cause's of a deployment that failed (see docs/exit-codes.md).
    """
    screen = Screen()
    try:
        from deployer_aws.rehearsal.errors import RehearsalError
        from deployer_aws.rehearsal.workspace import KEPT, Workspace, end_kept
    except ImportError as error:
        raise BadInput(f"{_EXTRA} ({error})") from None
    try:
        if end:
            if specs or keep:
                raise click.UsageError("--end stands alone: it begins nothing", context)
            left = end_kept(KEPT, database_url)
            screen.say("The kept rehearsal is ended, and nothing of it is left.")
            if left:
                screen.warn(left)
            return ExitCode.DONE
        if not specs:
            raise click.UsageError("Missing argument 'SPEC'.", context)
        loaded = [_load(screen, path) for path in specs]
        scripts = _scripts(loaded, script)
        workspace = Workspace(KEPT if keep else None, database_url)
        return RehearsalRun(screen, workspace, keep=keep, as_json=as_json).run(loaded, scripts)
    except (RehearsalError, OSError) as error:  # of a rehearsal nothing is resumed
        raise BadInput(str(error)) from None


_EXTRA = "rehearsals need POSIX and the extra 'rehearse': pip install 'deployer-core[rehearse]'"


def _load(screen: Screen, path: Path) -> LoadedSpec:
    """Load a spec that can be rehearsed. Raises BadInput and SpecFileError."""
    loaded = load_spec(screen, path)
    rehearsal = loaded.rehearsal or Rehearsal(path.parent)
    databases = () if loaded.spec.quick else loaded.spec.databases
    if lacking := rehearsal.lacks(databases):
        raise BadInput(
            f"{path}: {joined(lacking)} is missing: the program, with its arguments, that runs as that task"
        )
    if not rehearsal.folder.is_dir():
        raise BadInput(f"{path}: rehearse.folder: there is no folder {rehearsal.folder}")
    return loaded


def _scripts(loaded: Sequence[LoadedSpec], script: Path | None) -> list[Script]:
    """Return the script for each spec: its own, unless one is given for all."""
    from deployer_aws.rehearsal.script import script_for

    specs = [one.spec for one in loaded]
    own = [script or (one.rehearsal.script if one.rehearsal else None) for one in loaded]
    return [script_for(specs, read_script(path)) for path in own]


class RehearsalRun:
    """Deploys one spec after the other in a workspace, and shows what becomes of them."""

    def __init__(self, screen: Screen, workspace: "Workspace", *, keep: bool, as_json: bool) -> None:
        self._screen, self._workspace, self._keep, self._as_json = screen, workspace, keep, as_json
        self._guard, self._parts = Guard(), list[Part]()

    def run(self, loaded: Sequence[LoadedSpec], scripts: Sequence[Script]) -> int:
        """Rehearse, up to the first spec that fails; return the exit code."""
        code: int = ExitCode.DONE
        with self._guard.installed():
            try:
                self._workspace.open()
                for one, script in zip(loaded, scripts, strict=True):
                    self._guard.check()
                    self._parts.append(self._rehearse(one, script))
                    if (code := self._parts[-1].code) != ExitCode.DONE:
                        break
                self._guard.check()
                self._print_whole()
            except Interrupted:
                code = ExitCode.INTERRUPTED
            finally:
                self._guard.clear()
                self._workspace.close()
        if code == ExitCode.INTERRUPTED:
            kept = f"; what it has made is kept in {self._workspace.folder}"
            left = kept if self._keep else ", and nothing of it is left"
            self._screen.complain(f"the rehearsal was interrupted{left}")
        return code

    def _rehearse(self, loaded: LoadedSpec, script: Script) -> Part:
        """Deploy one spec, and run what is to run after it."""
        session = self._workspace.session(loaded, script, self._show_output)
        try:
            self._guard.check()
            report = self._deploy(session.environment, loaded)
            if not self._as_json:
                self._print_part(report)
            after = session.after() if report.code is ExitCode.DONE else None
            if after and not self._as_json:
                self._screen.complain(f"what runs after the deployment exits with {after}")
            expected = loaded.rehearsal.expected if loaded.rehearsal else Expected.DONE
            part = Part(report, expected, after)
            if expected is not Expected.DONE:
                self._conclude(part, session.environment)
            return part
        except Interrupted:
            self._guard.clear()
            raise
        finally:
            session.environment.close()

    def _conclude(self, part: Part, environment: Environment) -> None:
        """Say whether a failure was as expected; repair the stack then, so that the next version can begin."""
        report = part.report
        if not part.as_expected:
            self._screen.complain(
                f"version {report.deployment.version} was to be {_ENDS[part.expected]} (rehearse.expected: "
                f"{part.expected}), and {report.deployment.outcome} is what became of it"
            )
            return
        if not self._as_json:
            self._screen.say(
                f"That was expected: it was to be {_ENDS[part.expected]}. The rehearsal goes on.", indent=8
            )
        if report.status.broken:
            requests = Requests(environment.journal, environment.clock)
            requests.repair(report.status.key, "deployer rehearse", reason="the failure was expected")

    def _show_output(self, label: str, line: str) -> None:
        if not self._as_json:
            self._screen.say(Text(f"         {label} | ", "dim"), line)

    def _deploy(self, environment: Environment, loaded: LoadedSpec) -> DeploymentReport:
        key, deployment = loaded.spec.key, deployment_id(environment.clock.now())
        going = InteractiveRun(self._screen, environment, [key], Options(), None, self._as_json)
        with going:
            going.deploy(deployment, loaded, by=operator())
        if going.interrupts.asked:
            raise Interrupted
        return going.report(key, deployment, self._workspace.journal)

    def _print_part(self, report: DeploymentReport) -> None:
        """Print what became of a deployment, and of each of its databases."""
        screen, shown = self._screen, report.deployment
        if self._keep:
            print_report(screen, report)
        else:
            screen.say(
                outcome_text(shown), f"  {report.status.key} version {shown.version}{how_ended(shown)}"
            )
            if report.stopped:
                screen.say(f"{report.stopped}, and nothing of it is left.", indent=8)
            if shown.reason:
                screen.say(shown.reason, indent=8)
                if put_back := put_back_text(shown):
                    screen.say(put_back, indent=8)
                screen.say("With --keep the databases are left for a look.", indent=8)
        fates = {name_of(Nop): "nothing to migrate", name_of(Done): "migrated"}
        rows = [
            (one.name, state(one.state).append(f"  {fates.get(one.state, '')}", "default"))
            for one in shown.databases
        ]
        screen.rows(rows, indent=8)

    def _print_whole(self) -> None:
        """Print the rehearsal as a whole, and how to go on."""
        screen, workspace, parts = self._screen, self._workspace, self._parts
        files = {"folder": str(workspace.folder), "journal": str(workspace.journal)}
        if self._as_json:
            kept = {**files, "databases": workspace.urls()} if self._keep else None
            screen.data({"deployments": [_data(part) for part in parts], "kept": kept})
            return
        with closing(SqliteJournal(workspace.journal, create=False)) as journal:
            for key in dict.fromkeys(part.report.status.key for part in parts):
                screen.say()
                print_history(screen, read_history(journal, key).deployments)
        if not self._keep:
            return
        screen.say()
        screen.say(f"Kept in {workspace.folder}. To look at the databases:")
        password = f"PGPASSFILE={workspace.passfile} " if workspace.passfile.exists() else ""
        for url in workspace.urls():
            screen.say(f"{password}psql {url}", indent=2)
        screen.say("To see what happened, to rehearse the next version, and to end it:")
        screen.say(typed(workspace.journal, "history", parts[-1].report.status.key), indent=2)
        screen.say("deployer rehearse SPEC --keep", indent=2)
        screen.say("deployer rehearse --end", indent=2)


def _data(part: Part) -> dict[str, Any]:
    more = {"expected": part.expected, "as_expected": part.as_expected, "after": part.after}
    return {**as_data(part.report), **more, "exit_code": int(part.code)}


_ENDS = {Expected.DONE: "DONE", Expected.FAILED: "FAILED", Expected.PUT_BACK: "FAILED and put back"}
