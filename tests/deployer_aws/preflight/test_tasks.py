"""The checks of the databases, and of the tasks that migrate them."""

from typing import Any

import pytest

from deployer_aws.preflight import Verdict
from tests.deployer_aws.preflight.examined import SPEC, Examined, containers, deaf, refusal

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("secret", "result", "words"),
    [
        ({"SecretString": '{"host": "db.example.com", "port": 6543}'}, Verdict.OK, "db.example.com:6543"),
        ({"SecretString": '{"username": "admin"}'}, Verdict.FAULT, "the secret rds/admin holds no host"),
        (
            {"SecretString": '{"host": "db", "port": "any"}'},
            Verdict.FAULT,
            "port that the secret rds/admin holds",
        ),
        (
            refusal("ResourceNotFoundException", "can't find the specified secret"),
            Verdict.FAULT,
            "can't find",
        ),
        (refusal("AccessDeniedException", "no"), Verdict.FAULT, "the secret rds/admin cannot be read: no"),
    ],
)
def test_a_database_by_a_secret_is_reached_where_the_secret_says(
    examined: Examined, secret: Any, result: Verdict, words: str
) -> None:
    """As the deployment itself would read it; nothing else of the secret is told."""
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", "admin: {secret: rds/admin}")
    examined.answers["get_secret_value"] = secret
    examined.expect("databases", result, words)


def test_the_port_of_a_secret_counts_without_its_host_too(examined: Examined) -> None:
    """The host of the spec is reached at the port of the secret, as the deployment itself would."""
    examined.answers["get_secret_value"] = {"SecretString": '{"port": 6543}'}
    admin = "admin: {secret: rds/admin, host: db.example.com, port: 5432}"
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", admin)
    examined.expect("databases", Verdict.OK, "db.example.com:6543")


def test_a_secret_that_rds_keeps_has_its_host_in_the_spec(examined: Examined) -> None:
    """Such a secret holds no host; where the host is an output yet to come, nobody can tell."""
    examined.answers["get_secret_value"] = {"SecretString": '{"username": "admin", "password": "hunter2"}'}
    for host, result in (("db.example.com", Verdict.OK), ("{output: Host}", Verdict.UNVERIFIED)):
        examined.spec = SPEC.replace(
            "admin: {host: db.example.com, user: admin}", f"admin: {{secret: rds/admin, host: {host}}}"
        )
        text = examined.expect("databases", result)
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal("ClientException", "Unable to describe task definition."), "Unable to describe"),
        (containers("main", status="INACTIVE"), "deregistered"),
        (containers("other"), "no container main; it has other"),
    ],
)
def test_a_task_that_could_not_be_run_or_judged_is_a_fault(
    examined: Examined, answer: Any, words: str
) -> None:
    """It would fail in the midst of the deployment, with the services at zero."""
    examined.answers["describe_task_definition"] = answer
    examined.expect("task definitions", Verdict.FAULT, words)


def test_of_several_essential_containers_one_must_be_named(examined: Examined) -> None:
    """Else nobody could tell whose exit code counts."""
    examined.spec = SPEC.replace(", container: main", "")
    examined.expect("task definitions", Verdict.FAULT, "several essential containers: agent, main")


def test_a_database_that_cannot_be_reached_is_a_fault(examined: Examined) -> None:
    """It is prepared from here."""
    examined.connect = deaf
    examined.expect("databases", Verdict.FAULT, "db.example.com:5432 cannot be reached from here: timed out")


@pytest.mark.parametrize(
    ("url", "result", "words"),
    [
        ("postgresql://me@db.example.com:6543/postgres", Verdict.OK, "db.example.com:6543"),
        ("postgresql://me@db.example.com/postgres", Verdict.OK, "db.example.com:5432"),
        ("postgresql:///postgres?host=db.example.com", Verdict.UNVERIFIED, "names no single host"),
        ("postgresql://a:1,b:2/postgres", Verdict.UNVERIFIED, "names no single host"),
    ],
)
def test_a_database_by_a_url_is_reached_where_the_url_says(
    examined: Examined, url: str, result: Verdict, words: str
) -> None:
    """Where it names one host in the usual place; libpq knows others."""
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", f"admin: {{url: '{url}'}}")
    examined.expect("databases", result, words)


def test_a_secret_that_cannot_be_asked_for_now_says_nothing_of_its_database(examined: Examined) -> None:
    """AWS's trouble of a moment is no fault of the spec's, and nobody is called in vain."""
    examined.spec = SPEC.replace("admin: {host: db.example.com, user: admin}", "admin: {secret: rds/admin}")
    examined.answers["get_secret_value"] = refusal("ThrottlingException", "Rate exceeded")
    examined.connect = deaf
    examined.expect("databases", Verdict.UNVERIFIED, "Rate exceeded")
