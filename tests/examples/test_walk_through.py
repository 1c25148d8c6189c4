"""docs/walk-through.md, executed: what its commands print, and what the databases hold after each failure."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from attrs import frozen

from deployer_aws.environment import account_file
from deployer_aws.journals.sqlite import SqliteJournal
from deployer_aws.simulator import Simulator
from deployer_core.kernel.machine import name_of
from tests.deployer_aws.executors.postgres.server import found
from tests.examples.console import Shell, agrees, commands
from tests.support.command import KEY, environment
from tests.support.project import ROOT
from tests.support.servers import NO_POSTGRES

PAGE = ROOT / "docs" / "walk-through.md"
KEPT = Path(".deployer/rehearsal")


@frozen
class Here:
    """The kept rehearsal, after a command that has printed where its databases are."""

    folder: Path
    printed: list[str]

    def one(self, database: str, query: LiteralString) -> Any:
        """Return the one value for which a database is asked."""
        (url,) = {m[0] for line in self.printed if (m := re.search(rf"postgresql://\S+/{database}$", line))}
        passfile = str(self.folder / KEPT / "pgpass")
        with psycopg.connect(url, passfile=passfile) as connection:
            (row,) = connection.execute(query).fetchall()
        return row[0]

    def revision(self, database: str) -> str:
        """Return the revision that a database is at."""
        return str(self.one(database, "SELECT version_num FROM alembic_version"))

    def running(self) -> tuple[str, str]:
        """Return the image's tag and the count that the simulated stack has."""
        with Simulator.open(account_file(self.folder / KEPT / "journal.sqlite")) as simulator:
            (stack,) = simulator.client("cloudformation").describe_stacks(StackName="staging-orders")[
                "Stacks"
            ]
        values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        return values["ImageTag"], values["DesiredCount"]

    def stack(self) -> str:
        """Return the state of the stack."""
        journal = SqliteJournal(self.folder / KEPT / "journal.sqlite")
        try:
            return name_of(type(journal.head(KEY).state.stack))
        finally:
            journal.close()


LOWER: LiteralString = "SELECT count(*) FROM customers WHERE email <> lower(email)"
PAID: LiteralString = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'paid'"
DOUBLES: LiteralString = "SELECT count(*) - count(DISTINCT lower(email)) FROM customers"


def nothing_has_changed(here: Here) -> None:
    """Before the barrier no database is changed, not even the one whose evaluation went well; version 3 runs on."""
    assert (here.revision("orders"), here.revision("billing")) == ("1.2.0", "1.1.0")
    assert (here.one("orders", LOWER), here.one("billing", PAID)) == (1, 0)
    assert here.running() == ("1.2.0", "2")
    assert here.stack() == "BROKEN"


def half_way(here: Here) -> None:
    """After the barrier the sibling is migrated to its end, of two revisions the first one stays, and nothing runs."""
    assert (here.revision("orders"), here.revision("billing")) == ("1.3.0", "1.3.0")
    assert (here.one("orders", LOWER), here.one("billing", PAID)) == (0, 1)
    assert here.one("orders", DOUBLES) == 1
    assert here.running() == ("1.3.1", "0")
    assert here.stack() == "BROKEN"


def brought_back(here: Here) -> None:
    """Check that the next version goes on from there, and nothing is lost."""
    assert (here.revision("orders"), here.revision("billing")) == ("1.3.1", "1.3.0")
    assert here.one("orders", DOUBLES) == 0
    assert here.one("orders", "SELECT count(*) FROM orders") == 5_000
    assert here.one("billing", "SELECT count(*) FROM invoices") == 5_000
    assert here.stack() == "AVAILABLE"


CHECKS: dict[str, Callable[[Here], None]] = {
    "deployer rehearse --keep v4.yaml": nothing_has_changed,
    "deployer rehearse --keep v5.yaml": half_way,
    "deployer rehearse --keep v6.yaml": brought_back,
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Start a shell in a folder like the project's, with its environment active; nothing that it keeps outlives the test."""
    if next(found(), None) is None:
        pytest.skip(NO_POSTGRES)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = Shell(tmp_path, environment(PATH=path, LOGNAME="joe"))
    try:
        yield shell
    finally:
        for state in tmp_path.rglob(f"{KEPT}/rehearsal.json"):
            Shell(state.parents[2], shell.environment).run("deployer rehearse --end")


def test_the_walk_through_is_true(shell: Shell) -> None:
    """Each command prints what the page shows, and the databases are as the barrier promises."""
    checked = set[str]()
    for shown in commands(PAGE.read_text(encoding="utf-8")):
        printed = shell.run(shown.command)
        text = "\n".join(printed)
        assert agrees(shown.output, printed), f"{PAGE.name}:{shown.line}: {shown.command}\n{text}"
        if check := CHECKS.get(shown.command):
            check(Here(shell.folder, printed))
            checked.add(shown.command)
    assert checked == set(CHECKS)
    assert list((shell.folder / ".deployer").iterdir()) == []
