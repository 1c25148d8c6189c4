"""What the commands that act on the real AWS share: the options that say which, and the stacks that belong there."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from deployer_aws import targets
from deployer_aws.clients import Clients, ClientsError, Options
from deployer_aws.runner import LoginNeeded
from deployer_aws.surroundings import Surroundings

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")


def _role(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not _ROLE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not a role's ARN, such as arn:aws:iam::123456789012:role/deployer"
        )
    return value


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
)


def aws_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--profile, --region, --role-arn, --endpoint-url and --template-bucket, given to the command as `aws`."""

    @wraps(command)
    def gathered(
        *words: Any,
        profile: str,
        region: str,
        role_arn: str,
        endpoint_url: str,
        template_bucket: str,
        **more: Any,
    ) -> Any:
        return command(*words, aws=Options(profile, region, role_arn, endpoint_url, template_bucket), **more)

    made: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


RESUME, AGAIN = "then run 'deployer resume'", "then run the same again"


class Binding:
    """Binds a stack to the account and region where it is first deployed; for `open_surroundings`, as `prepare`."""

    def __init__(self, key: str, before: Callable[[Clients], None] | None = None) -> None:
        self._key, self._before = key, before
        self._target: targets.Target | None = None

    def __call__(self, clients: Clients) -> Mapping[str, str]:
        """Do what comes before, and give the texts that the request brings along."""
        if self._before is not None:
            self._before(clients)
        try:
            self._target = targets.find(clients)
        except LoginNeeded as login:
            raise ClientsError(f"nothing was requested yet: {login.problem}".replace(RESUME, AGAIN)) from None
        return self._target.marks(self._key)

    def insist(self, world: Surroundings) -> None:
        """Raise WrongTarget where the stack belongs somewhere else."""
        if self._target is not None:
            self._target.insist(world.journal, self._key)


def elsewhere(world: Surroundings, keys: list[str]) -> list[str]:
    """Those of the stacks that belong to another account or region than this world's clients."""
    bound = [key for key in keys if targets.is_bound(world.journal, key)]
    if world.clients is None or not bound:
        return []
    target = targets.find(world.clients)
    return [key for key in bound if not target.holds(world.journal, key)]


def insist(world: Surroundings, key: str) -> None:
    """Raise WrongTarget where a stack belongs somewhere else than this world's clients."""
    if world.clients is not None and targets.is_bound(world.journal, key):
        targets.find(world.clients).insist(world.journal, key)
