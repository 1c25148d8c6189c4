"""What a deployer works in: a journal, a clock and executors, for the real AWS or for a simulated one.

A journal belongs to one world for ever. One that is about a simulated account says so from its first event on, by a
property. The account itself is kept in a file beside it, `<journal>.simulated`. So nothing that
was simulated is ever taken for real, or the other way round.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from deployer_aws.aws.clients import Clients, Options, connect
from deployer_aws.executors.cloudformation.executor import CloudFormation, Settings
from deployer_aws.executors.ecs.executor import Ecs
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.ports import NO_PROPERTIES, Clock, Executor, Journal, JournalError, Properties
from deployer_core.spec import DeploymentSpec

if TYPE_CHECKING:
    from deployer_aws.simulator import Simulator

REHEARSAL_FILE = "rehearsal.json"
"""The file beside a journal that says that its databases and tasks were real, in a rehearsal."""


class WrongEnvironment(Exception):
    """Simulated and real must not be mixed; says which journal is which, and what to do."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


@frozen
class Environment:
    """A world, ready to be acted on. `properties` are what each request has to bring along.

    `calls` gives how often each operation of AWS was called since, retries included, by the API's names: what was
    checked before is not counted. `clients` are those of the real AWS, where it is acted on.
    """

    journal: Journal
    clock: Clock
    executors: tuple[Executor, ...]
    simulated: bool
    properties: Properties
    calls: Callable[[], Counter[str]]
    close: Callable[[], None]
    clients: Clients | None = None


def account_file(journal: Path) -> Path:
    """The file of the simulated account that belongs to a journal."""
    return journal.with_name(f"{journal.name}.simulated")


def open_environment(
    path: Path,
    script: Any = None,
    *,
    simulate: bool = False,
    spec: DeploymentSpec | None = None,
    act: bool = True,
    options: Options | None = None,
    prepare: Callable[[Clients], Properties] | None = None,
) -> Environment:
    """The world of a journal; with a `spec` to deploy, a new journal in a new world where there is none.

    A journal that exists knows which world it is about, and a new one is simulated where `simulate` says so. With
    `script` a simulated account goes on by another script. Without `act` there are no executors, and no clients are
    made. On the real AWS, which `options` choose, `prepare` is called before anything is made; it gives the properties.
    Raises WrongEnvironment, JournalError, ClientsError, or what `prepare` does; then no file has been made.
    """
    world = account_file(path)
    if spec is not None:
        ensure_not_rehearsal(path)
    if spec is not None and not simulate and world.exists():
        raise WrongEnvironment(_simulated(path, world))
    if spec is None or path.exists():
        simulate = _judge(path, world, simulate=simulate) or simulate
    elif not path.parent.is_dir():
        raise JournalError(
            f"the journal {path}: there is no folder {path.parent}. Make it, or give another path"
        )
    if simulate:
        _refuse_what_only_aws_has(options or Options())
        return _open_simulated(path, world, script)
    if not act:
        return _open_real(path, None, options)
    clients = connect(options)
    return _open_real(path, clients, options, prepare(clients) if prepare else NO_PROPERTIES)


def ensure_not_rehearsal(path: Path) -> None:
    """Raise WrongEnvironment where a journal is a rehearsal's: its migrations must not be carried on by pretending."""
    if path.with_name(REHEARSAL_FILE).exists():
        raise WrongEnvironment(
            f"the journal {path} is a rehearsal's: 'deployer rehearse SPEC --keep' carries on there"
        )


def _judge(path: Path, world: Path, *, simulate: bool) -> bool:
    """Whether an existing journal is simulated; raises WrongEnvironment where that is not what is wanted."""
    journal = SqliteJournal(path, create=False)
    try:
        used, simulated = bool(journal.streams()), journal.is_simulated()
    finally:
        journal.close()
    if simulated and not world.exists():
        raise WrongEnvironment(
            f"the journal {path} is about a simulated AWS, and the file of that, {world}, is gone. "
            "Put it back, or give another --journal"
        )
    if simulate and used and not simulated:
        raise WrongEnvironment(
            f"the journal {path} is about the real AWS, and --simulate would mix the two. Give another --journal"
        )
    # A run that was killed before its first request has made the account, and a journal without a mark yet.
    return simulated or (not used and world.exists())


