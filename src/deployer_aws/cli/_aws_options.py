"""The options of the commands that act on the real AWS: which one, and how it is listened to."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import click
from attrs import fields_dict

from deployer_aws.aws.addresses import Address
from deployer_aws.aws.clients import Options

Callback: TypeAlias = Callable[[click.Context, click.Parameter, str], str]


def _matching(pattern: str, what: str) -> Callback:
    """Return a callback that refuses what does not match."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        if value and not re.fullmatch(pattern, value, re.ASCII):
            raise click.BadParameter(f"{value!r:.200} is not {what}")
        return value

    return check


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return value and f"{Address.parse(value)}"
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _option(
    name: str, metavar: str, help_text: str, *, variable: str | None = None, check: Callback | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        name,
        default="",
        metavar=metavar,
        help=help_text,
        envvar=variable,
        show_envvar=variable is not None,
        callback=check,
    )


_OPTIONS = (
    _option("--profile", "NAME", "The profile in AWS's files; else AWS_PROFILE."),
    _option("--region", "NAME", "Else AWS_REGION, or the profile's."),
    _option(
        "--role-arn",
        "ARN",
        "A role to assume, and to refresh while the deployment lasts; the stack's own role is in the spec.",
        variable="DEPLOYER_ROLE_ARN",
        check=_matching(
            r"arn:aws[a-z-]*:iam::\d{12}:role/\S+",
            "a role's ARN, such as arn:aws:iam::123456789012:role/deployer",
        ),
    ),
    _option("--endpoint-url", "URL", "Where every service is, as emulators have it."),
    _option(
        "--template-bucket",
        "BUCKET",
        "Where templates of more than 51,200 bytes are put for CloudFormation to read.",
        variable="DEPLOYER_TEMPLATE_BUCKET",
    ),
    _option(
        "--queue",
        "URL",
        "An SQS queue with EventBridge's events, so that AWS need not be asked all the time: see docs/events.md.",
        variable="DEPLOYER_QUEUE",
        check=_matching(
            r"https?://[^/\s]+/(\S+/)?[\w.-]+",
            "a queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/deployer-events",
        ),
    ),
    _option(
        "--notify",
        "WHERE",
        "Who is told that a deployment has ended: eventbridge, eventbridge:BUS, sns:TOPIC_ARN or log (stderr).",
        variable="DEPLOYER_NOTIFY",
        check=_address,
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
