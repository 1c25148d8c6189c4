"""What the checks are handed, and what they find."""

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import TypeVar

from attrs import field, frozen

from deployer_aws.aws.clients import Options
from deployer_aws.aws.errors import Problem
from deployer_aws.aws.facts import Denial, Endpoint, Facts, Questions, Response
from deployer_aws.aws.template_urls import INLINE
from deployer_aws.specfile import LoadedSpec
from deployer_aws.templates import Template, read
from deployer_core.spec import AdminSecret, DeploymentSpec, Output, TaskSpec, TemplateUrl, Text

T = TypeVar("T")


class Verdict(Enum):
    """How a check ends. The values are what a person reads."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNVERIFIED = "not verifiable"


@frozen
class CheckResult:
    """One thing that a check found, and what to do about it; a check that finds several things gives several.

    `examine` adds the name of the check.
    """

    result: Verdict
    text: str
    advice: str = ""
    check: str = ""


def ok(text: str) -> CheckResult:
    """Report that all is well."""
    return CheckResult(Verdict.OK, text)


def warning(text: str, advice: str) -> CheckResult:
    """Report what a person should know."""
    return CheckResult(Verdict.WARNING, text, advice)


def fault(text: str, advice: str) -> CheckResult:
    """Report with what the deployment would fail."""
    return CheckResult(Verdict.FAULT, text, advice)


def unverified(text: str, advice: str = "") -> CheckResult:
    """Report what nobody can tell from here."""
    return CheckResult(Verdict.UNVERIFIED, text, advice)


class Unverifiable(Exception):
    """AWS refused an answer that a check needs."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def known(answer: T | Problem) -> T:
    """Return an answer. Raises Unverifiable where AWS refused it."""
    if isinstance(answer, Problem):
        raise Unverifiable(answer)
    return answer


def questions(loaded: LoadedSpec) -> Questions:
    """Return what AWS has to be asked for the checks of a spec."""
    spec, source = loaded.spec, loaded.spec.stack.template
    text = "" if isinstance(source, TemplateUrl) else loaded.templates[source.sha256]
    databases = () if spec.quick else spec.databases
    return Questions(
        spec.stack.name,
        template_body=text if len(text.encode()) <= INLINE else "",
        template_url=source.url if isinstance(source, TemplateUrl) else "",
        services=bool(spec.stack.scaling) and not spec.quick,
        definitions=tuple(task.task_definition for _, task in tasks_of(spec)),
        secrets=tuple(d.admin.secret for d in databases if isinstance(d.admin, AdminSecret)),
    )


def tasks_of(spec: DeploymentSpec) -> Iterator[tuple[str, TaskSpec[Text]]]:
    """Return the tasks that would be run, by the names of their runs."""
    for database in () if spec.quick else spec.databases:
        if database.evaluate:
            yield f"{database.name}/evaluate", database.evaluate.task
        if database.migrate:
            yield f"{database.name}/migrate", database.migrate.task


@frozen(slots=False)
class CheckContext:
    """A spec, how the deployer was started, and what AWS said.

    `denials` are what IAM's simulation would refuse of `needed_statements`; `unreachable` says why nobody answers at
    one of `database_endpoints`.
    """

    loaded: LoadedSpec
    options: Options
    facts: Facts
    denials: tuple[Denial, ...] | Problem = ()
    unreachable: Mapping[Endpoint, str] = field(factory=dict[Endpoint, str])

    @property
    def spec(self) -> DeploymentSpec:
        """The spec to be deployed."""
        return self.loaded.spec

    @property
    def stack(self) -> Response | None:
        """The stack as it is, or None where there is none. Raises Unverifiable."""
        return known(self.facts.stack)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack as they are. Raises Unverifiable."""
        known(self.facts.stack)
        return self.facts.outputs

    @property
    def template_text(self) -> str | None:
        """The template's text, where it is here."""
        source = self.spec.stack.template
        return None if isinstance(source, TemplateUrl) else self.loaded.templates[source.sha256]

    @cached_property
    def template(self) -> Template | None:
        """The template, where it is here."""
        return read(self.template_text) if self.template_text is not None else None

    @property
    def tasks(self) -> Iterator[tuple[str, TaskSpec[Text]]]:
        """The tasks that would be run, by the names of their runs."""
        return tasks_of(self.spec)

    def value(self, value: Text) -> str | None:
        """Return a value of the spec, or None where it is an output that the stack does not have yet.

        Raises Unverifiable.
        """
        return self.outputs.get(value.name) if isinstance(value, Output) else value
