"""One version of one application in one environment."""

from operator import attrgetter

from attrs import field, frozen

from deployer_core.kernel.tags import tagged
from deployer_core.spec import _checks as check
from deployer_core.spec.database import AdminSecret, DatabaseSpec
from deployer_core.spec.errors import SpecError
from deployer_core.spec.stack import StackSpec
from deployer_core.spec.text import Text


@tagged("spec.Deployment/1")
@frozen
class DeploymentSpec:
    """One version of one application in one environment, as it was asked for."""

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
