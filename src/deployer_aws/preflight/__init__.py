"""Whether a deployment can work before it is begun: checks of the account, the template, the tasks and the databases.

Each check is a small function that looks and changes nothing:

    for finding in examine(Case(loaded, clients)): finding.check, finding.result, finding.text, finding.advice
"""

from collections.abc import Callable, Iterable, Iterator

from deployer_aws.aws.errors import Kind, understand
from deployer_aws.preflight import account, stack, tasks
from deployer_aws.preflight.context import Case, Finding, Found, Result, unverified

__all__ = ["CHECKS", "Case", "Check", "Finding", "Result", "examine", "is_sound"]

Check = Callable[[Case], Iterator[Found]]

CHECKS: tuple[Check, ...] = (*account.CHECKS, *stack.CHECKS, *tasks.CHECKS)
"""In the order in which they are made: whether we are known at all comes first."""


def name_of(check: Check) -> str:
    """What a check is called."""
    return check.__name__.replace("_", " ")


def examine(case: Case) -> Iterator[Finding]:
    """All that the checks find. An answer of AWS's that a check did not expect makes it 'not verifiable'."""
    known = True
    for check in CHECKS:
        for found in _findings(check, case, known):
            known = known and not (check is account.credentials and found.result is Result.FAULT)
            yield Finding(name_of(check), found.result, found.text, found.advice)


def is_sound(findings: Iterable[Finding]) -> bool:
    """Whether there is no fault."""
    return all(finding.result is not Result.FAULT for finding in findings)


def _findings(check: Check, case: Case, known: bool) -> Iterator[Found]:
    if not known and check not in account.LOCAL:
        yield unverified("AWS does not know who asks", "see credentials")
        return
    try:
        yield from check(case)
    except Exception as error:
        problem = understand(error)
        if problem is None:
            raise
        advice = problem.advice or ("try again" if problem.kind is Kind.TRANSIENT else "")
        yield unverified(f"{problem.message} ({problem.code})", advice)
