"""Run deployments with every sentence for people reworded: `python -m tests.support.reworded [reworded]`.

It prints what was decided, without any words, so that the runs with and without rewording can be compared.
"""

import ast
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

REWORDED = (
    "deployer_core.machines.",
    "deployer_core.engine.",
    "deployer_aws.aws.accounts",
    "deployer_aws.aws.services",
    "deployer_aws.aws.stacks",
    "deployer_aws.executors.cloudformation.",
    "deployer_aws.executors.ecs.",
    "deployer_aws.events.",
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


class Rewording(ast.NodeTransformer):
    """Changes each sentence: a text with a space between letters, docstrings and AWS's own words left out."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Leave docstrings alone."""
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Reword a sentence, or the part of one beside what is filled in."""
        text = node.value
        if not isinstance(text, str) or text in AWS_SAYS or " " not in text.strip() or "%s" in text:
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
    """Carry out deployments in each world, polling and listening; return what was decided, without words."""
    from tests.deployer_aws.events.test_deployments import WORLDS, carried_out
    from tests.support.listening import World

    found: dict[str, Any] = {"accounts": _accounts()}
    for name, script in WORLDS.items():
        for listens in (False, True):
            found[f"{name}, {'listening' if listens else 'polling'}"] = _outline(
                carried_out(World(script, listens=listens))
            )
    return found


def _accounts() -> list[Any]:
    from attrs import evolve

    from deployer_aws.aws import accounts
    from deployer_aws.journals import SqliteJournal
    from deployer_aws.ports import Account, Binding, Head, Properties
    from tests.support.streams import entry, request

    here, there = Account("1", "eu-west-1"), Account("2", "eu-west-1")
    journal, bound = SqliteJournal(":memory:"), Binding(here, "orders")
    journal.append([evolve(entry("a/b", Head(), request()), properties=Properties(binding=bound))])
    decided: list[Any] = [accounts.belongs(journal, "a/b", account) for account in (here, there)]
    checks: list[Callable[[], None]] = [
        lambda: accounts.ensure_belongs(journal, "a/b", there),
        lambda: accounts.ensure_sole_deployer(journal, "a/c", bound),
    ]
    for check in checks:
        try:
            check()
        except accounts.WrongAccount:
            decided.append("refused")
    return [*decided, journal.is_simulated()]


def _outline(world: Any) -> dict[str, Any]:
    from deployer_core.kernel.machine import name_of
    from tests.support.orders import KEY

    events = [row.event for row in world.journal.events(KEY)]
    kinds = [f"{type(event).__name__} {type(getattr(event, 'answer', None)).__name__}" for event in events]
    return {
        "stack": name_of(type(world.state.stack)),
        "notices": [(notice.deployment, notice.outcome) for notice in world.notices],
        "changes": [change.action for change in world.sim.changes],
        "calls": dict(sorted(world.calls.items())),
        "events": kinds,
    }


if __name__ == "__main__":
    if "reworded" in sys.argv:
        sys.meta_path.insert(0, _Finder())
    print(json.dumps(decided(), indent=1))
    print("reworded" if "reworded" in sys.argv else "as written", file=sys.stderr)
