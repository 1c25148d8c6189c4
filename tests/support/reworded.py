"""Run deployments with every sentence for people reworded: `python -m tests.support.reworded [reworded]`.

It prints what was decided, without any words, so that the runs with and without rewording can be compared.
"""

import ast
import importlib.util
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, ModuleType
from typing import Any
from unittest import mock

REWORDED = (
    "deployer_core.machines.",
    "deployer_core.engine.",
    "deployer_aws.aws.accounts",
    "deployer_aws.aws.services",
    "deployer_aws.aws.stacks",
    "deployer_aws.executors.cloudformation.",
    "deployer_aws.executors.ecs.",
    "deployer_aws.executors.postgres.marks",
    "deployer_aws.environment.",
    "deployer_aws.events.",
    "deployer_aws.journals.",
    "deployer_aws.runner.",
)
AWS_SAYS = frozenset(
    {
        "Capacity is unavailable",
        "reached the limit on the number of tasks",
        "No updates are to be performed",
        "User Initiated",
        "ECS Task State Change",
        "CloudFormation Stack Status Change",
        "Resource (creation|update|deletion) cancelled",
    }
)
"""AWS's own words, by which its answers are classed."""


STORED = frozenset({"deployer/login/1 database="})
"""Literal, versioned tags; what is stored under them is compared as it stands."""
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|CREATE|VALUES|WHERE|ORDER BY|PRAGMA|BEGIN)\b")
NAMES = re.compile(r"[A-Z0-9_\s]+")
"""Names in a row, such as AWS's statuses."""


