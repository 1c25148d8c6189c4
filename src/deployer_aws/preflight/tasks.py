"""Checks of the databases, and of the tasks that migrate them."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from attrs import evolve

from deployer_aws.aws.errors import ErrorClass, Problem
from deployer_aws.aws.facts import Endpoint, Response
from deployer_aws.preflight.context import (
    CheckContext,
    CheckResult,
    Unverifiable,
    fault,
    known,
    ok,
    unverified,
)
from deployer_core.spec import Admin, AdminIam, AdminSecret, AdminUrl, TaskSpec, Text


def task_definitions(context: CheckContext) -> Iterator[CheckResult]:
    """Check that each task's definition is active (ECS API Reference, RunTask), and one container the judged one."""
    sound: list[str] = []
    for name, task in context.tasks:
        definition = context.value(task.task_definition)
        if definition is None:
            yield unverified(f"{name}: its task definition is an output that the stack does not have yet")
            continue
        problem = _problem(context.facts.definitions[definition], definition, task)
        if problem is None:
            sound.append(name)
        else:
            yield fault(f"{name}: {problem.text}", problem.advice)
    if sound or not list(context.tasks):
        yield ok(", ".join(sound) or "no task is run")


def _problem(answer: Response | Problem, definition: str, task: TaskSpec[Text]) -> CheckResult | None:
    if (
        isinstance(answer, Problem)
        and answer.error_class is ErrorClass.PERMANENT
        and answer.code == "ClientException"
    ):
        return fault(f"{definition}: {answer.message}", "correct its task_definition, or register it")
    found = known(answer)
    if found.get("status") == "INACTIVE":
        return fault(f"{definition} was deregistered", "name a revision that is active")
    containers = {c["name"]: c.get("essential", True) for c in found["containerDefinitions"]}
    names = ", ".join(sorted(containers))
    if task.container is not None and task.container not in containers:
        return fault(
            f"{definition} has no container {task.container}; it has {names}", "correct its container"
        )
    if task.container is None and sum(containers.values()) != 1:
        return fault(
            f"{definition} has several essential containers: {names}",
            "name the one whose exit code counts as the task's container",
        )
    return None


def databases(context: CheckContext) -> Iterator[CheckResult]:
    """Check that the servers of the databases can be reached from here, where they are prepared from."""
    if context.spec.quick or not context.spec.databases:
        yield ok("none is prepared")
        return
    for database in context.spec.databases:
        endpoint = _endpoint(context, database.admin)
        found = endpoint if isinstance(endpoint, CheckResult) else _reached(context, endpoint)
        yield evolve(found, text=f"{database.name}: {found.text}")


def database_endpoints(context: CheckContext) -> Iterator[Endpoint]:
    """Return where the servers of the databases are, as far as that is known."""
    for database in () if context.spec.quick else context.spec.databases:
        try:
            endpoint = _endpoint(context, database.admin)
        except Unverifiable:
            continue
        if not isinstance(endpoint, CheckResult):
            yield endpoint


def _endpoint(context: CheckContext, admin: Admin[Text]) -> Endpoint | CheckResult:
    if isinstance(admin, AdminIam):
        host = context.value(admin.host)
        return (
            (host, admin.port)
            if host
            else unverified("its host is an output that the stack does not have yet")
        )
    if isinstance(admin, AdminUrl):
        try:
            url = urlsplit(admin.url)
            host, port = url.hostname, url.port or 5432
        except ValueError:
            host, port = None, 0
        return (host, port) if host else unverified("its URL names no single host")
    return _endpoint_by_secret(context, admin)


def _endpoint_by_secret(context: CheckContext, admin: AdminSecret[Text]) -> Endpoint | CheckResult:
    """Return the host and the port that the secret holds, else those of the spec, as the executor does."""
    named, host = context.value(admin.secret), admin.host
    if named is None:
        return unverified("its secret is an output that the stack does not have yet")
    answer = context.facts.secrets[named]
    if isinstance(answer, Problem) and answer.error_class is ErrorClass.PERMANENT:
        return fault(f"the secret {named} cannot be read: {answer.message} ({answer.code})", answer.advice)
    held = known(answer)
    port = held.port or str(admin.port)
    if not port.isdecimal():
        return fault(f"the port that the secret {named} holds is no number", "correct the secret")
    if held.host:
        return held.host, int(port)
    if host is None:
        return fault(f"the secret {named} holds no host", "name it as the administrator's host in the spec")
    named_host = context.value(host)
    if not named_host:
        return unverified("its host is an output that the stack does not have yet")
    return named_host, int(port)


def _reached(context: CheckContext, endpoint: Endpoint) -> CheckResult:
    host, port = endpoint
    if endpoint in context.unreachable:
        return fault(
            f"{host}:{port} cannot be reached from here: {context.unreachable[endpoint]}",
            "run the deployer where the database is, or let its security group admit this machine",
        )
    return ok(f"{host}:{port} can be reached")


CHECKS = (task_definitions, databases)
