"""The report at the end of `run` and `resume`: the outcome, where the services stand, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from rich.text import Text

from deployer_aws.aws.clients import Options
from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._options import DEFAULT_JOURNAL
from deployer_aws.cli._screen import Screen, clean, duration, moment, state
from deployer_aws.views.history import DatabaseHistory, DeploymentHistory, HistoryOutcome
from deployer_aws.views.status import StackOverview, TaskStatus
from deployer_core.machines.deployment import Cause


@frozen
class DeploymentReport:
    """How a deployment stands when this process is through with it; `stopped` says why it is through too early.

    `messages` counts what became of the queue's, and `undelivered` the notices that could not be delivered yet.
    """

    deployment: DeploymentHistory
    status: StackOverview
    stopped: str
    stale: int
    calls: Counter[str]
    journal: Path
    simulated: bool
    options: Options = field(factory=Options)
    messages: Mapping[str, int] = field(factory=dict[str, int])
    undelivered: int = 0

    @property
    def code(self) -> ExitCode:
        """The exit code that it comes to."""
        outcome, cause = self.deployment.outcome, self.deployment.cause
        if outcome is HistoryOutcome.OPEN:
            return ExitCode.RUNNING
        if outcome is HistoryOutcome.DONE:
            return ExitCode.DONE
        return ExitCode.FAILED if cause in (None, Cause.FAILURE) else ExitCode[cause.name]

    def command(self, *words: str) -> str:
        """Return a command for this journal and this AWS, ready to be typed."""
        return typed(self.journal, *words, *(() if self.simulated else self.options.words()))


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code of several deployments: that one is not over, that one failed, or why one did."""
    found = [code for code in codes if code is not ExitCode.DONE]
    first = next((code for code in (ExitCode.RUNNING, ExitCode.FAILED) if code in found), None)
    return first or next(iter(found), ExitCode.DONE)


def typed(journal: Path, *words: str) -> str:
    """Return a command of the deployer for a journal, ready to be typed."""
    return shlex.join(
        ["deployer", *words, *(() if journal == DEFAULT_JOURNAL else ("--journal", str(journal)))]
    )


def outcome_text(shown: DeploymentHistory) -> Text:
    """Return how a deployment ended, with the cause where it is no plain failure: `FAILED (REFUSED)`."""
    text = state(shown.outcome)
    plain = shown.cause in (None, Cause.FAILURE)
    return text if plain else text.append(f" ({shown.cause})")


def asked_text(shown: DeploymentHistory) -> str:
    """Say who asked for a deployment, and why: ` by ann: the invoices are wrong`."""
    who = f" by {shown.by}" if shown.by else ""
    return f"{who}: {shown.asked}" if shown.asked else who


def named(shown: DeploymentHistory) -> str:
    """Name a deployment, with who asked for it and why: `two, version 2, by ann: the invoices are wrong`."""
    asked = asked_text(shown)
    return f"{shown.id}, version {shown.version}" + (f",{asked}" if asked else "")


def put_back_text(shown: DeploymentHistory) -> str:
    """Say whether what a failed deployment had changed was put back; empty where it was not to be."""
    if shown.put_back is None:
        return ""
    return "It was put back: the services run as before." if shown.put_back else "It was not put back."


def how_ended(shown: DeploymentHistory) -> str:
    """Say how long a deployment took, and the step that it failed in: ` after 3m10s in SCALING_DOWN`."""
    took = f" after {duration(shown.duration)}" if shown.duration is not None else ""
    return took + (f" in {shown.step}" if shown.outcome is HistoryOutcome.FAILED and shown.step else "")


def database_state(database: DatabaseHistory, task: TaskStatus | None) -> Text:
    """Say where a database stands, with the task that runs for it, and why it failed."""
    text = state(database.state)
    if task is not None:
        text.append(f"  task {task.purpose} ", "default").append_text(state(task.state))
    return text.append(f"  {clean(database.reason)}", "red") if database.reason else text


def as_data(report: DeploymentReport) -> dict[str, Any]:
    """Return the report for a program."""
    shown, status = report.deployment, report.status
    return {
        "stack": status.key,
        "deployment": shown.id,
        "version": shown.version,
        "quick": shown.quick,
        "outcome": shown.outcome,
        "cause": shown.cause,
        "reason": shown.reason,
        "put_back": shown.put_back,
        "by": shown.by,
        "asked": shown.asked,
        "rollback": shown.rollback,
        "stopped": report.stopped,
        "stack_state": status.state,
        "step": shown.step,
        "requested": shown.requested,
        "started": shown.started,
        "ended": shown.ended,
        "duration": shown.duration,
        "states": [
            {"state": s.state, "seconds": None if s.until is None else s.until - s.since}
            for s in shown.intervals
        ],
        "databases": [_database_data(shown, database) for database in shown.databases],
        "services": status.services,
        "baseline": dict(status.baseline),
        "half_way": list(status.half_way),
        "suspended": list(status.suspended),
        "queue": [waiting.id for waiting in status.queue],
        "unresolved": [{"run": u.force, "task": u.arn, "seen": u.seen} for u in status.unresolved],
        "events": status.events,
        "stale": report.stale,
        "calls": {"total": report.calls.total(), "by_operation": dict(sorted(report.calls.items()))},
        "messages": dict(report.messages),
        "undelivered": report.undelivered,
        "journal": str(report.journal),
        "simulated": report.simulated,
        "exit_code": int(report.code),
    }


