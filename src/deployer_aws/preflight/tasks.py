"""Checks of the databases, and of the tasks that migrate them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from deployer_aws.aws.errors import Kind, understand
from deployer_aws.preflight.context import Case, Found, fault, ok, unverified
from deployer_core.spec import Admin, AdminIam, AdminSecret, AdminUrl, TaskSpec, Text


def task_definitions(case: Case) -> Iterator[Found]:
    """Each task's definition is there, and it is clear which container is judged."""
    sound: list[str] = []
    for name, task in case.tasks:
        definition = case.known(task.task_definition)
        if definition is None:
            yield unverified(f"{name}: its task definition is an output that the stack does not have yet")
            continue
        problem = _problem(case.definition(definition), definition, task)
        if problem is None:
            sound.append(name)
        else:
            yield fault(f"{name}: {problem.text}", problem.advice)
    if sound or not list(case.tasks):
        yield ok(", ".join(sound) or "no task is run")


def _problem(found: Any, definition: str, task: TaskSpec[Text]) -> Found | None:
    if isinstance(found, str):
        return fault(f"{definition}: {found}", "correct its task_definition, or register it")
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


def databases(case: Case) -> Iterator[Found]:
    """Whoever listens where the databases are can be reached from here."""
    if case.spec.quick or not case.spec.databases:
        yield ok("none is prepared")
        return
    reached: dict[tuple[str, int], Found] = {}
    for database in case.spec.databases:
        place = _place(case, database.admin)
        if isinstance(place, Found):
            yield Found(place.result, f"{database.name}: {place.text}", place.advice)
            continue
        if place not in reached:
            reached[place] = _reach(case, *place)
        found = reached[place]
        yield Found(found.result, f"{database.name}: {found.text}", found.advice)


def _place(case: Case, admin: Admin[Text]) -> tuple[str, int] | Found:
    if isinstance(admin, AdminIam):
        host = case.known(admin.host)
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
    return _place_by_secret(case, admin)


def _place_by_secret(case: Case, admin: AdminSecret[Text]) -> tuple[str, int] | Found:
    """The host and the port that a secret holds are the ones that count."""
    from deployer_aws.aws.secrets import read_json

    named, host = case.known(admin.secret), admin.host
    if named is None:
        return unverified("its secret is an output that the stack does not have yet")
    try:
        held = read_json(case.clients.secretsmanager.get_secret_value(SecretId=named))
    except Exception as error:
        problem = understand(error)
        if problem is None or problem.kind is not Kind.PERMANENT:
            raise
        return fault(f"the secret {named} cannot be read: {problem.message} ({problem.code})", problem.advice)
    port = str(held.get("port") or admin.port)
    if not port.isdecimal():
        return fault(f"the port that the secret {named} holds is no number", "correct the secret")
    if held.get("host"):
        return str(held["host"]), int(port)
    if host is None:
        return fault(f"the secret {named} holds no host", "name it as the administrator's host in the spec")
    known = case.known(host)
    return (
        (known, int(port)) if known else unverified("its host is an output that the stack does not have yet")
    )


def _reach(case: Case, host: str, port: int) -> Found:
    try:
        case.connect(host, port)
    except OSError as error:
        return fault(
            f"{host}:{port} cannot be reached from here: {error}",
            "run the deployer where the database is, or let its security group admit this machine",
        )
    return ok(f"{host}:{port} can be reached")


CHECKS = (task_definitions, databases)
