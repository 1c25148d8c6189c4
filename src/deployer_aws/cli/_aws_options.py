"""What the commands that act on the real AWS share: the options that say which, and the stacks that belong there."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from attrs import fields_dict

from deployer_aws.aws import accounts
from deployer_aws.aws.addresses import Address
from deployer_aws.aws.clients import Clients, ClientsError, Options
from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.environment import Environment
from deployer_aws.ports import Binding, Properties
from deployer_core.spec import DeploymentSpec

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
    """The options of `Options`, given to the command as `aws`."""

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


RESUME, AGAIN = "then run 'deployer resume'", "then run the same again"


class BindsAccount:
    """Binds a stack to the account and region where it is first deployed; for `open_environment`, as `prepare`."""

    def __init__(self, spec: DeploymentSpec, before: Callable[[Clients], None] | None = None) -> None:
        self._key, self._name, self._before = spec.key, spec.stack.name, before
        self._binding: Binding | None = None

    def __call__(self, clients: Clients) -> Properties:
        """Do what comes before, and return the properties that the request brings along."""
        if self._before is not None:
            self._before(clients)
        try:
            self._binding = Binding(accounts.find(clients), self._name)
        except LoginNeeded as login:
            raise ClientsError(f"nothing was requested yet: {login.problem}".replace(RESUME, AGAIN)) from None
        return Properties(binding=self._binding)

    def ensure(self, world: Environment) -> None:
        """Raise WrongAccount where the stack belongs somewhere else, or, with checks, to another stream too."""
        if self._binding is not None:
            accounts.ensure_belongs(world.journal, self._key, self._binding.account)
            if self._before is not None:
                accounts.ensure_sole_deployer(world.journal, self._key, self._binding)


def elsewhere(world: Environment, keys: list[str]) -> list[str]:
    """Those of the stacks that belong to another account or region than this world's clients."""
    bound = [key for key in keys if accounts.is_bound(world.journal, key)]
    if world.clients is None or not bound:
        return []
    account = accounts.find(world.clients)
    return [key for key in bound if not accounts.belongs(world.journal, key, account)]


def ensure_belongs(world: Environment, key: str) -> None:
    """Raise WrongAccount where a stack belongs somewhere else than this world's clients."""
    if world.clients is not None and accounts.is_bound(world.journal, key):
        accounts.ensure_belongs(world.journal, key, accounts.find(world.clients))