def _database_data(shown: DeploymentHistory, database: DatabaseHistory) -> dict[str, Any]:
    """`seconds` is how long it took, once the deployment has ended."""
    seconds = None if shown.ended is None else database.intervals[-1].since - database.intervals[0].since
    return {"name": database.name, "state": database.state, "reason": database.reason, "seconds": seconds}


def print_report(screen: Screen, report: DeploymentReport, as_json: bool = False) -> None:
    """Print the report for a person, or for a program."""
    if as_json:
        screen.data(as_data(report))
        return
    shown, status = report.deployment, report.status
    what = f"  {status.key} version {shown.version}"
    if shown.outcome is HistoryOutcome.OPEN:
        _print_open(screen, report, what)
        return
    screen.say(outcome_text(shown), f"{what}{how_ended(shown)}")
    if shown.reason:
        screen.say(shown.reason, indent=8)
    if put_back := put_back_text(shown):
        screen.say(put_back, indent=8)
    _print_services(screen, report)
    if status.half_way:
        screen.say(f"Half-way: {half_way_text(status)}.", indent=8)
    print_unresolved(screen, report.status, report.journal)
    others = [other.id for other in ((status.current,) if status.current else ()) + status.queue]
    if others:
        screen.say(f"Still to come: {', '.join(others)}.", indent=8)
    if shown.outcome is HistoryOutcome.FAILED and status.broken:
        screen.say("To go on: put right what failed, then", indent=8)
        screen.say(report.command("repair", status.key), indent=10)
        screen.say("and deploy again.", indent=8)
    elif others and not status.broken:
        screen.say(f"To carry on: {report.command('resume', status.key)}", indent=8)


def _print_open(screen: Screen, report: DeploymentReport, what: str) -> None:
    shown, status = report.deployment, report.status
    screen.say(state(shown.intervals[-1].state), f"{what}: {report.stopped or 'it waits for its turn'}")
    if not report.stopped and status.broken:
        screen.say(
            "The stack is BROKEN: an earlier deployment failed, and nothing goes on before it is repaired.",
            indent=8,
        )
        if status.last is not None:
            screen.say(f"{status.last.id}, version {status.last.version}: {status.last.reason}", indent=8)
        _print_services(screen, report)
        print_unresolved(screen, report.status, report.journal)
        screen.say(report.command("repair", status.key), indent=10)
        screen.say(report.command("resume", status.key), indent=10)
        return
    screen.say(f"Deployment {shown.id} is not over, and nothing of it is lost. To carry on:", indent=8)
    screen.say(report.command("resume", status.key), indent=10)


def half_way_text(status: StackOverview) -> str:
    """Say which databases are half-way through a migration, and what to do about it."""
    names = ", ".join(status.half_way)
    return (
        f"a deployment that is not DONE migrated {names}; deploy in full mode, since a quick one is refused"
    )


def _print_services(screen: Screen, report: DeploymentReport) -> None:
    if services := report.status.services:
        until = " They stay there until a deployment succeeds." if report.status.broken else ""
        screen.say(f"{services[0].upper()}{services[1:]}.{until}", indent=8)


def print_unresolved(screen: Screen, status: StackOverview, journal: Path) -> None:
    """Print the tasks that may still run, and how a repair is forced past them."""
    for left in status.unresolved:
        task = f" ({left.arn})" if left.arn else ""
        screen.say(
            f"The task {left.text}{task} was told to stop and may still run. When it has surely stopped:",
            indent=8,
        )
        screen.say(typed(journal, "repair", status.key, "--force", left.force), indent=10)


def print_history(screen: Screen, found: Sequence[DeploymentHistory]) -> None:
    """Print a line for each deployment."""
    names = ("deployment", "version", "", "requested", "by", "took", "outcome", "")
    rows = [
        (
            one.id,
            one.version,
            "rollback" if one.rollback else "quick" if one.quick else "",
            moment(one.requested),
            one.by or "-",
            duration(one.duration),
            outcome_text(one)
            if one.ended is not None or not one.intervals
            else state(one.intervals[-1].state),
            _told_of(one),
        )
        for one in found
    ]
    screen.rows([[Text(name, "bold") for name in names], *rows])


def _told_of(one: DeploymentHistory) -> str:
    """Return what else there is to tell of a deployment: why it failed, what it went back to, why it was asked for."""
    failed = f"{one.step}: {one.reason}" if one.reason and one.step else one.reason
    target = f"to {one.rollback}" if one.rollback else ""
    asked = f"asked for with: {one.asked}" if one.asked else ""
    return "; ".join(part for part in (failed, target, asked) if part)
