"""Show what became of each deployment."""

from contextlib import closing
from pathlib import Path

import attrs
import click

from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._journal import known_stacks
from deployer_aws.cli._options import journal_option, json_option, stack_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._report import print_history
from deployer_aws.cli._screen import Screen, moment
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.views import history as histories


@command("deployer history staging/orders", "deployer history staging/orders --events")
@stack_argument(required=True)
@journal_option
@click.option("--events", is_flag=True, help="List every event instead.")
@json_option
def history(stack: str, journal: Path, events: bool, as_json: bool) -> ExitCode:
    """Show every deployment that was ever requested of STACK, and what became of it."""
    screen = Screen()
    with closing(SqliteJournal(journal, create=False)) as opened:
        (key,) = known_stacks(opened, stack, journal)
        if events:
            _print_events(screen, histories.lines(opened, key), key, as_json)
            return ExitCode.DONE
        found = histories.read_history(opened, key).deployments
    if as_json:
        screen.data({"stack": key, "deployments": [histories.as_data(one) for one in found]})
    else:
        print_history(screen, found)
    return ExitCode.DONE


def _print_events(screen: Screen, found: tuple[histories.Line, ...], key: str, as_json: bool) -> None:
    if as_json:
        screen.data({"stack": key, "events": [attrs.asdict(line) for line in found]})
    else:
        screen.rows([(str(line.version), moment(line.at), line.event, line.text) for line in found])