class Rewording(ast.NodeTransformer):
    """Changes each sentence: a text with a space between letters, docstrings and AWS's own words left out."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Leave docstrings alone."""
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave a quoted annotation alone: it is a type that is defined later."""
        node.value = node.value and self.visit(node.value)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Reword a sentence, or the part of one beside what is filled in."""
        text = node.value
        if not isinstance(text, str) or text in AWS_SAYS | STORED or " " not in text.strip() or "%s" in text:
            return node
        if SQL.search(text) or NAMES.fullmatch(text):
            return node
        return ast.copy_location(ast.Constant(f"<<{text[::-1]}>>".replace("{", "(").replace("}", ")")), node)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Compile the reworded source, and never what was compiled before."""
        tree = ast.fix_missing_locations(Rewording().visit(ast.parse(self.get_data(self.path))))
        return compile(tree, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not f"{fullname}.".startswith(REWORDED):
            return None
        sys.meta_path.remove(self)
        try:
            found = importlib.util.find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin)
        return importlib.util.spec_from_file_location(
            fullname, found.origin, loader=loader, submodule_search_locations=found.submodule_search_locations
        )


def decided() -> dict[str, Any]:
    """Carry out deployments by each script, polling and listening; return what was decided, without words."""
    from tests.support.listening import SCRIPTS, SimulatedExample, carried_out

    found: dict[str, Any] = {"accounts": _accounts(), "logins": _logins()}
    for name, decide in {"environments": _environments, "journals": _journals}.items():
        with TemporaryDirectory() as folder:
            found[name] = decide(Path(folder))
    for name, script in SCRIPTS.items():
        for listens in (False, True):
            found[f"{name}, {'listening' if listens else 'polling'}"] = _outline(
                carried_out(SimulatedExample(script, listens=listens))
            )
    return found


def _accounts() -> list[Any]:
    from attrs import evolve

    from deployer_aws.aws import accounts
    from deployer_aws.journals import SqliteJournal
    from deployer_aws.ports import Account, Binding, Head, Properties
    from deployer_aws.testing.streams import entry, request

    here, there = Account("1", "eu-west-1"), Account("2", "eu-west-1")
    journal, bound = SqliteJournal(":memory:"), Binding(here, "orders")
    journal.append([evolve(entry("a/b", Head(), request()), properties=Properties(binding=bound))])
    decided: list[Any] = [accounts.belongs(journal, "a/b", account) for account in (here, there)]
    decided.append(_tried(lambda: accounts.ensure_belongs(journal, "a/b", there)))
    decided.append(_tried(lambda: accounts.ensure_sole_deployer(journal, "a/c", bound)))
    return [*decided, journal.is_simulated()]


def _tried(act: Callable[[], Any]) -> str:
    """Return the name of the class of what was raised; else `done`."""
    try:
        act()
    except Exception as error:
        return type(error).__name__
    return "done"


def _logins() -> list[Any]:
    from deployer_aws.executors.postgres.marks import login_mark, marked_database

    mark = login_mark("orders")
    return [mark, marked_database(mark), marked_database("made by hand"), marked_database(None)]


def _environments(folder: Path) -> list[Any]:
    """Open the real AWS, from two accounts and for two streams, and mix it with a simulated one."""
    from attrs import evolve

    from deployer_aws import specfile
    from deployer_aws.aws.clients import Options
    from deployer_aws.environment import open_environment
    from deployer_aws.environment._opening import account_file
    from tests.support.command import EXAMPLE, SCRIPT

    loaded, options = specfile.load(EXAMPLE / "hotfix.yaml"), Options(region="eu-west-1")
    other = evolve(loaded.spec, application="orders2")
    real, simulated = folder / "real", folder / "simulated"

    def opened(account: str, spec: Any, *, sole: bool = True) -> str:
        answer = {"Account": account, "Arn": f"arn:aws:iam::{account}:user/ann", "UserId": "A"}
        with mock.patch("botocore.client.BaseClient._make_api_call", return_value=answer):
            return _tried(lambda: request(real, spec=spec, options=options, sole=sole))

    def request(path: Path, script: Any = None, **options: Any) -> None:
        with open_environment(path, script, **options) as environment:
            if not environment.journal.streams():
                environment.runner().request(
                    "one", loaded.spec, loaded.templates, properties=environment.properties
                )

    decided: list[Any] = [opened(account * 12, loaded.spec) for account in ("1", "1", "2")]
    decided += [opened("1" * 12, other), opened("1" * 12, other, sole=False)]
    decided.append(_tried(lambda: request(real, SCRIPT, simulate=True, spec=loaded.spec)))
    for simulate in (True, False):
        decided.append(
            _tried(lambda: request(simulated, SCRIPT, simulate=simulate, spec=loaded.spec))  # noqa: B023
        )
    decided += [sqlite3.connect(simulated).execute("SELECT * FROM properties").fetchall()]
    decided += [sqlite3.connect(real).execute("SELECT * FROM bindings").fetchall()]
    account_file(simulated).unlink()
    return [*decided, _tried(lambda: request(simulated))]


def _journals(folder: Path) -> list[Any]:
    """Write to a journal as two processes would, read it, and open what is none."""
    from deployer_aws.journals import SqliteJournal
    from deployer_aws.journals.replay import verify
    from deployer_aws.ports import Head, LeaseRow
    from deployer_aws.testing.streams import entry, request

    journal, stale = SqliteJournal(folder / "journal"), entry("a/b", Head(), request())
    decided: list[Any] = [_tried(lambda: journal.append([stale])), _tried(lambda: journal.append([stale]))]
    decided.append(_tried(lambda: verify(journal, "a/b")))
    first = journal.compare_and_set_lease("a/b", "me", None)
    decided += [first is not None, journal.compare_and_set_lease("a/b", "you", LeaseRow("me", 7))]
    decided += [journal.streams(pending_only=True), len(journal.notices()), journal.is_simulated()]
    decided.append(_tried(lambda: journal.blob("0" * 64)))
    sqlite3.connect(folder / "theirs").execute("CREATE TABLE x (y)").connection.close()
    (folder / "text").write_text("no database" * 100)
    for name in ("theirs", "text", "none"):
        decided.append(_tried(lambda: SqliteJournal(folder / name, create=False)))  # noqa: B023
    (folder / "journal").unlink()
    return [*decided, _tried(lambda: journal.append([entry("a/c", Head(), request())]))]


def _outline(example: Any) -> dict[str, Any]:
    from deployer_core.kernel.machine import name_of
    from tests.support.orders import KEY

    events = [row.event for row in example.journal.events(KEY)]
    kinds = [f"{type(event).__name__} {type(getattr(event, 'answer', None)).__name__}" for event in events]
    return {
        "stack": name_of(type(example.state.stack)),
        "notices": [(notice.deployment, notice.outcome) for notice in example.notices],
        "changes": [change.action for change in example.sim.changes],
        "calls": dict(sorted(example.calls.items())),
        "events": kinds,
    }


if __name__ == "__main__":
    if "reworded" in sys.argv:
        sys.meta_path.insert(0, _Finder())
    print(json.dumps(decided(), indent=1))
    print("reworded" if "reworded" in sys.argv else "as written", file=sys.stderr)
