"""Show how an event is understood."""

from typing import BinaryIO

import click

from deployer_aws.cli._exit import BadInput, ExitCode
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen
from deployer_aws.events import explain


@command(
    "deployer explain-event event.json",
    "aws sqs receive-message --queue-url URL | deployer explain-event -",
)
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
def explain_event(file: BinaryIO) -> ExitCode:
    """Print as JSON how the EventBridge event in FILE is understood, without acting on it; - reads standard input.

    The event may be as EventBridge emits it, or in an SQS message, an SNS notification or a Lambda batch of one. What
    is ignored says why.
    """
    try:
        explained = explain(file.read())
    except ValueError as error:
        raise BadInput(f"{file.name}: {error}") from None
    Screen().data(explained)
    return ExitCode.DONE
