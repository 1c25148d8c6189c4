"""The report at the end of `run` and `resume`: the outcome, where the services stand, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
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
        if self.deployment.outcome is HistoryOutcome.OPEN:
            return ExitCode.RUNNING
        return ExitCode.DONE if self.deployment.outcome is HistoryOutcome.DONE else ExitCode.FAILED

    def command(self, *words: str) -> str:
        """Return a command for this journal and this AWS, ready to be typed."""
        return typed(self.journal, *words, *(() if self.simulated else self.options.words()))


def typed(journal: Path, *words: str) -> str:
    """Return a command of the deployer for a journal, ready to be typed."""
    return shlex.join(
        ["deployer", *words, *(() if journal == DEFAULT_JOURNAL else ("--journal", str(journal)))]
    )


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
        "reason": shown.reason,
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
    screen.say(state(shown.outcome), f"{what}{how_ended(shown)}")
    if shown.reason:
        screen.say(shown.reason, indent=8)
    _print_services(screen, report)
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
    names = ("deployment", "version", "", "requested", "took", "outcome", "")
    rows = [
        (
            one.id,
            one.version,
            "quick" if one.quick else "",
            moment(one.requested),
            duration(one.duration),
            state(one.outcome if one.ended is not None or not one.intervals else one.intervals[-1].state),
            f"{one.step}: {one.reason}" if one.reason and one.step else one.reason,
        )
        for one in found
    ]
    screen.rows([[Text(name, "bold") for name in names], *rows])
