"""Whether a deployment can work: checks of the account, the template, the tasks and the databases before it is begun.

Each check is a small function of the facts that it is handed. It calls nothing; `aws.facts` reads what AWS says:

    facts = read_facts(clients, questions(loaded))
    for finding in examine(CheckContext(loaded, options, facts)): finding.check, finding.result, finding.text
"""

from collections.abc import Callable, Iterable, Iterator

from attrs import evolve

from deployer_aws.aws.errors import ErrorClass, Problem
from deployer_aws.preflight import account, stack, tasks
from deployer_aws.preflight.context import (
    CheckContext,
    CheckResult,
    Unverifiable,
    Verdict,
    questions,
    unverified,
)
from deployer_aws.preflight.scope import needed_statements
from deployer_aws.preflight.tasks import database_endpoints

__all__ = [
    "CHECKS",
    "Check",
    "CheckContext",
    "CheckResult",
    "Verdict",
    "database_endpoints",
    "examine",
    "is_sound",
    "name_of",
    "needed_statements",
    "questions",
]

Check = Callable[[CheckContext], Iterator[CheckResult]]

CHECKS: tuple[Check, ...] = (*account.CHECKS, *stack.CHECKS, *tasks.CHECKS)
"""In the order in which they are made: whether AWS knows the caller at all comes first."""


def name_of(check: Check) -> str:
    """Return what a check is called."""
    return check.__name__.replace("_", " ")


def examine(context: CheckContext) -> Iterator[CheckResult]:
    """Make all checks. What AWS refused to answer makes a check 'not verifiable'."""
    known = not isinstance(context.facts.identity, Problem)
    for check in CHECKS:
        for found in _findings(check, context, known):
            yield evolve(found, check=name_of(check))


def is_sound(findings: Iterable[CheckResult]) -> bool:
    """Return whether there is no fault."""
    return all(finding.result is not Verdict.FAULT for finding in findings)


def _findings(check: Check, context: CheckContext, known: bool) -> Iterator[CheckResult]:
    if not known and check not in account.LOCAL:
        yield unverified("AWS does not know who asks", "see credentials")
        return
    try:
        yield from check(context)
    except Unverifiable as unknown:
        problem = unknown.problem
        advice = problem.advice or ("try again" if problem.error_class is ErrorClass.TRANSIENT else "")
        yield unverified(f"{problem.message} ({problem.code})", advice)