def _refuse_what_only_aws_has(options: Options) -> None:
    """A simulated AWS is asked in no time, and has nobody to tell."""
    if options.queue:
        raise WrongEnvironment(
            "--queue (or DEPLOYER_QUEUE) is for the real AWS; leave it out with a simulated one"
        )
    if options.notify not in ("", "log"):
        raise WrongEnvironment(
            f"--notify {options.notify} (or DEPLOYER_NOTIFY) is for the real AWS; a simulated one has --notify log"
        )


def _simulated(path: Path, world: Path) -> str:
    return (
        f"the journal {path} is about a simulated AWS ({world}). Go on with --simulate SCRIPT, "
        "or give another --journal for the real one"
    )


def _unreadable(world: Path, error: sqlite3.Error) -> JournalError:
    return JournalError(f"the simulated AWS {world} cannot be opened: {error}. Give another --journal")


def _open_simulated(path: Path, world: Path, script: Any) -> Environment:
    from deployer_aws.simulator import SimulatedPostgres

    simulator = open_simulator(world, script)
    try:
        journal = SqliteJournal(path)
    except BaseException:
        simulator.close()
        raise
    return simulated_environment(simulator, journal, SimulatedPostgres())


def open_simulator(world: Path, script: Any = None) -> "Simulator":
    """The simulated account in a file. Raises JournalError."""
    from deployer_aws.simulator import Simulator

    try:
        return Simulator.open(world, script)
    except sqlite3.Error as error:
        raise _unreadable(world, error) from None


def simulated_environment(
    simulator: "Simulator", journal: Journal, databases: Executor, clock: Clock | None = None
) -> Environment:
    """The environment in a simulated account, with an executor for its databases; closing them closes both."""
    from deployer_aws.simulator.service import camel

    stacks = CloudFormation(
        simulator.client("cloudformation"),
        simulator.client("ecs"),
        s3=simulator.client("s3"),
        elbv2=simulator.client("elbv2"),
    )
    tasks = Ecs(simulator.client("ecs"), logs=simulator.client("logs"))
    before = simulator.call_counts

    def calls() -> Counter[str]:
        return Counter({camel(name): times for name, times in (simulator.call_counts - before).items()})

    def close() -> None:
        journal.close()
        simulator.close()

    return Environment(
        journal,
        clock or simulator.clock,
        (stacks, tasks, databases),
        True,
        Properties(simulated=True),
        calls,
        close,
    )


def _open_real(
    path: Path, clients: Clients | None, options: Options | None, properties: Properties = NO_PROPERTIES
) -> Environment:
    executors: tuple[Executor, ...] = ()
    calls: Counter[str] = Counter()
    before = Counter(clients.calls if clients is not None else ())
    if clients is not None:
        from deployer_aws.executors.postgres import Postgres  # psycopg comes with the extra 'aws'

        calls = clients.calls
        bucket = options.template_bucket if options else ""
        settings = Settings(bucket=bucket, bare_events=bool(clients.endpoint_url))
        executors = (
            CloudFormation(
                clients.cloudformation, clients.ecs, s3=clients.s3, elbv2=clients.elbv2, settings=settings
            ),
            Ecs(clients.ecs, logs=clients.logs),
            Postgres(clients.secretsmanager, clients.rds),
        )
    journal = SqliteJournal(path)
    return Environment(
        journal, SystemClock(), executors, False, properties, lambda: calls - before, journal.close, clients
    )


def current_time(journal: Journal, path: Path) -> float:
    """What time it is in a journal's world."""
    world = account_file(path)
    if not journal.is_simulated() or not world.exists():
        return time.time()
    with open_simulator(world) as simulator:
        return simulator.clock.now()
