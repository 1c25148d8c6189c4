"""Which account and region a stack belongs to: written down with its first deployment, and held to by every later one.

A stack that is carried on elsewhere would be missing there, or be made a second time; and one of CloudFormation's that
two streams deploy would be changed by two deployers at once. So each request to the real AWS brings texts along,
`Target.marks`: that the stack has a target, which, and its name there. Texts are found again by their SHA-256, so this
needs little of a journal but `Journal.blob`, and works with every kind of it.
"""

import hashlib
from collections.abc import Mapping

from attrs import frozen

from deployer_aws.aws.clients import Clients, ClientsError
from deployer_aws.aws.errors import Kind, LoginNeeded, understand
from deployer_aws.ports import Journal, JournalError


class WrongTarget(Exception):
    """A stack that belongs to another account or region; says which stack, and what to do."""


@frozen
class Target:
    """An account and a region, or an emulator's."""

    account: str
    region: str
    endpoint_url: str = ""

    def __str__(self) -> str:
        at = f" at {self.endpoint_url}" if self.endpoint_url else ""
        return f"the AWS account {self.account} in {self.region}{at}"

    def marks(self, key: str, name: str) -> Mapping[str, str]:
        """The texts that a request has to bring along, by their SHA-256; `name` is the stack's in CloudFormation."""
        return dict(map(_digested, (_has_one(key), self._mark(key), self._named(key, name))))

    def _named(self, key: str, name: str) -> str:
        return f"{key} deploys the CloudFormation stack {name} of {self}.\n"

    def _mark(self, key: str) -> str:
        return f"The stack {key} belongs to {self}.\n"

    def holds(self, journal: Journal, key: str) -> bool:
        """Whether a stack may be carried on here: it was deployed here before, or nobody wrote down where."""
        return not is_bound(journal, key) or _knows(journal, self._mark(key))

    def insist(self, journal: Journal, key: str) -> None:
        """Raise WrongTarget where a stack must not be carried on here."""
        if not self.holds(journal, key):
            raise WrongTarget(
                f"the journal says that {key} belongs to another account or region than {self}. Give the --profile, "
                "--region, --role-arn and --endpoint-url that it was deployed with, or another --journal"
            )

    def insist_alone(self, journal: Journal, key: str, name: str) -> None:
        """Raise WrongTarget where another stream deploys the CloudFormation stack of that name."""
        for other in journal.streams():
            if other != key and _knows(journal, self._named(other, name)):
                raise WrongTarget(
                    f"{other} deploys the CloudFormation stack {name} of {self} already, and two deployers must not "
                    f"change one stack: give {key} another stack.name (or, where it takes the place of {other}, "
                    "--no-checks)"
                )


def is_bound(journal: Journal, key: str) -> bool:
    """Whether it was written down where a stack belongs; if not, any account may carry it on."""
    return _knows(journal, _has_one(key))


def find(clients: Clients) -> Target:
    """Where these clients work. Raises LoginNeeded, or ClientsError where AWS cannot be asked."""
    try:
        identity = clients.sts.get_caller_identity()
    except Exception as error:
        problem = understand(error)
        if problem is None:
            raise
        if problem.kind is Kind.CREDENTIALS:
            raise LoginNeeded("the deployer", problem) from None
        raise ClientsError(f"AWS does not say which account this is: {problem}") from None
    return Target(str(identity["Account"]), clients.region, clients.endpoint_url)


def _has_one(key: str) -> str:
    return f"The stack {key} belongs to one AWS account and region.\n"


def _digested(text: str) -> tuple[str, str]:
    return hashlib.sha256(text.encode()).hexdigest(), text


def _knows(journal: Journal, text: str) -> bool:
    digest, _ = _digested(text)
    try:
        return journal.blob(digest) == text
    except JournalError:
        return False
