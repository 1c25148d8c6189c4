"""Which account and region a stack belongs to: written down with its first deployment, and held to by every later one.

A stack that is carried on elsewhere would be missing there, or be made a second time; and one of CloudFormation's that
two streams deploy would be changed by two deployers at once. So each request to the real AWS brings a
`ports.Binding` along, and every later run compares it.
"""

from deployer_aws.aws.clients import Clients, ClientsError
from deployer_aws.aws.errors import ErrorClass, LoginNeeded, classify
from deployer_aws.ports import Account, Binding, Journal


class WrongAccount(Exception):
    """A stack belongs to another account or region; the message says which stack, and what to do."""


def find(clients: Clients) -> Account:
    """Ask AWS in which account these clients work. Raises LoginNeeded, or ClientsError where AWS cannot be asked."""
    try:
        identity = clients.sts.get_caller_identity()
    except Exception as error:
        problem = classify(error)
        if problem is None:
            raise
        if problem.error_class is ErrorClass.CREDENTIALS:
            raise LoginNeeded("the deployer", problem) from None
        raise ClientsError(f"AWS does not say which account this is: {problem}") from None
    return Account(str(identity["Account"]), clients.region, clients.endpoint_url)


def is_bound(journal: Journal, key: str) -> bool:
    """Tell whether a stream was bound to an account; if not, it may be carried on in any."""
    return bool(journal.bindings(key))


def belongs(journal: Journal, key: str, account: Account) -> bool:
    """Tell whether a stream may be carried on in an account: it was deployed there before, or never bound."""
    bindings = journal.bindings(key)
    return not bindings or any(binding.account == account for binding in bindings)


def ensure_belongs(journal: Journal, key: str, account: Account) -> None:
    """Raise WrongAccount where a stream must not be carried on in an account."""
    if not belongs(journal, key, account):
        raise WrongAccount(
            f"the journal says that {key} belongs to another account or region than {account}. Give the --profile, "
            "--region, --role-arn and --endpoint-url that it was deployed with, or another --journal"
        )


def ensure_sole_deployer(journal: Journal, key: str, binding: Binding) -> None:
    """Raise WrongAccount where another stream deploys the same CloudFormation stack."""
    for other in journal.bound_streams(binding):
        if other != key:
            raise WrongAccount(
                f"{other} deploys the CloudFormation stack {binding.stack_name} of {binding.account} already, and two "
                f"deployers must not change one stack: give {key} another stack.name (or, where it takes the place "
                f"of {other}, --no-checks)"
            )
