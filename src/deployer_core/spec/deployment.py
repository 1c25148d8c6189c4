"""One version of one application in one environment."""

from enum import StrEnum
from operator import attrgetter

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check
from deployer_core.spec.database import AdminSecret, DatabaseSpec
from deployer_core.spec.errors import SpecError
from deployer_core.spec.stack import StackSpec
from deployer_core.spec.text import Text


class OnFailure(StrEnum):
    """What becomes of the services when a full deployment fails before any database was migrated."""

    LEAVE = "leave"
    RESTORE = "restore"


@tagged("spec.Deployment/1")
@frozen
class DeploymentSpec:
    """One version of one application in one environment, as it was asked for.

    `cancel_updates` cancels an update that somebody else has in progress; `wait_timeout` is how long CloudFormation may
    take to come to rest before anything is changed.
    """

    environment: str = field(validator=check.name)
    application: str = field(validator=check.name)
    version: str = field(validator=check.line)
    stack: StackSpec = field(validator=check.kind(StackSpec))
    databases: tuple[DatabaseSpec[Text], ...] = field(
        default=(),
        converter=check.by_name,
        validator=check.each(check.kind(DatabaseSpec), 50, key=attrgetter("name")),
    )
    quick: bool = field(default=False, validator=check.flag)
    cancel_updates: bool = field(default=False, validator=check.flag)
    wait_timeout: int = field(default=3600, validator=check.timeout)
    on_failure: OnFailure = field(default=OnFailure.LEAVE, validator=check.kind(OnFailure))

    def __attrs_post_init__(self) -> None:
        taken = {one.admin.secret for one in self.databases if isinstance(one.admin, AdminSecret)}
        for database in self.databases:
            if database.app_secret in taken:
                raise SpecError(
                    "databases",
                    f"{database.name!r:.80} has the app_secret of another one, or an administrator's; "
                    "each would overwrite it",
                )
            if database.app_secret is not None:
                taken.add(database.app_secret)

    @property
    def key(self) -> str:
        """The name of the stack's stream: `environment/application`."""
        return f"{self.environment}/{self.application}"
