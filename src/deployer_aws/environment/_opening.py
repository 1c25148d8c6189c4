"""Opening the environment that a journal belongs to. What it consists of is imported when it is known which that is."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployer_aws.aws import accounts
from deployer_aws.aws.clients import Clients, ClientsError, Options, connect
from deployer_aws.aws.errors import LoginNeeded
from deployer_aws.environment._environment import Environment, SystemClock
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import NO_PROPERTIES, Binding, Journal, JournalError, Properties
from deployer_core.spec import DeploymentSpec

REHEARSAL_FILE = "rehearsal.json"
"""The file beside a journal that says that its databases and tasks were real, in a rehearsal."""


class WrongEnvironment(Exception):
    """Simulated and real must not be mixed; says which journal is which, and what to do."""


def account_file(journal: Path) -> Path:
    """Return the file of the simulated account that belongs to a journal."""
    return journal.with_name(f"{journal.name}.simulated")


def open_environment(
    path: str | Path,
    script: Any = None,
    *,
    simulate: bool = False,
    spec: DeploymentSpec | None = None,
    act: bool = True,
    options: Options | None = None,
    check: Callable[[Clients], None] | None = None,
    sole: bool = True,
) -> Environment:
    """Open the environment of a journal; with a `spec` to deploy, make a new journal where there is none.

    A journal that exists knows which AWS it is about, and a new one is simulated where `simulate` says so. With
    `script` a simulated account goes on by another script. Without `act` there are no executors, and no clients are
    made. On the real AWS, which `options` choose, `check` is called before anything is made, and may raise; then the
    stack of `spec` is bound to the account and region, and refused where it was bound to another one or, if `sole`,
    where another stream deploys it.

    Raises WrongEnvironment, WrongAccount, JournalError, ClientsError, or what `check` does.
    """
    path, options = Path(path), options or Options()
    if spec is not None:
        ensure_not_rehearsal(path)
    if _is_simulated(path, simulate=simulate, new=spec is not None):
        from deployer_aws.environment.simulated import open_simulated

        _refuse_what_only_aws_has(options)
        return open_simulated(path, account_file(path), script)
    if not act:
        journal = SqliteJournal(path)
        return Environment(journal, SystemClock(), (), False, NO_PROPERTIES, Counter, journal.close)
    clients = connect(options)
    if check is not None:
        check(clients)
    return _open_real(path, clients, options, spec, sole=sole)


def ensure_not_rehearsal(path: Path) -> None:
    """Raise WrongEnvironment where a journal is a rehearsal's: its databases and tasks were real ones."""
    if path.with_name(REHEARSAL_FILE).exists():
        raise WrongEnvironment(
            f"the journal {path} is a rehearsal's: 'deployer rehearse SPEC --keep' carries on there"
        )


def current_time(journal: Journal, path: Path) -> float:
    """Return what time it is in a journal's environment, in seconds since 1970."""
    account = account_file(path)
    if not journal.is_simulated() or not account.exists():
        return time.time()
    from deployer_aws.environment.simulated import open_simulator

    with open_simulator(account) as simulator:
        return simulator.clock.now()


def _is_simulated(path: Path, *, simulate: bool, new: bool) -> bool:
    """Tell whether a journal is, or will be, simulated. Raises WrongEnvironment where that is not what is wanted.

    A `new` deployment may make the journal, and has to say itself that it is simulated. Raises JournalError too.
    """
    account = account_file(path)
    if new and not simulate and account.exists():
        raise WrongEnvironment(
            f"the journal {path} is about a simulated AWS ({account}). Go on with --simulate SCRIPT, "
            "or give another --journal for the real one"
        )
    if new and not path.exists():
        if not path.parent.is_dir():
            raise JournalError(
                f"the journal {path}: there is no folder {path.parent}. Make it, or give another path"
            )
        return simulate
    journal = SqliteJournal(path, create=False)
    try:
        used, simulated = bool(journal.streams()), journal.is_simulated()
    finally:
        journal.close()
    if simulated and not account.exists():
        raise WrongEnvironment(
            f"the journal {path} is about a simulated AWS, and the file of that, {account}, is gone. "
            "Put it back, or give another --journal"
        )
    if simulate and used and not simulated:
        raise WrongEnvironment(
            f"the journal {path} is about the real AWS, and --simulate would mix the two. Give another --journal"
        )
    # A run that was killed before its first request has made the account, and a journal that does not say so yet.
    return simulate or simulated or (not used and account.exists())


def _refuse_what_only_aws_has(options: Options) -> None:
    """Refuse a queue and notices: a simulated AWS answers at once, and sends nothing to anybody."""
    if options.queue:
        raise WrongEnvironment(
            "--queue (or DEPLOYER_QUEUE) is for the real AWS; leave it out with a simulated one"
        )
    if options.notify not in ("", "log"):
        raise WrongEnvironment(
            f"--notify {options.notify} (or DEPLOYER_NOTIFY) is for the real AWS; a simulated one has --notify log"
        )


def _open_real(
    path: Path, clients: Clients, options: Options, spec: DeploymentSpec | None, *, sole: bool
) -> Environment:
    from deployer_aws.environment.aws import aws_environment  # its executors need the extra 'aws'

    if spec is None:
        return aws_environment(path, clients, options, NO_PROPERTIES)
    binding = _binding(clients, spec)
    environment = aws_environment(path, clients, options, Properties(binding=binding))
    try:
        accounts.ensure_belongs(environment.journal, spec.key, binding.account)
        if sole:
            accounts.ensure_sole_deployer(environment.journal, spec.key, binding)
    except BaseException:
        environment.close()
        raise
    return environment


def _binding(clients: Clients, spec: DeploymentSpec) -> Binding:
    """Return where a stack will belong. Raises ClientsError: before its first request there is nothing to resume."""
    try:
        return Binding(accounts.find(clients), spec.stack.name)
    except LoginNeeded as login:
        raise ClientsError(f"nothing was requested yet: {login.problem}, then run the same again") from None
