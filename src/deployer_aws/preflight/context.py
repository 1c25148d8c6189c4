"""What preflight looks at, and what it finds: one case for all checks, each fact of it asked for once."""

import socket
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Any

from attrs import field, frozen, mutable

from deployer_aws.aws.clients import Clients, Options
from deployer_aws.aws.errors import Kind, understand
from deployer_aws.specfile import LoadedSpec
from deployer_aws.templates import Template, TemplateError, read
from deployer_core.spec import DeploymentSpec, Output, TaskSpec, TemplateBody, Text


class Result(Enum):
    """What a check comes to. The values are what a person reads."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNVERIFIED = "not verifiable"


@frozen
class Finding:
    """One thing that a check found, and what to do about it; a check that finds several things gives several."""

    check: str
    result: Result
    text: str
    advice: str = ""


@frozen
class Found:
    """A finding, before it is known which check it is of."""

    result: Result
    text: str
    advice: str = ""


def ok(text: str) -> Found:
    """All is well."""
    return Found(Result.OK, text)


def warning(text: str, advice: str) -> Found:
    """A person should know of it."""
    return Found(Result.WARNING, text, advice)


def fault(text: str, advice: str) -> Found:
    """The deployment would fail."""
    return Found(Result.FAULT, text, advice)


def unverified(text: str, advice: str = "") -> Found:
    """Nobody can tell from here."""
    return Found(Result.UNVERIFIED, text, advice)


def connect_to(host: str, port: int) -> None:
    """Raise OSError where nobody listens."""
    socket.create_connection((host, port), timeout=3).close()


@mutable(slots=False)
class Case:
    """A spec, and the AWS that it shall be deployed to."""

    loaded: LoadedSpec
    clients: Clients
    options: Options = field(factory=Options)
    connect: Callable[[str, int], None] = field(default=connect_to)
    _definitions: dict[str, Mapping[str, Any] | str] = field(init=False, factory=dict[str, Any])

    @property
    def spec(self) -> DeploymentSpec:
        """What is asked for."""
        return self.loaded.spec

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Who we are."""
        answer: Mapping[str, Any] = self.clients.sts.get_caller_identity()
        return answer

    @cached_property
    def stack(self) -> Mapping[str, Any] | None:
        """The stack as it is, or None where there is none."""
        try:
            found: Mapping[str, Any] = self.clients.cloudformation.describe_stacks(
                StackName=self.spec.stack.name
            )["Stacks"][0]
        except Exception as error:
            problem = understand(error)
            if problem is not None and "does not exist" in problem.message:
                return None
            raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs as they are."""
        return {o["OutputKey"]: o["OutputValue"] for o in (self.stack or {}).get("Outputs", [])}

    @cached_property
    def template(self) -> str | None:
        """The template's text, where it is here."""
        template = self.spec.stack.template
        return self.loaded.templates[template.sha256] if isinstance(template, TemplateBody) else None

    @cached_property
    def facts(self) -> Template | None:
        """What the template says, where it is here and can be read."""
        try:
            return read(self.template) if self.template is not None else None
        except TemplateError:
            return None

    @property
    def tasks(self) -> Iterator[tuple[str, TaskSpec[Text]]]:
        """The tasks that would be run, by the names of their runs."""
        for database in () if self.spec.quick else self.spec.databases:
            if database.evaluate:
                yield f"{database.name}/evaluate", database.evaluate.task
            if database.migrate:
                yield f"{database.name}/migrate", database.migrate.task

    def definition(self, named: str) -> Mapping[str, Any] | str:
        """What ECS says of a task definition, or the words in which it knows of none."""
        if named not in self._definitions:
            try:
                answer = self.clients.ecs.describe_task_definition(taskDefinition=named)
            except Exception as error:
                problem = understand(error)
                if problem is None or problem.kind is not Kind.PERMANENT or problem.code != "ClientException":
                    raise
                self._definitions[named] = problem.message
            else:
                self._definitions[named] = answer["taskDefinition"]
        return self._definitions[named]

    @property
    def readable_definitions(self) -> Iterator[Mapping[str, Any]]:
        """Those of the tasks' definitions that there are, as far as we may read them."""
        for wanted in dict.fromkeys(task.task_definition for _, task in self.tasks):
            try:
                found = self.definition(named) if (named := self.known(wanted)) else ""
            except Exception as error:
                if understand(error) is None:
                    raise
            else:
                if not isinstance(found, str):
                    yield found

    def known(self, value: Text) -> str | None:
        """A value of the spec, or None where it is an output that the stack does not have yet."""
        return self.outputs.get(value.name) if isinstance(value, Output) else value
