"""Findings of preflight in words, and the checks before `deployer run`."""

from collections.abc import Callable

from attrs import evolve

from deployer_aws.aws.clients import Clients, Options
from deployer_aws.aws.errors import Problem
from deployer_aws.aws.facts import connect_to, find_unreachable, read_denials, read_facts
from deployer_aws.cli._exit import BadInput
from deployer_aws.cli._screen import Screen
from deployer_aws.preflight import (
    CheckContext,
    CheckResult,
    Verdict,
    database_endpoints,
    examine,
    is_sound,
    needed_statements,
    questions,
)
from deployer_aws.specfile import LoadedSpec


def check_context(
    loaded: LoadedSpec,
    clients: Clients,
    options: Options,
    connect: Callable[[str, int], None] = connect_to,
) -> CheckContext:
    """Read what preflight decides on; nothing is changed."""
    facts = read_facts(clients, questions(loaded))
    context = CheckContext(loaded, options, facts)
    if isinstance(facts.identity, Problem):
        return context
    if facts.principal is not None:
        denials = read_denials(clients, facts.principal, needed_statements(context))
        context = evolve(context, denials=denials)
    return evolve(context, unreachable=find_unreachable(database_endpoints(context), connect))


def check_before_run(screen: Screen, loaded: LoadedSpec, clients: Clients, options: Options) -> None:
    """Warn of what a person should know before the deployment is begun. Raises BadInput where it would fail."""
    findings = tuple(examine(check_context(loaded, clients, options)))
    said = {warning.text for warning in loaded.warnings}
    for finding in findings:
        if finding.result is Verdict.WARNING and finding.text not in said:
            screen.warn(f"{finding.check}: {in_words(finding)}")
    if not is_sound(findings):
        faults = [f"{f.check}: {in_words(f)}" for f in findings if f.result is Verdict.FAULT]
        raise BadInput(
            "\n".join(("nothing was requested, since it would fail (--no-checks tries anyway):", *faults))
        )


def in_words(finding: CheckResult) -> str:
    """Return what was found, and the advice."""
    return f"{finding.text}; {finding.advice}" if finding.advice else finding.text
