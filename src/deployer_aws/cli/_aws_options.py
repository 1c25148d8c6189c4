"""The options of the commands that act on the real AWS: which one, and how it is listened to."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from attrs import fields_dict

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.clients import Options

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_QUEUE = re.compile(r"https?://[^/\s]+/(\S+/)?[\w.-]+", re.ASCII)


def _role(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not _ROLE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not a role's ARN, such as arn:aws:iam::123456789012:role/deployer"
        )
    return value


def _queue(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not _QUEUE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r:.200} is not a queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/deployer-events"
        )
    return value


def _notify(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return value and f"{Address.parse(value)}"
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--profile", default="", metavar="NAME", help="The profile in AWS's files; else AWS_PROFILE."
    ),
    click.option("--region", default="", metavar="NAME", help="Else AWS_REGION, or the profile's."),
    click.option(
        "--role-arn",
        default="",
        metavar="ARN",
        callback=_role,
        envvar="DEPLOYER_ROLE_ARN",
        show_envvar=True,
        help="A role to assume, and to refresh while the deployment lasts; the stack's own role is in the spec.",
    ),
    click.option(
        "--endpoint-url", default="", metavar="URL", help="Where every service is, as emulators have it."
    ),
    click.option(
        "--template-bucket",
        default="",
        metavar="BUCKET",
        envvar="DEPLOYER_TEMPLATE_BUCKET",
        show_envvar=True,
        help="Where templates of more than 51,200 bytes are put for CloudFormation to read.",
    ),
    click.option(
        "--queue",
        default="",
        metavar="URL",
        callback=_queue,
        envvar="DEPLOYER_QUEUE",
        show_envvar=True,
        help="An SQS queue with EventBridge's events, so that AWS need not be asked all the time: see docs/events.md.",
    ),
    click.option(
        "--notify",
        default="",
        metavar="WHERE",
        callback=_notify,
        envvar="DEPLOYER_NOTIFY",
        show_envvar=True,
        help="Who is told that a deployment has ended: eventbridge, eventbridge:BUS, sns:TOPIC_ARN or log (stderr).",
    ),
    click.option(
        "--notify-changes",
        "changes",
        is_flag=True,
        envvar="DEPLOYER_NOTIFY_CHANGES",
        show_envvar=True,
        help="Tell there each change of state too.",
    ),
)


def aws_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each field of `Options`; the command is given all of them as `aws`."""

    @wraps(command)
    def gathered(*words: Any, **given: Any) -> Any:
        options = Options(**{name: given.pop(name) for name in fields_dict(Options)})
        if options.changes and not options.notify:
            raise click.UsageError("--notify-changes says what to tell, and --notify has to say whom.")
        return command(*words, aws=options, **given)

    made: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        made = option(made)
    return made
