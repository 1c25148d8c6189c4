"""All of the checks, on answers of AWS's and on moto."""

import re

import pytest
from attrs import evolve
from botocore.exceptions import NoCredentialsError
from moto import mock_aws

from deployer_aws import specfile
from deployer_aws.aws.clients import Options, connect
from deployer_aws.cli._checks import check_context
from deployer_aws.preflight import CHECKS, Verdict, examine, is_sound, name_of
from tests.deployer_aws.preflight.examined import SOUND, SPEC, Examined, refusal
from tests.support.project import ROOT

pytestmark = pytest.mark.quick


def test_where_all_is_well_every_check_says_so(examined: Examined) -> None:
    """One finding of each check, none but 'ok'."""
    findings = list(examine(examined.context()))
    assert [f.check for f in findings] == [name_of(check) for check in CHECKS]
    assert {f.result for f in findings} == {Verdict.OK}, findings
    assert is_sound(findings)


def test_the_page_has_every_check() -> None:
    """The table in the docs has a row for each check, in the order in which they are made."""
    page = (ROOT / "docs/preflight.md").read_text("utf-8")
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == [name_of(check) for check in CHECKS]


def test_the_checks_change_nothing(examined: Examined) -> None:
    """They only ask."""
    list(examine(examined.context()))
    assert {name for name, _ in examined.client.asked} == set(SOUND)


def test_without_credentials_there_is_one_fault(examined: Examined) -> None:
    """Whatever needs AWS is then not verifiable, and AWS is not asked."""
    examined.answers["get_caller_identity"] = NoCredentialsError()
    findings = list(examine(examined.context()))
    faults = [f for f in findings if f.result is Verdict.FAULT]
    assert [f.check for f in faults] == ["credentials"]
    assert "aws sso login" in faults[0].advice
    assert {name for name, _ in examined.client.asked} == {"get_caller_identity"}


def test_what_may_not_be_asked_is_not_verifiable(examined: Examined) -> None:
    """Access denied to the simulation, to a role or to the template is no fault of the deployment's."""
    for name in ("get_role", "simulate_principal_policy", "validate_template", "describe_task_definition"):
        examined.answers[name] = refusal("AccessDenied")
    for check in ("permissions", "service linked role", "template", "task definitions"):
        examined.expect(check, Verdict.UNVERIFIED, "AccessDenied")


def test_quick_with_databases_is_warned_of(examined: Examined) -> None:
    """They are not migrated then, so nothing else of them is checked."""
    examined.spec = SPEC + "quick: true\n"
    examined.expect("spec", Verdict.WARNING)
    examined.expect("databases", Verdict.OK)
    examined.expect("task definitions", Verdict.OK, "no task is run")


def test_on_an_emulator_permissions_are_not_asked_for(examined: Examined) -> None:
    """It knows none."""
    examined.endpoint_url = "http://127.0.0.1:4566"
    examined.expect("permissions", Verdict.UNVERIFIED)
    examined.expect("service linked role", Verdict.UNVERIFIED)


def test_the_real_clients_are_asked_as_botocore_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On moto, through boto3: every answer has the shape that the checks read."""
    with mock_aws():
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        clients = evolve(connect(Options(region="eu-west-1")), endpoint_url="in this process")
        loaded = specfile.load(ROOT / "examples/orders/v1.yaml")
        results = {f.check: (f.result, f.text) for f in examine(check_context(loaded, clients, Options()))}
    assert results["credentials"][0] in (Verdict.OK, Verdict.WARNING)
    assert results["stack"] == (Verdict.OK, "staging-orders does not exist yet, and is created")
    assert results["template"][0] is Verdict.OK
    assert results["circuit breaker"][0] is Verdict.OK
